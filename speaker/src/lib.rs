//! The speaker: makes addresses reachable from its node.
//!
//! Wires the decisions of `metallb-announce` and `metallb-l2` to the API server, the kernel and the logs.
//! Must not know: how a decision is made.

mod condition;
mod conflicts;
mod digest;
mod exclusion;
mod executor;
pub mod flags;
mod history;
pub mod interfaces;
mod known;
pub mod layer2;
pub mod membership;
mod owner;
mod prompt;
mod pulse;
mod run;
mod snapshot;
mod status;
mod stores;
#[cfg(test)]
mod testing;
mod tidy;

pub use exclusion::{EXCLUSION_FILE, Exclusion, ExclusionError};
pub use owner::Lost;
pub use pulse::Pulse;
pub use run::{RunError, run};
