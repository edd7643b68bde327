//! The machine: heartbeats out, verdicts in.
//!
//! ```text
//!                 silence, port closed             second witness (or the only one)
//!   counts ────────────────────────────► suspected ─────────────────────────────► down
//!     ▲  ▲          next heartbeat           │                                      │
//!     │  └───────────────────────────────────┘                                      │
//!     └── refuted; or fresh heartbeats, after the hold of one that flaps; or somebody hears it ──┘
//!
//! One that is held is told so, and answers where nobody else could.
//! ```
//!
//! A member that was never heard is never suspected: memberlist decides about it alone.

mod fence;
mod inbound;
mod judge;
mod peer;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use crate::output::{Action, Counters, Note};
use crate::watch::{Place, Ring};
use crate::wire::{self, Body, Claim, Datagram, Flags};
use crate::{Keys, Settings};
use fence::Fence;
use peer::{Falls, Memory, Peer};

/// How long a member that asks for heartbeats gets them without asking again, in periods.
const WANTED: u32 = 30;

/// A member that announces this layer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Where it takes datagrams: its memberlist address, the port of its metadata.
    pub address: SocketAddr,
    /// The boot of its metadata.
    pub boot: u64,
    /// Whether they say that it does not answer yet.
    pub is_starting: bool,
}

/// Fast liveness of one node. Times are those of one clock that goes on while the machine sleeps.
#[derive(Debug)]
pub struct Liveness {
    place: Place,
    boot: u64,
    keys: Keys,
    settings: Settings,
    /// Whether this process answers, or did once.
    answers: bool,
    peers: BTreeMap<u64, Peer>,
    order: Ring,
    /// Whom this node watches, and who watches it.
    neighbours: Vec<u64>,
    /// The same if nobody were down: so that those who come back are heard.
    kin: Vec<u64>,
    /// Others who asked for heartbeats.
    guests: BTreeSet<u64>,
    down: BTreeSet<u64>,
    /// What is remembered of lives that memberlist does not list now.
    gone: BTreeMap<u64, Memory>,
    /// How often members fell lately, by boot: a process that is started again is no link that flaps.
    falls: BTreeMap<u64, Falls>,
    /// Whether somebody is a member who does not announce this layer.
    has_foreign: bool,
    fence: Fence,
    beat: u64,
    claims: u64,
    last_beat: Duration,
    next_beat: Duration,
    /// The last look at everybody: deadlines before it are done with.
    judged: Duration,
    /// Nobody is suspected before, but whoever is silent for much longer: this node was late itself.
    lenient_until: Duration,
    /// Silence before was this node's own: it stood still, was cut off, or hears the first again.
    anew: Duration,
    /// A pause of another's that began before may be this node's own, which woke late.
    punctual: Duration,
    actions: VecDeque<Action>,
    counters: Counters,
}

impl Liveness {
    /// The machine of the node with that name. The boot is random and new with each process. Its fence is closed.
    #[must_use]
    pub fn new(me: &str, boot: u64, keys: Keys, settings: Settings, now: Duration) -> Self {
        Self {
            place: Place::of(me, boot),
            boot,
            keys,
            settings,
            answers: false,
            peers: BTreeMap::new(),
            order: Ring::default(),
            neighbours: Vec::new(),
            kin: Vec::new(),
            guests: BTreeSet::new(),
            down: BTreeSet::new(),
            gone: BTreeMap::new(),
            falls: BTreeMap::new(),
            has_foreign: false,
            fence: Fence::at_birth(now),
            beat: 0,
            claims: 0,
            last_beat: now,
            next_beat: now,
            judged: now,
            lenient_until: now,
            anew: now,
            punctual: now,
            actions: VecDeque::from([Action::Fence(true)]),
            counters: Counters::default(),
        }
    }

    /// Heartbeats are to begin at that time, for before there are no receivers. Until then this node does not miss any.
    pub fn begin(&mut self, at: Duration) {
        if self.beat == 0 {
            (self.last_beat, self.next_beat) = (at, at);
        }
    }

