//! Bounded spread: the election of the contract, where a candidate that has a quarter more than its share is passed over.
//!
//! A pure function of the addresses and the candidates, so every speaker comes to the same without a word (consistent
//! hashing with bounded loads). What is kept between two calls only saves time.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::election::ballot;

#[cfg(test)]
mod tests;

/// Nodes that may announce, with their scores, in the order of their names.
pub type Candidates = Arc<[(String, u64)]>;

/// Addresses that have the same candidates, spread over these.
#[derive(Clone, Debug)]
pub struct Shares {
    candidates: Candidates,
    entries: BTreeMap<IpAddr, Entry>,
    is_settled: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Whom the contract's election gives it to; out of bounds without candidates.
    first: usize,
    /// Everybody in that order; known of those that were passed on.
    order: Option<Box<[usize]>>,
    owner: Option<usize>,
}

impl Shares {
    /// Nothing yet, over these.
    #[must_use]
    pub fn over(candidates: Candidates) -> Self {
        Self { candidates, entries: BTreeMap::new(), is_settled: true }
    }

    /// Whether it has no address.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an address.
    pub fn insert(&mut self, address: IpAddr) {
        let candidates = &self.candidates;
        self.entries.entry(address).or_insert_with(|| {
            self.is_settled = false;
            Entry { first: first(candidates, address), order: None, owner: None }
        });
    }

    /// Takes an address away.
    pub fn remove(&mut self, address: IpAddr) {
        self.is_settled &= self.entries.remove(&address).is_none();
    }

    /// Chooses anew where something was added or taken away; the addresses that another node has now.
    pub fn settle(&mut self) -> Vec<IpAddr> {
        if std::mem::replace(&mut self.is_settled, true) {
            return Vec::new();
        }
        let most = most(self.entries.len(), self.candidates.len());
        let mut loads = vec![0_usize; self.candidates.len()];
        let mut changed = Vec::new();
        for (address, entry) in &mut self.entries {
            let owner = entry
                .choose(&self.candidates, *address, |node| loads.get(node).is_some_and(|load| *load < most));
            if let Some(load) = owner.and_then(|node| loads.get_mut(node)) {
                *load = load.saturating_add(1);
            }
            if std::mem::replace(&mut entry.owner, owner) != owner {
                changed.push(*address);
            }
        }
        changed
    }

    /// Who has the address since things were [settled](Self::settle).
    #[must_use]
    pub fn owner(&self, address: IpAddr) -> Option<&str> {
        let node = self.entries.get(&address)?.owner?;
        self.candidates.get(node).map(|(name, _)| name.as_str())
    }
}

impl Entry {
    fn choose(
        &mut self,
        candidates: &Candidates,
        address: IpAddr,
        has_room: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        if has_room(self.first) {
            return Some(self.first);
        }
        let order = self.order.get_or_insert_with(|| order(candidates, address));
        order.iter().copied().find(|node| has_room(*node))
    }
}

/// The candidate the contract ranks first for the address.
fn first(candidates: &Candidates, address: IpAddr) -> usize {
    let ballots = candidates.iter().map(|(node, score)| ballot(node, *score, address)).zip(0..);
    ballots.min().map(|(_, node)| node).unwrap_or_default()
}

/// The candidates as the contract ranks them for the address.
fn order(candidates: &Candidates, address: IpAddr) -> Box<[usize]> {
    let ballots = candidates.iter().map(|(node, score)| ballot(node, *score, address));
    let mut order: Vec<_> = ballots.zip(0..).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, node)| node).collect()
}

/// The most addresses a candidate gets: a quarter more than its share, rounded up. Together they have room for all.
fn most(addresses: usize, candidates: usize) -> usize {
    addresses.saturating_mul(5).div_ceil(candidates.max(1).saturating_mul(4))
}
