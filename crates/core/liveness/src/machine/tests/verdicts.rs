use super::network::*;
use crate::{Action, Note};

#[test]
fn a_process_that_is_gone_is_down_within_a_tick_of_its_watchers() {
    for (nodes, standing) in [(2, "n0:n1"), (3, "n0:n1 n2:n1"), (5, "n0:n1 n2:n1 n3:n1 n4:n1")] {
        let mut network = Network::of(nodes);
        network.kill("n1");
        let passed = network.until(standing, 105);
        assert!(nodes < 4 || passed <= 60, "{nodes}: {passed} ms");
    }
}

/// Memberlist counts the dead for seconds, and the newcomer never heard it.
#[test]
fn a_new_process_is_told_who_fell_before_it_came() {
    let mut network = Network::of(3);
    network.kill("n0");
    network.kill("n2");
    network.until("n1:n0 n1:n2", 250);
    network.start("n0", 77);
    network.set_members();
    network.run(600);
    assert_eq!(network.standing(), "n0:n2 n1:n2");
    network.run(2_000);
    assert_eq!(network.standing(), "n0:n2 n1:n2", "and both go on thinking so");
}

#[test]
fn one_that_holds_all_to_be_down_forgets_nobody_when_it_hears_the_first() {
    let mut network = Network::of(3);
    network.freeze("n1", true);
    network.freeze("n2", true);
    network.until("n0:n1 n0:n2", 4_500);
    network.run(100);
    network.freeze("n1", false);
    network.freeze("n2", false);
    network.run(130);
    let peers = &network.node("n0").machine.peers;
    assert!(peers.values().all(|peer| peer.fall.is_some() && peer.heard.is_some()), "{peers:?}");
}

#[test]
fn in_a_large_ring_one_that_is_down_is_asked_by_its_watchers_and_now_and_then_by_others() {
    let mut network = Network::of(12);
    network.kill("n7");
    network.run(1_000);
    let refused = |network: &Network| -> u64 {
        network
            .nodes
            .iter()
            .filter(|(name, _)| *name != "n7")
            .map(|(_, node)| node.machine.counters().refused)
            .sum()
    };
    let watched = network.nodes.values().filter(|node| node.machine.kin.contains(&1_007)).count() as u64;
    let before = refused(&network);
    network.run(4_000);
    let others = 11 - watched;
    // The watchers send heartbeats as well.
    let expected = 4 * watched * 12 + 4 * others / 2;
    let asked = refused(&network) - before;
    assert!(asked <= expected + 2 * others, "{asked} instead of {expected}");
}

#[test]
fn a_frozen_node_is_down_after_silence_and_grace() {
    for (nodes, standing) in [(2, "n0:n1"), (3, "n0:n1 n2:n1"), (5, "n0:n1 n2:n1 n3:n1 n4:n1")] {
        let mut network = Network::of(nodes);
        network.freeze("n1", true);
        let passed = network.until(standing, 400);
        assert!(passed >= 250, "{nodes}: {passed} ms");
    }
}

#[test]
fn everybody_in_a_large_ring_learns_it_at_once() {
    let mut network = Network::of(30);
    network.kill("n7");
    let standing: Vec<String> =
        network.nodes.keys().filter(|name| *name != "n7").map(|name| format!("{name}:n7")).collect();
    assert!(network.until(&standing.join(" "), 60) > 0);
}

#[test]
fn one_broken_link_fells_nobody() {
    let mut network = Network::of(4);
    network.cut("n1", "n2");
    network.run(5_000);
    assert_eq!(network.standing(), "");
    assert!(network.log.iter().any(|(_, _, action)| matches!(action, Action::Note(Note::Suspected { .. }))));
}

#[test]
fn one_direction_lost_fells_nobody_who_is_heard_elsewhere() {
    let mut network = Network::of(4);
    network.cut.insert(("n1".to_owned(), "n2".to_owned()));
    network.run(5_000);
    assert_eq!(network.standing(), "");
}

#[test]
fn two_dead_of_three_are_told_from_an_own_fault_by_closed_ports_or_by_time() {
    let mut network = Network::of(3);
    network.kill("n1");
    network.kill("n2");
    assert!(network.until("n0:n1 n0:n2", 250) > 0);

    let mut network = Network::of(3);
    network.freeze("n1", true);
    network.freeze("n2", true);
    network.run(2_500);
    assert_eq!(network.standing(), "", "it may be the own cable");
    network.until("n0:n1 n0:n2", 1_500);
}

#[test]
fn one_that_hears_nobody_and_is_heard_persuades_nobody_that_the_others_are_down() {
    let mut network = Network::of(10);
    for number in 1..10 {
        network.cut.insert((format!("n{number}"), "n0".to_owned()));
    }
    network.run(6_000);
    assert!(!network.node("n0").down.is_empty(), "in the end it goes on alone");
    let is_persuaded = |(_, at, action): &&(std::time::Duration, String, Action)| {
        at != "n0" && matches!(action, Action::Down(name) if name != "n0")
    };
    assert_eq!(network.log.iter().find(is_persuaded), None);
}

#[test]
fn each_side_of_a_partition_goes_on_alone_and_they_agree_after_it() {
    let mut network = Network::of(5);
    for one in ["n0", "n1"] {
        for other in ["n2", "n3", "n4"] {
            network.cut(one, other);
        }
    }
    network.until("n0:n2 n0:n3 n0:n4 n1:n2 n1:n3 n1:n4 n2:n0 n2:n1 n3:n0 n3:n1 n4:n0 n4:n1", 1_500);
    network.cut.clear();
    network.until("", 400);
}

