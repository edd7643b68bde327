//! How far a member trusts itself (Lifeguard's local health): who is slow itself must not accuse others fast.

use std::time::Duration;

/// Zero is well.
#[derive(Debug)]
pub(super) struct Health {
    score: u32,
    worst: u32,
}

impl Health {
    /// In perfect health, and never more than `multiplier` times as slow.
    pub(super) fn new(multiplier: u32) -> Self {
        Self { score: 0, worst: multiplier.saturating_sub(1) }
    }

    pub(super) fn improve(&mut self) {
        self.score = self.score.saturating_sub(1);
    }

    pub(super) fn worsen(&mut self, by: u32) {
        self.score = self.score.saturating_add(by).min(self.worst);
    }

    pub(super) fn score(&self) -> u32 {
        self.score
    }

    /// The interval, for a member in this state.
    pub(super) fn stretch(&self, interval: Duration) -> Duration {
        interval.saturating_mul(self.score.saturating_add(1))
    }
}
