//! What there is to say about a Service, whoever says it: which node announces it, or why nobody does.

use std::net::IpAddr;

use metallb_config::{Interfaces, ServiceKey};
use sha2::{Digest, Sha256};

use crate::condition::Said;
use crate::decision::{Case, Verdict, relevant};
use crate::endpoints::Endpoints;
use crate::nobody::Nobody;
use crate::overruled::Overruled;
use crate::reason::SkipReason;
use crate::service::ServiceFacts;
use crate::world::{OwnInterfaces, World};

#[cfg(test)]
mod tests;

/// What the condition `metallb.io/Announced` of a Service is to say, and who says it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outlook {
    /// There is nothing to say: it is no load balancer, or has no address.
    Nothing,
    /// Whatever is said stays: the Service is not ours, or it can't be known here who announces it.
    Unchanged,
    /// This node does not announce it, and can't know whether another one still does: what is said of this node goes.
    NotHere,
    /// This node announces it, and says so.
    Here {
        /// Where.
        interfaces: Interfaces,
        /// The addresses for which this node has none in the same subnet.
        off_subnet: Vec<IpAddr>,
        /// The address whose subnet this node is in and had to be in.
        in_subnet: Option<IpAddr>,
        /// The fields of its advertisements that do not count, and why.
        overruled: Option<Overruled>,
    },
    /// This node was elected and has none of the interfaces, or none at all, and says so.
    NoInterface {
        /// What is asked for.
        interfaces: Interfaces,
    },
    /// That node was elected, and says what comes of it.
    There {
        /// The node.
        owner: String,
    },
    /// Nobody announces it. Everybody knows; one says it.
    Nobody(Nobody),
}

/// What there is to say about a Service, given this node's verdict on it.
#[must_use]
pub fn outlook(world: &World, service: &ServiceFacts, endpoints: &Endpoints, verdict: &Verdict) -> Outlook {
    let reason = match verdict {
        Verdict::Orphan(_) => return Outlook::Unchanged,
        // Excluded ones don't count, and nothing may be left.
        Verdict::Announce(announcement) if world.inputs().interfaces.is_empty() => {
            return Outlook::NoInterface { interfaces: announcement.interfaces.clone() };
        }
        Verdict::Announce(announcement) => {
            let interfaces = those_of(&world.inputs().interfaces, &announcement.interfaces);
            let off_subnet = announcement.off_subnet.clone();
            let in_subnet = in_subnet(world, service, endpoints);
            let overruled = Overruled::of(world, service);
            return Outlook::Here { interfaces, off_subnet, in_subnet, overruled };
        }
        Verdict::Skip(reason) => reason,
    };
    let addresses = service.addresses.as_deref().unwrap_or_default();
    let Some(pool) = world.inputs().config.pool_of(addresses) else { return at_the_gate(reason) };
    let case = Case { world, service, endpoints, advertisements: relevant(pool, service) };
    match reason {
        SkipReason::NoServingEndpoint => Outlook::Nobody(Nobody::NoEndpoint),
        SkipReason::SharedIpWithServiceSelector => Outlook::Nobody(Nobody::SharedAddress),
        SkipReason::OtherNode { owner } | SkipReason::NotSelected { owner } => {
            Outlook::There { owner: owner.clone() }
        }
        SkipReason::NoSuchInterface { .. } => {
            Outlook::NoInterface { interfaces: case.interfaces(&world.inputs().me) }
        }
        SkipReason::NoMatchingAdvertisement | SkipReason::NoCandidate => {
            Nobody::of(&case, pool).map_or(Outlook::Unchanged, Outlook::Nobody)
        }
        other => at_the_gate(other),
    }
}

/// Advertisements name interfaces of all their nodes; what one of them lacks it announces nothing on.
fn those_of(own: &OwnInterfaces, named: &Interfaces) -> Interfaces {
    match named {
        Interfaces::All => Interfaces::All,
        Interfaces::Only(names) => {
            Interfaces::Only(names.iter().filter(|name| own.contains_key(*name)).cloned().collect())
        }
    }
}

fn in_subnet(world: &World, service: &ServiceFacts, endpoints: &Endpoints) -> Option<IpAddr> {
    let pool = world.inputs().config.pool_of(service.addresses.as_deref()?)?;
    Case { world, service, endpoints, advertisements: relevant(pool, service) }.in_subnet_of()
}

/// Of a Service for which no election is held.
fn at_the_gate(reason: &SkipReason) -> Outlook {
    match reason {
        SkipReason::NotLoadBalancer | SkipReason::NoIpAllocated | SkipReason::InvalidIp => Outlook::Nothing,
        // Who announces it when its pool goes does so until the controller has decided, and says so.
        SkipReason::IpNotAllowed => Outlook::NotHere,
        SkipReason::ServiceDeleted
        // Another installation's, which says what there is to say.
        | SkipReason::OtherClass
        | SkipReason::LoadBalancerIpChanged
        | SkipReason::NoServingEndpoint
        | SkipReason::SharedIpWithServiceSelector
        | SkipReason::NoMatchingAdvertisement
        | SkipReason::NoCandidate
        | SkipReason::OtherNode { .. }
        | SkipReason::NotSelected { .. }
        | SkipReason::NoSuchInterface { .. } => Outlook::Unchanged,
    }
}

impl Outlook {
    /// Whether what is said about the Service will do.
    #[must_use]
    pub fn is_said(&self, me: &str, said: Option<Said>) -> bool {
        match self {
            Self::Unchanged => true,
            Self::NotHere => said.is_none_or(|said| !said.is_of(me)),
            Self::There { owner } => said.is_some_and(|said| said.is_of(owner)),
            Self::Nothing | Self::Here { .. } | Self::NoInterface { .. } | Self::Nobody(_) => {
                self.condition(me).map(|condition| condition.as_said()) == said
            }
        }
    }

    /// How many others say it before this node does, if they do.
    #[must_use]
    pub fn turn(&self, world: &World, service: &ServiceKey) -> usize {
        match self {
            Self::Here { .. } | Self::NoInterface { .. } | Self::NotHere => 0,
            // The first turn is the owner's.
            Self::There { .. } => turn(world, service).saturating_add(1),
            Self::Nothing | Self::Unchanged | Self::Nobody(_) => turn(world, service),
        }
    }
}

/// This node's place in the line of live speakers. The line is the same for all of them, and begins with another one for
/// each Service, so that thousands are not on one speaker's hands.
fn turn(world: &World, service: &ServiceKey) -> usize {
    let me = &world.inputs().me;
    let live = world.live();
    let length = live.len();
    let Some(place) = live.into_iter().position(|node| node == me) else { return length };
    let ahead = place.saturating_add(start(service).checked_rem(length).unwrap_or_default());
    ahead.checked_rem(length).unwrap_or_default()
}

/// A number that is the same for a Service everywhere.
fn start(service: &ServiceKey) -> usize {
    let hash = Sha256::digest(service.to_string());
    hash.iter().take(4).fold(0, |number, byte| (number << 8) | usize::from(*byte))
}
