//! The server and its certificates as API servers see them, over TLS on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that can't go on should stop where it is"
)]

mod rotation;
mod server;
mod support;
