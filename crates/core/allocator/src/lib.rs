//! Decides which address each Service gets, and keeps it.
//!
//! Must not know: Kubernetes clients, time, or how a decision becomes true. The state is derived: it can be rebuilt
//! from the configuration and the addresses recorded in the Services at any moment.

mod allocator;
mod book;
mod choice;
mod decide;
mod decision;
mod event;
mod free;
mod known;
mod refusal;
mod usage;

pub use allocator::Allocator;
pub use decision::{Assignment, Decision, Reason};
pub use event::{Event, EventReason};
pub use refusal::{AllocationError, Refused};
pub use usage::PoolUsage;
