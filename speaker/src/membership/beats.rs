//! Heartbeats: the liveness machine and its socket.

mod actions;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use metallb_liveness::meta::{self, Announced};
use metallb_liveness::{Keys, Liveness, Member, Settings};
use metallb_telemetry::logs;
use metallb_telemetry::metrics::{HeartbeatCounts, MemberMetrics};

use super::datagrams::{Arrival, Datagrams};
use super::members::Own;
use super::settings::Heartbeats;

/// More than any heartbeat has.
const LONGEST: usize = 2048;
/// Taken at a time, so that a flood does not keep us from everything else.
const AT_ONCE: usize = 256;
/// Between two attempts to get the port.
const PAUSE: Duration = Duration::from_secs(1);

/// What changed for the rest.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct News {
    /// Who counts.
    pub(super) verdicts: bool,
    /// What is announced in the metadata.
    pub(super) meta: bool,
}

/// The heartbeat side of a member.
#[derive(Debug)]
pub(super) struct Beats {
    liveness: Liveness,
    boot: u64,
    address: SocketAddr,
    socket: Option<Datagrams>,
    next_bind: Duration,
    /// When heartbeats begin: with the first members who speak them, or after the time in which those would be found.
    /// A beat before that would have no receiver, and the fence would wait a period for the next.
    begins: Duration,
    has_failed: bool,
    /// Whether the fence was open at least once.
    has_opened: bool,
    is_kept_out: bool,
    peers: Vec<Member>,
    own: Own,
    metrics: MemberMetrics,
}

impl Beats {
    pub(super) fn new(
        name: &str,
        address: IpAddr,
        beats: Heartbeats,
        keys: Keys,
        metrics: MemberMetrics,
    ) -> Self {
        let boot = rand::random();
        let now = metallb_linux::since_boot();
        let settings = Settings::every(beats.period);
        let begins = now + settings.joining;
        let mut liveness = Liveness::new(name, boot, keys, settings, now);
        liveness.begin(begins);
        Self {
            liveness,
            boot,
            address: SocketAddr::new(address, beats.port),
            socket: None,
            next_bind: now,
            begins,
            has_failed: false,
            has_opened: false,
            is_kept_out: false,
            peers: Vec::new(),
            own: Own::default(),
            metrics,
        }
    }

    /// What the member says of itself: nothing while heartbeats would not arrive.
    pub(super) fn meta(&self) -> Vec<u8> {
        let (port, boot, is_starting) = (self.address.port(), self.boot, !self.own.answers);
        let announced = Announced { version: meta::VERSION, port, boot, is_starting, knows_terms: true };
        self.socket.as_ref().map(|_| meta::encode(&announced)).unwrap_or_default()
    }

    /// Whether this node must not answer yet because its process is new. The others are told that it does when it does,
    /// a moment after this.
    pub(super) fn is_starting(&self) -> bool {
        !self.has_opened
    }

