//! All address pools: which versions are in force.

use std::collections::BTreeMap;

use metallb_api::{IPAddressPool, IPAddressPoolSpec};

use super::objects::{Object, distinct};
use super::overlap::Claimed;
use super::pool::{PoolError, parse_pool};
use super::{Kind, Refusal};
use crate::config::Pool;
use crate::raw::{Labels, RawConfig};

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
struct Version<'a> {
    pool: Pool,
    spec: &'a IPAddressPoolSpec,
}

/// The pools in force, and the refused objects by name.
///
/// Of pools that overlap the oldest object wins. That is a matter of what stands in the cluster alone, so that every
/// process comes to the same result, whenever it was started. What a process remembers, the last good version of a
/// refused pool, only gets addresses that no valid pool claims.
pub(super) fn parse_pools(
    raw: &RawConfig,
    previous: &BTreeMap<String, IPAddressPoolSpec>,
) -> (Vec<AcceptedPool>, Vec<Refusal>) {
    let no_labels = Labels::new();
    let (candidates, mut refusals) = read_candidates(raw, previous, &no_labels);
    let mut claimed = Claimed::default();
    let (mut accepted, mut fallbacks) = (Vec::new(), Vec::new());
    for Candidate { name, labels, newest, last_good, .. } in candidates {
        match newest.and_then(|version| claim(&mut claimed, version, labels)) {
            Ok(pool) => accepted.push(pool),
            Err(error) => {
                refusals.push(refusal(name, error));
                fallbacks.extend(last_good.map(|version| (version, labels)));
            }
        }
    }
    accepted.extend(fallbacks.into_iter().filter_map(|(old, labels)| claim(&mut claimed, old, labels).ok()));
    refusals.sort_by(|a, b| a.name.cmp(&b.name));
    (accepted, refusals)
}

fn claim(claimed: &mut Claimed, version: Version<'_>, labels: &Labels) -> Result<AcceptedPool, PoolError> {
    claimed.claim(&version.pool)?;
    Ok(AcceptedPool { pool: version.pool, spec: version.spec.clone(), labels: labels.clone() })
}

fn refusal(name: &str, error: PoolError) -> Refusal {
    Refusal { kind: Kind::IPAddressPool, name: name.to_owned(), error: error.into() }
}

/// One candidate for each name, the older first; the objects that repeat a name are refused.
fn read_candidates<'a>(
    raw: &'a RawConfig,
    previous: &'a BTreeMap<String, IPAddressPoolSpec>,
    no_labels: &'a Labels,
) -> (Vec<Candidate<'a>>, Vec<Refusal>) {
    let (objects, again) = distinct(&raw.pools);
    let refusals = again.into_iter().map(|name| refusal(name, PoolError::Repeated { name: name.to_owned() }));
    let candidate = |object: &'a IPAddressPool| {
        let name = object.name();
        let read = |spec: &'a IPAddressPoolSpec| {
            let pool = parse_pool(name, spec, &raw.namespaces)
                .map_err(|fault| PoolError::Invalid { name: name.to_owned(), fault: Box::new(fault) })?;
            Ok(Version { pool, spec })
        };
        Candidate {
            name,
            labels: object.metadata.labels.as_ref().unwrap_or(no_labels),
            newest: read(&object.spec),
            last_good: previous.get(name).and_then(|spec| read(spec).ok()),
        }
    };
    (objects.into_iter().map(candidate).collect(), refusals.collect())
}
