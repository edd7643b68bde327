//! Prints the table of moves of `docs/layer2.md`. Takes a minute.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use metallb_sim::moves::{Moves, Way, measure};

fn main() {
    println!(
        "| nodes, addresses | way | most | a node dies | it returns | another joins | an address more or less | all restart | most then |"
    );
    for (nodes, addresses) in [(5, 20), (10, 100), (30, 300)] {
        for (name, keeps, is_bounded) in [
            ("as the original", false, false),
            ("`Never`", true, false),
            ("`Bounded`", false, true),
            ("both", true, true),
        ] {
            let moves = measure(Way { keeps, is_bounded }, (nodes, addresses), 20);
            let Moves { most, death, comeback, newcomer, edit, restarts, most_afterwards } = moves;
            println!(
                "| {nodes}, {addresses} | {name} | {most:.2} | {death:.2} | {comeback:.2} | {newcomer:.2} | {edit:.2} | {restarts:.2} | {most_afterwards:.2} |"
            );
        }
    }
}
