//! What one back-end cannot do, or not together (contract 01 §3.6).

use metallb_api::BGPPeerSpec;
use metallb_net::{IpFamily, Prefix};

use super::peer::PeerSource;
use crate::config::Pool;
use crate::go_duration::GoDuration;
use crate::peer::Peer;
use crate::raw::{BgpType, Node};

/// The back-end cannot do it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BackendError {
    /// Native BGP knows no such setting of a peer.
    #[error("peer {address} has {setting} set on native bgp mode")]
    Setting {
        /// Address of the peer; empty if it has none.
        address: String,
        /// The setting.
        setting: &'static str,
    },
    /// Native BGP knows no BFD.
    #[error("bfd profiles section set")]
    Bfd,
    /// Native BGP knows no IPv6.
    #[error("pool {pool:?} has ipv6 CIDR {prefix}, native bgp mode does not support ipv6")]
    Ipv6 {
        /// The pool.
        pool: String,
        /// The IPv6 part of it.
        prefix: Prefix,
    },
    /// Native BGP knows no large communities: one in an advertisement.
    #[error(
        "native BGP mode only supports legacy communities, BGP advertisement {advertisement:?} has non legacy community {community:?}"
    )]
    AdvertisedCommunity {
        /// The advertisement.
        advertisement: String,
        /// The community.
        community: String,
    },
    /// Native BGP knows no large communities: one with a name.
    #[error(
        "native BGP mode only supports legacy communities, BGP community CR {object:?} has non legacy community {{{alias:?} {value:?}}}"
    )]
    NamedCommunity {
        /// The Community object.
        object: String,
        /// The name of the community.
        alias: String,
        /// The community.
        value: String,
    },
    /// FRR has one router ID on a node.
    #[error(
        "peer {router_id} has RouterID different from {other}, in FRR mode peers selecting the same node must all have the same RouterID"
    )]
    RouterId {
        /// The peer's; empty if it has none.
        router_id: String,
        /// The other one's; empty if it has none.
        other: String,
    },
    /// FRR has one session with a router on a node.
    #[error("peer {id} already exists, FRR mode doesn't support duplicate BGPPeers selecting the same node")]
    SameTarget {
        /// Address or interface, and the VRF.
        id: String,
    },
    /// FRR has one AS number in a VRF of a node.
    #[error(
        "peer {id} has myAsn different from {other}, in FRR mode peers selecting the same node must have the same myAsn within the same VRF"
    )]
    Asn {
        /// Address or interface of the peer, and the VRF.
        id: String,
        /// Those of the other.
        other: String,
    },
}

/// Refuses what native BGP cannot do with a peer.
pub(super) fn refuse_settings(spec: &BGPPeerSpec, bgp_type: BgpType) -> Result<(), BackendError> {
    if bgp_type != BgpType::Native {
        return Ok(());
    }
    let text = |field: &Option<String>| field.as_ref().is_some_and(|text| !text.is_empty());
    let flag = |field: Option<bool>| field == Some(true);
    let is_zero = |text: &String| text.parse::<GoDuration>().is_ok_and(|keepalive| keepalive.0.is_zero());
    let settings = [
        ("bfd-profile", text(&spec.bfd_profile)),
        ("keepalive-time", spec.keepalive_time.as_ref().is_some_and(|text| !is_zero(text))),
        ("vrf", text(&spec.vrf)),
        ("connect time", spec.connect_time.is_some()),
        ("EnableGracefulRestart flag", flag(spec.enable_graceful_restart)),
        ("disable MP flag", flag(spec.disable_mp)),
        ("dualstackaddressfamily flag", flag(spec.dual_stack_address_family)),
        ("dynamicASN", text(&spec.dynamic_asn)),
        ("interface", text(&spec.interface)),
        ("localASN", spec.local_asn.is_some_and(|asn| asn != 0)),
    ];
    let found = settings.into_iter().find(|(_, is_set)| *is_set);
    let address = spec.peer_address.clone().unwrap_or_default();
    found.map_or(Ok(()), |(setting, _)| Err(BackendError::Setting { address, setting }))
}

/// Refuses BFD profiles where there is no BFD.
pub(super) fn refuse_profile(bgp_type: BgpType) -> Result<(), BackendError> {
    if bgp_type == BgpType::Native { Err(BackendError::Bfd) } else { Ok(()) }
}

/// Refuses that a pool is advertised that native BGP cannot advertise.
pub(super) fn refuse_ipv6(pool: &Pool, bgp_type: BgpType) -> Result<(), BackendError> {
    if bgp_type != BgpType::Native {
        return Ok(());
    }
    let range = pool.ranges.iter().find(|range| range.family() == IpFamily::V6);
    match range.and_then(|range| range.prefixes().first().copied()) {
        Some(prefix) => Err(BackendError::Ipv6 { pool: pool.name.clone(), prefix }),
        None => Ok(()),
    }
}

/// Refuses two peers that FRR cannot have on one node.
pub(super) fn refuse_pair(
    new: &PeerSource,
    other: &PeerSource,
    bgp_type: BgpType,
    nodes: &[Node],
) -> Result<(), BackendError> {
    let (new, other) = (&new.peer, &other.peer);
    let is_frr = matches!(bgp_type, BgpType::Frr | BgpType::FrrK8s);
    // Without nodes nothing is known of where the peers land.
    let are_apart = !nodes.is_empty() && new.nodes.is_disjoint(&other.nodes);
    if !is_frr || are_apart {
        return Ok(());
    }
    if new.router_id != other.router_id {
        let text = |peer: &Peer| peer.router_id.map(|id| id.to_string()).unwrap_or_default();
        return Err(BackendError::RouterId { router_id: text(new), other: text(other) });
    }
    let (id, other_id) = (identifier(new), identifier(other));
    if id == other_id {
        return Err(BackendError::SameTarget { id });
    }
    if new.vrf == other.vrf && new.local_asn != other.local_asn {
        return Err(BackendError::Asn { id, other: other_id });
    }
    Ok(())
}

fn identifier(peer: &Peer) -> String {
    peer.vrf.as_ref().map_or_else(|| peer.target.to_string(), |vrf| format!("{}-{vrf}", peer.target))
}
