//! Layer 2 advertisements, and the pools they are attached to.

mod terms;

pub use terms::TermFault;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use metallb_api::{L2AdvertisementSpec, LabelSelector, PreferredNodeSelector};

use self::terms::{Terms, parse_terms};
use super::objects::{Object, distinct};
use super::pools::AcceptedPool;
use super::selectors::{SelectorsError, parse_selectors, repeated};
use super::{Kind, Refusal};
use crate::config::{Interfaces, L2Advertisement, matches_any};
use crate::raw::{Node, RawConfig};
use crate::selector::{Selector, SelectorError, render};

/// A layer 2 advertisement is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum L2Error {
    /// A list names something twice.
    #[error("duplicate definition of {field} {item:?}")]
    Repeated {
        /// The list.
        field: &'static str,
        /// What is there twice.
        item: String,
    },
    /// A selector of pools, nodes or Services is wrong.
    #[error("{error}\nfailed to parse {what} selector for {name}")]
    Selector {
        /// What is wrong with it.
        error: SelectorError,
        /// `ipAddressPool`, `node` or `service`.
        what: &'static str,
        /// The advertisement.
        name: String,
    },
    /// A selector of preferred nodes is wrong.
    #[error(
        "{error}\ninvalid preferred node selector {selector:?}\nfailed to parse preferred node selectors for {name}"
    )]
    Preference {
        /// What is wrong with it.
        error: SelectorError,
        /// The selector.
        selector: String,
        /// The advertisement.
        name: String,
    },
    /// A field the original does not have is wrong.
    #[error("invalid {field} {value:?} for {name}: {fault}")]
    Term {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The advertisement.
        name: String,
        /// What is wrong with it.
        fault: TermFault,
    },
}

/// An advertisement in force, with what it was made from.
pub(super) struct AcceptedAdvertisement {
    pub(super) name: String,
    pub(super) spec: L2AdvertisementSpec,
    advertisement: Arc<L2Advertisement>,
    pool_selectors: Vec<Selector>,
}

/// The advertisements in force, by name, and the refused objects.
pub(super) fn parse_advertisements(
    raw: &RawConfig,
    previous: &BTreeMap<String, L2AdvertisementSpec>,
) -> (Vec<AcceptedAdvertisement>, Vec<Refusal>) {
    let (mut objects, again) = distinct(&raw.l2_advertisements);
    objects.sort_by_key(|object| object.name());
    let repetition = |name: &str| L2Error::Repeated { field: "l2advertisements", item: name.to_owned() };
    let mut accepted = Vec::new();
    let mut refusals: Vec<Refusal> = again.into_iter().map(|name| refusal(name, repetition(name))).collect();
    for object in objects {
        let name = object.name();
        match parse_advertisement(name, &object.spec, &raw.nodes) {
            Ok(advertisement) => accepted.push(advertisement),
            Err(error) => {
                let last_good = previous.get(name);
                accepted.extend(last_good.and_then(|spec| parse_advertisement(name, spec, &raw.nodes).ok()));
                refusals.push(refusal(name, error));
            }
        }
    }
    (accepted, refusals)
}

fn refusal(name: &str, error: L2Error) -> Refusal {
    Refusal { kind: Kind::L2Advertisement, name: name.to_owned(), error: error.into() }
}

