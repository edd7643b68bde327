//! One BGP advertisement.

use std::collections::{BTreeMap, BTreeSet};

use metallb_api::{BGPAdvertisement, BGPAdvertisementSpec, LabelSelector};

use super::References;
use super::backend::BackendError;
use super::community::Aliases;
use super::objects::Object;
use super::peer::EchoError;
use super::pools::AcceptedPool;
use super::selectors::{SelectorsError, parse_selectors, repeated, select_nodes};
use crate::bgp_advertisement::{BgpAdvertisement, PeerNames};
use crate::community::{Community, CommunityError};
use crate::raw::{BgpType, Node, RawConfig};
use crate::selector::{Selector, SelectorError};

/// A BGP advertisement is refused, or not attached to a pool.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BgpAdvertisementError {
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
    /// It selects Services and rolls up addresses, which may be those of other Services.
    #[error("serviceSelectors and {field} are mutually exclusive, both cannot be set in {name}")]
    Exclusive {
        /// `aggregationLength` or `aggregationLengthV6`.
        field: &'static str,
        /// The advertisement.
        name: String,
    },
    /// No prefix has this length.
    #[error("invalid aggregation length {length} for {family}")]
    Length {
        /// The length.
        length: i32,
        /// `IPv4` or `IPv6`.
        family: &'static str,
    },
    /// LOCAL_PREF has 32 bits.
    #[error("invalid local preference {value}: must be between 0 and 4294967295")]
    LocalPref {
        /// The value.
        value: i64,
    },
    /// It is neither a community nor the name of one, yet.
    #[error("{error}\ninvalid community {community:?} in BGP advertisement")]
    Community {
        /// What is wrong with it as a community.
        error: CommunityError,
        /// The community.
        community: String,
    },
    /// It says what another one says.
    #[error("duplicate definition of bgpadvertisements. advertisement {name} and {other} are equal")]
    Equal {
        /// The advertisement.
        name: String,
        /// The other one.
        other: String,
    },
    /// Addresses of a pool would be rolled up with addresses of somebody else.
    #[error(
        "invalid aggregation length {length}: prefix {prefix} in this pool is more specific than the aggregation length for addresses {entry}"
    )]
    TooSpecific {
        /// The pool.
        pool: String,
        /// The length.
        length: u8,
        /// The length of the longest prefix the entry could be rolled up into.
        prefix: u8,
        /// The entry of the pool.
        entry: String,
    },
    /// One route cannot have two values of LOCAL_PREF. The wording is the original's.
    #[error(
        "invalid local preference {new}: local preferernce {existing} was already set for the same type of BGP update. Check existing BGP advertisements with common pools and aggregation lengths"
    )]
    LocalPrefClash {
        /// The pool of both.
        pool: String,
        /// The other advertisement.
        other: String,
        /// Its value.
        new: u32,
        /// The value of the other advertisement.
        existing: u32,
    },
    /// The back-end cannot do it.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// It would tell IPv6 addresses to a peer with BFD echo.
    #[error(transparent)]
    Echo(#[from] EchoError),
}

impl BgpAdvertisementError {
    /// What the text does not say: where, and with what.
    pub(super) fn place(&self) -> Option<String> {
        match self {
            Self::TooSpecific { pool, .. } => Some(format!("pool {pool}")),
            Self::LocalPrefClash { pool, other, .. } => {
                Some(format!("pool {pool}, with BGPAdvertisement {other}"))
            }
            _ => None,
        }
    }

    /// Whether it may become right by itself, when something that it names appears.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::Community { error: CommunityError::Format { .. }, .. })
    }
}

/// An advertisement that is valid in itself, with what it was made from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AdvertisementSource {
    pub(crate) advertisement: BgpAdvertisement,
    pools: BTreeSet<String>,
    pool_selectors: Vec<Selector>,
    node_selectors: Vec<Selector>,
}

impl AdvertisementSource {
    /// The same advertisement with these nodes in the cluster.
    pub(super) fn on(mut self, nodes: &[Node]) -> Self {
        self.advertisement.nodes = select_nodes(nodes, &self.node_selectors);
        self
    }

    /// Whether the two are equal but for their names.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        if self.pools != other.pools || self.advertisement.communities != other.advertisement.communities {
            return false;
        }
        let mut renamed = self.clone();
        renamed.advertisement.name.clone_from(&other.advertisement.name);
        renamed == *other
    }

    /// Whether it is to be attached to the pool.
    pub(super) fn is_for(&self, target: &AcceptedPool) -> bool {
        let everywhere = self.pools.is_empty() && self.pool_selectors.is_empty();
        let by_label = self.pool_selectors.iter().any(|selector| selector.matches(&target.labels));
        everywhere || by_label || self.pools.contains(&target.pool.name)
    }
}

