//! Raw objects become a configuration. A wrong object is refused by name; the others are not affected.

use std::collections::BTreeMap;
use std::fmt;

use metallb_api::{IPAddressPoolSpec, L2AdvertisementSpec};

use crate::config::Config;
use crate::raw::RawConfig;

mod l2;
mod overlap;
mod pool;
mod pools;
#[cfg(test)]
mod tests;

pub use l2::L2Error;
pub use pool::{PoolError, PoolFault};

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

/// The kinds of objects a configuration is made of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// An address pool.
    IPAddressPool,
    /// A layer 2 advertisement.
    L2Advertisement,
}

impl Kind {
    /// The name of the kind in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IPAddressPool => "IPAddressPool",
            Self::L2Advertisement => "L2Advertisement",
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
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            ConfigError::Pool(error) => error.fmt(f),
            // These texts do not name the object themselves.
            ConfigError::L2(error) => write!(f, "parsing {} {}: {error}", self.kind.as_str(), self.name),
        }
    }
}

/// The specifications in force: what a wrong newer version falls back to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sources {
    pub(crate) pools: BTreeMap<String, IPAddressPoolSpec>,
    pub(crate) advertisements: BTreeMap<String, L2AdvertisementSpec>,
}

/// Validates everything: of pools that overlap the oldest object wins, everything else goes by name.
///
/// `previous` is the configuration in force so far, `Config::default()` at start: it supplies the last good version
/// of an object that is wrong now. It has no say in which pool wins, or processes that started at different times
/// would disagree.
#[must_use]
pub fn parse(raw: &RawConfig, previous: &Config) -> Parsed {
    let (mut pools, mut refusals) = pools::parse_pools(raw, &previous.sources.pools);
    let refused_pools = refusals.iter().map(|refusal| refusal.name.clone()).collect();
    let (advertisements, refused) = l2::parse_advertisements(raw, &previous.sources.advertisements);
    refusals.extend(refused);
    for accepted in &advertisements {
        l2::attach(accepted, &mut pools);
    }
    let sources = Sources {
        pools: pools.iter().map(|accepted| (accepted.pool.name.clone(), accepted.spec.clone())).collect(),
        advertisements: advertisements.into_iter().map(|ad| (ad.name, ad.spec)).collect(),
    };
    let pools = pools.into_iter().map(|accepted| (accepted.pool.name.clone(), accepted.pool)).collect();
    Parsed { config: Config::new(pools, refused_pools, sources), refusals }
}
