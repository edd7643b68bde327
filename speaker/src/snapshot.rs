//! What is known of the cluster, kept in a file: a speaker that is restarted while the API server is away goes on from it.
//!
//! The file is never in the way: what can't be read is left, what can't be written is said once, and the speaker runs on.

mod contents;
mod file;
mod keeper;
mod moment;

pub(crate) use contents::Contents;
pub use file::SnapshotSettings;
pub(crate) use file::{Found, read};
pub(crate) use keeper::Keeper;
pub(crate) use moment::now;
