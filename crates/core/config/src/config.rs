//! The validated configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use metallb_net::{IpFamily, IpRange, canonical};

use crate::bfd::BfdProfile;
use crate::bgp_advertisement::BgpAdvertisement;
use crate::parse::Sources;
use crate::peer::Peer;
use crate::raw::Labels;
use crate::selector::Selector;
use crate::service::ServiceView;

/// The configuration in force. Equal configurations lead to equal decisions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// The pools in force, by name.
    pub pools: BTreeMap<String, Pool>,
    /// The names of the pools whose newest version is refused. While it is, a Service that has its address from
    /// such a pool does not lose it.
    pub refused_pools: BTreeSet<String>,
    /// The BGP peers in force, by name.
    pub peers: BTreeMap<String, Peer>,
    /// The BFD profiles in force, by name. A peer may hold one that is gone, as long as it is refused for that.
    pub bfd_profiles: BTreeMap<String, Arc<BfdProfile>>,
    /// Which pool each range belongs to: family and first address give last address and pool.
    index: BTreeMap<(IpFamily, IpAddr), (IpAddr, String)>,
    /// The objects this configuration was made from: the last good version of each.
    pub(crate) sources: Sources,
}

impl Config {
    pub(crate) fn new(
        pools: BTreeMap<String, Pool>,
        refused_pools: BTreeSet<String>,
        sources: Sources,
    ) -> Self {
        let ranges = pools.values().flat_map(|pool| pool.ranges.iter().map(move |range| (pool, range)));
        let index = ranges
            .map(|(pool, range)| ((range.family(), range.first()), (range.last(), pool.name.clone())))
            .collect();
        let peers = sources.peers();
        let bfd_profiles = sources.profiles.clone();
        Self { pools, refused_pools, peers, bfd_profiles, index, sources }
    }

    /// The pool that may hold this address: it has the range and does not avoid the address.
    #[must_use]
    pub fn pool_of_one(&self, address: IpAddr) -> Option<&Pool> {
        let address = canonical(address);
        let (_, (last, name)) = self.index.range(..=(IpFamily::of(address), address)).next_back()?;
        let pool = self.pools.get(name)?;
        // The entry before the address may be of the other family, whose addresses compare as smaller.
        let covers = address <= *last && IpFamily::of(*last) == IpFamily::of(address);
        (covers && pool.allows(address)).then_some(pool)
    }

    /// The one pool that may hold all these addresses. None for no addresses.
    #[must_use]
    pub fn pool_of(&self, addresses: &[IpAddr]) -> Option<&Pool> {
        let (first, rest) = addresses.split_first()?;
        let pool = self.pool_of_one(*first)?;
        rest.iter()
            .all(|address| self.pool_of_one(*address).is_some_and(|p| p.name == pool.name))
            .then_some(pool)
    }
}

/// Addresses lent to Services.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// Name of the IPAddressPool.
    pub name: String,
    /// The addresses, in declared order; no two ranges of a configuration overlap.
    pub ranges: Vec<IpRange>,
    /// Whether Services that name neither pool nor address may be served from it.
    pub auto_assign: bool,
    /// Whether IPv4 addresses that end in .0 or .255 are not used.
    pub avoid_buggy_ips: bool,
    /// Which Services the pool is pinned to; None means it is open to all.
    pub allocation: Option<Allocation>,
    /// The layer 2 advertisements of the pool, duplicates removed.
    pub l2_advertisements: Vec<Arc<L2Advertisement>>,
    /// The BGP advertisements of the pool, by name.
    pub bgp_advertisements: Vec<Arc<BgpAdvertisement>>,
}

impl Pool {
    /// Whether a Service may hold the address, given that the pool has it.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        !(self.avoid_buggy_ips && is_buggy(address))
    }

    /// Whether the pool is pinned to this Service or open to all.
    #[must_use]
    pub fn admits(&self, service: &ServiceView) -> bool {
        self.allocation.as_ref().is_none_or(|allocation| allocation.admits(service))
    }

    /// Whether the pool has addresses of this family.
    #[must_use]
    pub fn has_family(&self, family: IpFamily) -> bool {
        self.ranges.iter().any(|range| range.family() == family)
    }
}

