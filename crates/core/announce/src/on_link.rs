//! Nodes in the subnet of an address come before others, where its advertisements say so (`subnets: Prefer`): only they
//! are asked for it by the neighbours in that subnet.
//!
//! Only what speakers tell each other counts, also of this node: what only one of them knew would give two owners.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use metallb_config::OnLink;
use metallb_net::Prefix;

use crate::decision::Case;
use crate::nobody::Tally;
use crate::world::World;

#[cfg(test)]
mod tests;

/// The subnets that speakers say they have interfaces in, by node. Who says nothing may have any.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subnets(Arc<BTreeMap<String, Vec<Prefix>>>);

impl Subnets {
    /// What they say.
    #[must_use]
    pub fn told(subnets: Arc<BTreeMap<String, Vec<Prefix>>>) -> Self {
        Self(subnets)
    }

    fn may_have(&self, node: &str, address: IpAddr) -> bool {
        let holds =
            |subnet: &Prefix| Prefix::new(address, subnet.length()).is_ok_and(|around| around == *subnet);
        self.0.get(node).is_none_or(|subnets| subnets.iter().any(holds))
    }
}

impl World {
    /// Whether an advertisement in force asks which subnets nodes have.
    #[must_use]
    pub fn asks_for_subnets(&self) -> bool {
        let pools = self.inputs().config.pools.values();
        pools.flat_map(|pool| &pool.l2_advertisements).any(|ad| ad.on_link == OnLink::Prefer)
    }
}

impl Case<'_> {
    /// Of these candidates those that may win: if some are in the subnet of the address they, else all.
    pub(crate) fn nearest<'n>(&self, candidates: BTreeSet<&'n str>) -> BTreeSet<&'n str> {
        match self.on_link(&candidates) {
            Some((_, near)) if !near.is_empty() => near,
            _ => candidates,
        }
    }

    /// The candidates in the subnet of the address, if that matters.
    fn on_link<'n>(&self, candidates: &BTreeSet<&'n str>) -> Option<(IpAddr, BTreeSet<&'n str>)> {
        let is_asked_for = self.advertisements.iter().any(|ad| ad.on_link == OnLink::Prefer);
        let subnets = self.world.inputs().subnets.as_ref().filter(|_| is_asked_for)?;
        // Whoever wins the first address answers for the others, too.
        let address = *self.service.addresses.as_deref()?.first()?;
        let near = candidates.iter().copied().filter(|node| subnets.may_have(node, address));
        Some((address, near.collect()))
    }

    /// Those that stand back for others; none if nobody does.
    pub(crate) fn stood_back(&self) -> Option<StoodBack> {
        let candidates = self.willing();
        let (address, near) = self.on_link(&candidates)?;
        let back = candidates.difference(&near).copied();
        let nodes = if near.is_empty() { Tally::default() } else { back.collect() };
        (nodes.count() > 0).then_some(StoodBack { address, nodes })
    }
}

/// Candidates that leave an address to those in its subnet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StoodBack {
    address: IpAddr,
    nodes: Tally,
}

impl fmt::Display for StoodBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, nodes } = self;
        nodes.write(
            f,
            &format!("left out for having no interface in the subnet of {address} (subnets: Prefer)"),
        )
    }
}
