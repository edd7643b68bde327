//! One BGP peer.

use std::num::NonZeroU16;
use std::sync::Arc;

use metallb_api::{BGPPeer, BGPPeerSpec};

use super::References;
use super::backend::{BackendError, refuse_settings};
use super::bfd::Profiles;
use super::objects::Object;
use super::password::{PasswordError, parse_password};
use super::selectors::{SelectorsError, parse_selectors, select_nodes};
use super::session::{
    SessionError, address, asn, parse_connect_time, parse_remote_asn, parse_target, parse_timers,
};
use crate::bfd::BfdProfile;
use crate::peer::{Peer, PeerFlags};
use crate::raw::{Node, RawConfig};
use crate::selector::{Selector, SelectorError};

/// A BGP peer is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PeerError {
    /// The object is wrong in itself.
    #[error("parsing peer {name} {fault}")]
    Invalid {
        /// The peer.
        name: String,
        /// What is wrong.
        fault: Box<PeerFault>,
    },
    /// There is no BFD profile of this name, yet.
    #[error("peer {name} referencing non existing bfd profile {profile}")]
    UnknownProfile {
        /// The peer.
        name: String,
        /// The profile.
        profile: String,
    },
    /// It is there already, under this name or another.
    #[error("peer {name} already exists")]
    Repeated {
        /// The peer.
        name: String,
    },
    /// The back-end cannot do it.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// It has BFD echo and is told IPv6 addresses.
    #[error(transparent)]
    Echo(#[from] EchoError),
}

/// BFD echo knows no IPv6.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "pool {pool} has bgpadvertisement {advertisement} which references peer {peer} which has bfd echo enabled, which is not possible"
)]
pub struct EchoError {
    /// The pool, which has IPv6 addresses.
    pub pool: String,
    /// The advertisement.
    pub advertisement: String,
    /// The peer.
    pub peer: String,
}

/// What is wrong in a BGP peer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PeerFault {
    /// The session cannot be what it shall be.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// A selector is listed twice.
    #[error("duplicate definition of nodeSelectors {selector:?}")]
    RepeatedSelector {
        /// The selector.
        selector: String,
    },
    /// A selector is wrong.
    #[error("{error}\nfailed to convert peer {name} node selector")]
    Selector {
        /// What is wrong with it.
        error: SelectorError,
        /// The peer.
        name: String,
    },
    /// The password cannot be had.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl PeerError {
    /// Whether it may become right by itself, when something that it names appears.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Invalid { fault, .. } => {
                matches!(**fault, PeerFault::Password(PasswordError::NoSecret { .. }))
            }
            Self::UnknownProfile { .. } => true,
            Self::Repeated { .. } | Self::Backend(_) | Self::Echo(_) => false,
        }
    }
}

/// A peer that is valid in itself, with what it was made from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PeerSource {
    pub(crate) peer: Peer,
    selectors: Vec<Selector>,
}

impl PeerSource {
    /// The same peer with these nodes in the cluster.
    pub(super) fn on(mut self, nodes: &[Node]) -> Self {
        self.peer.nodes = select_nodes(nodes, &self.selectors);
        self
    }

    /// The same peer, as far as possible, with what its BFD profile says now.
    pub(super) fn with(mut self, profiles: &Profiles) -> Self {
        let current = self.peer.bfd.as_ref().and_then(|profile| profiles.get(&profile.name));
        self.peer.bfd = current.cloned().or(self.peer.bfd);
        self
    }

    /// Whether the two are equal but for their names.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        if self.peer.target != other.peer.target || self.selectors != other.selectors {
            return false;
        }
        let mut renamed = self.clone();
        renamed.peer.name.clone_from(&other.peer.name);
        renamed == *other
    }
}

/// Validates one peer by itself.
pub(super) fn parse_peer(
    object: &BGPPeer,
    raw: &RawConfig,
    profiles: &Profiles,
    references: References,
) -> Result<PeerSource, PeerError> {
    refuse_settings(&object.spec, raw.bgp_type)?;
    let name = object.name();
    let mut source = parse_spec(object, raw, references)
        .map_err(|fault| PeerError::Invalid { name: name.to_owned(), fault: Box::new(fault) })?;
    source.peer.bfd = find_profile(name, &object.spec, profiles, references)?;
    Ok(source.on(&raw.nodes))
}

fn parse_spec(object: &BGPPeer, raw: &RawConfig, references: References) -> Result<PeerSource, PeerFault> {
    let (name, spec) = (object.name(), &object.spec);
    let local_asn = asn("local", Some(spec.my_asn))?.ok_or(SessionError::NoLocalAsn)?;
    let peer = Peer {
        name: name.to_owned(),
        local_asn,
        remote_asn: parse_remote_asn(spec, local_asn)?,
        shown_asn: asn("session", spec.local_asn)?,
        target: parse_target(spec)?,
        timers: parse_timers(spec)?,
        connect_time: parse_connect_time(spec)?,
        router_id: address(&spec.router_id, |text| SessionError::RouterId { text })?,
        source: address(&spec.source_address, |text| SessionError::Source { text })?,
        port: parse_port(spec.peer_port)?,
        password: parse_password(object, raw, references)?,
        bfd: None,
        vrf: spec.vrf.clone().filter(|name| !name.is_empty()),
        nodes: std::collections::BTreeSet::new(),
        flags: PeerFlags {
            ebgp_multi_hop: spec.ebgp_multi_hop.unwrap_or(false),
            graceful_restart: spec.enable_graceful_restart.unwrap_or(false),
            dual_stack: spec.dual_stack_address_family.unwrap_or(false),
        },
    };
    let selectors = parse_selectors(spec.node_selectors.as_deref()).map_err(|error| match error {
        SelectorsError::Wrong { error, .. } => PeerFault::Selector { error, name: name.to_owned() },
        SelectorsError::Repeated(selector) => PeerFault::RepeatedSelector { selector },
    })?;
    Ok(PeerSource { peer, selectors })
}

/// The BGP port, unless another one is given. v1beta1 knows 0 for "not given".
fn parse_port(port: Option<i32>) -> Result<NonZeroU16, SessionError> {
    const BGP: NonZeroU16 = match NonZeroU16::new(179) {
        Some(port) => port,
        None => NonZeroU16::MIN,
    };
    match port.unwrap_or(0) {
        0 => Ok(BGP),
        port => u16::try_from(port).ok().and_then(NonZeroU16::new).ok_or(SessionError::Port { port }),
    }
}

fn find_profile(
    peer: &str,
    spec: &BGPPeerSpec,
    profiles: &Profiles,
    references: References,
) -> Result<Option<Arc<BfdProfile>>, PeerError> {
    let Some(name) = spec.bfd_profile.as_deref().filter(|name| !name.is_empty()) else { return Ok(None) };
    match (profiles.get(name), references) {
        (Some(profile), _) => Ok(Some(Arc::clone(profile))),
        (None, References::Optional) => Ok(None),
        (None, References::Required) => {
            Err(PeerError::UnknownProfile { name: peer.to_owned(), profile: name.to_owned() })
        }
    }
}
