//! Nodes in the subnet of an address come before others, where its advertisements say so (`subnets: Prefer`): only they
//! are asked for it by the neighbours in that subnet.
//!
//! Only what speakers tell each other counts, also of this node: what only one of them knew would give two owners.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use metallb_config::OnLink;
use metallb_net::Prefix;

use crate::decision::Case;
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

    /// The address whose subnet the winner, this node, is in by its own word, where that counts. Who else is in it, or is not and stood back, comes
    /// and goes with other nodes: thousands of Services would have to be told of that.
    pub(crate) fn in_subnet_of(&self) -> Option<IpAddr> {
        let inputs = self.world.inputs();
        let has_said = inputs.subnets.as_ref().is_some_and(|subnets| subnets.0.contains_key(&inputs.me));
        let (address, near) = self.on_link(&self.willing()).filter(|_| has_said)?;
        (!near.is_empty()).then_some(address)
    }
}
