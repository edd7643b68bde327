use std::time::Duration;

use super::network::Network;
use super::{name, seconds};

#[test]
fn members_find_each_other() {
    for (members, within) in [(2, 1.0), (3, 1.0), (10, 2.0), (50, 5.0), (100, 8.0)] {
        let mut network = Network::of(members, 1);
        let took = network.run_until(seconds(within), |network| network.agrees(members));
        assert!(took.is_some(), "{members} members within {within} s");
    }
}

/// Gossip alone would leave somebody out now and then, until the next exchange.
#[test]
fn whoever_joins_at_the_same_time_is_not_left_out() {
    for seed in 0..200 {
        let mut network = Network::of_strangers(5, seed);
        for (number, through) in [(1, 0), (2, 1), (3, 1), (4, 2)] {
            network.join(number, through);
        }
        let took = network.run_until(seconds(1.0), |network| network.agrees(5));
        assert!(took.is_some(), "seed {seed}");
    }
}

/// Contract 02 §1.3: crash detection, 5–7 s for N ≤ 10, ≈9 s at 50, ≈10–11 s at 100, at worst ≈26 s.
#[test]
fn a_death_is_noticed_within_the_bounds() {
    let cases = [(3, 4.0, 5.0, 7.0), (10, 4.0, 5.0, 7.0), (50, 6.7, 7.5, 10.0), (100, 8.0, 9.0, 11.5)];
    for (members, never_before, typically_from, typically_to) in cases {
        let mut medians: Vec<_> = (0..5).map(|seed| median_of_deaths(members, seed, never_before)).collect();
        medians.sort();
        let typical = medians[medians.len() / 2].as_secs_f64();
        assert!((typically_from..=typically_to).contains(&typical), "{members} members: {medians:?}");
    }
}

/// How long after its death half of the members have noticed it. All must, once, and nothing else.
fn median_of_deaths(members: usize, seed: u64, never_before: f64) -> Duration {
    let mut network = Network::settled(members, seed);
    network.run(seconds(2.0));
    let killed = network.now;
    network.kill(1);
    network.run(seconds(26.0));
    let times: Vec<_> = network.times("failed", 1).into_iter().map(|at| at - killed).collect();
    let what = format!("{members} members, seed {seed}: {times:?}");
    assert_eq!((times.len(), network.noticed.len()), (members - 1, members - 1), "{what}");
    assert!(times[0] >= seconds(never_before), "{what}");
    times[times.len() / 2]
}