    /// The secret was changed: the first key signs, all are accepted.
    pub fn set_keys(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// The members that memberlist counts and that announce this layer, without this node. One that is left out is
    /// forgotten, and no [`Action::Up`] follows.
    pub fn peers(&mut self, members: impl IntoIterator<Item = Member>, now: Duration) {
        let was_empty = self.peers.is_empty();
        let mut before = std::mem::take(&mut self.peers);
        for Member { name, address, boot, is_starting } in members {
            if boot == self.boot {
                continue;
            }
            let known = before.remove(&boot).filter(|peer| peer.name == name);
            let mut peer = known.unwrap_or_else(|| {
                let memory = self.gone.remove(&boot);
                Peer::new(name, boot, memory, now)
            });
            peer.address = address;
            peer.is_starting &= is_starting;
            self.peers.entry(boot).or_insert(peer);
        }
        self.inherit(&before);
        self.gone.extend(before.into_iter().map(|(boot, peer)| (boot, peer.into_memory())));
        while self.gone.len() > 2 * self.peers.len() + 64 {
            self.gone.pop_first();
        }
        let others = self.peers.values().map(|peer| peer.place);
        self.order = Ring::new(others.chain([self.place]));
        self.down =
            self.peers.iter().filter(|(_, peer)| peer.fall.is_some()).map(|(boot, _)| *boot).collect();
        self.falls.retain(|_, falls| now < falls.until);
        self.fence.forget_others(|member| self.peers.contains_key(&member));
        self.look_around();
        if was_empty && !self.peers.is_empty() {
            self.fence.await_anew(now);
        }
        self.review_fence(now);
    }

    /// This node answers for what it owns from now on. Heartbeats say so as well as its metadata, which somebody beyond a
    /// partition may not get to know for long after it.
    pub fn set_answers(&mut self) {
        if !std::mem::replace(&mut self.answers, true) {
            let watchers: BTreeSet<u64> = self.neighbours.iter().chain(&self.kin).copied().collect();
            self.beat_to(watchers, Flags::default());
        }
    }

    /// Whether that member answers, by its metadata or by its heartbeats.
    #[must_use]
    pub fn answers(&self, name: &str) -> bool {
        self.peers.values().any(|peer| peer.name == name && !peer.is_starting)
    }

    /// Whether memberlist counts somebody who does not announce this layer. Such a member goes on counting one that comes
    /// and goes; so that all elect alike, nobody is held then.
    pub fn set_foreign(&mut self, has_foreign: bool, now: Duration) {
        self.has_foreign = has_foreign;
        if has_foreign {
            let falls = self.peers.values_mut().filter_map(|peer| peer.fall.as_mut());
            falls.for_each(|fall| fall.held_until = fall.held_until.min(now));
        }
    }

    /// A member that was down and has another boot now is down still, until it is heard.
    fn inherit(&mut self, before: &BTreeMap<u64, Peer>) {
        let fallen: BTreeMap<&str, _> =
            before.values().filter_map(|peer| Some((peer.name.as_str(), peer.fall.clone()?))).collect();
        if fallen.is_empty() {
            return;
        }
        for peer in self.peers.values_mut().filter(|peer| peer.fall.is_none()) {
            peer.fall = fallen.get(peer.name.as_str()).map(|fall| fall.of_an_earlier_life());
        }
    }

    /// Whom to watch, after members or verdicts changed.
    fn look_around(&mut self) {
        let watchers = self.settings.watchers;
        self.kin = self.order.around(self.place, watchers, |_| true);
        self.neighbours =
            if self.down.is_empty() { self.kin.clone() } else { self.watchers_of(self.place, self.boot) };
        let (neighbours, kin) = (&self.neighbours, &self.kin);
        for (boot, peer) in &mut self.peers {
            if !neighbours.contains(boot) && !kin.contains(boot) {
                peer.look_away();
            }
        }
        self.guests.retain(|boot| self.peers.contains_key(boot));
    }

    /// Who watches a member, among those who count.
    fn watchers_of(&self, place: Place, except: u64) -> Vec<u64> {
        let counts = |boot: u64| boot != except && !self.down.contains(&boot);
        self.order.around(place, self.settings.watchers, counts)
    }

    /// A datagram came.
    pub fn datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Duration) {
        self.notice_stall(now);
        match wire::decode_signed(bytes, &self.keys) {
            Ok((datagram, key)) => self.take(from, &datagram, key, now),
            Err(wire::WireError::Malformed) => self.counters.malformed += 1,
            Err(wire::WireError::Forged) => self.counters.forged += 1,
        }
    }

    /// The port at that address is closed: a datagram was sent back. Also every such error a socket reports late.
    pub fn refused(&mut self, to: SocketAddr, now: Duration) {
        self.notice_stall(now);
        self.counters.refused += 1;
        let boot = self.peers.iter().find(|(_, peer)| peer.address == to).map(|(boot, _)| *boot);
        if let Some(boot) = boot {
            self.take_refusal(boot, now);
        }
    }

    /// Memberlist heard from this member itself: it lives, even if this layer does not reach it.
    pub fn heard_elsewhere(&mut self, name: &str, now: Duration) {
        if let Some(peer) = self.peers.values_mut().find(|peer| peer.name == name) {
            peer.elsewhere = Some(now);
        }
    }

    /// Memberlist's port of this member is closed, too: the process is gone.
    pub fn refused_elsewhere(&mut self, name: &str, now: Duration) {
        let Some((boot, peer)) = self.peers.iter_mut().find(|(_, peer)| peer.name == name) else { return };
        peer.closed = Some(now);
        let boot = *boot;
        self.judge(boot, now);
    }

