//! Whether this node may answer (ADR 11).
//!
//! ```text
//!          stall, lost carrier, or most watchers say "down"; closed at the start
//!   open ───────────────────────────────────────────────────► closed
//!     ▲                                                          │
//!     └── most watchers heard of it since and say "up",  ────────┘
//!         or nobody was heard for long, or nobody is there; whom memberlist gave up meanwhile has a second to be
//!         found again after the one before, or after the first exchange if most say "up", and three if nobody is;
//!         a new process waits a second for somebody to be there, one that stood still or was cut off waits longer,
//!         and so does a new one that somebody answers who has another secret, unless memberlist has joined before;
//!         one whose name another process has waits for those who watch it
//! ```
//!
//! Closed, but held: most watchers heard of it since, and some of them hold it down only because it came and went too often.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Liveness;
use super::peer::Peer;
use crate::Settings;
use crate::output::{Action, Note};
use crate::wire::Flags;

/// How long others get to hear a contradiction, in periods.
const PATIENCE: u32 = 3;

/// The fence's state, and what others think of this node.
#[derive(Clone, Debug, Default)]
pub(super) struct Fence {
    closed: Option<Closed>,
    without_carrier: bool,
    /// Whether it was, since the fence closed.
    was_cut_off: bool,
    /// Whether memberlist has found the others since the fence closed, or there is none to find.
    has_joined: bool,
    /// Members that memberlist gave up since the carrier was lost, and has not found again.
    lost: BTreeSet<String>,
    /// When an exchange succeeded, or one of them was found, for the first time since the fence closed.
    met: Option<Duration>,
    /// When the last of them was found.
    found: Option<Duration>,
    /// Until when others are there that do not understand this node, as far as is known.
    kept_out: Duration,
    /// Until when another process is taken to have this node's name, and to be the one that the others count.
    namesake: Duration,
    /// Who holds this node to be down, by the last heartbeat that came.
    accusers: BTreeMap<u64, Accusation>,
    /// When this node last contradicted, to everybody.
    refuted: Option<Duration>,
}

/// Somebody holds this node to be down.
#[derive(Clone, Copy, Debug)]
struct Accusation {
    since: Duration,
    /// The first heartbeat that contradicts; each later one to the accuser does, too.
    beat: u64,
    /// It knows better, or should by now.
    insists: bool,
    /// When it last said so.
    last: Duration,
}

/// A closed fence.
#[derive(Clone, Debug)]
struct Closed {
    since: Duration,
    /// Since when it waits for those who are listed.
    awaits: Duration,
    /// Only who heard this heartbeat or a later one knows about this node as it is now.
    beat: u64,
    /// Who says that this node counts.
    confirmed: BTreeSet<u64>,
    /// Who hears it well and holds it down.
    holders: BTreeSet<u64>,
    /// Whether they and those who count it are most.
    is_held: bool,
    /// The process was just started: others may have taken over from the one before.
    at_birth: bool,
}

impl Closed {
    fn at(now: Duration, beat: u64, at_birth: bool) -> Self {
        let (confirmed, holders) = (BTreeSet::new(), BTreeSet::new());
        Self { since: now, awaits: now, beat, confirmed, holders, is_held: false, at_birth }
    }

    /// What a member says, as of that heartbeat.
    fn take(&mut self, sender: u64, flags: Flags, echo: u64) {
        if !flags.has(Flags::DOWN) {
            self.holders.remove(&sender);
            if echo >= self.beat {
                self.confirmed.insert(sender);
            }
            return;
        }
        self.confirmed.remove(&sender);
        if flags.has(Flags::HELD) && echo >= self.beat {
            self.holders.insert(sender);
        } else {
            self.holders.remove(&sender);
        }
    }
}

impl Fence {
    /// The fence of a process that was just started: others may answer in the name of the one before.
    pub(super) fn at_birth(now: Duration) -> Self {
        Self { closed: Some(Closed::at(now, 1, true)), ..Self::default() }
    }

