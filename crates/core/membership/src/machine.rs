//! The machine: SWIM with Lifeguard, as memberlist 0.5 plays it.
//!
//! ```text
//!             alive, of a later life            nobody got an ack
//!   (unknown) ─────────────────────▶ alive ────────────────────────▶ suspect ──┐ one more accuser:
//!                                    ▲ ▲ │                            │  │ ▲   │ less time
//!                                    │ │ │ it says so itself          │  │ └───┘
//!                                    │ └─┼────────────────────────────┘  │
//!                                    │   │      alive, of a later life   │ time is over
//!                                    │   ▼                               ▼
//!                                    │  left                           dead ──▶ forgotten after a while
//!                                    └───┴───────────────────────────────┘
//!                                             alive, of a later life
//! ```
//!
//! Each member counts its lives (incarnations). Only it may begin a new one, and does so to refute an accusation.
//!
//! What is not as in the original, and why it goes together with it:
//! * A goodbye, new metadata, a refutation and, to a new member, that we are there are said directly, too: gossip is
//!   random, and leaves somebody out now and then.
//! * Members that are gone don't count when a suspicion waits for others to confirm it.
//! * Time during which nothing was done does not count.
//! * One member whose versions don't fit is left out; the original refuses all it hears of in the same exchange.
//! * There are bounds: of members, and of pings for others under way.
//!
//! Feed what arrives, call [`tick`](Machine::tick) at [`next_deadline`](Machine::next_deadline), and carry out what
//! [`poll`](Machine::poll) returns. Clocks may jump: see `clock`.

mod action;
mod clock;
mod dice;
mod gossip;
mod health;
mod member;
mod merge;
mod myself;
mod probe;
mod relay;
mod roster;
mod rumours;
mod scale;
mod suspicion;
mod versions;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use crate::Settings;
use crate::wire::message::{Message, PeerState, Ping, PushPull, State, StreamMessage, Versions, canonical};

pub use action::{Action, Event, Note};
pub use member::Member;

use clock::{Clock, Reading};
use dice::Dice;
use health::Health;
use member::Record;
use probe::Probe;
use relay::Relays;
use roster::Roster;
use rumours::Rumours;
use suspicion::Suspicion;

#[cfg(test)]
mod tests;

/// More than the largest cluster has: beyond, somebody makes members up.
const MOST_MEMBERS: usize = 16_384;

/// Who this member is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    /// Its name: the node's.
    pub name: String,
    /// Where the others reach it.
    pub address: SocketAddr,
    /// What it says of itself: at most [`MOST_META`] bytes.
    pub meta: Vec<u8>,
}

/// The most a member may say of itself, in bytes.
pub const MOST_META: usize = 512;

/// One member and what it knows of the others.
#[derive(Debug)]
pub struct Machine {
    me: String,
    address: SocketAddr,
    settings: Settings,
    clock: Clock,
    dice: Dice,
    roster: Roster,
    suspicions: BTreeMap<String, Suspicion>,
    rumours: Rumours,
    health: Health,
    sequence: u32,
    probe: Option<Probe>,
    relays: Relays,
    turns: Turns,
    leaving: bool,
    actions: VecDeque<Action>,
}

/// When something is next due, by the clock inside.
#[derive(Debug)]
struct Turns {
    probe: Option<Duration>,
    gossip: Option<Duration>,
    push_pull: Option<Duration>,
}

impl Turns {
    /// Each begins at a random part of its first interval. An interval of zero means never.
    fn new(settings: &Settings, dice: &mut Dice) -> Self {
        let mut first = |interval: Duration| (!interval.is_zero()).then(|| dice.part_of(interval));
        Self {
            probe: first(settings.probe_interval),
            gossip: first(settings.gossip_interval).filter(|_| settings.gossip_nodes > 0),
            push_pull: first(settings.push_pull_interval),
        }
    }

    /// When the next one comes. Probes come one at a time.
    fn next(&self, is_probing: bool) -> Option<Duration> {
        let probe = self.probe.filter(|_| !is_probing);
        [probe, self.gossip, self.push_pull].into_iter().flatten().min()
    }
}