/// Whether some home routers mistake this address for a network or broadcast address.
fn is_buggy(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(v4) => matches!(v4.octets(), [_, _, _, 0 | 255]),
        IpAddr::V6(_) => false,
    }
}

/// To which Services a pool is pinned.
#[derive(Clone, Debug, PartialEq)]
pub struct Allocation {
    /// Lower is tried first; None comes last.
    pub priority: Option<NonZeroU64>,
    /// Names of the namespaces that may use the pool; None means all, an empty set means none (D2).
    pub namespaces: Option<BTreeSet<String>>,
    /// One of these must match the Service's labels; empty means any Service.
    pub services: Vec<Selector>,
}

impl Allocation {
    fn admits(&self, service: &ServiceView) -> bool {
        let namespace = self.namespaces.as_ref().is_none_or(|names| names.contains(&*service.key.namespace));
        namespace && matches_any(&self.services, &service.labels)
    }
}

/// Announces the addresses of a pool by ARP and NDP. One value is shared by all pools it is attached to.
#[derive(Clone, Debug, PartialEq)]
pub struct L2Advertisement {
    /// Name of the L2Advertisement; of equal ones the first.
    pub name: String,
    /// The nodes that may announce.
    pub nodes: BTreeSet<String>,
    /// How much a node is preferred; nodes that score nothing are absent.
    pub scores: BTreeMap<String, u64>,
    /// The interfaces announced on.
    pub interfaces: Interfaces,
    /// One of these must match the Service's labels; empty means any Service. Sorted by their text.
    pub services: Vec<Selector>,
    /// When the elected node takes an address from one that holds it.
    pub preempt: Preempt,
    /// Whether the number of addresses of each node is bounded.
    pub spread: Spread,
    /// How often an address is made known again unasked; None for never.
    pub refresh: Option<Duration>,
    /// Whether nodes in the subnet of an address come before others.
    pub on_link: OnLink,
}

/// When the elected node takes an address from one that holds it. The strictest is the greatest.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Preempt {
    /// At once, as in the original.
    #[default]
    Always,
    /// When it has been the elected one for so long.
    Delayed(Duration),
    /// Not before the one that holds it is no candidate any more.
    Never,
}

/// Whether the number of addresses of each node is bounded. The strictest is the greatest.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Spread {
    /// No: chance decides, as in the original.
    #[default]
    None,
    /// Yes.
    Bounded,
}

/// Whether nodes in the subnet of an address come before others. The strictest is the greatest.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum OnLink {
    /// No, as in the original.
    #[default]
    Ignore,
    /// A node without an interface in the subnet does not win while another candidate has one.
    Prefer,
}

impl L2Advertisement {
    /// How often an address is made known again unasked unless an advertisement says otherwise.
    pub const REFRESH: Duration = Duration::from_mins(5);

    /// Whether the advertisement is for a Service with these labels.
    #[must_use]
    pub fn selects_service(&self, labels: &Labels) -> bool {
        matches_any(&self.services, labels)
    }

    /// Whether the node may announce.
    #[must_use]
    pub fn selects_node(&self, node: &str) -> bool {
        self.nodes.contains(node)
    }

    /// Whether both say the same on how addresses are held.
    pub(crate) fn has_terms_of(&self, other: &Self) -> bool {
        (self.preempt, self.spread, self.refresh, self.on_link)
            == (other.preempt, other.spread, other.refresh, other.on_link)
    }

    /// How much the node is preferred; 0 if not at all.
    #[must_use]
    pub fn score(&self, node: &str) -> u64 {
        self.scores.get(node).copied().unwrap_or(0)
    }
}

/// Interfaces of a node.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Interfaces {
    /// Every interface.
    All,
    /// Those with one of these names.
    Only(BTreeSet<String>),
}

/// Whether the list is empty or one of it matches.
pub(crate) fn matches_any(selectors: &[Selector], labels: &Labels) -> bool {
    selectors.is_empty() || selectors.iter().any(|selector| selector.matches(labels))
}
