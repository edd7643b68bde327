//! Routers to speak BGP with.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::time::Duration;

use crate::bfd::BfdProfile;

/// A router, and how the session with it is held.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Peer {
    /// Name of the BGPPeer.
    pub name: String,
    /// Our AS number (`myASN`).
    pub local_asn: Asn,
    /// The AS number shown to this peer instead (`localASN`).
    pub shown_asn: Option<Asn>,
    /// Which AS number the peer may have.
    pub remote_asn: PeerAsn,
    /// Where the peer is.
    pub target: PeerTarget,
    /// Its TCP port.
    pub port: NonZeroU16,
    /// The address the session is opened from; None means what routing picks.
    pub source: Option<IpAddr>,
    /// None leaves them to the back-end.
    pub timers: Option<Timers>,
    /// How long to wait between attempts to connect, in whole seconds; None leaves it to the back-end.
    pub connect_time: Option<Duration>,
    /// Our router ID; None means an address of the node. An IPv6 address is let through as the original does.
    pub router_id: Option<IpAddr>,
    /// The TCP-MD5 password.
    pub password: Option<PeerPassword>,
    /// The BFD session beside the BGP session.
    pub bfd: Option<Arc<BfdProfile>>,
    /// The VRF of the host the session is in.
    pub vrf: Option<String>,
    /// The nodes that open the session.
    pub nodes: BTreeSet<String>,
    /// What is switched on.
    pub flags: PeerFlags,
}

/// What may be switched on for a session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PeerFlags {
    /// The peer may be more than one hop away.
    pub ebgp_multi_hop: bool,
    /// Routes outlive a restart.
    pub graceful_restart: bool,
    /// Both address families are exchanged.
    pub dual_stack: bool,
}

impl Peer {
    /// Whether the node opens the session.
    #[must_use]
    pub fn selects_node(&self, node: &str) -> bool {
        self.nodes.contains(node)
    }

    /// Whether its BFD session sends echo packets.
    #[must_use]
    pub fn has_bfd_echo(&self) -> bool {
        self.bfd.as_ref().is_some_and(|profile| profile.echo_mode)
    }
}

/// An AS number. Never 0, which is reserved.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Asn(NonZeroU32);

impl Asn {
    /// The AS number of this value; None for 0.
    #[must_use]
    pub fn new(value: u32) -> Option<Self> {
        NonZeroU32::new(value).map(Self)
    }

    /// Its value.
    #[must_use]
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which AS number a peer may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PeerAsn {
    /// This one.
    Number(Asn),
    /// Ours, whatever that is.
    Internal,
    /// Any but ours.
    External,
}

/// Where a peer is. Prints as the address or the name of the interface.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum PeerTarget {
    /// At an address.
    Address(IpAddr),
    /// At the other end of an interface of this name.
    Interface(String),
}

impl fmt::Display for PeerTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Interface(name) => f.write_str(name),
        }
    }
}

/// The timers of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timers {
    /// How long the session survives without a message: less than a second, which means for ever, or at least 3 s.
    pub hold: Duration,
    /// How often a sign of life is sent; not longer than `hold`.
    pub keepalive: Duration,
}

/// The password of a session, and whether it stands in a Secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PeerPassword {
    /// It stands in the BGPPeer.
    Clear(Password),
    /// It stands in a Secret.
    Secret {
        /// Name of the Secret.
        name: String,
        /// The namespace given with it. It is looked up in MetalLB's namespace all the same.
        namespace: Option<String>,
        /// What stands there.
        password: Password,
    },
}

impl PeerPassword {
    /// The password itself.
    #[must_use]
    pub fn password(&self) -> &Password {
        match self {
            Self::Clear(password) | Self::Secret { password, .. } => password,
        }
    }
}

/// A password. Does not show itself in logs.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Password(Vec<u8>);

impl Password {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl<T: Into<Vec<u8>>> From<T> for Password {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}