/// Whether a turn has come; if so the next is one `interval` later, and turns that were missed are not made up for.
fn is_due(turn: &mut Option<Duration>, now: Duration, interval: Duration) -> bool {
    let Some(due) = turn.filter(|due| *due <= now) else { return false };
    let next = due.saturating_add(interval);
    *turn = Some(if next > now { next } else { now.saturating_add(interval) });
    true
}

impl Machine {
    /// A member that knows nobody else yet. Times are those of the caller's clock, whatever its origin.
    #[must_use]
    pub fn new(me: Identity, settings: Settings, seed: u64, now: Duration) -> Self {
        let Identity { name, address, meta } = me;
        let mut dice = Dice::new(seed);
        let mut machine = Self {
            me: name,
            address,
            clock: Clock::new(now),
            roster: Roster::default(),
            suspicions: BTreeMap::new(),
            rumours: Rumours::default(),
            health: Health::new(settings.awareness_max_multiplier),
            sequence: u32::try_from(dice.throw() >> 32).unwrap_or(0),
            probe: None,
            relays: Relays::default(),
            turns: Turns::new(&settings, &mut dice),
            leaving: false,
            actions: VecDeque::new(),
            dice,
            settings,
        };
        machine.begin(meta);
        machine
    }

    /// A message from `from`.
    pub fn datagram(&mut self, from: SocketAddr, message: Message, now: Duration) {
        let now = self.at(now);
        match message {
            Message::Ping(ping) => self.answer(from, &ping),
            Message::IndirectPing(ping) => self.relay(from, &ping, now),
            Message::Ack { sequence, .. } => self.acknowledged(sequence),
            Message::Nack { sequence } => self.not_acknowledged(sequence),
            Message::Alive(alive) => self.hear_alive(alive, now),
            Message::Suspect(accusation) => self.hear_suspect(accusation, Some(from), now),
            Message::Dead(accusation) => self.hear_dead(accusation, Some(from), now),
            Message::User(_) => {}
        }
    }

    /// A datagram to `to` could not be sent, or was refused: no use waiting for its answer.
    pub fn unreachable(&mut self, to: SocketAddr, now: Duration) {
        let now = self.at(now);
        self.give_up_waiting(to, now);
    }

    /// The answer to a ping over a stream; none if somebody else is meant.
    pub fn stream_ping(&mut self, ping: &Ping, from: SocketAddr) -> Option<StreamMessage> {
        self.is_for_me(&ping.node, from)
            .then(|| StreamMessage::Ack { sequence: ping.sequence, payload: Vec::new() })
    }

    /// The answer to an [`Action::StreamPing`] came.
    pub fn stream_ack(&mut self, sequence: u32) {
        if let Some(probe) = self.probe.as_mut() {
            probe.answered_over_a_stream(sequence);
        }
    }

    /// Everything known, to be sent to a member, be it to join or as an [`Action::PushPull`]. Its answer is to be
    /// [merged](Self::merge).
    #[must_use]
    pub fn local_state(&self, is_join: bool) -> PushPull {
        let known = self.roster.records();
        let peers = known.map(|record| PeerState { state: record.member.state, alive: record.alive() });
        PushPull { is_join, peers: peers.collect(), user_state: Vec::new() }
    }

    /// Everything a member knows, who asks for the same: what was known before.
    pub fn push_pull(&mut self, theirs: PushPull, now: Duration) -> PushPull {
        let ours = self.local_state(theirs.is_join);
        self.merge(theirs, now);
        ours
    }

    /// Everything a member knows. What it knows of us comes first: if that is an earlier life, a later one has to begin
    /// before we introduce ourselves to members that are new to us, or they would not believe it.
    pub fn merge(&mut self, theirs: PushPull, now: Duration) {
        let now = self.at(now);
        let (mine, others): (Vec<_>, Vec<_>) =
            theirs.peers.into_iter().partition(|peer| peer.alive.node == self.me);
        for peer in mine.into_iter().chain(others) {
            self.hear_of(peer, now);
        }
    }

