//! The controller against an API server in memory.

#![expect(clippy::unwrap_used, reason = "a failed assumption fails the test")]

mod conversion;
mod leadership;
mod outcomes;
mod reconcile;
mod refusals;
mod replicas;
mod world;