#[test]
fn hundreds_of_members_notice_a_death_too() {
    let took = median_of_deaths(400, 1, 10.4);
    assert!(took < seconds(14.0), "{took:?}");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes in debug code: cargo test --release")]
fn a_thousand_members_notice_a_death_too() {
    let took = median_of_deaths(1000, 1, 12.0);
    assert!(took < seconds(16.0), "{took:?}");
}

/// Contract 02 §1.3: with N ≥ 4 a suspect whom nobody else suspects has 24 s.
#[test]
fn a_member_whom_only_one_other_misses_is_not_taken_for_dead() {
    let mut network = Network::settled(10, 11);
    network.cut = Some((1, 2));
    network.run(seconds(300.0));
    assert_eq!(network.noticed, [], "helpers get through");
}

/// `NotifyLeave` within the gossip of one round in the original; here everybody is told at once.
#[test]
fn a_goodbye_is_seen_at_once() {
    for members in [2, 3, 10, 100] {
        let mut network = Network::settled(members, 3);
        network.leave(1);
        network.run(seconds(0.006));
        assert_eq!(network.times("left", 1).len(), members - 1, "{members} members");
        network.kill(1);
        network.run(seconds(60.0));
        assert_eq!(network.noticed.len(), members - 1, "{members} members: nobody else, nothing else");
    }
}

#[test]
fn without_loss_nobody_is_taken_for_dead() {
    let mut network = Network::settled(10, 4);
    network.run(seconds(600.0));
    assert_eq!(network.noticed, []);
    let rate = network.datagrams as f64 / 630.0 / 10.0;
    assert!(rate < 3.0, "{rate} datagrams a second from each");
}

#[test]
fn with_loss_and_repetition_nobody_is_taken_for_dead() {
    for (loss, twice) in [(0, 500), (100, 0), (250, 100)] {
        for seed in 0..3 {
            let mut network = Network::settled(10, seed);
            (network.loss, network.twice) = (loss, twice);
            network.run(seconds(300.0));
            assert_eq!(network.noticed, [], "{loss} ‰ lost, {twice} ‰ twice, seed {seed}");
        }
    }
}

/// Streams alone keep members alive, as in the original.
#[test]
fn without_datagrams_the_ping_over_a_stream_saves_everybody() {
    let mut network = Network::settled(5, 5);
    network.udp_works = false;
    network.run(seconds(120.0));
    assert_eq!(network.noticed, []);
}

/// Lifeguard: whoever gets no answers from anybody doubts itself first.
#[test]
fn the_others_do_not_believe_a_member_with_a_bad_link() {
    for seed in 0..5 {
        let mut network = Network::settled(10, seed);
        for node in &mut network.nodes {
            node.machine.settings.disable_tcp_pings = true;
        }
        network.ill = Some(3);
        network.run(seconds(300.0));
        let by_the_others = network.noticed.iter().filter(|noticed| noticed.by != 3);
        let wronged: Vec<_> = by_the_others.filter(|noticed| noticed.whom != name(3)).collect();
        assert!(wronged.is_empty(), "seed {seed}: {wronged:?}");
    }
}

#[test]
fn whoever_comes_back_refutes_its_death() {
    for (what, pause) in
        [("before anybody noticed", 2.0), ("after its death", 15.0), ("when it is forgotten", 60.0)]
    {
        let mut network = Network::settled(10, 6);
        network.kill(1);
        network.run(seconds(pause));
        network.restart(1);
        network.join(1, 0);
        let took = network.run_until(seconds(3.0), |network| network.agrees(10));
        assert!(took.is_some(), "{what}");
        network.run(seconds(60.0));
        assert!(network.agrees(10), "{what}: and stays");
    }
}

#[test]
fn two_halves_find_each_other_again() {
    let mut network = Network::settled(10, 7);
    for node in &mut network.nodes[5..] {
        node.side = 1;
    }
    let took = network.run_until(seconds(40.0), |network| network.agrees(5));
    assert!(took.is_some(), "each half is on its own");
    for node in &mut network.nodes {
        node.side = 0;
    }
    network.join(7, 2);
    let took = network.run_until(seconds(5.0), |network| network.agrees(10));
    assert!(took.is_some(), "one join suffices");
    network.run(seconds(60.0));
    assert!(network.agrees(10));
}

#[test]
fn clocks_that_jump_an_hour_kill_nobody() {
    let mut network = Network::settled(5, 8);
    for (number, off) in [(0, 3600), (1, -3600), (2, 3600), (2, -3600), (3, -10), (4, 10), (0, 0)] {
        network.set_clock(number, off);
        network.run(seconds(30.0));
    }
    assert_eq!(network.noticed, []);
    network.kill(4);
    network.run(seconds(10.0));
    assert_eq!(network.times("failed", 4).len(), 4, "and deaths are still noticed");
}

#[test]
fn metadata_reach_everybody() {
    let mut network = Network::settled(50, 9);
    network.set_meta(7, vec![1, 2, 3]);
    let took = network.run_until(seconds(3.0), |network| network.times("updated", 7).len() == 49);
    assert!(took.is_some(), "all 49 others");
}

#[test]
fn half_of_the_members_may_die_at_once() {
    let mut network = Network::settled(20, 10);
    for number in 10..20 {
        network.kill(number);
    }
    let took = network.run_until(seconds(90.0), |network| network.agrees(10));
    assert!(took.is_some(), "the others stay");
    assert!((0..10).all(|number| network.times("failed", number).is_empty()));
}

/// An hour of everything: somebody who recorded it and says it all again, the exchanges too, brings nobody back, fells
/// nobody, and is answered no more than it asks. The protocol has nothing against two things: a process that has begun to
/// count its lives anew can be felled, once, by what was said of the one before it; and one that died so long ago that it is
/// forgotten is taken for alive until it is probed.
#[test]
fn an_hour_said_again_changes_nothing() {
    for (seed, restarts) in (0..10).map(|seed| (seed, seed % 2 == 1)) {
        let mut network = eventful_hour(seed, restarts);
        let members = |network: &Network| {
            let members = network.nodes[0].machine.members().filter(|it| !restarts || it.name != name(2));
            members.map(|it| (it.name.clone(), it.state, it.incarnation, it.meta.clone())).collect::<Vec<_>>()
        };
        let (before, known) = (members(&network), network.noticed.len());
        let (heard, sent) = (network.heard.len(), network.datagrams);
        network.replay();
        network.run(seconds(1.0));
        assert_eq!(members(&network), before, "seed {seed}");
        assert!(network.datagrams - sent <= heard + 100, "{} after {heard}", network.datagrams - sent);
        network.run(seconds(10.0));
        assert_eq!(members(&network), before, "seed {seed}");
        assert!(
            network.nodes.iter().filter(|node| node.is_up).all(|node| node.machine.members().count() > 3)
        );
        let news = &network.noticed[known..];
        let may_be = |whom: &str| restarts && whom == name(2);
        assert!(news.len() <= 10 && news.iter().all(|it| may_be(&it.whom)), "seed {seed}: {news:?}");
    }
}

/// One changes, one dies, and may start anew, one is ill, one leaves a moment before the end.
fn eventful_hour(seed: u64, restarts: bool) -> Network {
    let mut network = Network::settled(6, seed);
    network.run(seconds(3300.0));
    network.set_meta(1, vec![1]);
    network.ill = Some(4);
    network.run(seconds(60.0));
    network.ill = None;
    network.run(seconds(115.0));
    network.kill(2);
    network.run(seconds(15.0));
    if restarts {
        network.restart(2);
        network.join(2, 1);
    }
    network.run(seconds(5.0));
    network.leave(3);
    network.run(seconds(5.0));
    assert!(!network.times("failed", 2).is_empty() && !network.times("left", 3).is_empty(), "seed {seed}");
    network
}
