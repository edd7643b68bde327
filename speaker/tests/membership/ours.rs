//! A member of ours, and a network for it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use metallb_interop::PeerOptions;
use metallb_membership::Settings;
use metallb_speaker::membership::{HANDOVER, Heartbeats, Members, Membership, RingSettings};
use metallb_telemetry::metrics::Metrics;
use tokio::sync::watch;
use tokio::time::timeout;

/// Ample for a member to be noticed or missed.
pub const REACTION: Duration = Duration::from_secs(15);

/// memberlist's port, and that of heartbeats.
const PORT: u16 = 7946;

/// Addresses nobody else uses: each test has a network of its own within 127.0.0.0/8, so all can have the same port.
#[derive(Clone, Copy, Debug)]
pub struct Net([u8; 3]);

impl Net {
    pub fn new() -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let process = u8::try_from(std::process::id() % 200).unwrap() + 30;
        Self([127, process, NEXT.fetch_add(1, Ordering::Relaxed)])
    }

    pub fn ip(self, host: u8) -> IpAddr {
        let [a, b, c] = self.0;
        Ipv4Addr::new(a, b, c, host).into()
    }

    pub fn socket(self, host: u8) -> SocketAddr {
        SocketAddr::new(self.ip(host), PORT)
    }

    /// How a member of theirs takes part; its name is `go-HOST`.
    pub fn theirs(self, host: u8) -> PeerOptions {
        PeerOptions::new(&format!("go-{host}"), self.socket(host))
    }

    /// How a member of ours takes part: as fast as theirs, without a secret or heartbeats. Its name is `rs-HOST`.
    pub fn ours(self, host: u8) -> RingSettings {
        let mut profile = Settings::lan();
        profile.probe_interval /= 5;
        profile.probe_timeout /= 5;
        RingSettings {
            name: format!("rs-{host}"),
            address: self.ip(host),
            port: PORT,
            secret: None,
            handover: HANDOVER,
            profile,
            heartbeats: None,
        }
    }
}

/// Heartbeats as usual.
pub fn heartbeats() -> Option<Heartbeats> {
    Some(Heartbeats { port: PORT + 1, period: Duration::from_millis(100) })
}

/// A file that holds a secret.
pub fn secret_file(name: &str, secret: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("metallb-ring-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, secret).unwrap();
    path
}

/// A running member.
pub struct Ours {
    pub membership: Membership,
    pub members: watch::Receiver<Members>,
    pub metrics: Metrics,
}

impl Ours {
    /// Starts one that looks for others at these addresses.
    pub fn start(settings: RingSettings, candidates: &[IpAddr]) -> Self {
        let metrics = Metrics::default();
        let membership = Membership::start(settings, metrics.members().unwrap()).unwrap();
        membership.set_candidates(candidates.iter().copied().collect());
        Self { members: membership.members(), membership, metrics }
    }

    /// Waits until exactly these members count.
    pub async fn until(&mut self, names: &[&str]) {
        let expected: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let seen = timeout(REACTION, self.members.wait_for(|members| members.alive == expected)).await;
        let seen = seen.map(|seen| seen.is_ok());
        assert_eq!(seen, Ok(true), "{names:?} expected, last seen {:?}", self.members.borrow());
    }

    /// Waits until it may answer.
    pub async fn opens(&mut self) {
        let open = self.members.wait_for(|members| members.is_settled && !members.is_fenced);
        let is_open = timeout(REACTION, open).await.is_ok_and(|seen| seen.is_ok());
        assert!(is_open, "never opens, last seen {:?}", self.members.borrow());
    }

    /// A metric's value; the name is followed by the labels, if it has any.
    pub fn metric(&self, name: &str) -> u64 {
        self.find_metric(name).unwrap_or_else(|| panic!("no {name} in {}", self.metrics.encode()))
    }

    fn find_metric(&self, name: &str) -> Option<u64> {
        let text = self.metrics.encode();
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Waits until a metric is at least this. What was never counted may not be there.
    pub async fn counts(&self, name: &str, least: u64) {
        let reached = async {
            while self.find_metric(name).is_none_or(|value| value < least) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let is_reached = timeout(REACTION, reached).await.is_ok();
        assert!(is_reached, "{name} is {:?}, not {least}", self.find_metric(name));
    }

    /// Looks at the list for a while, in which it must not change.
    pub async fn quiet(&mut self, time: Duration) {
        let before = self.members.borrow_and_update().clone();
        let changed = timeout(time, self.members.wait_for(|members| members.alive != before.alive)).await;
        let changed = changed.map(|after| after.map(|after| after.clone()));
        assert!(changed.is_err(), "changed from {before:?} to {changed:?}");
    }
}
