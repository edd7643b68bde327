//! Who of several replicas leads, as decided over a Lease.
//!
//! Must not know: Kubernetes clients, clocks, or what the leader does.

mod election;
mod lease;

pub use election::{Answer, Candidate, Election, Input, Moment, Request, Timings};
pub use lease::{Draft, Observed, Record};
