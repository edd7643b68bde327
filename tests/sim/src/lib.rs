//! Simulations that cross crates: many seeds, virtual time, invariants.
//!
//! Must not know: real time, real sockets. A run is a function of its seed; a failure prints it.

#![expect(clippy::panic, reason = "a violated invariant ends the run, and its message names the seed")]
#![expect(clippy::unwrap_used, reason = "the objects are the simulation's own")]

use std::ops::Range;

pub mod assignment;
mod chance;
pub mod ring;

pub use chance::Chance;

/// The seeds to run: `METALLB_SIM_SEED` to look at one again, else as many as `METALLB_SIM_SEEDS` says; of its own
/// accord fewer in debug code.
#[must_use]
pub fn seeds() -> Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("METALLB_SIM_SEED") {
        return seed..seed + 1;
    }
    0..number("METALLB_SIM_SEEDS").unwrap_or(if cfg!(debug_assertions) { 300 } else { 10_000 })
}
