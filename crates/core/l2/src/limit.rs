//! How many answers a storm of questions gets: each asker about each address its share, and all together theirs.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use metallb_net::MacAddr;

use crate::moment::Moment;

#[cfg(test)]
mod tests;

/// Askers share this many budgets by chance of their hash: however many there are, memory is bounded.
const BUDGETS: usize = 1024;

/// Answers in a row, and then one each interval.
#[derive(Clone, Copy, Debug)]
struct Rate {
    interval: Duration,
    /// The time it takes to earn the longest row.
    tolerance: Duration,
}

/// One station asking after one address: 5,000 a second, a row of 10,000. No station needs that; a measurement may.
const SINGLE: Rate = Rate { interval: Duration::from_micros(200), tolerance: Duration::from_secs(2) };
/// All of them: 20,000 a second, which takes a fifth of a core.
const TOTAL: Rate = Rate { interval: Duration::from_micros(50), tolerance: Duration::from_secs(1) };

/// Counts answers.
#[derive(Debug)]
pub struct Limiter {
    seed: u64,
    singles: Vec<Budget>,
    total: Budget,
}

/// When the budget is whole again, if nothing more is taken from it.
#[derive(Clone, Copy, Debug, Default)]
struct Budget(Moment);

impl Budget {
    fn has(self, now: Moment, rate: Rate) -> bool {
        self.0 <= now + rate.tolerance
    }

    fn take(&mut self, now: Moment, rate: Rate) {
        self.0 = self.0.max(now) + rate.interval;
    }
}

impl Limiter {
    /// All budgets are whole. The seed decides who shares one.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, singles: vec![Budget::default(); BUDGETS], total: Budget::default() }
    }

    /// Whether this question may be answered now; if so, that is counted.
    pub fn permits(&mut self, now: Moment, asker: MacAddr, address: IpAddr) -> bool {
        let slot = self.slot(asker, address);
        let Some(single) = self.singles.get_mut(slot) else { return true };
        if !single.has(now, SINGLE) || !self.total.has(now, TOTAL) {
            return false;
        }
        single.take(now, SINGLE);
        self.total.take(now, TOTAL);
        true
    }

    fn slot(&self, asker: MacAddr, address: IpAddr) -> usize {
        let mut hasher = DefaultHasher::new();
        (self.seed, asker.octets(), address).hash(&mut hasher);
        usize::try_from(hasher.finish() % BUDGETS as u64).unwrap_or(0)
    }
}