    pub(super) fn is_held(&self) -> bool {
        self.closed.as_ref().is_some_and(|closed| closed.is_held)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    /// Those are found who may have taken over: they get the time to say so.
    pub(super) fn await_anew(&mut self, now: Duration) {
        if let Some(closed) = self.closed.as_mut().filter(|closed| !closed.at_birth) {
            closed.awaits = now;
        }
    }

    /// Whether that member is to be told that this node was well all the time.
    pub(super) fn contradicts(&self, member: u64) -> bool {
        self.closed.is_none() && self.accusers.contains_key(&member)
    }

    /// A member fell: what it said before is void.
    pub(super) fn forget(&mut self, member: u64) {
        self.accusers.remove(&member);
    }

    /// What those said who are no members any more is void.
    pub(super) fn forget_others(&mut self, is_member: impl Fn(u64) -> bool) {
        self.accusers.retain(|member, _| is_member(*member));
    }

    /// Whether that member holds this node to be down, although it contradicted. What it said is void once nothing was
    /// heard of it for long: it may have died, or be beyond a partition.
    fn is_denied_by(&self, member: u64, void: Duration, now: Duration) -> bool {
        let insists = |accusation: &Accusation| accusation.insists && now < accusation.last + void;
        self.accusers.get(&member).is_some_and(insists)
    }

    /// Whether a heartbeat with that echo was sent to this node as it is now, not to the one before a gap.
    pub(super) fn trusts(&self, echo: u64) -> bool {
        self.closed.as_ref().is_none_or(|closed| echo >= closed.beat)
    }
}

impl Liveness {
    /// Somebody saw this node's clock jump: it stood still for that long.
    pub fn stalled(&mut self, gap: Duration, now: Duration) {
        self.note(Note::Stalled(gap));
        self.next_beat = self.next_beat.min(now);
        self.last_beat = now;
        self.begin_anew(now);
        // Memberlist may have told others of this node's death: they will be silent until it told them better.
        if gap >= self.settings.alone {
            self.peers.values_mut().for_each(Peer::look_away);
        }
        // Where nobody ever heard this layer, only memberlist can have moved the addresses, and it takes longer.
        let heard = self.peers.values().any(|peer| peer.beat > 0);
        if heard || gap >= self.settings.alone {
            self.close(now);
        }
    }

    /// The interface of this node's address lost its carrier.
    pub fn carrier_lost(&mut self, now: Duration) {
        (self.fence.without_carrier, self.fence.was_cut_off) = (true, true);
        self.close(now);
    }

    /// The carrier is back.
    pub fn carrier_back(&mut self, now: Duration) {
        if std::mem::take(&mut self.fence.without_carrier) {
            self.close(now);
        }
    }

    /// Whether a join or another exchange has succeeded since the fence [closed](Self::closed_since), or there is nobody to
    /// join. Members it found are handed in [before](Self::peers): who joined and is told of none that announces this layer
    /// waits for nobody but those that are [lost](Self::lost).
    pub fn set_joined(&mut self, joined: bool, now: Duration) {
        let had_joined = std::mem::replace(&mut self.fence.has_joined, joined);
        if joined && !had_joined {
            self.fence.met.get_or_insert(now);
        }
        self.review_fence(now);
    }

    /// Memberlist gave up that member. If this node was without carrier, perhaps only because nobody could be heard: the
    /// others may count it, and it has to contradict its death before memberlist counts it here. A stall proves nothing
    /// against others: memberlist's clock stands still meanwhile.
    pub fn lost(&mut self, name: &str) {
        if self.fence.was_cut_off {
            self.fence.lost.insert(name.to_owned());
        }
    }

    /// Memberlist counts that member (again), or it has left.
    pub fn found(&mut self, name: &str, now: Duration) {
        if self.fence.lost.remove(name) {
            self.fence.met.get_or_insert(now);
            self.fence.found = Some(now);
        }
    }

    /// Somebody answered, but could not be joined: a ring is there that has another secret. While this node knows nobody
    /// else and may not answer yet, it takes it for one that does, until then or until it joins. Zero when
    /// nobody is known to be there any more.
    pub fn kept_out(&mut self, until: Duration) {
        self.fence.kept_out = until;
    }

    /// Another process is said to live that has this node's name, so the others count that one and not this. While this node
    /// may not answer yet, it leaves its addresses to that one, until then or until the others count this one. Zero when
    /// they are known to do so.
    pub fn has_namesake(&mut self, until: Duration) {
        if self.fence.is_closed() {
            self.fence.namesake = until;
        }
    }

    /// When the fence closed, if it is: whoever joined before may have been dropped by the others since.
    #[must_use]
    pub fn closed_since(&self) -> Option<Duration> {
        self.fence.closed.as_ref().map(|closed| closed.since)
    }

    pub(super) fn notice_stall(&mut self, now: Duration) {
        let gap = now.saturating_sub(self.last_beat);
        if gap > self.settings.stall && now > self.next_beat {
            self.stalled(gap, now);
        } else if self.is_late(now) {
            self.punctual = now;
        }
    }

    /// Whether the scheduler, less than a stall, kept this node from its last deadline.
    pub(super) fn is_late(&self, now: Duration) -> bool {
        now.saturating_sub(self.next_beat) > self.settings.period / 3
    }

    /// Answers nothing until those who may have taken over were asked anew.
    fn close(&mut self, now: Duration) {
        self.set_held(false);
        if self.fence.closed.is_none() {
            self.actions.push_back(Action::Fence(true));
        }
        self.fence.closed = Some(Closed::at(now, self.beat + 1, false));
        self.fence.has_joined = false;
        (self.fence.met, self.fence.found) = (None, None);
        self.next_beat = self.next_beat.min(now);
        self.begin_anew(now);
        self.doubt_falls();
        if self.peers.is_empty() {
            self.review_fence(now);
        }
    }

