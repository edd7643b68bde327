//! Few addresses move.

use metallb_sim::moves::{Moves, Way, measure};

fn moves(keeps: bool, is_bounded: bool) -> Moves {
    measure(Way { keeps, is_bounded }, (10, 200), 5)
}

#[test]
fn as_the_original_only_what_a_node_had_or_gets_moves() {
    let moves = moves(false, false);
    assert!((moves.death - 1.0).abs() < 1e-9 && moves.edit.abs() < 1e-9, "{moves:?}");
    assert!((0.5..1.5).contains(&moves.comeback) && (1.5..2.5).contains(&moves.restarts), "{moves:?}");
}

#[test]
fn where_nobody_preempts_what_a_dead_node_had_moves_and_nothing_else_ever() {
    for is_bounded in [false, true] {
        let moves = moves(true, is_bounded);
        assert!((moves.death - 1.0).abs() < 1e-9, "{moves:?}");
        assert!(
            [moves.comeback, moves.newcomer, moves.edit].iter().all(|moved| moved.abs() < 1e-9),
            "{moves:?}"
        );
    }
}

#[test]
fn where_shares_are_bounded_little_more_moves_and_nobody_has_too_much() {
    let moves = moves(false, true);
    assert!(moves.most <= 1.26 && moves.most_afterwards <= 1.26, "{moves:?}");
    assert!(
        moves.death < 1.5 && moves.comeback < 1.5 && moves.newcomer < 1.5 && moves.edit < 1.0,
        "{moves:?}"
    );
}
