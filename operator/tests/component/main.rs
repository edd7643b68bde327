//! The operator against an API server in memory: exactly which requests it makes, and what comes of them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod conditions;
mod drift;
mod failures;
mod faults;
mod first_pass;
mod network_policy;
mod openshift;
mod others;
mod prune;
mod reading;
mod removal;
mod rights;
mod rivals;
mod scenario;
mod takeover;
mod webhook;
mod whole;
