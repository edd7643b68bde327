//! The configuration file, read as Go's JSON package reads it into the original's structure.

use std::fmt;
use std::time::Duration;

use metallb_config::GoDuration;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::Settings;

/// Why a configuration file is refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It is no JSON object.
    #[error("the memberlist configuration is no JSON object")]
    Json(#[source] serde_json::Error),
    /// A duration is no text in Go's form, or left out.
    #[error(
        "{key} of the memberlist configuration is {value}: use a duration such as \"500ms\" or \"1m30s\""
    )]
    Duration {
        /// The setting.
        key: &'static str,
        /// What stands there instead.
        value: Value,
    },
    /// A number is none, not a whole one, or beyond 64 bits.
    #[error("{key} of the memberlist configuration is {value}: use a whole number")]
    Number {
        /// The setting.
        key: &'static str,
        /// What stands there instead.
        value: Value,
    },
    /// A switch is neither on nor off.
    #[error("{key} of the memberlist configuration is {value}: use true or false")]
    Switch {
        /// The setting.
        key: &'static str,
        /// What stands there instead.
        value: Value,
    },
}

impl Settings {
    /// The settings of a configuration file, on top of the LAN profile.
    ///
    /// As for the original, every duration must be there, a number or a switch left out is zero or off, keys may be
    /// written in any case, and other keys are ignored. A duration or number below zero is zero: both mean "never".
    ///
    /// # Errors
    /// When the text is no JSON object, a duration is missing, or a value is not of its key's type.
    pub fn parse_file(json: &str) -> Result<Self, SettingsError> {
        let file: File = serde_json::from_str(json).map_err(SettingsError::Json)?;
        Ok(Self {
            tcp_timeout: file.duration("TCPTimeout")?,
            indirect_checks: file.count("IndirectChecks")?,
            retransmit_mult: file.count("RetransmitMult")?,
            suspicion_mult: file.count("SuspicionMult")?,
            suspicion_max_timeout_mult: file.count("SuspicionMaxTimeoutMult")?,
            push_pull_interval: file.duration("PushPullInterval")?,
            probe_timeout: file.duration("ProbeTimeout")?,
            probe_interval: file.duration("ProbeInterval")?,
            disable_tcp_pings: file.switch("DisableTcpPings")?,
            awareness_max_multiplier: file.count("AwarenessMaxMultiplier")?,
            gossip_nodes: file.count("GossipNodes")?,
            gossip_interval: file.duration("GossipInterval")?,
            gossip_to_the_dead_time: file.duration("GossipToTheDeadTime")?,
            gossip_verify_incoming: file.switch("GossipVerifyIncoming")?,
            gossip_verify_outgoing: file.switch("GossipVerifyOutgoing")?,
            enable_compression: file.switch("EnableCompression")?,
            handoff_queue_depth: file.size("HandoffQueueDepth")?,
            udp_buffer_size: file.size("UDPBufferSize")?,
            queue_check_interval: file.duration("QueueCheckInterval")?,
        })
    }
}

/// The members of the object, in their order: of two alike the later one counts, however each is written.
struct File(Vec<(String, Value)>);

impl File {
    /// The last value that says something: null leaves what was there. Each before it must be of that type as well.
    fn value<'f, T>(
        &'f self,
        key: &str,
        read: impl Fn(&'f Value) -> Option<T>,
    ) -> Result<Option<T>, &'f Value> {
        let of_key = self.0.iter().filter(|(name, value)| name.eq_ignore_ascii_case(key) && !value.is_null());
        of_key.map(|(_, value)| value).try_fold(None, |_, value| read(value).map(Some).ok_or(value))
    }

    fn duration(&self, key: &'static str) -> Result<Duration, SettingsError> {
        let refused = |value: Value| SettingsError::Duration { key, value };
        let text = self.value(key, Value::as_str).map_err(|value| refused(value.clone()))?;
        let text = text.ok_or_else(|| refused(Value::Null))?;
        parse_duration(text).ok_or_else(|| refused(text.into()))
    }

    fn number(&self, key: &'static str) -> Result<i64, SettingsError> {
        let refused = |value: &Value| SettingsError::Number { key, value: value.clone() };
        Ok(self.value(key, Value::as_i64).map_err(refused)?.unwrap_or_default())
    }

    /// A number of things; more than fit are as many as fit.
    fn count(&self, key: &'static str) -> Result<u32, SettingsError> {
        let number = self.number(key)?;
        Ok(u32::try_from(number.max(0)).unwrap_or(u32::MAX))
    }

    fn size(&self, key: &'static str) -> Result<usize, SettingsError> {
        let number = self.number(key)?;
        Ok(usize::try_from(number.max(0)).unwrap_or(usize::MAX))
    }

    fn switch(&self, key: &'static str) -> Result<bool, SettingsError> {
        let refused = |value: &Value| SettingsError::Switch { key, value: value.clone() };
        Ok(self.value(key, Value::as_bool).map_err(refused)?.unwrap_or_default())
    }
}

/// A duration as Go reads it; one below zero is zero.
fn parse_duration(text: &str) -> Option<Duration> {
    let Some(magnitude) = text.strip_prefix('-') else { return Some(text.parse::<GoDuration>().ok()?.0) };
    let is_signed_once = !magnitude.starts_with(['+', '-']);
    (is_signed_once && magnitude.parse::<GoDuration>().is_ok()).then_some(Duration::ZERO)
}

impl<'de> Deserialize<'de> for File {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = File;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(File(members))
    }
}
