//! Decides which address each Service gets, and keeps it.
//!
//! Must not know: Kubernetes clients, time, or how a decision becomes true. The state is derived: it can be rebuilt
//! from the configuration and the addresses recorded in the Services at any moment.

mod allocator;
mod book;
mod choice;
mod condition;
mod decide;
mod decision;
mod event;
mod explain;
mod free;
mod growth;
mod known;
mod options;
mod refusal;
mod usage;
mod wake;

pub use allocator::Allocator;
pub use condition::{Condition, ConditionReason};
pub use decision::{Assignment, Decision, Reason, Record};
pub use event::{Event, EventReason};
pub use free::{FreeSet, Position};
pub use options::{Options, UnknownPool};
pub use refusal::{AllocationError, Refused};
pub use usage::PoolUsage;