    /// The deadline has passed, perhaps long ago. What the socket holds should be handed in before.
    pub fn tick(&mut self, now: Duration) {
        self.notice_stall(now);
        let late = now.saturating_sub(self.next_beat);
        if self.is_late(now) {
            let lenient = now + self.settings.period + late.min(self.settings.period);
            self.lenient_until = self.lenient_until.max(lenient);
        }
        if now >= self.next_beat {
            self.beat_all(now);
            self.review_fallen(now);
        }
        self.judge_all(now);
        self.judged = now;
        self.review_fence(now);
    }

    /// When [`Self::tick`] is due.
    #[must_use]
    pub fn next_deadline(&self) -> Duration {
        let judged = self.neighbours.iter().filter_map(|boot| self.peers.get(boot)).filter_map(|peer| {
            peer.next_judgement(&self.settings, self.anew, self.lenient_until)
                .filter(|due| *due > self.judged)
        });
        judged.chain([self.next_beat]).min().unwrap_or(self.next_beat)
    }

    /// What to do next.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// What came and went so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Whether this node must not answer.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.fence.is_closed() && !self.fence.is_held()
    }

    /// Whether this node may answer only where nobody else could: see [`Action::Held`].
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.fence.is_held()
    }

    /// Whether nobody is heard any more who should be: they may have dropped this node from their memberlist, and only an exchange
    /// of all state would bring them back.
    #[must_use]
    pub fn is_forsaken(&self, now: Duration) -> bool {
        self.peers.values().any(|peer| peer.beat > 0) && self.is_isolated(None, now)
    }

    /// Members that do not count although memberlist counts them.
    pub fn down(&self) -> impl Iterator<Item = &str> {
        self.down.iter().filter_map(|boot| self.peers.get(boot)).map(|peer| peer.name.as_str())
    }

    /// The heartbeats of this period.
    fn beat_all(&mut self, now: Duration) {
        let Settings { period, .. } = self.settings;
        let due = self.next_beat + period;
        self.next_beat = if due > now { due } else { now + period };
        self.last_beat = now;
        self.beat += 1;
        let peers = &self.peers;
        let wanted = |boot: &u64| {
            let asked = peers.get(boot).and_then(|peer| peer.wanted);
            asked.is_some_and(|at| now < at + period * WANTED)
        };
        self.guests.retain(wanted);
        let mut receivers: BTreeSet<u64> = self.guests.clone();
        receivers.extend(self.neighbours.iter().chain(&self.kin));
        let prompt = self.fence.is_closed();
        receivers.into_iter().for_each(|to| self.send_beat(to, Flags::default().with(Flags::PROMPT, prompt)));
    }

    /// A heartbeat out of turn.
    fn beat_to(&mut self, to: impl IntoIterator<Item = u64>, flags: Flags) {
        self.beat += 1;
        to.into_iter().for_each(|to| self.send_beat(to, flags));
    }

    fn send_beat(&mut self, to: u64, flags: Flags) {
        let watched = self.neighbours.contains(&to) || self.kin.contains(&to);
        let is_back =
            self.peers.get(&to).and_then(|peer| peer.fall.as_ref()).is_some_and(|fall| fall.is_back);
        let flags = flags.with(Flags::WANT, watched).with(Flags::DOWN, self.down.contains(&to));
        let flags = flags.with(Flags::HELD, is_back).with(Flags::ANSWERS, self.answers);
        let flags = flags.with(Flags::REFUTE, flags.has(Flags::REFUTE) || self.fence.contradicts(to));
        let echo = self.peers.get(&to).map_or(0, |peer| peer.beat);
        self.send(to, self.beat, Body::Heartbeat { flags, echo });
    }

    fn claim_to(&mut self, to: impl IntoIterator<Item = u64>, claim: Claim) {
        self.claims += 1;
        to.into_iter().for_each(|to| self.send(to, self.claims, Body::Claim(claim)));
    }

    fn send(&mut self, to: u64, sequence: u64, body: Body) {
        let Some(peer) = self.peers.get(&to) else { return };
        let datagram = Datagram { from: self.boot, to, sequence, body };
        let bytes = wire::encode_for(&datagram, &self.keys, peer.key);
        self.counters.sent += 1;
        self.counters.sent_bytes += bytes.len() as u64;
        self.actions.push_back(Action::Send { to: peer.address, bytes });
    }

    /// Everybody who counts.
    fn everybody(&self) -> Vec<u64> {
        self.peers.keys().copied().filter(|boot| !self.down.contains(boot)).collect()
    }

    fn note(&mut self, note: Note) {
        self.actions.push_back(Action::Note(note));
    }
}

#[cfg(test)]
mod tests;
