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
