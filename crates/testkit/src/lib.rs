//! Test doubles: an API server in memory, as a real client sees one.
//!
//! Must not know: any of the daemons. For tests only; misuse panics, which fails the test that does it.
#![expect(clippy::indexing_slicing, reason = "only JSON values are indexed: a missing field is null")]

mod api_server;
mod socket;

pub use api_server::{ApiServer, Failure, Request, Verb};
pub use socket::Socket;
