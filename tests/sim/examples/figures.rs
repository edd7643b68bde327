//! Prints the table of `docs/layer2-scale.md`. Takes minutes, and optimized code.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use std::time::Duration;

use metallb_sim::ring::{Figures, measure, push_pull};

fn main() {
    println!("| members | killed | frozen | heartbeats | bytes | push/pull |");
    for (nodes, deaths) in [(2, 40), (3, 40), (10, 40), (30, 40), (100, 20), (300, 10), (1_000, 5)] {
        let figures = measure(1, nodes, deaths);
        let [killed, frozen] = [&figures.killed, &figures.frozen].map(|times| {
            let at = |part: usize| times.get(part * (times.len() - 1) / 100).map_or(0, Duration::as_millis);
            format!("{} / {}", at(50), at(100))
        });
        let Figures { packets, bytes, push_pull, .. } = figures;
        println!("| {nodes} | {killed} | {frozen} | {packets:.0} | {bytes:.0} | {push_pull:.0} |");
    }
    println!("push/pull of 5,000: {:.0}", push_pull(5_000));
}
