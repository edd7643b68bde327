//! What the speakers tell each other of what they hold: when it is asked for, and when it is waited for.

use std::time::Duration;

use metallb_linux::since_boot;
use tokio::time::sleep;

use super::Owner;

impl Owner {
    /// Takes in who is there, if that has changed. False before it can be relied on.
    pub(super) fn refresh_ring(&mut self, now: Duration) -> bool {
        let Some(ring) = self.ring.as_mut() else { return true };
        self.is_behind |= ring.has_changed() || self.holders.is_stale(now);
        if self.is_behind {
            let interfaces = self.interfaces.borrow().clone();
            ring.refresh(&self.stores, &interfaces);
            self.holders.meet(ring.roll(), now);
        }
        ring.is_settled()
    }

    /// Whether there may be speakers that know no election but the contract's.
    pub(super) fn has_plain(&self) -> bool {
        self.ring.is_some() && self.holders.has_plain()
    }

    /// Takes in what the others hold. False as long as that must be known before this node answers.
    pub(super) fn hear_holders(&mut self, now: Duration) -> bool {
        let is_wanted = self.keeps_owners();
        let Some(ring) = self.ring.as_mut() else { return true };
        let position = ring.position(self.holders.tenure.me());
        let letters = ring.take_letters();
        let letters = letters.iter().map(|letter| (letter.from.as_str(), letter.bytes.as_slice()));
        let is_sure = self.holders.hear(ring.roll(), (is_wanted, position), letters, now);
        ring.send(&mut self.holders.tenure);
        is_sure
    }

    /// Tells the others what this node holds, if that has changed.
    pub(super) fn tell_holders(&mut self) {
        if let Some(ring) = self.ring.as_mut() {
            self.holders.tenure.tell(since_boot());
            ring.send(&mut self.holders.tenure);
        }
    }

    /// Whether anything has to be decided: what others told may be no news.
    pub(super) fn has_to_decide(&self, now: Duration) -> bool {
        let Some(snapshot) = self.view.snapshot().filter(|_| !self.is_behind) else { return true };
        let is_due = snapshot.precedence.next_deadline().is_some_and(|deadline| deadline <= now);
        is_due || self.holders.tenure.has_news()
    }

    /// Resolves when there is something to do about it. Safe to cancel.
    pub(super) fn holders_due(&self) -> impl Future<Output = ()> + use<> {
        let snapshot = self.view.snapshot().filter(|_| !self.holders.is_waiting());
        let waiting = snapshot.and_then(|snapshot| snapshot.precedence.next_deadline());
        let deadline = self.holders.next_deadline().into_iter().chain(waiting).min();
        async move {
            match deadline {
                Some(deadline) => sleep(deadline.saturating_sub(since_boot())).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Whether it matters who holds an address already. Before the first pass the objects say so as they are.
    fn keeps_owners(&self) -> bool {
        if self.ring.is_none() {
            return false;
        }
        let is_lapsing = self.view.snapshot().is_some_and(|snapshot| snapshot.precedence.is_lapsing());
        if self.has_plain() {
            return is_lapsing;
        }
        let asks = |field: Option<&str>, usual: &str| field.is_some_and(|value| value != usual);
        match self.view.snapshot() {
            Some(snapshot) => is_lapsing || snapshot.world.has_terms(),
            None => self.stores.advertisements.all().iter().any(|advertisement| {
                let spec = &advertisement.spec;
                asks(spec.preempt.as_deref(), "Always") || asks(spec.spread.as_deref(), "None")
            }),
        }
    }
}
