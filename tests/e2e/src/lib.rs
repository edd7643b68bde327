//! What end-to-end tests and the demo share: a bed with MetalLB on it, and eyes outside the cluster.
//!
//! Must not know: our own crates other than the test bed. What it sees is what a user sees:
//! objects through kubectl, packets on the wire.

#![expect(
    clippy::indexing_slicing,
    reason = "only JSON values are indexed: a missing field is null, never a panic"
)]

pub mod cluster;
pub mod lan;
pub mod manifest;
pub mod probe;
pub mod stream;
pub mod suite;

pub use cluster::Cluster;