    /// Resolves when something has arrived. Safe to cancel.
    pub(super) async fn ready(&self) -> io::Result<()> {
        match &self.socket {
            Some(socket) => socket.ready().await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn set_keys(&mut self, keys: Keys) {
        self.liveness.set_keys(keys);
    }

    /// The members that memberlist counts: address and metadata of each.
    pub(super) fn set_members<'a>(
        &mut self,
        members: impl Iterator<Item = (&'a str, SocketAddr, &'a [u8])>,
        now: Duration,
    ) {
        let mut has_foreign = false;
        let speaks = |(name, address, meta): (&str, SocketAddr, &[u8])| {
            let announced = meta::decode(meta);
            has_foreign |= announced.is_none();
            let announced = announced?;
            let address = SocketAddr::new(address.ip(), announced.port);
            let Announced { boot, is_starting, .. } = announced;
            Some(Member { name: name.to_owned(), address, boot, is_starting })
        };
        let peers: Vec<Member> =
            if self.socket.is_some() { members.filter_map(speaks).collect() } else { Vec::new() };
        self.liveness.set_foreign(has_foreign, now);
        if self.peers != peers {
            if peers.iter().any(|peer| peer.boot != self.boot) {
                self.begins = self.begins.min(now);
                self.liveness.begin(self.begins);
            }
            self.peers.clone_from(&peers);
            self.liveness.peers(peers, now);
        }
    }

    /// Whether memberlist has found the others, or there are none: to be told after who they are. True if it changes
    /// whether this node may answer.
    pub(super) fn set_joined(&mut self, is_joined: bool, now: Duration) -> bool {
        self.liveness.set_joined(is_joined, now);
        self.act()
    }

    /// Memberlist gave up that member: [`Liveness::lost`].
    pub(super) fn lost(&mut self, name: &str) {
        self.liveness.lost(name);
    }

    /// Memberlist counts that member, or it has left: [`Liveness::found`].
    pub(super) fn found(&mut self, name: &str, now: Duration) {
        self.liveness.found(name, now);
    }

    /// Until when a ring with another secret is waited for: [`Liveness::kept_out`]. True the first time this node does.
    pub(super) fn kept_out(&mut self, until: Duration) -> bool {
        self.liveness.kept_out(until);
        let waits = until > Duration::ZERO && !self.has_opened;
        waits && !std::mem::replace(&mut self.is_kept_out, true)
    }

    /// Another process has this node's name: [`Liveness::has_namesake`]. True while this node has not answered yet.
    pub(super) fn has_namesake(&mut self, until: Duration) -> bool {
        if !self.has_opened {
            self.liveness.has_namesake(until);
        }
        !self.has_opened
    }

    pub(super) fn heard_elsewhere(&mut self, name: &str, now: Duration) {
        self.liveness.heard_elsewhere(name, now);
    }

    pub(super) fn refused_elsewhere(&mut self, name: &str, now: Duration) {
        self.liveness.refused_elsewhere(name, now);
    }

    /// Members of which [`Self::heard_elsewhere`] should know very soon whether they live.
    pub(super) fn doubted(&self) -> impl Iterator<Item = &str> {
        self.liveness.doubted()
    }

    pub(super) fn is_down(&self, name: &str) -> bool {
        self.liveness.down().any(|down| down == name)
    }

    /// Whether a member answers: its metadata may be late to say so.
    pub(super) fn answers(&self, name: &str) -> bool {
        self.liveness.answers(name)
    }

    pub(super) fn is_fenced(&self) -> bool {
        self.liveness.is_fenced()
    }

    /// When the fence closed, if it is.
    pub(super) fn closed_since(&self) -> Option<Duration> {
        self.liveness.closed_since()
    }

    /// Whether none of those is heard any more who should be.
    pub(super) fn is_forsaken(&self, now: Duration) -> bool {
        self.liveness.is_forsaken(now)
    }

    /// Whether this node may answer only where nobody else could.
    pub(super) fn is_held(&self) -> bool {
        self.liveness.is_held()
    }

    pub(super) fn next_deadline(&self) -> Duration {
        // Without a port the machine runs all the same: to it, a pause would be one in which this node stood still.
        let next_bind = if self.socket.is_none() { self.next_bind } else { Duration::MAX };
        self.liveness.next_deadline().min(next_bind).max(self.begins)
    }

    /// Takes what changed on this node and what arrived, does what is due, and sends.
    pub(super) fn turn(&mut self, own: &Own, now: Duration) -> News {
        let is_bound = self.bind_if_due(now);
        let is_news = self.take_own(own, now);
        let News { verdicts, meta } = self.hear(now);
        News { verdicts, meta: meta || is_bound || is_news }
    }

    /// Takes what arrived, does what is due, and sends.
    pub(super) fn hear(&mut self, now: Duration) -> News {
        let mut news = News::default();
        if let Err(error) = self.drain(now) {
            tracing::error!(error = logs::chain(&error), "heartbeats: the socket fails, opening another one");
            self.socket = None;
            self.next_bind = now + PAUSE;
            news.meta = true;
        }
        if now >= self.begins {
            self.liveness.tick(now);
        }
        news.verdicts = self.act();
        news
    }

    /// Does what the machine wants done. True if that changes who counts, or whether this node may answer.
    fn act(&mut self) -> bool {
        let mut is_news = false;
        while let Some(action) = self.liveness.poll() {
            is_news |= self.carry_out(action);
        }
        self.has_opened |= !self.liveness.is_fenced();
        is_news
    }

    /// What the rest of the speaker noticed about this node. True if the others are to be told.
    fn take_own(&mut self, own: &Own, now: Duration) -> bool {
        let Own { stalls, gap, is_cut_off, answers } = *own;
        if stalls != self.own.stalls {
            // Its own clock may have told the same already.
            self.liveness.tick(now);
            if !self.liveness.is_fenced() {
                self.liveness.stalled(gap, now);
            }
        }
        if is_cut_off != self.own.is_cut_off {
            let tell = if is_cut_off { Liveness::carrier_lost } else { Liveness::carrier_back };
            tell(&mut self.liveness, now);
        }
        if answers {
            self.liveness.set_answers();
        }
        let is_news = answers != self.own.answers;
        self.own = *own;
        is_news
    }

    fn bind_if_due(&mut self, now: Duration) -> bool {
        if self.socket.is_some() || now < self.next_bind {
            return false;
        }
        match Datagrams::bind(self.address) {
            Ok(socket) => {
                tracing::info!(address = %self.address, "heartbeats: listening");
                self.socket = Some(socket);
                self.has_failed = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    let (address, error) = (self.address, logs::chain(&error));
                    tracing::warn!(
                        %address, error,
                        "heartbeats: the port can't be had, memberlist alone notices deaths meanwhile"
                    );
                }
                self.next_bind = now + PAUSE;
            }
        }
        self.socket.is_some()
    }

    fn drain(&mut self, now: Duration) -> io::Result<()> {
        let Some(socket) = &self.socket else { return Ok(()) };
        let mut buffer = [0; LONGEST];
        for _ in 0..AT_ONCE {
            match socket.receive(&mut buffer)? {
                None => break,
                Some(Arrival::Refused(to)) => self.liveness.refused(to, now),
                Some(Arrival::Datagram { from, length }) => {
                    self.liveness.datagram(from, buffer.get(..length).unwrap_or_default(), now);
                }
            }
        }
        Ok(())
    }

    /// Brings the metrics up to date.
    pub(super) fn count(&self) {
        let counters = self.liveness.counters();
        self.metrics.set_heartbeats(&HeartbeatCounts {
            sent: counters.sent,
            received: counters.received,
            rejected: counters.malformed + counters.forged + counters.replayed + counters.unknown,
            refused: counters.refused,
            missed: counters.suspicions,
            verdicts: counters.verdicts,
        });
        self.metrics.fenced.set(i64::from(self.liveness.is_fenced()));
    }
}

#[cfg(test)]
mod tests;
