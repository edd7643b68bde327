//! All BGP advertisements, and the pools they are attached to.

use std::collections::BTreeMap;
use std::sync::Arc;

use metallb_api::BGPAdvertisement;
use metallb_net::IpFamily;

use super::backend::refuse_ipv6;
use super::bgp_advertisement::{AdvertisementSource, BgpAdvertisementError, parse_advertisement};
use super::community::Aliases;
use super::objects::{Object, Precedence, distinct};
use super::peer::EchoError;
use super::peers::AcceptedPeer;
use super::pools::AcceptedPool;
use super::{Kind, References, Refusal};
use crate::bgp_advertisement::BgpAdvertisement;
use crate::config::Pool;
use crate::raw::RawConfig;

/// The last good version of each advertisement.
pub(crate) type AdvertisementSources = BTreeMap<String, AdvertisementSource>;

/// What an advertisement has to agree with.
pub(super) struct Surroundings<'a> {
    pub(super) raw: &'a RawConfig,
    pub(super) peers: &'a [AcceptedPeer<'a>],
    pub(super) aliases: &'a BTreeMap<String, Aliases>,
    pub(super) references: References,
}

/// An advertisement that cannot be as it is now, wholly or on some pool.
struct Failed<'a> {
    name: &'a str,
    precedence: Precedence<'a>,
    /// The newest version, if it is valid in itself.
    newest: Option<AdvertisementSource>,
}

/// Attaches the advertisements to the pools. What is in force, and the refused objects.
///
/// Where a pool is the fault, which may be younger than the advertisement, only that pool goes without: of an
/// advertisement whose last good version does not fit either, the newest is attached to the pools it fits.
pub(super) fn attach_advertisements(
    surroundings: &Surroundings<'_>,
    pools: &mut [AcceptedPool],
    previous: &AdvertisementSources,
) -> (AdvertisementSources, Vec<Refusal>) {
    let raw = surroundings.raw;
    let (objects, again) = distinct(&raw.bgp_advertisements);
    let mut refusals: Vec<Refusal> = again.into_iter().map(|name| refusal(name, repetition(name))).collect();
    let mut board = Board { surroundings, pools, accepted: AdvertisementSources::new() };
    let mut failed = Vec::new();
    for object in objects {
        let (name, precedence) = (object.name(), object.precedence());
        let (newest, error) = board.attach_newest(object);
        if let Some(error) = error {
            refusals.push(refusal(name, error));
            failed.push(Failed { name, precedence, newest });
        }
    }
    for failed in failed {
        let last_good = previous.get(failed.name).map(|source| source.clone().on(&raw.nodes));
        board.attach_again(failed, last_good);
    }
    let accepted = board.accepted;
    sort_by_name(pools);
    (accepted, refusals)
}

fn refusal(name: &str, error: BgpAdvertisementError) -> Refusal {
    Refusal { kind: Kind::BGPAdvertisement, name: name.to_owned(), error: error.into() }
}

fn repetition(name: &str) -> BgpAdvertisementError {
    BgpAdvertisementError::Equal { name: name.to_owned(), other: name.to_owned() }
}

