//! Simulations that cross crates: many seeds, virtual time, invariants.
//!
//! Must not know: real time, real sockets. A run is a function of its seed; a failure prints it.

#![expect(clippy::panic, reason = "a violated invariant ends the run, and its message names the seed")]
#![expect(clippy::unwrap_used, reason = "the objects are the simulation's own")]

use std::ops::Range;

pub mod assignment;
mod chance;
pub mod holders;
pub mod moves;
pub mod ring;

pub use chance::Chance;

/// The seeds to run: `METALLB_SIM_SEED` to look at one again, or at some (`500..600`); else as many as
/// `METALLB_SIM_SEEDS` says; of its own accord fewer in debug code.
#[must_use]
pub fn seeds() -> Range<u64> {
    let text = |name| std::env::var(name).ok();
    let number = |text: &str| text.parse::<u64>().ok();
    if let Some(asked) = text("METALLB_SIM_SEED") {
        let (first, end) = asked.split_once("..").unwrap_or((&asked, ""));
        if let Some(first) = number(first) {
            return first..number(end).unwrap_or(first + 1);
        }
    }
    let count = text("METALLB_SIM_SEEDS").and_then(|text| number(&text));
    0..count.unwrap_or(if cfg!(debug_assertions) { 300 } else { 10_000 })
}
