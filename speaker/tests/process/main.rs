//! The process (contract 02 §0, §1, §8): how it starts, where it listens, what it says, and how it ends.
//!
//! Each test has a network of its own, so that every speaker listens where it does on a node.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod api;
mod ends;
mod listens;
#[path = "../layer2/netns.rs"]
mod netns;
mod program;
mod ring;
mod says;
