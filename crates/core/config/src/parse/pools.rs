//! All address pools: which versions are in force.

use std::collections::{BTreeMap, BTreeSet};

use metallb_api::{IPAddressPool, IPAddressPoolSpec};

use super::overlap::Claimed;
use super::pool::{PoolError, parse_pool};
use super::{Kind, Refusal};
use crate::config::Pool;
use crate::raw::{Labels, Namespace, RawConfig};

/// A pool in force, with what it was made from.
pub(super) struct AcceptedPool {
    pub(super) pool: Pool,
    pub(super) spec: IPAddressPoolSpec,
    /// Labels of the object; advertisements select by them.
    pub(super) labels: Labels,
}

/// A pool object and what may become of it.
struct Candidate<'a> {
    name: &'a str,
    labels: &'a Labels,
    newest: Result<Version<'a>, PoolError>,
    /// The version in force so far.
    last_good: Option<Version<'a>>,
}

/// A specification that is valid in itself.
#[derive(Clone)]
struct Version<'a> {
    pool: Pool,
    spec: &'a IPAddressPoolSpec,
}

/// The pools in force, by name, and the refused objects.
///
/// What is in force already wins over what is new: a newcomer that overlaps it is the wrong one.
pub(super) fn parse_pools(
    raw: &RawConfig,
    previous: &BTreeMap<String, IPAddressPoolSpec>,
) -> (Vec<AcceptedPool>, Vec<Refusal>) {
    let no_labels = Labels::new();
    let mut objects: Vec<&IPAddressPool> = raw.pools.iter().map(AsRef::as_ref).collect();
    objects.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    let (candidates, mut refusals) = read_candidates(&objects, previous, &raw.namespaces, &no_labels);
    let overlaps = find_overlaps(&candidates);
    let mut accepted = Vec::new();
    for candidate in candidates {
        let error = candidate.newest.as_ref().err().or(overlaps.get(candidate.name));
        if let Some(error) = error {
            refusals.push(refusal(candidate.name, error.clone()));
        }
        let version = if error.is_none() { candidate.newest.ok() } else { candidate.last_good };
        let labels = candidate.labels.clone();
        accepted.extend(version.map(|v| AcceptedPool { pool: v.pool, spec: v.spec.clone(), labels }));
    }
    refusals.sort_by(|a, b| a.name.cmp(&b.name));
    (accepted, refusals)
}

fn refusal(name: &str, error: PoolError) -> Refusal {
    Refusal { kind: Kind::IPAddressPool, name: name.to_owned(), error: error.into() }
}

fn read_candidates<'a>(
    objects: &[&'a IPAddressPool],
    previous: &'a BTreeMap<String, IPAddressPoolSpec>,
    namespaces: &[Namespace],
    no_labels: &'a Labels,
) -> (Vec<Candidate<'a>>, Vec<Refusal>) {
    let mut candidates: Vec<Candidate<'a>> = Vec::new();
    let mut refusals = Vec::new();
    for object in objects {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        if candidates.last().is_some_and(|last| last.name == name) {
            refusals.push(refusal(name, PoolError::Repeated { name: name.to_owned() }));
            continue;
        }
        let read = |spec: &'a IPAddressPoolSpec| {
            let pool = parse_pool(name, spec, namespaces)
                .map_err(|fault| PoolError::Invalid { name: name.to_owned(), fault: Box::new(fault) })?;
            Ok(Version { pool, spec })
        };
        candidates.push(Candidate {
            name,
            labels: object.metadata.labels.as_ref().unwrap_or(no_labels),
            newest: read(&object.spec),
            last_good: previous.get(name).and_then(|spec| read(spec).ok()),
        });
    }
    (candidates, refusals)
}

impl Candidate<'_> {
    fn is_new(&self) -> bool {
        self.last_good.is_none()
    }

    fn is_changed(&self) -> bool {
        let newest = self.newest.as_ref().ok().map(|version| version.spec);
        newest.is_some() && newest != self.last_good.as_ref().map(|version| version.spec)
    }
}

/// Which newest versions cannot come into force for their addresses, and why.
///
/// First all versions in force that stay so claim their addresses, then changed pools, then new ones. A changed pool
/// that is refused stays at its last good version, which may in turn refuse others: so one refusal starts the claims
/// anew. Each round refuses one more pool, hence the end.
fn find_overlaps(candidates: &[Candidate<'_>]) -> BTreeMap<String, PoolError> {
    let mut overlaps = BTreeMap::new();
    let mut stay: BTreeSet<&str> = BTreeSet::new();
    'claims: loop {
        let mut claimed = Claimed::default();
        let (changed, in_force): (Vec<_>, Vec<_>) =
            candidates.iter().filter(|c| !c.is_new()).partition(|c| c.is_changed() && !stay.contains(c.name));
        for version in in_force.iter().filter_map(|candidate| candidate.last_good.as_ref()) {
            // They were in force together, so they do not overlap.
            let _in_force = claimed.claim(&version.pool);
        }
        let newcomers = candidates.iter().filter(|candidate| candidate.is_new());
        for candidate in changed.into_iter().chain(newcomers) {
            let Ok(version) = &candidate.newest else { continue };
            let Err(error) = claimed.claim(&version.pool) else { continue };
            overlaps.insert(candidate.name.to_owned(), error);
            if !candidate.is_new() {
                stay.insert(candidate.name);
                continue 'claims;
            }
        }
        return overlaps;
    }
}
