//! Rings of speakers in trouble: one owner at rest, never two for long, nothing without a cause.
//!
//! Of the seeds asked for, rings of ten get all, larger ones a share: 10,000 are 10,000, 304 and 5. Optimized code is
//! advised: `METALLB_SIM_SEEDS=10000 cargo test --release --package metallb-sim --test ring`.

#![expect(clippy::print_stdout, reason = "how long it took, for whoever asks")]

use std::time::Instant;

use metallb_sim::ring::{Report, run};
use metallb_sim::seeds;

/// Debug code takes a second for two minutes of ten speakers.
const SLOWER: u64 = if cfg!(debug_assertions) { 75 } else { 1 };

/// One in so many of the seeds, at least one.
fn run_all(nodes: usize, one_in: u64) -> Report {
    let begin = Instant::now();
    let mut total = Report::default();
    let seeds = seeds();
    let end = seeds.start + (seeds.end - seeds.start).div_ceil(one_in);
    for seed in seeds.start..end {
        total.add(run(seed, nodes));
    }
    println!("{nodes} nodes, seeds {:?} in {:?}: {total:?}", seeds.start..end, begin.elapsed());
    total
}

#[test]
fn ten_speakers() {
    let total = run_all(10, SLOWER);
    // The runs are about something.
    assert!(total.downs > 0 && total.ups > 0 && total.fences > 0 && total.refuted > 0);
}

#[test]
fn three_speakers() {
    let total = run_all(3, SLOWER);
    assert!(total.downs > 0);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes optimized code")]
fn a_hundred_speakers() {
    assert!(run_all(100, 33).downs > 0);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes optimized code")]
fn a_thousand_speakers() {
    let _ = run_all(1_000, 2_000);
}