fn sort_by_name(pools: &mut [AcceptedPool]) {
    for accepted in pools {
        accepted.pool.bgp_advertisements.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// The pools, and what is attached to them so far.
struct Board<'a, 'p> {
    surroundings: &'a Surroundings<'a>,
    pools: &'p mut [AcceptedPool],
    accepted: AdvertisementSources,
}

impl Board<'_, '_> {
    /// Attaches the newest version, if it is valid in itself, wherever it fits: the younger ones may not take those
    /// places, whatever comes of the others.
    fn attach_newest(
        &mut self,
        object: &BGPAdvertisement,
    ) -> (Option<AdvertisementSource>, Option<BgpAdvertisementError>) {
        let Surroundings { raw, aliases, references, .. } = self.surroundings;
        let newest = match parse_advertisement(object, raw, aliases, *references) {
            Ok(newest) => newest,
            Err(error) => return (None, Some(error)),
        };
        if let Some(error) = self.equal(&newest) {
            return (None, Some(error));
        }
        let error = self.first_fault(&newest, object.precedence());
        self.attach(newest.clone(), object.precedence());
        (Some(newest), error)
    }

    /// Puts the last good version in the place of one that failed, if it fits everywhere.
    fn attach_again(&mut self, failed: Failed<'_>, last_good: Option<AdvertisementSource>) {
        let Failed { name, precedence, newest } = failed;
        self.detach(name);
        let fits = |source: &AdvertisementSource| {
            self.equal(source).is_none() && self.first_fault(source, precedence).is_none()
        };
        if let Some(source) = last_good.filter(fits).or(newest) {
            self.attach(source, precedence);
        }
    }

    /// Why there is an advertisement in force that says the same.
    fn equal(&self, source: &AdvertisementSource) -> Option<BgpAdvertisementError> {
        let other = self.accepted.values().find(|other| source.repeats(other))?;
        let name = source.advertisement.name.clone();
        Some(BgpAdvertisementError::Equal { name, other: other.advertisement.name.clone() })
    }

    /// Why the advertisement cannot be in force on all its pools.
    fn first_fault(
        &self,
        source: &AdvertisementSource,
        precedence: Precedence<'_>,
    ) -> Option<BgpAdvertisementError> {
        let mut targets = self.pools.iter().filter(|target| source.is_for(target));
        targets.find_map(|target| self.surroundings.check(&source.advertisement, precedence, target).err())
    }

    /// Attaches the advertisement to those of its pools that it fits.
    fn attach(&mut self, source: AdvertisementSource, precedence: Precedence<'_>) {
        let shared = Arc::new(source.advertisement.clone());
        for target in self.pools.iter_mut().filter(|target| source.is_for(target)) {
            if self.surroundings.check(&shared, precedence, target).is_ok() {
                target.pool.bgp_advertisements.push(Arc::clone(&shared));
            }
        }
        self.accepted.insert(shared.name.clone(), source);
    }

    fn detach(&mut self, name: &str) {
        self.accepted.remove(name);
        for target in self.pools.iter_mut() {
            target.pool.bgp_advertisements.retain(|attached| attached.name != name);
        }
    }
}

impl Surroundings<'_> {
    /// Whether the advertisement may be attached to the pool.
    fn check(
        &self,
        advertisement: &BgpAdvertisement,
        precedence: Precedence<'_>,
        target: &AcceptedPool,
    ) -> Result<(), BgpAdvertisementError> {
        refuse_ipv6(&target.pool, self.raw.bgp_type)?;
        refuse_too_specific(advertisement, target)?;
        refuse_other_preference(advertisement, &target.pool)?;
        self.refuse_echo(advertisement, precedence, &target.pool)?;
        Ok(())
    }

    /// Of an advertisement and a peer that exclude each other the younger gives way; see also the peers.
    fn refuse_echo(
        &self,
        advertisement: &BgpAdvertisement,
        precedence: Precedence<'_>,
        pool: &Pool,
    ) -> Result<(), EchoError> {
        let mut older = self.peers.iter().filter(|peer| peer.precedence <= precedence);
        let told = older.find(|peer| {
            peer.source.peer.has_bfd_echo() && advertisement.selects_peer(&peer.source.peer.name)
        });
        match told.filter(|_| pool.has_family(IpFamily::V6)) {
            Some(peer) => Err(EchoError {
                pool: pool.name.clone(),
                advertisement: advertisement.name.clone(),
                peer: peer.source.peer.name.clone(),
            }),
            None => Ok(()),
        }
    }
}

/// Contract 01 §3.3 rule 9.
fn refuse_too_specific(
    advertisement: &BgpAdvertisement,
    target: &AcceptedPool,
) -> Result<(), BgpAdvertisementError> {
    for (range, entry) in target.pool.ranges.iter().zip(&target.spec.addresses) {
        let length = advertisement.aggregation(range.family());
        if length == range.family().bits() {
            continue;
        }
        let shortest = range.prefixes().iter().map(metallb_net::Prefix::length).min();
        if let Some(prefix) = shortest.filter(|shortest| *shortest > length) {
            let (pool, entry) = (target.pool.name.clone(), entry.clone());
            return Err(BgpAdvertisementError::TooSpecific { pool, length, prefix, entry });
        }
    }
    Ok(())
}

/// Contract 01 §3.3 rule 10.
fn refuse_other_preference(
    advertisement: &BgpAdvertisement,
    pool: &Pool,
) -> Result<(), BgpAdvertisementError> {
    let clash = pool.bgp_advertisements.iter().find(|other| !may_differ(advertisement, other, pool));
    clash.map_or(Ok(()), |other| {
        let (new, existing) = (advertisement.local_pref, other.local_pref);
        let (pool, other) = (pool.name.clone(), other.name.clone());
        Err(BgpAdvertisementError::LocalPrefClash { pool, other, new, existing })
    })
}

/// Whether the two never make the same route with different preferences.
fn may_differ(one: &BgpAdvertisement, other: &BgpAdvertisement, pool: &Pool) -> bool {
    let are_equal = one.local_pref == other.local_pref;
    let selects_services = !one.services.is_empty() || !other.services.is_empty();
    let are_other_routes = [IpFamily::V4, IpFamily::V6]
        .into_iter()
        .filter(|family| pool.has_family(*family))
        .all(|family| one.aggregation(family) != other.aggregation(family));
    are_equal
        || selects_services
        || are_other_routes
        || one.peers.is_disjoint(&other.peers)
        || one.nodes.is_disjoint(&other.nodes)
}
