//! Gratuitous packets now and then, because switches forget: each address once an interval, spread out, and never
//! more than so many a second.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use crate::moment::Moment;

#[cfg(test)]
mod tests;

/// Two rounds are at least this far apart: 200 addresses a second, 60,000 in five minutes.
const SPACING: Duration = Duration::from_millis(5);
/// Addresses announced together part ways: each waits up to this part of the interval longer or shorter.
const JITTER_PERCENT: u32 = 20;

/// Which address is due when.
#[derive(Debug)]
pub struct Refresh {
    /// The interval of most addresses; none for never.
    usual: Option<Duration>,
    /// That of the others.
    special: HashMap<IpAddr, Option<Duration>>,
    /// The state of a generator of small steps; not a secret.
    noise: u64,
    /// Not hashed: of ten thousand addresses that would take half as much again, and twice as much after a few more.
    next: BTreeMap<IpAddr, Moment>,
    queue: BTreeSet<(Moment, IpAddr)>,
    /// No round before this.
    free_at: Moment,
}

impl Refresh {
    /// No addresses yet. The interval is that of all addresses [of which nothing else is said](Self::set_interval); the
    /// seed makes nodes and runs differ.
    #[must_use]
    pub fn new(usual: Option<Duration>, seed: u64) -> Self {
        Self {
            usual,
            special: HashMap::new(),
            noise: seed,
            next: BTreeMap::new(),
            queue: BTreeSet::new(),
            free_at: Moment::default(),
        }
    }

    /// The address is announced, or was just made known: its next turn is an interval from now.
    pub fn announce(&mut self, now: Moment, address: IpAddr) {
        self.unqueue(address);
        let Some(interval) = self.special.get(&address).copied().unwrap_or(self.usual) else { return };
        let at = now + self.jittered(interval);
        self.next.insert(address, at);
        self.queue.insert((at, address));
    }

    /// An announced address has this interval from now on, until it is withdrawn; none for never.
    pub fn set_interval(&mut self, now: Moment, address: IpAddr, interval: Option<Duration>) {
        if interval == self.usual {
            self.special.remove(&address);
        } else {
            self.special.insert(address, interval);
        }
        self.announce(now, address);
    }

    /// The address has no turn any more.
    pub fn withdraw(&mut self, address: IpAddr) {
        self.unqueue(address);
        self.special.remove(&address);
    }

    fn unqueue(&mut self, address: IpAddr) {
        if let Some(at) = self.next.remove(&address) {
            self.queue.remove(&(at, address));
        }
    }

    /// The address to make known now, if there is one.
    pub fn poll(&mut self, now: Moment) -> Option<IpAddr> {
        if now < self.free_at {
            return None;
        }
        let (_, address) = self.queue.first().copied().filter(|(at, _)| *at <= now)?;
        self.free_at = now + SPACING;
        self.announce(now, address);
        Some(address)
    }

    /// When [`Self::poll`] may have something next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.queue.first().map(|(at, _)| (*at).max(self.free_at))
    }

    /// Gives room back that trees filled little by little leave free.
    pub fn tighten(&mut self) {
        self.next = std::mem::take(&mut self.next).into_iter().collect();
        self.queue = std::mem::take(&mut self.queue).into_iter().collect();
    }

    fn jittered(&mut self, interval: Duration) -> Duration {
        // SplitMix64: a step, and a mix of it.
        self.noise = self.noise.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.noise;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let thousandth = u32::try_from((mixed ^ (mixed >> 31)) % 1000).unwrap_or(0);
        // From 100 - JITTER_PERCENT to 100 + JITTER_PERCENT percent, in thousandths of that width.
        let permille = (100 - JITTER_PERCENT) * 10 + thousandth * 2 * JITTER_PERCENT / 100;
        interval / 1000 * permille
    }
}
