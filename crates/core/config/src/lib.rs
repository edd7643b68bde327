//! The one door from raw Kubernetes objects to validated, typed configuration and Services.
//!
//! Must not know: how objects are fetched, which addresses are in use, who announces what.
//! Behind this door no string is parsed and no default is guessed again.

pub mod admission;
mod bfd;
mod bgp_advertisement;
mod community;
mod config;
mod go_duration;
mod parse;
mod peer;
mod quoted;
mod raw;
mod selector;
pub mod service;

pub use bfd::BfdProfile;
pub use bgp_advertisement::{BgpAdvertisement, PeerNames};
pub use community::{Community, CommunityError};
pub use config::{Allocation, Config, Interfaces, L2Advertisement, OnLink, Pool, Preempt, Spread};
pub use go_duration::{GoDuration, NoDuration};
pub use parse::{
    AliasError, BackendError, BfdError, BgpAdvertisementError, ConfigError, EchoError, Kind, L2Error, Parsed,
    PasswordError, PeerError, PeerFault, PoolError, PoolFault, Refusal, SessionError, TermFault, parse,
};
pub use peer::{Asn, Password, Peer, PeerAsn, PeerFlags, PeerPassword, PeerTarget, Timers};
pub use quoted::Quoted;
pub use raw::{BgpType, Labels, Namespace, Node, RawConfig, Secret};
pub use selector::{Selector, SelectorError};
pub use service::{RecordedCondition, ServiceKey, ServiceView};
