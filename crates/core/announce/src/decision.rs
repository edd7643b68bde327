//! Whether this node announces one Service: the rules of contract 02 §2.1, §2.2 and §2.4, first match wins.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use metallb_config::{Interfaces, L2Advertisement, Pool};

use crate::election::elect;
use crate::endpoints::Endpoints;
use crate::reason::SkipReason;
use crate::service::ServiceFacts;
use crate::world::World;

#[cfg(test)]
mod tests;

/// What this node does about a Service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Announce its addresses.
    Announce(Announcement),
    /// Leave it alone.
    Skip(SkipReason),
    /// No pool holds its addresses. What is announced stays until the controller has decided
    /// where they belong; nothing new starts.
    Orphan(Vec<IpAddr>),
}

/// A Service this node announces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Announcement {
    /// The pool its addresses are from.
    pub pool: String,
    /// Its addresses, in the order of its status.
    pub addresses: Vec<IpAddr>,
    /// Where they are announced.
    pub interfaces: Interfaces,
    /// How often they are made known again unasked; none for never.
    pub refresh: Option<Duration>,
    /// The addresses for which this node has none in the same subnet.
    pub off_subnet: Vec<IpAddr>,
    /// A digest of the nodes that took part in the election. When it changes, somebody else may have
    /// answered until now, and neighbours are told again.
    pub contest: u64,
}

impl Verdict {
    /// The other node that announces, if this one does not.
    #[must_use]
    pub fn heir(&self) -> Option<&str> {
        match self {
            Self::Skip(reason) => reason.owner(),
            Self::Announce(_) | Self::Orphan(_) => None,
        }
    }
}

/// Decides about one Service.
#[must_use]
pub fn decide(world: &World, service: &ServiceFacts, endpoints: &Endpoints) -> Verdict {
    decide_for(world, service, endpoints, None)
}

/// The same where another election than that of the contract has chosen an owner.
pub(crate) fn decide_for(
    world: &World,
    service: &ServiceFacts,
    endpoints: &Endpoints,
    chosen: Option<&str>,
) -> Verdict {
    let addresses = match assigned_addresses(world, service) {
        Ok(addresses) => addresses,
        Err(reason) => return Verdict::Skip(reason),
    };
    let Some(pool) = world.inputs().config.pool_of(&addresses) else { return Verdict::Orphan(addresses) };
    let case = Case { world, service, endpoints, advertisements: relevant(pool, service) };
    match case.announcement(pool, addresses, chosen) {
        Ok(announcement) => Verdict::Announce(announcement),
        Err(reason) => Verdict::Skip(reason),
    }
}

/// The addresses the controller assigned, if the Service is ours to look at (contract 02 §2.1).
fn assigned_addresses(world: &World, service: &ServiceFacts) -> Result<Vec<IpAddr>, SkipReason> {
    if !service.is_load_balancer {
        return Err(SkipReason::NotLoadBalancer);
    }
    if !service.is_served_by(&world.inputs().class) {
        return Err(SkipReason::OtherClass);
    }
    let addresses = service.addresses.as_deref().ok_or(SkipReason::InvalidIp)?;
    if addresses.is_empty() { Err(SkipReason::NoIpAllocated) } else { Ok(addresses.to_vec()) }
}

/// The pool's advertisements for this Service, whichever nodes they select.
pub(crate) fn relevant<'a>(pool: &'a Pool, service: &ServiceFacts) -> Vec<&'a L2Advertisement> {
    service.relevant(pool.l2_advertisements.iter().map(AsRef::as_ref))
}

/// A Service with addresses of a known pool, and all that matters for it.
pub(crate) struct Case<'a> {
    pub(crate) world: &'a World,
    pub(crate) service: &'a ServiceFacts,
    pub(crate) endpoints: &'a Endpoints,
    pub(crate) advertisements: Vec<&'a L2Advertisement>,
}