    /// Said to be down. One that stood still has nothing to contradict.
    pub(super) fn refute(&mut self, now: Duration) {
        let patience = self.settings.period * PATIENCE;
        let within = |time: Duration| self.fence.refuted.is_some_and(|at| now < at + time);
        if self.fence.is_closed() || within(patience) {
            return;
        }
        if !within(patience * 2) {
            self.note(Note::Refuted);
        }
        self.fence.refuted = Some(now);
        let everybody: Vec<u64> = self.peers.keys().copied().collect();
        self.beat_to(everybody, Flags::REFUTE);
    }

    /// What a member thinks of this node, as of the heartbeat that it echoes.
    pub(super) fn take_standing(&mut self, sender: u64, flags: Flags, echo: u64, now: Duration) {
        let down = flags.has(Flags::DOWN);
        let Fence { closed, accusers, .. } = &mut self.fence;
        if down {
            let beat = self.beat + 1;
            let accusation =
                accusers.entry(sender).or_insert(Accusation { since: now, beat, insists: false, last: now });
            // All heartbeats since contradict, so it is no loss on the way that makes it insist.
            let due = now >= accusation.since + self.settings.period * PATIENCE;
            accusation.last = now;
            accusation.insists |= closed.is_some() || echo >= accusation.beat || due;
        } else {
            // Also one that does not hear this node, and counts it for what memberlist says: there is no heir.
            accusers.remove(&sender);
        }
        match closed {
            Some(closed) => closed.take(sender, flags, echo),
            None if down => self.refute(now),
            None => return,
        }
        self.review_fence(now);
    }

    /// Opens or closes the fence by what is known now.
    pub(super) fn review_fence(&mut self, now: Duration) {
        let voters = self.voters();
        let most = voters.len() / 2 + 1;
        let denied =
            voters.iter().filter(|voter| self.fence.is_denied_by(**voter, self.settings.alone, now)).count();
        let Fence { closed, without_carrier, has_joined, kept_out, namesake, .. } = &self.fence;
        let Some(closed) = closed else {
            if !voters.is_empty() && denied >= most {
                self.close(now);
            }
            return;
        };
        let expires = closed.awaits + self.settings.alone;
        let opens = match (self.peers.is_empty(), *has_joined, closed.at_birth) {
            (true, true, _) => closed.awaits,
            (true, false, true) => (closed.awaits + self.settings.joining).max(*kept_out),
            // Nobody is listed any more of those who took over.
            (true, false, false) => expires.max(*kept_out),
            (false, ..) => expires,
        };
        let unopposed = now >= opens.max(*namesake) && denied == 0;
        let confirmed = voters.iter().filter(|voter| closed.confirmed.contains(voter)).count();
        let holding = voters.iter().filter(|voter| closed.holders.contains(voter)).count();
        let (is_confirmed, is_held) = (confirmed >= most, confirmed + holding >= most);
        if *without_carrier {
            return;
        }
        // Also where the others count this node, and go on in its place for a second: it can't tell yet what is its own.
        if self.misses(is_confirmed, now) {
            return self.set_held(false);
        }
        if !is_confirmed && !unopposed {
            return self.set_held(is_held);
        }
        let members = self.peers.len();
        self.note(if is_confirmed { Note::Confirmed } else { Note::Unopposed { members } });
        if let Some(closed) = self.fence.closed.take() {
            self.begin_anew(now);
            self.fence.accusers.clear();
            self.fence.refuted = None;
            self.fence.namesake = Duration::ZERO;
            self.fence.was_cut_off = false;
            self.fence.lost.clear();
            (self.fence.met, self.fence.found) = (None, None);
            let was_held = closed.is_held;
            self.actions.push_back(if was_held { Action::Held(false) } else { Action::Fence(false) });
        }
    }

    /// Whether those are still waited for that memberlist gave up since the carrier was lost. Without them this node would
    /// take for its own what is theirs. A second after the last was found, or after the first exchange if the others count
    /// this node, the rest is taken to be dead.
    fn misses(&self, is_confirmed: bool, now: Duration) -> bool {
        let Fence { closed: Some(closed), lost, met, found, .. } = &self.fence else { return false };
        let Settings { joining, alone, .. } = self.settings;
        let last = found.or_else(|| met.filter(|_| is_confirmed));
        let longest = met.unwrap_or(closed.awaits) + alone;
        let until = last.map_or(longest, |last| longest.min(last + joining));
        !lost.is_empty() && now < until
    }

    /// Held is not fenced: the one begins where the other ends.
    fn set_held(&mut self, is_held: bool) {
        let Some(closed) = self.fence.closed.as_mut() else { return };
        if std::mem::replace(&mut closed.is_held, is_held) == is_held {
            return;
        }
        let actions = [Action::Held(is_held), Action::Fence(!is_held)];
        self.actions.extend(actions);
    }

    /// Who could say something: those who watch this node and were ever heard. One that holds everybody to be down
    /// asks those who watched it before.
    fn voters(&self) -> Vec<u64> {
        let heard = |boot: &u64| self.peers.get(boot).is_some_and(|peer| peer.beat > 0);
        let watchers = if self.neighbours.is_empty() { &self.kin } else { &self.neighbours };
        watchers.iter().copied().filter(heard).collect()
    }
}
