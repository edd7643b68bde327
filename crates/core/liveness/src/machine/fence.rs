//! Whether this node may answer (ADR 11).
//!
//! ```text
//!          stall, lost carrier, or most watchers say "down"; closed at the start
//!   open ───────────────────────────────────────────────────► closed
//!     ▲                                                          │
//!     └── most watchers heard of it since and say "up",  ────────┘
//!         or nobody was heard for long, or nobody is there
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use super::Liveness;
use super::peer::Peer;
use crate::output::{Action, Note};
use crate::wire::Flags;

/// How long others get to hear a contradiction, in periods.
const PATIENCE: u32 = 3;

/// The fence's state, and what others think of this node.
#[derive(Clone, Debug, Default)]
pub(super) struct Fence {
    closed: Option<Closed>,
    without_carrier: bool,
    /// Who holds this node to be down, although it contradicted.
    denied: BTreeSet<u64>,
    refuted: Option<Refutation>,
}

/// How this node contradicted a verdict.
#[derive(Clone, Copy, Debug)]
struct Refutation {
    /// The last heartbeat that did.
    beat: u64,
    at: Duration,
    /// When the first one was sent.
    first: Duration,
}

/// A closed fence.
#[derive(Clone, Debug)]
struct Closed {
    since: Duration,
    /// Only who heard this heartbeat or a later one knows about this node as it is now.
    beat: u64,
    /// Who says that this node counts.
    confirmed: BTreeSet<u64>,
    /// The process was just started: others may have taken over from the one before.
    at_birth: bool,
}

impl Fence {
    /// The fence of a process that was just started: others may answer in the name of the one before.
    pub(super) fn at_birth(now: Duration) -> Self {
        let closed = Closed { since: now, beat: 1, confirmed: BTreeSet::new(), at_birth: true };
        Self { closed: Some(closed), ..Self::default() }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_some()
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
        self.fence.without_carrier = true;
        self.close(now);
    }

    /// The carrier is back.
    pub fn carrier_back(&mut self, now: Duration) {
        if std::mem::take(&mut self.fence.without_carrier) {
            self.close(now);
        }
    }

    pub(super) fn notice_stall(&mut self, now: Duration) {
        let gap = now.saturating_sub(self.last_beat);
        if gap > self.settings.stall && now > self.next_beat {
            self.stalled(gap, now);
        }
    }

    /// Answers nothing until those who may have taken over were asked anew.
    fn close(&mut self, now: Duration) {
        if self.fence.closed.is_none() {
            self.actions.push_back(Action::Fence(true));
        }
        self.fence.closed =
            Some(Closed { since: now, beat: self.beat + 1, confirmed: BTreeSet::new(), at_birth: false });
        self.next_beat = self.next_beat.min(now);
        self.begin_anew(now);
        if self.peers.is_empty() {
            self.review_fence(now);
        }
    }

    /// Said to be down. One that stood still has nothing to contradict.
    pub(super) fn refute(&mut self, now: Duration) {
        let lately = |refutation: Refutation| now < refutation.at + self.settings.period * PATIENCE;
        if self.fence.is_closed() || self.fence.refuted.is_some_and(lately) {
            return;
        }
        let first = self.fence.refuted.map_or(now, |refutation| refutation.first);
        if first == now {
            self.note(Note::Refuted);
        }
        let everybody: Vec<u64> = self.peers.keys().copied().collect();
        self.beat_to(everybody, Flags::REFUTE);
        self.fence.refuted = Some(Refutation { beat: self.beat, at: now, first });
    }

    /// What a member thinks of this node, as of the heartbeat that it echoes.
    pub(super) fn take_standing(&mut self, sender: u64, down: bool, echo: u64, now: Duration) {
        let Fence { closed, denied, refuted, .. } = &mut self.fence;
        if let Some(closed) = closed {
            if down {
                closed.confirmed.remove(&sender);
                denied.insert(sender);
            } else {
                // Also one that does not hear this node, and counts it for what memberlist says: there is no heir.
                denied.remove(&sender);
                if echo >= closed.beat {
                    closed.confirmed.insert(sender);
                }
            }
            return self.review_fence(now);
        }
        if !down {
            denied.remove(&sender);
            return;
        }
        // Who heard the contradiction, or should have by now, insists.
        let due = |first: Duration| now >= first + self.settings.period * PATIENCE;
        if refuted.is_some_and(|refutation| echo >= refutation.beat || due(refutation.first)) {
            denied.insert(sender);
        }
        self.refute(now);
        self.review_fence(now);
    }

    /// Opens or closes the fence by what is known now.
    pub(super) fn review_fence(&mut self, now: Duration) {
        let voters = self.voters();
        let most = voters.len() / 2 + 1;
        let count = |set: &BTreeSet<u64>| voters.iter().filter(|voter| set.contains(voter)).count();
        let Fence { closed, without_carrier, denied, .. } = &self.fence;
        let Some(closed) = closed else {
            if !voters.is_empty() && count(denied) >= most {
                self.close(now);
            }
            return;
        };
        let bound = match (self.peers.is_empty(), closed.at_birth) {
            (false, _) => self.settings.alone,
            (true, true) => self.settings.joining,
            (true, false) => Duration::ZERO,
        };
        let unopposed = now >= closed.since + bound && count(denied) == 0;
        let opens = count(&closed.confirmed) >= most || unopposed;
        if opens && !without_carrier {
            self.fence.closed = None;
            self.begin_anew(now);
            self.fence.denied.clear();
            self.fence.refuted = None;
            self.actions.push_back(Action::Fence(false));
        }
    }

    /// Who could say something: those who watch this node and were ever heard. One that holds everybody to be down
    /// asks those who watched it before.
    fn voters(&self) -> Vec<u64> {
        let heard = |boot: &u64| self.peers.get(boot).is_some_and(|peer| peer.beat > 0);
        let watchers = if self.neighbours.is_empty() { &self.kin } else { &self.neighbours };
        watchers.iter().copied().filter(heard).collect()
    }
}