impl Case<'_> {
    fn announcement(
        &self,
        pool: &Pool,
        addresses: Vec<IpAddr>,
        chosen: Option<&str>,
    ) -> Result<Announcement, SkipReason> {
        if !self.endpoints.any {
            return Err(SkipReason::NoServingEndpoint);
        }
        if self.service.has_sharing_annotation && self.advertisements.iter().any(|ad| !ad.services.is_empty())
        {
            return Err(SkipReason::SharedIpWithServiceSelector);
        }
        let me = self.world.inputs().me.as_str();
        let candidates = self.candidates();
        let first = *addresses.first().ok_or(SkipReason::NoIpAllocated)?;
        let elected = || elect(candidates.iter().map(|node| (*node, self.score(node))), first);
        let owner = chosen.or_else(elected);
        let is_selected = self.advertisements.iter().any(|ad| ad.selects_node(me));
        match owner {
            Some(owner) if owner == me => {}
            Some(owner) if is_selected => return Err(SkipReason::OtherNode { owner: owner.to_owned() }),
            Some(owner) => return Err(SkipReason::NotSelected { owner: owner.to_owned() }),
            None if is_selected => return Err(SkipReason::NoCandidate),
            None => return Err(SkipReason::NoMatchingAdvertisement),
        }
        let interfaces = self.interfaces(me);
        if !self.world.has_any(&interfaces) {
            return Err(SkipReason::NoSuchInterface { addresses });
        }
        let off_subnet = addresses.iter().copied().filter(|ip| !self.world.is_on_subnet(*ip, &interfaces));
        let off_subnet = off_subnet.collect();
        Ok(Announcement {
            pool: pool.name.clone(),
            addresses,
            interfaces,
            refresh: self.refresh(me),
            off_subnet,
            contest: digest(&candidates),
        })
    }

    /// The nodes among which the owner is chosen.
    pub(crate) fn candidates(&self) -> BTreeSet<&str> {
        self.nearest(self.willing())
    }

    /// The nodes that could take part (contract 02 §2.2, rules 5 and 6). One that comes and goes is better than none.
    pub(crate) fn willing(&self) -> BTreeSet<&str> {
        let candidates = self.candidates_of(self.world.available());
        if candidates.is_empty() { self.candidates_of(self.world.reluctant()) } else { candidates }
    }

    fn candidates_of<'n>(&self, nodes: &'n BTreeSet<String>) -> BTreeSet<&'n str> {
        let nodes = nodes.iter().map(String::as_str);
        nodes
            .filter(|node| !self.service.is_local || self.endpoints.nodes.contains(*node))
            .filter(|node| self.advertisements.iter().any(|ad| ad.selects_node(node)))
            .collect()
    }

    pub(crate) fn score(&self, node: &str) -> u64 {
        self.advertisements.iter().map(|ad| ad.score(node)).sum()
    }

    /// Where this node announces: everywhere if one advertisement says so, else all that any of them names.
    pub(crate) fn interfaces(&self, me: &str) -> Interfaces {
        let mut union = BTreeSet::new();
        for advertisement in self.advertisements.iter().filter(|ad| ad.selects_node(me)) {
            match &advertisement.interfaces {
                Interfaces::All => return Interfaces::All,
                Interfaces::Only(names) => union.extend(names.iter().cloned()),
            }
        }
        Interfaces::Only(union)
    }
}

impl Case<'_> {
    /// How often this node makes the addresses known unasked: of several advertisements for it the shortest interval
    /// counts.
    fn refresh(&self, me: &str) -> Option<Duration> {
        let advertisements = self.advertisements.iter().filter(|ad| ad.selects_node(me));
        advertisements.filter_map(|ad| ad.refresh).min()
    }
}

/// Good for "is it the same set as before" within one process, nothing else.
fn digest(nodes: &BTreeSet<&str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    nodes.hash(&mut hasher);
    hasher.finish()
}
