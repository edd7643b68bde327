//! Who the other speakers are, and which of them are alive: memberlist's protocol, and heartbeats between those that
//! speak them (contract 02 §1.3, ADR 10).
//!
//! Runs on a thread of its own with a runtime of its own: a heartbeat must not wait behind the API server's answers.

mod beats;
mod budget;
mod codec;
mod datagrams;
mod driver;
mod exchanges;
mod joins;
mod mail;
mod members;
mod ports;
mod quota;
mod secret;
mod settings;
mod streams;
mod subnets;

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use metallb_net::Prefix;
use metallb_telemetry::metrics::MemberMetrics;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use crate::prompt;
use crate::pulse::{Pulse, Side};
use driver::{Inputs, Prepared};
pub use mail::Letter;
use mail::Mail;
#[cfg(test)]
pub(crate) use mail::Post;
pub use members::Members;
use members::Own;
pub use settings::{CONFIG_FILE, ConfigError, HANDOVER, Heartbeats, RingSettings, profile};

/// How long a goodbye may take (contract 02 §1.3), and what the thread needs to end.
const GOODBYE: Duration = Duration::from_millis(1200);

/// The thread. Dropping this ends it without a goodbye.
#[derive(Debug)]
pub struct Membership {
    address: IpAddr,
    candidates: watch::Sender<Option<BTreeSet<IpAddr>>>,
    members: watch::Receiver<Members>,
    own: watch::Sender<Own>,
    subnets: watch::Sender<Option<BTreeSet<Prefix>>>,
    mail: Mail,
    pulse: Pulse,
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Membership {
    /// Starts to take part in the ring, as soon as it is [known](Self::set_candidates) where others may be.
    ///
    /// # Errors
    /// When the secret can't be read or no thread can be started. Ports that are taken are no such case: they are
    /// tried for as long as it takes.
    pub fn start(settings: RingSettings, metrics: MemberMetrics) -> io::Result<Self> {
        let (candidates, candidates_seen) = watch::channel(None);
        let (published, members) = watch::channel(Members::default());
        let (own, own_seen) = watch::channel(Own::default());
        let (subnets, subnets_seen) = watch::channel(None);
        let (mail, post) = mail::between();
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let pulse = Pulse::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let inputs = Inputs {
            candidates: candidates_seen,
            own: own_seen,
            subnets: subnets_seen,
            published,
            post,
            pulse: pulse.clone(),
            stop: stopped,
        };
        let address = settings.address;
        let prepared = Prepared::new(settings, metrics)?;
        let own_pulse = pulse.clone();
        let run = move || {
            runtime.block_on(prepared.run(inputs));
            own_pulse.ends(Side::Following);
            // Whoever waits for the end may be gone.
            let _ = end.send(());
        };
        prompt::spawn("membership", run)?;
        Ok(Self { address, candidates, members, own, subnets, mail, pulse, stop, ended })
    }

    /// Who counts. The channel closes when the thread has ended.
    #[must_use]
    pub fn members(&self) -> watch::Receiver<Members> {
        self.members.clone()
    }

    /// What speakers tell each other.
    pub fn mail(&mut self) -> &mut Mail {
        &mut self.mail
    }

    /// By which the thread and the one that answers see each other run.
    pub(crate) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// Where the others reach this node.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The addresses where other speakers may be.
    pub fn set_candidates(&self, addresses: BTreeSet<IpAddr>) {
        self.candidates.send_if_modified(|known| {
            let is_new = known.as_ref() != Some(&addresses);
            *known = Some(addresses);
            is_new
        });
    }

    /// This node stood still. Returns what [`Members::asked`] is at least once the others were heard again.
    pub fn stalled(&self, gap: Duration) -> u64 {
        self.own.send_modify(|own| {
            own.stalls += 1;
            own.gap = gap;
        });
        self.own.borrow().stalls
    }

    /// Whether the interface of this node's address is without carrier.
    pub fn set_cut_off(&self, is_cut_off: bool) {
        self.own.send_if_modified(|own| std::mem::replace(&mut own.is_cut_off, is_cut_off) != is_cut_off);
    }

    /// This node answers for what it owns: the others may leave that to it from now on.
    pub fn answers(&self) {
        self.own.send_if_modified(|own| !std::mem::replace(&mut own.answers, true));
    }

    /// The subnets this node has interfaces in, for the others; none while nobody asks for them. They hear of it a while
    /// later if they heard of another one just before.
    pub fn set_subnets(&self, subnets: Option<BTreeSet<Prefix>>) {
        self.subnets.send_if_modified(|known| {
            let is_new = *known != subnets;
            *known = subnets;
            is_new
        });
    }

    /// The subnets the others are to hear of.
    #[cfg(test)]
    pub(crate) fn subnets(&self) -> watch::Receiver<Option<BTreeSet<Prefix>>> {
        self.subnets.subscribe()
    }

    /// Tells whether the others may leave to this node what it owns.
    #[cfg(test)]
    pub(crate) fn says_it_answers(&self) -> impl Fn() -> bool + Send + use<> {
        let own = self.own.subscribe();
        move || own.borrow().answers
    }

    /// Where it looks for others.
    #[cfg(test)]
    pub(crate) fn candidates(&self) -> watch::Receiver<Option<BTreeSet<IpAddr>>> {
        self.candidates.subscribe()
    }

    /// The same with a test at the other end of its mail.
    #[cfg(test)]
    pub(crate) fn answered(self) -> (Self, mail::Post) {
        let (mail, post) = mail::between();
        (Self { mail, ..self }, post)
    }

    /// One whose members a test tells.
    #[cfg(test)]
    pub(crate) fn scripted() -> (Self, watch::Sender<Members>) {
        let (published, members) = watch::channel(Members::default());
        let (stop, ended) = (oneshot::channel().0, oneshot::channel().1);
        let (candidates, own) = (watch::Sender::new(None), watch::Sender::new(Own::default()));
        let (address, subnets) = ([127, 0, 0, 1].into(), watch::Sender::new(None));
        let ((mail, _), pulse) = (mail::between(), Pulse::default());
        (Self { address, candidates, members, own, subnets, mail, pulse, stop, ended }, published)
    }

    /// Says goodbye to the others and ends.
    pub async fn leave(self) {
        let Self { stop, ended, .. } = self;
        // A thread that has ended has nothing to say any more.
        let _ = stop.send(());
        if timeout(GOODBYE, ended).await.is_err() {
            tracing::warn!("the other speakers may not have heard the goodbye of this one");
        }
    }
}
