//! How the addresses of a pool are told to BGP peers.

use std::collections::BTreeSet;

use metallb_net::IpFamily;

use crate::community::Community;
use crate::config::matches_any;
use crate::raw::Labels;
use crate::selector::Selector;

/// Announces the addresses of a pool over BGP. One value is shared by all pools it is attached to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BgpAdvertisement {
    /// Name of the BGPAdvertisement.
    pub name: String,
    /// IPv4 addresses are rolled up into prefixes of this length, at most 32.
    pub aggregation_length: u8,
    /// IPv6 addresses are rolled up into prefixes of this length, at most 128.
    pub aggregation_length_v6: u8,
    /// LOCAL_PREF of the routes.
    pub local_pref: u32,
    /// Communities of the routes.
    pub communities: BTreeSet<Community>,
    /// The nodes that are next hops.
    pub nodes: BTreeSet<String>,
    /// The peers that are told.
    pub peers: PeerNames,
    /// One of these must match the Service's labels; empty means any Service. Sorted by their text.
    pub services: Vec<Selector>,
}

impl BgpAdvertisement {
    /// The length of the prefixes that addresses of this family are rolled up into.
    #[must_use]
    pub fn aggregation(&self, family: IpFamily) -> u8 {
        match family {
            IpFamily::V4 => self.aggregation_length,
            IpFamily::V6 => self.aggregation_length_v6,
        }
    }

    /// Whether the advertisement is for a Service with these labels.
    #[must_use]
    pub fn selects_service(&self, labels: &Labels) -> bool {
        matches_any(&self.services, labels)
    }

    /// Whether the node is a next hop.
    #[must_use]
    pub fn selects_node(&self, node: &str) -> bool {
        self.nodes.contains(node)
    }

    /// Whether the peer is told.
    #[must_use]
    pub fn selects_peer(&self, peer: &str) -> bool {
        self.peers.has(peer)
    }
}

/// Peers by name. A name need not be that of any peer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PeerNames {
    /// Every peer.
    All,
    /// Those of these names.
    Only(BTreeSet<String>),
}

impl PeerNames {
    /// Whether a peer of this name is meant.
    #[must_use]
    pub fn has(&self, peer: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(peer),
        }
    }

    /// Whether no peer can be meant by both.
    #[must_use]
    pub fn is_disjoint(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Only(one), Self::Only(two)) => one.is_disjoint(two),
            (Self::All, _) | (_, Self::All) => false,
        }
    }
}
