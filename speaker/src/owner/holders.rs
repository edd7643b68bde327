//! What the speakers tell each other of what they hold: when it is asked for, and when it is waited for.

use std::time::Duration;

use metallb_linux::since_boot;
use tokio::time::sleep;

use super::{Owner, Ring};

/// Whether this node answers, as far as it matters for what it holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Answering {
    #[default]
    Yes,
    /// Others may have taken over what it holds.
    No,
    /// It will as soon as it knows what the others hold.
    Soon,
}

impl Answering {
    fn of(ring: &Ring) -> Self {
        match (ring.answers() && !ring.is_fenced(), ring.may_open()) {
            (true, _) => Self::Yes,
            (false, false) => Self::No,
            (false, true) => Self::Soon,
        }
    }
}

impl Owner {
    /// Takes in what the others hold. False as long as that must be known before this node answers.
    pub(super) fn hear_holders(&mut self, now: Duration) -> bool {
        let is_wanted = self.keeps_owners();
        self.tenure.set_wanted(is_wanted);
        let Some(ring) = self.ring.as_mut() else { return true };
        if !self.tenure.is_used() {
            ring.forget_letters();
            return true;
        }
        let answering = Answering::of(ring);
        let before = std::mem::replace(&mut self.answering, answering);
        if before != answering && answering != Answering::Yes {
            self.tenure.doubt(now);
        }
        ring.exchange(&mut self.tenure, now);
        let is_known = answering != Answering::Soon || self.tenure.is_known(now);
        if is_known && answering != Answering::No {
            self.tenure.trust();
        }
        is_known
    }

    /// Tells the others what this node holds, if that has changed.
    pub(super) fn tell_holders(&mut self) {
        if let Some(ring) = self.ring.as_mut() {
            self.tenure.tell(since_boot());
            ring.send(&mut self.tenure);
        }
    }

    /// Resolves when there is something to do about it. Safe to cancel.
    pub(super) fn holders_due(&self) -> impl Future<Output = ()> + use<> {
        let waiting = self.view.snapshot().and_then(|snapshot| snapshot.precedence.next_deadline());
        let deadline = self.tenure.next_deadline().into_iter().chain(waiting).min();
        async move {
            match deadline {
                Some(deadline) => sleep(deadline.saturating_sub(since_boot())).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Whether it matters who holds an address already. Before the first pass the objects say so as they are.
    fn keeps_owners(&self) -> bool {
        if self.ring.as_ref().is_none_or(Ring::has_plain) {
            return false;
        }
        match self.view.snapshot() {
            Some(snapshot) => snapshot.world.keeps_owners(),
            None => self.stores.advertisements.all().iter().any(|advertisement| {
                advertisement.spec.preempt.as_deref().is_some_and(|preempt| preempt != "Always")
            }),
        }
    }
}
