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
            for name in network.doubted(asker).iter().filter(|name| running.contains(name)) {
                network.node(asker).machine.heard_elsewhere(name, now);
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
    for (nodes, refuses) in [2, 3, 6].into_iter().flat_map(|nodes| [(nodes, false), (nodes, true)]) {
        let mut network = Network::of(nodes);
        network.refuses = refuses;
        block_all(&mut network);
        run_with_memberlist(&mut network, 10_000);
        assert!(
            !network.log.iter().any(|(_, _, action)| matches!(action, Action::Down(_))),
            "{nodes} {refuses}"
        );
        let remarks =
            network.log.iter().filter(|(_, _, action)| matches!(action, Action::Note(Note::Overruled(_))));
        assert_eq!(
            remarks.count(),
            nodes * (nodes - 1).min(4),
            "each tells once of each it watches: {nodes} {refuses}"
        );
        network.cut.clear();
        run_with_memberlist(&mut network, 1_000);
        network.freeze("n1", true);
        let fall = |name: &str| format!("{name}:n1");
        let others: Vec<String> =
            network.nodes.keys().filter(|name| *name != "n1").map(|n| fall(n)).collect();
        run_with_memberlist(&mut network, 450);
        assert_eq!(
            network.standing(),
            others.join(" "),
            "heartbeats that pass again count again: {nodes} {refuses}"
        );
    }
}

#[test]
fn one_blocked_node_is_no_dead_one_in_whatever_ring() {
    for (nodes, refuses) in [3, 4, 9].into_iter().flat_map(|nodes| [(nodes, false), (nodes, true)]) {
        let mut network = Network::of(nodes);
        network.refuses = refuses;
        (1..nodes).for_each(|other| network.cut("n0", &name(other)));
        run_with_memberlist(&mut network, 10_000);
        assert!(
            !network.log.iter().any(|(_, _, action)| matches!(action, Action::Down(_))),
            "{nodes} {refuses}"
        );
    }
}

#[test]
fn one_that_dies_while_the_port_is_blocked_falls_as_fast_as_ever_for_three_seconds() {
    for refuses in [false, true] {
        let mut network = Network::of(2);
        network.refuses = refuses;
        block_all(&mut network);
        run_with_memberlist(&mut network, 2_000);
        network.freeze("n1", true);
        run_with_memberlist(&mut network, 450);
        assert_eq!(network.standing(), "n0:n1", "{refuses}");
    }
}

#[test]
fn one_whose_ports_are_both_closed_falls_at_once_and_one_that_does_not_answer_after_the_grace() {
    for (nodes, is_closed, at_most) in [(2, true, 101), (5, true, 101), (2, false, 142), (5, false, 142)] {
        let mut network = Network::of(nodes);
        if is_closed {
            network.kill("n1");
        } else {
            network.refuses = true;
            (0..nodes).filter(|other| *other != 1).for_each(|other| network.cut("n1", &name(other)));
        }
        network.freeze("n1", true);
        let falls: Vec<String> =
            network.nodes.keys().filter(|name| *name != "n1").map(|name| format!("{name}:n1")).collect();
        let passed = network.until(&falls.join(" "), at_most);
        assert!(is_closed || passed >= 40, "{passed} ms, {nodes} nodes");
    }
}

/// memberlist's port refuses, and then something is heard of it.
#[test]
fn a_closed_port_of_memberlist_counts_until_something_is_heard() {
    for (what, heard_later) in [("a process that is gone", false), ("one that was started again", true)] {
        let mut network = Network::of(2);
        let now = network.now;
        let machine = &mut network.node("n0").machine;
        machine.refused_elsewhere("n1", now);
        if heard_later {
            machine.heard_elsewhere("n1", now + MS);
        }
        machine.refused(address("n1"), now + MS * 2);
        assert_eq!(machine.down().count(), usize::from(!heard_later), "{what}");
        machine.heard_elsewhere("n1", now + MS * 3);
    }
}

#[test]
fn one_that_memberlist_does_not_hear_either_falls_after_the_usual_grace() {
    let mut network = Network::of(2);
    network.freeze("n1", true);
    let began = network.now;
    run_with_memberlist(&mut network, 400);
    assert_eq!(network.standing(), "n0:n1", "since {began:?}");
}