#[test]
fn one_that_was_cut_off_and_hears_the_others_again_counts_at_once() {
    let mut network = Network::of(4);
    ["n1", "n2", "n3"].into_iter().for_each(|other| network.cut("n0", other));
    network.until("n1:n0 n2:n0 n3:n0", 450);
    network.run(500);
    assert_eq!(network.standing(), "n1:n0 n2:n0 n3:n0", "alone, it blames nobody so soon");
    network.cut.clear();
    network.until("", 150);
    let refuted =
        |(_, name, action): &(_, String, Action)| name == "n0" && *action == Action::Note(Note::Refuted);
    assert!(network.log.iter().any(refuted));
}

#[test]
fn a_restarted_process_counts_after_three_heartbeats() {
    let mut network = Network::of(3);
    network.kill("n1");
    network.until("n0:n1 n2:n1", 105);
    network.start("n1", 77);
    network.run(300);
    assert_eq!(network.standing(), "n0:n1 n1:fenced n2:n1", "memberlist has not told of its new life");
    network.set_members();
    let passed = network.until("", 400);
    assert!(passed >= 200, "{passed} ms");
}

#[test]
fn a_closed_port_fells_one_that_is_heard_all_the_same_at_most_once() {
    let mut network = Network::of(3);
    for _ in 0..50 {
        for watcher in ["n0", "n2"] {
            let now = network.now;
            network.node(watcher).machine.refused(address("n1"), now);
        }
        network.run(100);
    }
    assert_eq!(network.standing(), "");
    let falls = network.log.iter().filter(|(_, _, action)| *action == Action::Down("n1".to_owned())).count();
    assert!(falls <= 2, "{falls} of two watchers");
}

#[test]
fn one_that_was_never_heard_is_left_to_memberlist() {
    let mut network = Network::of(3);
    network.start("n3", 5);
    network.kill("n3");
    network.set_members();
    network.run(3_000);
    assert_eq!(network.standing(), "");
}

#[test]
fn a_verdict_that_memberlist_does_not_share_ends() {
    let mut network = Network::of(3);
    ["n1", "n2"].into_iter().for_each(|other| network.cut("n0", other));
    network.run(2_000);
    assert_eq!(network.standing(), "n1:n0 n2:n0");
    // Only this layer's port is blocked: memberlist hears it.
    for _ in 0..30 {
        let now = network.now;
        network.nodes.values_mut().for_each(|node| {
            ["n0", "n1", "n2"].into_iter().for_each(|name| node.machine.heard_elsewhere(name, now));
        });
        network.run(100);
    }
    assert_eq!(network.standing(), "", "and n0 does not take the others for dead");
}

#[test]
fn a_watcher_that_was_late_itself_gives_everybody_time() {
    let mut network = Network::of(3);
    // Less than a stall: the scheduler's doing.
    for _ in 0..20 {
        network.freeze("n0", true);
        network.run(200);
        network.freeze("n0", false);
        network.run(300);
    }
    assert_eq!(network.standing(), "");
    let blamed = network.log.iter().any(|(_, name, action)| {
        name == "n0" && matches!(action, Action::Note(note) if *note != Note::Confirmed)
    });
    assert!(!blamed, "{:?}", network.log);
}

#[test]
fn irregular_heartbeats_make_watchers_more_patient() {
    let mut network = Network::of(2);
    for _ in 0..20 {
        network.freeze("n1", true);
        network.run(280);
        network.freeze("n1", false);
        network.run(200);
    }
    network.freeze("n1", true);
    let passed = network.until("n0:n1", 700);
    assert!(passed > 420, "{passed} ms");
}

/// A gap of a watcher's own is nobody else's irregularity.
#[test]
fn a_watcher_finds_a_frozen_node_as_fast_as_ever_after_it_was_late_stood_still_or_was_cut_off() {
    let cases = [(2, 240, false), (2, 500, false), (3, 300, false), (3, 900, false), (5, 500, false)];
    for (nodes, gap, is_cut_off) in cases.into_iter().chain([(3, 700, true), (5, 700, true)]) {
        let mut network = Network::of(nodes);
        let everybody: Vec<String> = network.nodes.keys().cloned().collect();
        let watchers: Vec<String> = everybody.iter().filter(|name| *name != "n1").cloned().collect();
        for watcher in &watchers {
            if is_cut_off {
                everybody.iter().for_each(|other| network.cut(watcher, other));
            }
            network.freeze(watcher, !is_cut_off);
            network.run(gap);
            network.freeze(watcher, false);
            network.cut.clear();
            network.until("", 600);
            network.run(500);
        }
        network.freeze("n1", true);
        let falls: Vec<String> = watchers.iter().map(|watcher| format!("{watcher}:n1")).collect();
        network.until(&falls.join(" "), 400);
    }
}

/// Their processors are busy: they run for a moment, always too late.
#[test]
fn watchers_that_are_always_late_find_a_frozen_node_all_the_same() {
    for nodes in [2, 3] {
        let mut network = Network::of(nodes);
        let watchers: Vec<String> = (0..nodes).filter(|node| *node != 1).map(name).collect();
        let run_late = |network: &mut Network, milliseconds| {
            for _ in 0..milliseconds / 150 {
                watchers.iter().for_each(|watcher| network.freeze(watcher, true));
                network.run(148);
                watchers.iter().for_each(|watcher| network.freeze(watcher, false));
                network.run(2);
            }
        };
        run_late(&mut network, 3_000);
        assert_eq!(network.standing(), "", "{nodes}");
        network.freeze("n1", true);
        run_late(&mut network, 750);
        assert!(watchers.iter().all(|watcher| network.node(watcher).down.contains("n1")), "{nodes}");
    }
}
