//! The controller killed between any two writes, replaced, outrun by late writes: nobody shares unasked, nothing is lost.

#![expect(clippy::print_stdout, reason = "how long it took, for whoever asks")]

use std::time::Instant;

use metallb_sim::assignment::{Report, Successor, run};
use metallb_sim::seeds;

fn run_all(successor: Successor) -> Report {
    let begin = Instant::now();
    let mut total = Report::default();
    for seed in seeds() {
        let Report { writes, conflicts, replaced, late } = run(seed, successor);
        total.writes += writes;
        total.conflicts += conflicts;
        total.replaced += replaced;
        total.late += late;
    }
    println!("seeds {:?} in {:?}: {total:?}", seeds(), begin.elapsed());
    total
}

#[test]
fn no_address_is_twice_or_lost_when_controllers_are_killed_between_their_writes() {
    let total = run_all(Successor::WaitsForLateWrites);
    // The runs are about something.
    assert!(total.writes > total.conflicts && total.conflicts > 0 && total.replaced > 0 && total.late > 0);
}

#[test]
fn whatever_late_writes_of_a_deposed_controller_do_is_set_right() {
    let total = run_all(Successor::DoesNotWait);
    assert!(total.late > 0);
}
