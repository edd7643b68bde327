//! The process (contract 03 §3.1, §3.3, §4.3, §4.4): how it starts, where it listens, what it presents, and how it ends.
//!
//! Each test has a network of its own, so that every operator listens where it does in a pod.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod client;
mod ends;
mod leads;
mod listens;
mod presents;
mod program;
