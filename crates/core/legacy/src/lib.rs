//! The `ConfigMap` that configured MetalLB before there were custom resources, as custom resources (contract 01 §10).
//!
//! Must not know: files, clusters, or command lines.
//!
//! [`Source`] finds the configuration in what was given, [`convert`] turns it into objects that `metallb-config`
//! accepts, and [`Resources::to_yaml`] writes them.

mod advertisements;
mod error;
mod input;
mod name;
mod output;
mod peers;
mod resources;
#[cfg(test)]
mod tests;

pub use error::LegacyError;
pub use input::Source;
pub use name::Renamed;
pub use resources::{Resources, convert};