/// Validates one advertisement by itself.
pub(super) fn parse_advertisement(
    object: &BGPAdvertisement,
    raw: &RawConfig,
    aliases: &BTreeMap<String, Aliases>,
    references: References,
) -> Result<AdvertisementSource, BgpAdvertisementError> {
    let (name, spec) = (object.name(), &object.spec);
    refuse_large_communities(name, spec, raw.bgp_type)?;
    refuse_repetition(spec)?;
    let selectors = |what, field, raw| parse_list(name, what, field, raw);
    let pool_selectors =
        selectors("ipAddressPool", "ipAddressPoolSelectors", &spec.ip_address_pool_selectors)?;
    let node_selectors = selectors("node", "nodeSelectors", &spec.node_selectors)?;
    let services = selectors("service", "serviceSelectors", &spec.service_selectors)?;
    refuse_aggregated_selection(name, spec)?;
    let local_pref = spec.local_pref.unwrap_or(0);
    let peers: BTreeSet<String> = spec.peers.iter().flatten().cloned().collect();
    let advertisement = BgpAdvertisement {
        name: name.to_owned(),
        aggregation_length: length(spec.aggregation_length, 32, "IPv4")?,
        aggregation_length_v6: length(spec.aggregation_length_v6, 128, "IPv6")?,
        local_pref: u32::try_from(local_pref)
            .map_err(|_| BgpAdvertisementError::LocalPref { value: local_pref })?,
        communities: parse_communities(spec, aliases, references)?,
        nodes: BTreeSet::new(),
        peers: if peers.is_empty() { PeerNames::All } else { PeerNames::Only(peers) },
        services,
    };
    let pools = spec.ip_address_pools.iter().flatten().cloned().collect();
    Ok(AdvertisementSource { advertisement, pools, pool_selectors, node_selectors }.on(&raw.nodes))
}

fn refuse_large_communities(
    name: &str,
    spec: &BGPAdvertisementSpec,
    bgp_type: BgpType,
) -> Result<(), BackendError> {
    let is_large = |text: &&String| text.parse::<Community>().is_ok_and(Community::is_large);
    let mut communities = spec.communities.iter().flatten();
    match communities.find(is_large).filter(|_| bgp_type == BgpType::Native) {
        Some(community) => Err(BackendError::AdvertisedCommunity {
            advertisement: name.to_owned(),
            community: community.clone(),
        }),
        None => Ok(()),
    }
}

fn refuse_repetition(spec: &BGPAdvertisementSpec) -> Result<(), BgpAdvertisementError> {
    let lists = [
        ("ipAddressPools", &spec.ip_address_pools),
        ("community", &spec.communities),
        ("peers", &spec.peers),
    ];
    let found = lists.into_iter().find_map(|(field, list)| Some((field, repeated(list.as_deref())?)));
    found.map_or(Ok(()), |(field, item)| Err(BgpAdvertisementError::Repeated { field, item: item.clone() }))
}

/// The selectors, sorted by their text.
fn parse_list(
    name: &str,
    what: &'static str,
    field: &'static str,
    raw: &Option<Vec<LabelSelector>>,
) -> Result<Vec<Selector>, BgpAdvertisementError> {
    let mut selectors = parse_selectors(raw.as_deref()).map_err(|error| match error {
        SelectorsError::Wrong { error, .. } => {
            BgpAdvertisementError::Selector { error, what, name: name.to_owned() }
        }
        SelectorsError::Repeated(item) => BgpAdvertisementError::Repeated { field, item },
    })?;
    selectors.sort_by_key(Selector::to_string);
    Ok(selectors)
}

fn refuse_aggregated_selection(name: &str, spec: &BGPAdvertisementSpec) -> Result<(), BgpAdvertisementError> {
    if spec.service_selectors.as_ref().is_none_or(Vec::is_empty) {
        return Ok(());
    }
    let fields = [
        ("aggregationLength", spec.aggregation_length, 32),
        ("aggregationLengthV6", spec.aggregation_length_v6, 128),
    ];
    let found = fields.into_iter().find(|(_, length, default)| length.is_some_and(|l| l != *default));
    found.map_or(Ok(()), |(field, ..)| Err(BgpAdvertisementError::Exclusive { field, name: name.to_owned() }))
}

fn length(length: Option<i32>, max: u8, family: &'static str) -> Result<u8, BgpAdvertisementError> {
    let length = length.unwrap_or(i32::from(max));
    let valid = u8::try_from(length).ok().filter(|length| *length <= max);
    valid.ok_or(BgpAdvertisementError::Length { length, family })
}

fn parse_communities(
    spec: &BGPAdvertisementSpec,
    aliases: &BTreeMap<String, Aliases>,
    references: References,
) -> Result<BTreeSet<Community>, BgpAdvertisementError> {
    let mut communities = BTreeSet::new();
    for text in spec.communities.iter().flatten() {
        if let Some(known) = aliases.values().find_map(|aliases| aliases.get(text)) {
            communities.insert(*known);
            continue;
        }
        match text.parse() {
            Ok(community) => {
                communities.insert(community);
            }
            // A name that may be defined elsewhere.
            Err(CommunityError::Format { .. })
                if references == References::Optional && !text.contains(':') => {}
            Err(error) => {
                return Err(BgpAdvertisementError::Community { error, community: text.clone() });
            }
        }
    }
    Ok(communities)
}