    /// Says other things of itself from now on, to everybody at once.
    pub fn set_meta(&mut self, meta: Vec<u8>, now: Duration) {
        self.at(now);
        self.announce(meta);
        self.introduce_myself_to_all();
    }

    /// Asks a member for a sign of life, beside its turn. Nothing follows from it here: whoever asks sees the answer come.
    pub fn ask(&mut self, name: &str) {
        let Some(target) = self.member(name).filter(|member| member.is_there()).map(Member::contact) else {
            return;
        };
        let sequence = self.next_sequence();
        let ping = Message::Ping(self.ping(sequence, target.name));
        self.send_only(target.address, false, &[ping]);
    }

    /// Nobody could be heard for a while: whoever is suspected gets all of its time once more.
    pub fn excuse(&mut self, now: Duration) {
        let now = self.at(now);
        self.probe = None;
        self.suspicions.values_mut().for_each(|suspicion| suspicion.renew(now));
    }

    /// Says goodbye to everybody. Go on until [`has_left`](Self::has_left), but not for long.
    pub fn leave(&mut self, now: Duration) {
        let now = self.at(now);
        self.say_goodbye(now);
    }

    /// Whether the goodbye was passed on often enough, or nobody is there to hear it.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.leaving && (!self.rumours.mention(&self.me) || self.members().next().is_none())
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Duration) {
        let now = self.at(now);
        self.condemn(now);
        self.relays_end(now);
        self.probe_ends(now);
        if !self.leaving && self.probe.is_none() && self.probe_is_due(now) {
            self.start_probe(now);
        }
        if is_due(&mut self.turns.gossip, now, self.settings.gossip_interval) {
            self.gossip(now);
        }
        let interval = scale::push_pull_interval(self.settings.push_pull_interval, self.roster.len());
        if is_due(&mut self.turns.push_pull, now, interval) && !self.leaving {
            self.start_push_pull();
        }
    }

    /// When to call [`tick`](Self::tick) at the latest, by the caller's clock as last told.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let suspicions = self.suspicions.values().map(Suspicion::ends);
        let probe = self.probe.as_ref().map(Probe::deadline);
        let turn = self.turns.next(probe.is_some() || self.leaving);
        let next = suspicions.chain(turn).chain(probe).chain(self.relays.deadline()).min()?;
        Some(self.clock.to_outside(next))
    }

    /// What to do next.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The members that count, this one included: suspects do, the dead and those who left don't.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.known().filter(|member| member.is_there())
    }

    /// All members known, also those who are gone.
    pub fn known(&self) -> impl Iterator<Item = &Member> {
        self.roster.records().map(|record| &record.member)
    }

    /// What is known about this member.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.roster.get(name).map(|record| &record.member)
    }

    /// How unwell this member finds itself: zero is well, and each point slows its probes down by one interval.
    #[must_use]
    pub fn unwell(&self) -> u32 {
        self.health.score()
    }

    /// How many messages wait to be gossiped.
    #[must_use]
    pub fn gossip_waiting(&self) -> usize {
        self.rumours.len()
    }

    fn begin(&mut self, meta: Vec<u8>) {
        let member = Member {
            name: self.me.clone(),
            address: self.reach(self.address),
            meta: Vec::new(),
            state: State::Alive,
            versions: Versions::OURS,
            incarnation: 0,
        };
        let record = Record { member, written: self.address, changed: Duration::ZERO, rival: None };
        self.roster.insert(record, &mut self.dice);
        self.announce(meta);
    }

    /// The time inside. Whoever was frozen itself accuses nobody: the answer may have come meanwhile.
    fn at(&mut self, now: Duration) -> Duration {
        let Reading { now, was_frozen } = self.clock.read(now);
        if was_frozen {
            self.probe = None;
        }
        now
    }

    /// Where to send what is for that address. Whoever leaves its port out listens where we do.
    fn reach(&self, written: SocketAddr) -> SocketAddr {
        let port = if written.port() == 0 { self.address.port() } else { written.port() };
        canonical(written.ip(), port)
    }

    fn note(&mut self, note: Note) {
        self.actions.push_back(Action::Note(note));
    }

    fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1);
        self.sequence
    }
}
