//! Whether another station claims an address that is ours.
//!
//! While an address moves between nodes both are heard for a moment: the one before may not know yet that it lost
//! the address, and the one after may know before us. So a claim counts only if the address was ours for a while
//! when it was heard, and still is a while later. It is told, not fought.
//!
//! ```text
//!          claim, ours for GRACE or longer            GRACE later, still ours
//!   quiet ─────────────────────────────────▶ suspected ─────────────────────▶ told ──┐ claim: counted,
//!     ▲                                                                        │ ▲   │ told again after REPEAT
//!     └── no longer ours, or the fence was closed ◀────────────────────────────┘ └───┘
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use metallb_net::MacAddr;

use crate::moment::Moment;

#[cfg(test)]
mod tests;

/// A burst of gratuitous packets lasts five seconds, and the news of a new owner less than that.
const GRACE: Duration = Duration::from_secs(10);
/// The same address is told of again at the earliest after this.
const REPEAT: Duration = Duration::from_mins(5);

/// A station says, by a packet of its own, that it has an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Claim {
    /// The address.
    pub address: IpAddr,
    /// The station.
    pub mac: MacAddr,
    /// The link it was heard on.
    pub link: u32,
}

/// A claim that can't be explained by an address that moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Conflict {
    /// Who claims what.
    pub claim: Claim,
    /// Whether somebody should be told; otherwise it is only to be counted.
    pub is_news: bool,
}

/// Our addresses and what others say of them.
#[derive(Debug, Default)]
pub struct Conflicts {
    /// Since when each address is ours.
    held: BTreeMap<IpAddr, Moment>,
    /// Those somebody else claimed: they are few.
    claimed: HashMap<IpAddr, State>,
    /// When suspicions are decided.
    queue: BTreeSet<(Moment, IpAddr)>,
    found: VecDeque<Conflict>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Suspected { claim: Claim, until: Moment },
    Told { at: Moment },
}

impl Conflicts {
    /// The address is ours; from now on, unless it was already.
    pub fn hold(&mut self, now: Moment, address: IpAddr) {
        self.held.entry(address).or_insert(now);
    }

    /// The address is not ours any more.
    pub fn release(&mut self, address: IpAddr) {
        self.held.remove(&address);
        self.found.retain(|conflict| conflict.claim.address != address);
        if let Some(State::Suspected { until, .. }) = self.claimed.remove(&address) {
            self.queue.remove(&(until, address));
        }
    }

    /// Gives room back that a tree filled little by little leaves free.
    pub fn tighten(&mut self) {
        self.held = std::mem::take(&mut self.held).into_iter().collect();
    }

    /// Others had reason to take our addresses: all count as ours from now on.
    pub fn begin_anew(&mut self, now: Moment) {
        self.queue.clear();
        self.found.clear();
        self.claimed.clear();
        self.held.values_mut().for_each(|since| *since = now);
    }

    /// Somebody else claims an address.
    pub fn hear(&mut self, now: Moment, claim: Claim) {
        let Some(since) = self.held.get(&claim.address) else { return };
        if now < *since + GRACE {
            return;
        }
        match self.claimed.get_mut(&claim.address) {
            None => {
                let until = now + GRACE;
                self.claimed.insert(claim.address, State::Suspected { claim, until });
                self.queue.insert((until, claim.address));
            }
            Some(State::Suspected { claim: last, .. }) => *last = claim,
            Some(State::Told { at }) => {
                let is_news = now >= *at + REPEAT;
                if is_news {
                    *at = now;
                    self.found.push_front(Conflict { claim, is_news });
                } else {
                    self.found.push_back(Conflict { claim, is_news });
                }
            }
        }
    }

    /// The next conflict found up to now, those that are news before further claims. There may be thousands: each is decided when
    /// it is asked for.
    pub fn poll(&mut self, now: Moment) -> Option<Conflict> {
        self.decide(now).or_else(|| self.found.pop_front())
    }

    fn decide(&mut self, now: Moment) -> Option<Conflict> {
        while let Some((at, address)) = self.queue.first().copied().filter(|(at, _)| *at <= now) {
            self.queue.remove(&(at, address));
            let Some(state) = self.claimed.get_mut(&address) else { continue };
            if let State::Suspected { claim, .. } = *state {
                *state = State::Told { at: now };
                return Some(Conflict { claim, is_news: true });
            }
        }
        None
    }

    /// When [`Self::poll`] may find something without a further claim; in the past where it does already.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let found = (!self.found.is_empty()).then(Moment::default);
        found.or_else(|| self.queue.first().map(|(at, _)| *at))
    }
}
