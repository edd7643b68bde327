//! All BGP peers: which versions are in force.

use std::collections::BTreeMap;

use metallb_api::BGPPeer;

use super::backend::refuse_pair;
use super::bfd::Profiles;
use super::objects::{Object, Precedence, distinct, settle};
use super::peer::{EchoError, PeerError, PeerSource, parse_peer};
use super::pools::AcceptedPool;
use super::{Kind, References, Refusal};
use crate::raw::RawConfig;

/// The last good version of each peer.
pub(crate) type PeerSources = BTreeMap<String, PeerSource>;

/// A peer in force.
pub(super) struct AcceptedPeer<'a> {
    pub(super) source: PeerSource,
    pub(super) precedence: Precedence<'a>,
}

impl AcceptedPeer<'_> {
    fn name(&self) -> &str {
        &self.source.peer.name
    }
}

/// The peers in force, and the refused objects.
pub(super) fn parse_peers<'a>(
    raw: &'a RawConfig,
    profiles: &Profiles,
    previous: &PeerSources,
    references: References,
) -> (Vec<AcceptedPeer<'a>>, Vec<Refusal>) {
    let (objects, again) = distinct(&raw.peers);
    let newest = |object: &'a BGPPeer, accepted: &[AcceptedPeer<'a>]| {
        let source = parse_peer(object, raw, profiles, references)?;
        refuse_conflicts(&source, accepted, raw)?;
        Ok(AcceptedPeer { source, precedence: object.precedence() })
    };
    let last_good = |object: &'a BGPPeer, accepted: &[AcceptedPeer<'a>]| {
        let source = previous.get(object.name())?.clone().on(&raw.nodes).with(profiles);
        refuse_conflicts(&source, accepted, raw).ok()?;
        Some(AcceptedPeer { source, precedence: object.precedence() })
    };
    let (accepted, refused) = settle(objects, newest, last_good);
    let repeated = again.into_iter().map(|name| refusal(name, PeerError::Repeated { name: name.to_owned() }));
    let refused = refused.into_iter().map(|(object, error)| refusal(object.name(), error));
    (accepted, refused.chain(repeated).collect())
}

fn refusal(name: &str, error: PeerError) -> Refusal {
    Refusal { kind: Kind::BGPPeer, name: name.to_owned(), error: error.into() }
}

/// Refuses a peer that cannot be there together with one that is.
fn refuse_conflicts(
    source: &PeerSource,
    accepted: &[AcceptedPeer<'_>],
    raw: &RawConfig,
) -> Result<(), PeerError> {
    for other in accepted {
        refuse_pair(source, &other.source, raw.bgp_type, &raw.nodes)?;
        if source.repeats(&other.source) {
            return Err(PeerError::Repeated { name: source.peer.name.clone() });
        }
    }
    Ok(())
}

/// Refuses peers with BFD echo that are told IPv6 addresses. Advertisements younger than the peer have given way
/// already; of the others the peer is the younger.
pub(super) fn refuse_echo(
    peers: &mut Vec<AcceptedPeer<'_>>,
    pools: &[AcceptedPool],
    raw: &RawConfig,
    profiles: &Profiles,
    previous: &PeerSources,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let mut refused = Vec::new();
    peers.retain(|peer| {
        let Some(error) = echo_conflict(&peer.source, pools) else { return true };
        refusals.push(refusal(peer.name(), error.into()));
        refused.push((peer.name().to_owned(), peer.precedence));
        false
    });
    for (name, precedence) in refused {
        let last_good = previous.get(&name).map(|source| source.clone().on(&raw.nodes).with(profiles));
        let usable = last_good.filter(|source| {
            echo_conflict(source, pools).is_none() && refuse_conflicts(source, peers, raw).is_ok()
        });
        peers.extend(usable.map(|source| AcceptedPeer { source, precedence }));
    }
    refusals
}

fn echo_conflict(source: &PeerSource, pools: &[AcceptedPool]) -> Option<EchoError> {
    if !source.peer.has_bfd_echo() {
        return None;
    }
    let peer = &source.peer.name;
    let mut ipv6 = pools.iter().filter(|accepted| accepted.pool.has_family(metallb_net::IpFamily::V6));
    ipv6.find_map(|accepted| {
        let mut advertisements = accepted.pool.bgp_advertisements.iter();
        let told = advertisements.find(|advertisement| advertisement.selects_peer(peer))?;
        Some(EchoError {
            pool: accepted.pool.name.clone(),
            advertisement: told.name.clone(),
            peer: peer.clone(),
        })
    })
}
