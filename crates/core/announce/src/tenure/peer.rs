//! What is known of another speaker's claims.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::ASK;
use super::rank::Rank;

/// Another speaker that takes part.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) boot: u64,
    /// Whether it does not count at present.
    pub(super) is_down: bool,
    /// Whether it answers for nothing yet.
    pub(super) is_starting: bool,
    /// The number of its last change that was heard, if nothing before is missing.
    version: Option<u64>,
    pub(super) claims: HashMap<IpAddr, Rank>,
    parts: Option<Parts>,
    /// Since when it is waited for: it was not known before, or told a part then.
    pub(super) since: Duration,
    pub(super) next_ask: Duration,
}

/// A whole that is not complete yet.
#[derive(Debug)]
struct Parts {
    version: u64,
    missing: BTreeSet<u16>,
    claims: HashMap<IpAddr, Rank>,
}

/// Addresses whose claim came, changed or went, with the rank before.
pub(super) type Changed = Vec<(IpAddr, Option<Rank>)>;

impl Peer {
    pub(super) fn unknown(boot: u64, now: Duration) -> Self {
        Self {
            boot,
            is_down: false,
            is_starting: false,
            version: None,
            claims: HashMap::new(),
            parts: None,
            since: now,
            next_ask: now,
        }
    }

    /// Whether it may hold something that is not known.
    pub(super) fn is_awaited(&self) -> bool {
        self.version.is_none() && !self.is_down && !self.is_starting
    }

    pub(super) fn is_to_be_asked(&self, now: Duration) -> bool {
        self.version.is_none() && !self.is_down && self.next_ask <= now
    }

    /// Nothing is known of it any more; what it claimed.
    pub(super) fn forget(&mut self, now: Duration) -> HashMap<IpAddr, Rank> {
        let Self { boot, is_down, is_starting, .. } = *self;
        let unknown = Self { is_down, is_starting, ..Self::unknown(boot, now) };
        std::mem::replace(self, unknown).claims
    }

    /// What is known may be out of date.
    pub(super) fn doubt(&mut self, now: Duration) {
        let claims = self.forget(now);
        self.claims = claims;
    }

    /// Its last change has this number.
    pub(super) fn compare(&mut self, version: u64, now: Duration) {
        if self.version.is_some_and(|known| known < version) {
            self.version = None;
            (self.since, self.next_ask) = (now, now);
        }
    }

    pub(super) fn change(&mut self, version: u64, claims: Vec<(IpAddr, Rank)>, now: Duration) -> Changed {
        let Some(known) = self.version else { return Vec::new() };
        if known.checked_add(1) != Some(version) {
            self.compare(version, now);
            return Vec::new();
        }
        self.version = Some(version);
        claims.into_iter().map(|(address, rank)| (address, self.set(address, rank))).collect()
    }

    fn set(&mut self, address: IpAddr, rank: Rank) -> Option<Rank> {
        if rank == 0 { self.claims.remove(&address) } else { self.claims.insert(address, rank) }
    }

    /// A part of all its claims; what changed if it was the last one missing.
    pub(super) fn take_part(
        &mut self,
        version: u64,
        (part, parts): (u16, u16),
        claims: Vec<(IpAddr, Rank)>,
        now: Duration,
    ) -> Changed {
        if self.version.is_some() || self.parts.as_ref().is_some_and(|parts| parts.version > version) {
            return Vec::new();
        }
        let whole = self.parts.take().filter(|whole| whole.version == version);
        let mut whole =
            whole.unwrap_or_else(|| Parts { version, missing: (0..parts).collect(), claims: HashMap::new() });
        if whole.missing.remove(&part) {
            // It is telling: who interrupts it hears no sooner.
            (self.since, self.next_ask) = (now, now + ASK);
        }
        whole.claims.extend(claims);
        if !whole.missing.is_empty() {
            self.parts = Some(whole);
            return Vec::new();
        }
        self.version = Some(version);
        let before = std::mem::replace(&mut self.claims, whole.claims);
        let touched: BTreeSet<IpAddr> = before.keys().chain(self.claims.keys()).copied().collect();
        let changed = touched.into_iter().filter(|address| before.get(address) != self.claims.get(address));
        changed.map(|address| (address, before.get(&address).copied())).collect()
    }
}
