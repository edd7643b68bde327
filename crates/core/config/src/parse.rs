//! Raw objects become a configuration. A wrong object is refused by name; the others are not affected.

use std::collections::BTreeMap;
use std::fmt;

use metallb_api::{IPAddressPoolSpec, L2AdvertisementSpec};

use crate::config::Config;
use crate::peer::Peer;
use crate::raw::RawConfig;

mod backend;
mod bfd;
mod bgp_advertisement;
mod bgp_advertisements;
mod community;
mod l2;
mod objects;
mod overlap;
mod password;
mod peer;
mod peers;
mod pool;
mod pools;
mod selectors;
mod session;
#[cfg(test)]
mod tests;

pub use backend::BackendError;
pub use bfd::BfdError;
pub use bgp_advertisement::BgpAdvertisementError;
pub use community::AliasError;
pub use l2::{L2Error, TermFault};
pub use password::PasswordError;
pub use peer::{EchoError, PeerError, PeerFault};
pub use pool::{PoolError, PoolFault};
pub use session::SessionError;

/// The outcome of [`parse`].
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What is in force from now on.
    pub config: Config,
    /// The objects whose newest version is not in force, by kind and name, and why.
    pub refusals: Vec<Refusal>,
}

/// One object is not valid. Its last good version stays in force, if there is one.
///
/// Prints the reason, with the object's name in it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// Kind of the object.
    pub kind: Kind,
    /// Name of the object.
    pub name: String,
    /// Why it is refused.
    pub error: ConfigError,
}

impl Refusal {
    /// Whether it may go away by itself: the object names something that may appear later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.error.is_transient()
    }
}

/// The kinds of objects a configuration is made of.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// An address pool.
    IPAddressPool,
    /// A layer 2 advertisement.
    L2Advertisement,
    /// A BFD profile.
    BFDProfile,
    /// A BGP peer.
    BGPPeer,
    /// Names for BGP communities.
    Community,
    /// A BGP advertisement.
    BGPAdvertisement,
}

impl Kind {
    /// The name of the kind in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IPAddressPool => "IPAddressPool",
            Self::L2Advertisement => "L2Advertisement",
            Self::BFDProfile => "BFDProfile",
            Self::BGPPeer => "BGPPeer",
            Self::Community => "Community",
            Self::BGPAdvertisement => "BGPAdvertisement",
        }
    }
}

/// Why an object is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// An address pool is wrong.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// A layer 2 advertisement is wrong.
    #[error(transparent)]
    L2(#[from] L2Error),
    /// A BFD profile is wrong.
    #[error(transparent)]
    Bfd(#[from] BfdError),
    /// A BGP peer is wrong.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// A name for a BGP community is wrong.
    #[error(transparent)]
    Alias(#[from] AliasError),
    /// A BGP advertisement is wrong.
    #[error(transparent)]
    BgpAdvertisement(#[from] BgpAdvertisementError),
}

impl ConfigError {
    /// Whether it may go away by itself: the object names something that may appear later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Peer(error) => error.is_transient(),
            Self::BgpAdvertisement(error) => error.is_transient(),
            Self::Pool(_) | Self::L2(_) | Self::Bfd(_) | Self::Alias(_) => false,
        }
    }

    /// Whether the text says which object it is about.
    fn names_the_object(&self) -> bool {
        match self {
            Self::Pool(_) => true,
            Self::Peer(error) => !matches!(error, PeerError::Backend(_)),
            Self::L2(_) | Self::Bfd(_) | Self::Alias(_) | Self::BgpAdvertisement(_) => false,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.error.names_the_object() {
            return self.error.fmt(f);
        }
        let place = match &self.error {
            ConfigError::BgpAdvertisement(error) => error.place(),
            _ => None,
        };
        write!(f, "parsing {} {}: {}", self.kind.as_str(), self.name, self.error)?;
        place.map_or(Ok(()), |place| write!(f, " ({place})"))
    }
}

/// What is in force: what a wrong newer version falls back to. Of objects that refer to others it is the validated
/// value, which stays good when those are gone.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sources {
    pools: BTreeMap<String, IPAddressPoolSpec>,
    l2_advertisements: BTreeMap<String, L2AdvertisementSpec>,
    pub(crate) profiles: bfd::Profiles,
    peers: peers::PeerSources,
    communities: BTreeMap<String, community::Aliases>,
    bgp_advertisements: bgp_advertisements::AdvertisementSources,
}

impl Sources {
    /// The peers in force, by name.
    pub(crate) fn peers(&self) -> BTreeMap<String, Peer> {
        self.peers.iter().map(|(name, source)| (name.clone(), source.peer.clone())).collect()
    }
}

/// Whether the things that objects refer to are there to be looked up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum References {
    /// An object that refers to something unknown is refused.
    Required,
    /// They may be there, unseen.
    Optional,
}

/// Validates everything: of objects that exclude each other the oldest wins, everything else goes by name.
///
/// `previous` is the configuration in force so far, `Config::default()` at start: it supplies the last good version
/// of an object that is wrong now. It has no say in which object wins, or processes that started at different times
/// would disagree.
#[must_use]
pub fn parse(raw: &RawConfig, previous: &Config) -> Parsed {
    parse_with(raw, &previous.sources, References::Required)
}

pub(crate) fn parse_with(raw: &RawConfig, previous: &Sources, references: References) -> Parsed {
    let (mut pools, mut refusals) = pools::parse_pools(raw, &previous.pools);
    let refused_pools = refusals.iter().map(|refusal| refusal.name.clone()).collect();
    let (l2, refused) = l2::parse_advertisements(raw, &previous.l2_advertisements);
    refusals.extend(refused);
    for accepted in &l2 {
        l2::attach(accepted, &mut pools);
    }
    let (profiles, refused) = bfd::parse_profiles(raw, &previous.profiles);
    refusals.extend(refused);
    let (mut peers, refused) = peers::parse_peers(raw, &profiles, &previous.peers, references);
    refusals.extend(refused);
    let (communities, refused) = community::parse_communities(raw, &previous.communities);
    refusals.extend(refused);
    let surroundings =
        bgp_advertisements::Surroundings { raw, peers: &peers, aliases: &communities, references };
    let (bgp_advertisements, refused) =
        bgp_advertisements::attach_advertisements(&surroundings, &mut pools, &previous.bgp_advertisements);
    refusals.extend(refused);
    refusals.extend(peers::refuse_echo(&mut peers, &pools, raw, &profiles, &previous.peers));
    refusals.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    let sources = Sources {
        pools: pools.iter().map(|accepted| (accepted.pool.name.clone(), accepted.spec.clone())).collect(),
        l2_advertisements: l2.into_iter().map(|ad| (ad.name, ad.spec)).collect(),
        profiles,
        peers: peers.into_iter().map(|peer| (peer.source.peer.name.clone(), peer.source)).collect(),
        communities,
        bgp_advertisements,
    };
    let pools = pools.into_iter().map(|accepted| (accepted.pool.name.clone(), accepted.pool)).collect();
    Parsed { config: Config::new(pools, refused_pools, sources), refusals }
}
