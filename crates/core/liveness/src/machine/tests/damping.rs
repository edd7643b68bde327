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
