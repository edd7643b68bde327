//! The operator against an API server in memory: exactly which requests it makes, and what comes of them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod conditions;
mod drift;
mod failures;
mod first_pass;
mod removal;
mod scenario;
mod whole;
