//! One address pool.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use metallb_api::{IPAddressPoolSpec, LabelSelector, ServiceAllocation};
use metallb_net::{IpRange, Prefix, RangeError};

use super::selectors::{SelectorsError, parse_selectors};
use crate::config::{Allocation, Pool};
use crate::raw::Namespace;
use crate::selector::{Selector, SelectorError};

/// An address pool is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PoolError {
    /// The object is wrong in itself.
    #[error("parsing address pool {name}: {fault}")]
    Invalid {
        /// The pool.
        name: String,
        /// What is wrong.
        fault: Box<PoolFault>,
    },
    /// There is another pool of this name.
    #[error("duplicate definition of pool {name:?}")]
    Repeated {
        /// The pool.
        name: String,
    },
    /// It claims addresses that are in use by another pool, or twice.
    #[error("CIDR \"{prefix}\" in pool {name:?} overlaps with already defined CIDR \"{other}\"")]
    Overlap {
        /// The pool.
        name: String,
        /// The part of it that overlaps.
        prefix: Prefix,
        /// What it overlaps with.
        other: Prefix,
    },
}

/// What is wrong in an address pool.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PoolFault {
    /// The pool has no name.
    #[error("missing pool name")]
    NoName,
    /// The pool has no addresses.
    #[error("pool has no prefixes defined")]
    NoAddresses,
    /// An entry is neither prefix nor range.
    #[error("invalid CIDR {entry:?} in pool {pool:?}: {detail}")]
    Entry {
        /// The entry.
        entry: String,
        /// The pool.
        pool: String,
        /// What is wrong with it.
        detail: RangeError,
    },
    /// A namespace is named twice.
    #[error("duplicate definition in namespaces field")]
    RepeatedNamespace,
    /// A selector is listed twice.
    #[error("duplicate definition of {field} {selector:?}")]
    RepeatedSelector {
        /// The list.
        field: &'static str,
        /// The selector.
        selector: String,
    },
    /// A selector is wrong.
    #[error("{error}\ninvalid {what} label selector {selector:?} in ip pool {pool}")]
    Selector {
        /// What is wrong with it.
        error: SelectorError,
        /// `namespace` or `service`.
        what: &'static str,
        /// The selector.
        selector: String,
        /// The pool.
        pool: String,
    },
}

/// Validates one pool by itself; advertisements are attached later.
pub(super) fn parse_pool(
    name: &str,
    spec: &IPAddressPoolSpec,
    namespaces: &[Namespace],
) -> Result<Pool, PoolFault> {
    if name.is_empty() {
        return Err(PoolFault::NoName);
    }
    if spec.addresses.is_empty() {
        return Err(PoolFault::NoAddresses);
    }
    let allocation =
        spec.service_allocation.as_ref().map(|raw| parse_allocation(name, raw, namespaces)).transpose()?;
    Ok(Pool {
        name: name.to_owned(),
        ranges: spec.addresses.iter().map(|entry| parse_entry(name, entry)).collect::<Result<_, _>>()?,
        auto_assign: spec.auto_assign.unwrap_or(true),
        avoid_buggy_ips: spec.avoid_buggy_ips.unwrap_or(false),
        allocation,
        l2_advertisements: Vec::new(),
        bgp_advertisements: Vec::new(),
    })
}

fn parse_entry(pool: &str, entry: &str) -> Result<IpRange, PoolFault> {
    let fault = |detail| PoolFault::Entry { entry: entry.to_owned(), pool: pool.to_owned(), detail };
    entry.parse().map_err(fault)
}

fn parse_allocation(
    pool: &str,
    raw: &ServiceAllocation,
    known: &[Namespace],
) -> Result<Allocation, PoolFault> {
    let names = raw.namespaces.as_deref().unwrap_or_default();
    let mut namespaces: BTreeSet<String> = names.iter().cloned().collect();
    if namespaces.len() != names.len() {
        return Err(PoolFault::RepeatedNamespace);
    }
    let selectors = parse_list(pool, "namespace", "namespaceSelectors", raw.namespace_selectors.as_deref())?;
    let selected = known.iter().filter(|namespace| selectors.iter().any(|s| s.matches(&namespace.labels)));
    namespaces.extend(selected.map(|namespace| namespace.name.clone()));
    // Selectors that match no namespace still restrict the pool: to nobody (D2).
    let restricted = !names.is_empty() || !selectors.is_empty();
    Ok(Allocation {
        priority: raw.priority.and_then(|value| u64::try_from(value).ok()).and_then(NonZeroU64::new),
        namespaces: restricted.then_some(namespaces),
        services: parse_list(pool, "service", "serviceSelectors", raw.service_selectors.as_deref())?,
    })
}

fn parse_list(
    pool: &str,
    what: &'static str,
    field: &'static str,
    raw: Option<&[LabelSelector]>,
) -> Result<Vec<Selector>, PoolFault> {
    parse_selectors(raw).map_err(|error| match error {
        SelectorsError::Wrong { error, selector } => {
            PoolFault::Selector { error, what, selector, pool: pool.to_owned() }
        }
        SelectorsError::Repeated(selector) => PoolFault::RepeatedSelector { field, selector },
    })
}
