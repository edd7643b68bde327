//! How this speaker takes part in the ring.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use metallb_membership::{Settings, SettingsError};
use thiserror::Error;

/// The file of the optional ConfigMap `metallb-memberlist-config`.
pub const CONFIG_FILE: &str = "/etc/metallb/memberlist/config.json";

/// A changed Secret reaches each node's files within about a minute and a half. Until then some read only the old one.
pub const HANDOVER: Duration = Duration::from_secs(180);

/// The configuration file can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// It is there but can't be read.
    #[error("reading {}", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// It makes no sense.
    #[error("{}", .0.display())]
    Parse(PathBuf, #[source] SettingsError),
}

/// Everything the thread has to know.
#[derive(Clone, Debug)]
pub struct RingSettings {
    /// The node's name, and so the member's.
    pub name: String,
    /// Where it listens and is reached.
    pub address: IpAddr,
    /// For memberlist: UDP and TCP.
    pub port: u16,
    /// The secret's file.
    pub secret: Option<PathBuf>,
    /// How long a new secret is only accepted: [`HANDOVER`].
    pub handover: Duration,
    /// memberlist's tunables.
    pub profile: Settings,
    /// Heartbeats; none are sent or answered without.
    pub heartbeats: Option<Heartbeats>,
}

/// How heartbeats are sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Heartbeats {
    /// The UDP port at which they are taken.
    pub port: u16,
    /// Between two of them.
    pub period: Duration,
}

impl Heartbeats {
    /// Nobody takes over from a node that stood still no longer than this.
    #[must_use]
    pub fn longest_stall(&self) -> Duration {
        metallb_liveness::Settings::every(self.period).stall
    }
}

/// The tunables: those of the file if it is there, else those of the profile.
///
/// # Errors
/// When the file is there and can't be used.
pub fn profile(file: &Path, is_wan: bool) -> Result<Settings, ConfigError> {
    match std::fs::read_to_string(file) {
        Ok(text) => {
            let settings =
                Settings::parse_file(&text).map_err(|error| ConfigError::Parse(file.to_owned(), error))?;
            for (key, effect) in remarks(&settings) {
                tracing::warn!(file = %file.display(), key, effect, "memberlist: zero, or left out of the file");
            }
            Ok(settings)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Ok(if is_wan { Settings::wan() } else { Settings::lan() })
        }
        Err(error) => Err(ConfigError::Read(file.to_owned(), error)),
    }
}

/// Settings that are zero, as those are that a file leaves out, and what that means. The original says nothing.
fn remarks(settings: &Settings) -> impl Iterator<Item = (&'static str, &'static str)> {
    let Settings { udp_buffer_size, gossip_nodes, retransmit_mult, suspicion_mult, .. } = settings;
    [
        (*udp_buffer_size == 0, "UDPBufferSize", "no news go with pings or gossip"),
        (*gossip_nodes == 0, "GossipNodes", "news are not gossiped"),
        (*retransmit_mult == 0, "RetransmitMult", "news are passed on once"),
        (*suspicion_mult == 0, "SuspicionMult", "a member that misses one probe is dead at once"),
    ]
    .into_iter()
    .filter_map(|(is_zero, key, effect)| is_zero.then_some((key, effect)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every duration as the original's own example has it, and one number.
    const FILE: &str = r#"{"TCPTimeout":"9s","PushPullInterval":"30s","ProbeTimeout":"500ms","ProbeInterval":"1s",
        "GossipInterval":"200ms","GossipToTheDeadTime":"30s","QueueCheckInterval":"30s","SuspicionMult":5}"#;

    fn file(content: Option<&[u8]>) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("metallb-memberlist-{}", std::process::id()));
        let path = folder.join(format!("{}.json", content.map_or(0, <[u8]>::len)));
        std::fs::create_dir_all(&folder).unwrap();
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        path
    }

    #[test]
    fn the_file_replaces_either_profile_and_a_missing_one_means_the_profile() {
        let none = file(None);
        assert_eq!(profile(&none, false).unwrap(), Settings::lan());
        assert_eq!(profile(&none, true).unwrap(), Settings::wan());
        let there = file(Some(FILE.as_bytes()));
        for is_wan in [false, true] {
            let read = profile(&there, is_wan).unwrap();
            assert_eq!((read.tcp_timeout.as_secs(), read.suspicion_mult), (9, 5));
        }
    }

    #[test]
    fn what_a_file_leaves_out_is_remarked_upon_where_zero_takes_something_away() {
        let keys = |settings: &Settings| remarks(settings).map(|(key, _)| key).collect::<Vec<_>>();
        let read = Settings::parse_file(FILE).unwrap();
        assert_eq!(keys(&read), ["UDPBufferSize", "GossipNodes", "RetransmitMult"]);
        assert!(keys(&Settings::lan()).is_empty() && keys(&Settings::wan()).is_empty());
    }

    #[test]
    fn a_file_that_can_not_be_used_is_an_error_that_names_it() {
        for content in [&b"{"[..], b"{}", b"\xff"] {
            let path = file(Some(content));
            let error = profile(&path, false).unwrap_err().to_string();
            assert!(error.contains(path.to_str().unwrap()), "{error}");
        }
    }
}