fn parse_advertisement(
    name: &str,
    spec: &L2AdvertisementSpec,
    nodes: &[Node],
) -> Result<AcceptedAdvertisement, L2Error> {
    if let Some(pool) = repeated(spec.ip_address_pools.as_deref()) {
        return Err(L2Error::Repeated { field: "ipAddressPools", item: pool.clone() });
    }
    let pool_selectors =
        parse_list(name, "ipAddressPool", "ipAddressPoolSelectors", &spec.ip_address_pool_selectors)?;
    let node_selectors = parse_list(name, "node", "nodeSelectors", &spec.node_selectors)?;
    let services = parse_list(name, "service", "serviceSelectors", &spec.service_selectors)?;
    let preferences = parse_preferences(name, spec.preferred_node_selectors.as_deref().unwrap_or_default())?;
    let eligible: Vec<&Node> =
        nodes.iter().filter(|node| matches_any(&node_selectors, &node.labels)).collect();
    let Terms { preempt, spread, refresh, on_link } = parse_terms(name, spec)?;
    let interfaces: BTreeSet<String> = spec.interfaces.iter().flatten().cloned().collect();
    let advertisement = L2Advertisement {
        name: name.to_owned(),
        scores: eligible.iter().filter_map(|node| score(node, &preferences)).collect(),
        nodes: eligible.into_iter().map(|node| node.name.clone()).collect(),
        interfaces: if interfaces.is_empty() { Interfaces::All } else { Interfaces::Only(interfaces) },
        services,
        preempt,
        spread,
        refresh,
        on_link,
    };
    Ok(AcceptedAdvertisement {
        name: name.to_owned(),
        spec: spec.clone(),
        advertisement: Arc::new(advertisement),
        pool_selectors,
    })
}

/// The selectors, sorted by their text.
fn parse_list(
    name: &str,
    what: &'static str,
    field: &'static str,
    raw: &Option<Vec<LabelSelector>>,
) -> Result<Vec<Selector>, L2Error> {
    let mut selectors = parse_selectors(raw.as_deref()).map_err(|error| match error {
        SelectorsError::Wrong { error, .. } => L2Error::Selector { error, what, name: name.to_owned() },
        SelectorsError::Repeated(item) => L2Error::Repeated { field, item },
    })?;
    selectors.sort_by_key(Selector::to_string);
    Ok(selectors)
}

fn parse_preferences(name: &str, raw: &[PreferredNodeSelector]) -> Result<Vec<(u64, Selector)>, L2Error> {
    let parse = |raw: &PreferredNodeSelector| {
        let selector = Selector::parse(&raw.preference).map_err(|error| L2Error::Preference {
            error,
            selector: render(&raw.preference),
            name: name.to_owned(),
        })?;
        // The schema keeps weights between 1 and 100.
        Ok((u64::try_from(raw.weight).unwrap_or(0), selector))
    };
    raw.iter().map(parse).collect()
}

/// The node's name and the sum of the weights that apply to it, unless that is nothing.
fn score(node: &Node, preferences: &[(u64, Selector)]) -> Option<(String, u64)> {
    let weights =
        preferences.iter().filter(|(_, selector)| selector.matches(&node.labels)).map(|(weight, _)| weight);
    let total: u64 = weights.sum();
    (total > 0).then(|| (node.name.clone(), total))
}

/// Attaches an advertisement to every pool it is for, unless the pool has an equal one.
pub(super) fn attach(accepted: &AcceptedAdvertisement, pools: &mut [AcceptedPool]) {
    for target in pools.iter_mut().filter(|target| accepted.is_for(target)) {
        let attached = &mut target.pool.l2_advertisements;
        if !attached.iter().any(|other| is_repetition(other, &accepted.advertisement)) {
            attached.push(Arc::clone(&accepted.advertisement));
        }
    }
}

impl AcceptedAdvertisement {
    fn is_for(&self, target: &AcceptedPool) -> bool {
        let names = self.spec.ip_address_pools.as_deref().unwrap_or_default();
        let everywhere = names.is_empty() && self.pool_selectors.is_empty();
        let by_label = self.pool_selectors.iter().any(|selector| selector.matches(&target.labels));
        everywhere || by_label || names.contains(&target.pool.name)
    }
}

/// Contract 01 §3.3 rule 6. Advertisements with scores are all kept, so that their weights add up.
fn is_repetition(one: &L2Advertisement, other: &L2Advertisement) -> bool {
    let scored = !one.scores.is_empty() || !other.scores.is_empty();
    !scored
        && one.nodes == other.nodes
        && one.interfaces == other.interfaces
        && one.services == other.services
        && one.has_terms_of(other)
}
