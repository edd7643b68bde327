//! The port of this layer is blocked between nodes that live.

use super::network::*;
use crate::{Action, Note};

/// Lets time pass in which memberlist asks all who are doubted, and those answer who run.
fn run_with_memberlist(network: &mut Network, milliseconds: u32) {
    for _ in 0..milliseconds {
        network.run(1);
        let now = network.now;
        let running = network.nodes.iter().filter(|(_, node)| node.runs).map(|(name, _)| name.clone());
        let running: Vec<String> = running.collect();
        for asker in &running {
            let machine = &mut network.node(asker).machine;
            let doubted: Vec<String> = machine.doubted().map(str::to_owned).collect();
            for name in doubted.iter().filter(|name| running.contains(name)) {
                machine.heard_elsewhere(name, now);
            }
        }
    }
}

fn block_all(network: &mut Network) {
    let names: Vec<String> = network.nodes.keys().cloned().collect();
    for one in &names {
        names.iter().filter(|other| *other != one).for_each(|other| network.cut(one, other));
    }
}

#[test]
fn a_port_that_gets_blocked_fells_nobody_whom_memberlist_hears() {
    for nodes in [2, 3, 6] {
        let mut network = Network::of(nodes);
        block_all(&mut network);
        run_with_memberlist(&mut network, 10_000);
        assert!(!network.log.iter().any(|(_, _, action)| matches!(action, Action::Down(_))), "{nodes}");
        let remarks =
            network.log.iter().filter(|(_, _, action)| matches!(action, Action::Note(Note::Overruled(_))));
        assert_eq!(
            remarks.count(),
            nodes * (nodes - 1).min(4),
            "each tells once of each it watches: {nodes}"
        );
        network.cut.clear();
        run_with_memberlist(&mut network, 1_000);
        network.freeze("n1", true);
        let fall = |name: &str| format!("{name}:n1");
        let others: Vec<String> =
            network.nodes.keys().filter(|name| *name != "n1").map(|n| fall(n)).collect();
        run_with_memberlist(&mut network, 450);
        assert_eq!(network.standing(), others.join(" "), "heartbeats that pass again count again: {nodes}");
    }
}

#[test]
fn one_blocked_node_is_no_dead_one_in_whatever_ring() {
    for nodes in [3, 4, 9] {
        let mut network = Network::of(nodes);
        (1..nodes).for_each(|other| network.cut("n0", &name(other)));
        run_with_memberlist(&mut network, 10_000);
        assert!(!network.log.iter().any(|(_, _, action)| matches!(action, Action::Down(_))), "{nodes}");
    }
}

#[test]
fn one_that_dies_while_the_port_is_blocked_falls_as_fast_as_ever_for_three_seconds() {
    let mut network = Network::of(2);
    block_all(&mut network);
    run_with_memberlist(&mut network, 2_000);
    network.freeze("n1", true);
    run_with_memberlist(&mut network, 450);
    assert_eq!(network.standing(), "n0:n1");
}

#[test]
fn one_that_memberlist_does_not_hear_either_falls_after_the_usual_grace() {
    let mut network = Network::of(2);
    network.freeze("n1", true);
    let began = network.now;
    run_with_memberlist(&mut network, 400);
    assert_eq!(network.standing(), "n0:n1", "since {began:?}");
}
