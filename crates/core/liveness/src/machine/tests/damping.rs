use super::network::*;

/// Falls and rises again; how long that takes after it is back.
fn fall(network: &mut Network) -> u32 {
    network.freeze("n1", true);
    network.until("n0:n1 n2:n1", 700);
    network.freeze("n1", false);
    network.until("", 70_000)
}

#[test]
fn one_that_flaps_is_held_down_longer_each_time_but_not_forever() {
    let mut network = Network::of(3);
    let rises: Vec<u32> = (0..8).map(|_| (fall(&mut network) + 100) / 1_000).collect();
    assert_eq!(rises[..6], [0, 0, 5, 10, 20, 40], "{rises:?}");
    assert!(rises[6..].iter().all(|rise| *rise == 60), "{rises:?}");
}

#[test]
fn after_a_quiet_minute_a_fall_is_a_first_one() {
    let mut network = Network::of(3);
    for _ in 0..4 {
        assert!(fall(&mut network) < 1_000);
        network.run(61_000);
    }
}

#[test]
fn a_link_that_flaps_holds_nobody_down() {
    // With a hold of its own on each side, nobody would answer, or two would.
    let halves = [(2, vec!["n0"], vec!["n1"]), (4, vec!["n0", "n1"], vec!["n2", "n3"])];
    for (nodes, one, other) in halves {
        let mut network = Network::of(nodes);
        for _ in 0..6 {
            one.iter().for_each(|one| other.iter().for_each(|other| network.cut(one, other)));
            network.run(1_500);
            assert!(other.iter().all(|name| network.node(name).down.contains("n0")), "{nodes}");
            network.cut.clear();
            network.until("", 400);
        }
    }
}

#[test]
fn one_whose_own_link_flaps_is_held_down_by_the_others() {
    let mut network = Network::of(4);
    let rises: Vec<u32> = (0..4)
        .map(|_| {
            ["n0", "n2", "n3"].into_iter().for_each(|other| network.cut("n1", other));
            // Too short for it to blame them.
            network.run(2_000);
            network.cut.clear();
            network.until("", 70_000)
        })
        .collect();
    assert!(rises[..2].iter().all(|rise| *rise < 1_000), "{rises:?}");
    assert!(rises[3] > 4_000, "{rises:?}");
}

#[test]
fn a_process_that_is_killed_and_started_again_and_again_is_not_held() {
    let mut network = Network::of(3);
    for life in 1..=6 {
        network.kill("n1");
        network.until("n0:n1 n2:n1", 105);
        network.run(500);
        network.start("n1", 5_000 + life);
        network.set_members();
        let passed = network.until("", 700);
        assert!(passed < 600, "life {life}: {passed} ms");
    }
}

#[test]
fn one_that_is_held_knows_and_answers_where_nobody_else_could() {
    let mut network = Network::of(3);
    (0..2).for_each(|_| assert!(fall(&mut network) < 1_000));
    network.freeze("n1", true);
    network.until("n0:n1 n2:n1", 700);
    network.freeze("n1", false);
    network.run(1);
    assert!(network.node("n1").machine.is_fenced() && !network.node("n1").machine.is_held(), "not heard yet");
    // The others hear it, count it not, and say so.
    network.run(600);
    assert_eq!(network.standing(), "n0:n1 n1:held n2:n1");
    assert!(!network.node("n1").machine.is_fenced());
    // It stood still again: whoever held it may have given it up meanwhile.
    let now = network.now;
    network.node("n1").machine.stalled(MS * 500, now);
    assert!(network.node("n1").machine.is_fenced() && !network.node("n1").machine.is_held());
    network.run(600);
    assert_eq!(network.standing(), "n0:n1 n1:held n2:n1");
    network.until("", 6_000);
    let machine = &network.node("n1").machine;
    assert!(!machine.is_fenced() && !machine.is_held());
}

/// Where those that it gave up are not counted, nobody else could answer for what they own.
#[test]
fn one_that_is_held_answers_for_nothing_while_it_misses_somebody() {
    let mut network = Network::of(3);
    (0..2).for_each(|_| assert!(fall(&mut network) < 1_000));
    network.freeze("n1", true);
    network.until("n0:n1 n2:n1", 700);
    network.freeze("n1", false);
    network.until("n0:n1 n1:held n2:n1", 700);
    let now = network.now;
    network.node("n1").machine.carrier_lost(now);
    network.node("n1").machine.lost("n2");
    network.node("n1").machine.carrier_back(now);
    network.run(400);
    assert_eq!(network.standing(), "n0:n1 n1:fenced n2:n1");
    let now = network.now;
    network.node("n1").machine.found("n2", now);
    network.until("n0:n1 n1:held n2:n1", 300);
}

/// What memberlist heard of it while it lived says nothing of the time since.
#[test]
fn one_that_falls_silent_while_it_is_held_gets_nothing_back_when_the_hold_ends() {
    let mut network = Network::of(3);
    for _ in 0..4 {
        fall(&mut network);
    }
    network.freeze("n1", true);
    network.until("n0:n1 n2:n1", 700);
    network.freeze("n1", false);
    // Held for twenty seconds, and alive in the first ten.
    network.run(10_000);
    let now = network.now;
    ["n0", "n2"].iter().for_each(|other| network.node(other).machine.heard_elsewhere("n1", now));
    network.freeze("n1", true);
    for _ in 0..20 {
        network.run(1_000);
        assert_eq!(network.standing(), "n0:n1 n2:n1");
    }
    network.freeze("n1", false);
    network.until("", 1_000);
}

#[test]
fn nobody_is_held_in_a_ring_where_some_would_go_on_counting_it() {
    for late in [false, true] {
        let mut network = Network::of(3);
        let tell = |network: &mut Network| {
            let now = network.now;
            network.nodes.values_mut().for_each(|node| node.machine.set_foreign(true, now));
        };
        if late {
            (0..2).for_each(|_| assert!(fall(&mut network) < 1_000));
            network.freeze("n1", true);
            network.until("n0:n1 n2:n1", 700);
        }
        tell(&mut network);
        network.freeze("n1", false);
        network.until("", 1_000);
        (0..4).for_each(|_| assert!(fall(&mut network) < 1_000));
    }
}
