//! When the owner of an address that moves by plan stops answering: once its heir is heard, so that somebody always
//! answers.
//!
//! ```text
//!          begin                      the heir is heard, or it took too long, or the fence closed
//!   ours ─────────▶ handing over ────────────────────────────────────────────────────────────────▶ over
//!     │  begin, and the heir was heard a moment ago                                                 ▲
//!     └─────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Meanwhile nothing is said unasked: neighbours are to learn the heir, not the one that leaves.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use crate::moment::Moment;

#[cfg(test)]
mod tests;

/// A claim this old may still be of an heir that knew of the move before us.
const LATELY: Duration = Duration::from_secs(2);

/// An heir whose interface has just come up can speak for IPv4 at once, for IPv6 only when its link-local address is found to
/// be unique: after a random second and another one (RFC 4862 §5.4), of which it takes some until we know of the move.
const DETECTION: Duration = Duration::from_millis(1500);

/// The addresses that are handed over, and who claimed ours of late.
#[derive(Debug, Default)]
pub struct HandOvers {
    /// When another station last claimed an address that is ours.
    heard: HashMap<IpAddr, Moment>,
    /// When to stop though nobody was heard.
    under_way: HashMap<IpAddr, Moment>,
    /// The same by time.
    queue: BTreeSet<(Moment, IpAddr)>,
    over: BTreeSet<IpAddr>,
}

impl HandOvers {
    /// The address is ours, and neighbours were told so: what others said before counts no more.
    pub fn keep(&mut self, address: IpAddr) {
        self.forget(address);
    }

    /// Another node was elected for the address. It has this long to be heard, a little longer for IPv6.
    pub fn begin(&mut self, now: Moment, address: IpAddr, longest: Duration) {
        let was_heard = self.heard.get(&address).is_some_and(|at| now < *at + LATELY);
        let detection = if address.is_ipv6() { DETECTION } else { Duration::ZERO };
        self.wait(now, address, longest + detection);
        if was_heard {
            self.end(address);
        }
    }

    /// This node is about to leave, and can't stay longer. Nobody can have known before.
    pub fn begin_leaving(&mut self, now: Moment, address: IpAddr, longest: Duration) {
        self.wait(now, address, longest);
    }

    /// Another station claims an address that is ours or handed over.
    pub fn hear(&mut self, now: Moment, address: IpAddr) {
        self.heard.insert(address, now);
        self.end(address);
    }

    /// The fence closed: whoever took over may not be heard.
    pub fn give_up(&mut self) {
        while let Some((_, address)) = self.queue.pop_first() {
            self.end(address);
        }
    }

    /// The address is not ours any more, for whatever reason.
    pub fn forget(&mut self, address: IpAddr) {
        self.heard.remove(&address);
        self.stop_waiting(address);
        // It may be ours again before anybody asked what is over.
        self.over.remove(&address);
    }

    /// Whether the address is being handed over.
    #[must_use]
    pub fn is_under_way(&self, address: IpAddr) -> bool {
        self.under_way.contains_key(&address)
    }

    /// Whether none is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.over.is_empty()
    }

    /// The next address that is to be withdrawn now.
    pub fn poll(&mut self, now: Moment) -> Option<IpAddr> {
        while let Some((_, address)) = self.queue.first().copied().filter(|(at, _)| *at <= now) {
            self.end(address);
        }
        self.over.pop_first()
    }

    /// When [`Self::poll`] has something to tell at the latest.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.queue.first().map(|(at, _)| *at)
    }

    fn wait(&mut self, now: Moment, address: IpAddr, longest: Duration) {
        self.forget(address);
        let until = now + longest;
        self.under_way.insert(address, until);
        self.queue.insert((until, address));
    }

    fn end(&mut self, address: IpAddr) {
        if self.stop_waiting(address) {
            self.over.insert(address);
        }
    }

    fn stop_waiting(&mut self, address: IpAddr) -> bool {
        let until = self.under_way.remove(&address);
        if let Some(until) = until {
            self.queue.remove(&(until, address));
        }
        until.is_some()
    }
}
