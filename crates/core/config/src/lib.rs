//! The one door from raw Kubernetes objects to validated, typed configuration and Services.
//!
//! Must not know: how objects are fetched, which addresses are in use, who announces what.
//! Behind this door no string is parsed and no default is guessed again.

mod config;
mod parse;
mod quoted;
mod raw;
mod selector;
pub mod service;

pub use config::{Allocation, Config, Interfaces, L2Advertisement, Pool};
pub use parse::{ConfigError, Kind, L2Error, Parsed, PoolError, PoolFault, Refusal, parse};
pub use quoted::Quoted;
pub use raw::{Labels, Namespace, Node, RawConfig};
pub use selector::{Selector, SelectorError};
pub use service::{ServiceKey, ServiceView};
