use std::time::Duration;

use super::network::*;
use crate::{Action, Liveness, Member, Note, Settings};

#[test]
fn one_that_thaws_answers_nothing_until_the_others_count_it_again() {
    for (nodes, standing) in [(2, "n0:n1"), (3, "n0:n1 n2:n1"), (4, "n0:n1 n2:n1 n3:n1")] {
        let mut network = Network::of(nodes);
        network.freeze("n1", true);
        network.run(2_000);
        assert_eq!(network.standing(), standing);
        network.freeze("n1", false);
        network.run(1);
        assert!(network.node("n1").fenced, "{nodes}");
        let passed = network.until("", 600);
        assert!(passed >= 150, "{nodes}: {passed} ms");
        let blamed =
            network.log.iter().any(|(_, name, action)| name == "n1" && matches!(action, Action::Down(_)));
        assert!(!blamed, "its own sleep is not theirs");
    }
}

#[test]
fn a_stall_nobody_took_for_death_costs_a_round_trip() {
    let mut network = Network::of(4);
    let now = network.now;
    network.node("n1").machine.stalled(Duration::from_millis(360), now);
    network.run(1);
    assert!(network.log.iter().any(|(_, _, action)| *action == Action::Fence(true)));
    network.until("", 5);
}

#[test]
fn a_new_process_answers_once_the_others_count_it_or_nobody_is_there() {
    let mut network = Network::of(3);
    network.kill("n1");
    network.until("n0:n1 n2:n1", 105);
    network.start("n1", 77);
    network.run(100);
    assert!(network.node("n1").fenced);
    network.set_members();
    network.until("", 500);

    network.start("n9", 9);
    network.run(950);
    assert!(network.node("n9").fenced, "somebody may join");
    network.run(200);
    assert!(!network.node("n9").fenced);
}

/// A ring of the original's speakers, or of nobody, has nothing to say about a new process.
#[test]
fn a_new_process_that_has_joined_waits_only_for_those_who_announce_this_layer() {
    let times = |told: &[Option<bool>], peers: usize| {
        let begin = Duration::from_secs(7);
        let mut machine = Liveness::new("n0", 9, keys(), Settings::default(), begin);
        machine.peers((1..=peers).map(|other| member(&name(other), 9 + other as u64)), begin);
        (0..40_u32).find(|step| {
            let now = begin + MS * 100 * *step;
            if let Some(Some(joined)) = told.get(*step as usize) {
                machine.set_joined(*joined, now);
            }
            machine.tick(now);
            !machine.is_fenced()
        })
    };
    for (what, told, peers, opens) in [
        ("not joined yet: somebody may be found", &[][..], 0, Some(10)),
        ("joined, or nobody to join: at once", &[Some(true)], 0, Some(0)),
        ("joined later: then", &[None, None, None, Some(true)], 0, Some(3)),
        ("told that it has not: as if not told", &[Some(false)], 0, Some(10)),
        ("told so again: the same", &[Some(false), None, Some(false)], 0, Some(10)),
        ("joined members who announce it: they are to be heard", &[Some(true)], 2, Some(30)),
        ("not joined, but somebody came: the same", &[], 2, Some(30)),
    ] {
        assert_eq!(times(told, peers), opens, "{what}");
    }
}

#[test]
fn whoever_has_joined_answers_without_a_carrier_no_sooner_and_alone_again_at_once() {
    let now = Duration::from_secs(7);
    let mut machine = Liveness::new("n0", 9, keys(), Settings::default(), now);
    machine.carrier_lost(now);
    machine.set_joined(true, now);
    assert!(machine.is_fenced(), "without a carrier");
    machine.carrier_back(now);
    assert!(machine.is_fenced(), "that was before the carrier was back");
    machine.set_joined(true, now);
    assert!(!machine.is_fenced(), "nobody could have taken over");
    machine.set_joined(false, now);
    assert!(!machine.is_fenced(), "what is open stays open");
}

#[test]
fn a_new_process_that_a_ring_with_another_secret_keeps_out_waits_for_it_and_not_for_ever() {
    let opens = |joined: Option<u32>, stalls: bool| {
        let begin = Duration::from_secs(7);
        let mut machine = Liveness::new("n0", 9, keys(), Settings::default(), begin);
        machine.kept_out(begin + MS * 20_000);
        (1..400_u32).find(|step| {
            let now = begin + MS * 100 * *step;
            if stalls && *step == 20 {
                machine.stalled(MS * 4_000, now);
            }
            // Asked again and again, as by the driver.
            machine.set_joined(joined.is_some_and(|joined| *step >= joined), now);
            machine.tick(now);
            !machine.is_fenced()
        })
    };
    assert_eq!(opens(None, false), Some(200), "as long as it was told");
    assert_eq!(opens(None, true), Some(200), "a stall meanwhile does not open it");
    assert_eq!(opens(Some(50), false), Some(50), "it knows the secret now");
}

#[test]
fn a_new_process_whose_name_another_one_has_waits_until_it_is_counted_and_not_for_ever() {
    let opens = |peers: usize, is_told_late: bool, accepted: Option<u32>| {
        let begin = Duration::from_secs(7);
        let mut machine = Liveness::new("n0", 9, keys(), Settings::default(), begin);
        machine.peers((1..=peers).map(|other| member(&name(other), 9 + other as u64)), begin);
        (1..400_u32).find(|step| {
            let now = begin + MS * 100 * *step;
            if *step == if is_told_late { 50 } else { 1 } {
                machine.has_namesake(begin + MS * 20_000);
            }
            if Some(*step) == accepted {
                machine.has_namesake(Duration::ZERO);
            }
            machine.set_joined(true, now);
            machine.tick(now);
            !machine.is_fenced()
        })
    };
    assert_eq!(opens(2, false, None), Some(200), "as long as it was told");
    assert_eq!(opens(0, false, None), Some(200), "also where nobody else announces this layer");
    assert_eq!(opens(0, false, Some(60)), Some(60), "somebody of those counts it under its name");
    assert_eq!(opens(2, true, None), Some(30), "it answers already");

    let mut network = Network::of(3);
    network.kill("n1");
    network.run(200);
    network.start("n1", 77);
    let until = network.now + MS * 60_000;
    network.node("n1").machine.has_namesake(until);
    network.set_members();
    network.until("", 500);
    assert!(!network.node("n1").fenced, "the others count it");
}

#[test]
fn why_a_node_may_answer_is_told_as_it_is() {
    let why = |network: &Network, of: &str| -> Vec<Note> {
        let told = network.log.iter().filter(|(_, name, _)| name == of);
        let notes = told.filter_map(|(_, _, action)| match action {
            Action::Note(note @ (Note::Confirmed | Note::Unopposed { .. })) => Some(note.clone()),
            _ => None,
        });
        notes.collect()
    };
    let mut network = Network::of(3);
    network.log.clear();
    network.freeze("n1", true);
    network.run(400);
    network.freeze("n1", false);
    network.until("", 700);
    assert_eq!(why(&network, "n1"), [Note::Confirmed]);
    network.start("n9", 9);
    network.run(1_200);
    assert_eq!(why(&network, "n9"), [Note::Unopposed { members: 0 }]);
    network.log.clear();
    network.kill("n0");
    network.kill("n2");
    network.freeze("n1", true);
    network.run(400);
    network.freeze("n1", false);
    network.run(3_500);
    assert_eq!(why(&network, "n1"), [Note::Unopposed { members: 2 }]);
}

#[test]
fn the_time_before_heartbeats_begin_is_no_stall() {
    let begin = Duration::from_secs(7);
    let stalls = |begins: u32, found: Option<u32>, first: u32| {
        let mut machine = Liveness::new("n0", 9, keys(), Settings::default(), begin);
        machine.begin(begin + MS * begins);
        if let Some(found) = found {
            machine.begin(begin + MS * found);
            machine.peers([member("n1", 7)], begin + MS * found);
        }
        machine.datagram(address("n1"), b"noise", begin + MS * first);
        machine.tick(begin + MS * first);
        std::iter::from_fn(|| machine.poll()).any(|action| matches!(action, Action::Note(Note::Stalled(_))))
    };
    assert!(!stalls(1_000, None, 1_000), "nobody was found");
    assert!(!stalls(1_000, Some(800), 800), "somebody was found late");
    assert!(stalls(1_000, None, 2_000), "it was late itself");
    assert!(stalls(1_000, Some(800), 1_900), "it was late itself");
}

/// Who counted it is beyond a partition when the others hear of its new life.
#[test]
fn a_new_process_tells_those_who_hold_its_predecessor_down_that_it_counts() {
    let mut network = Network::of(10);
    network.kill("n1");
    network.run(200);
    network.start("n1", 77);
    let others: Vec<String> = network.nodes.keys().filter(|name| *name != "n1").cloned().collect();
    let (watchers, strangers): (Vec<String>, Vec<String>) =
        others.into_iter().partition(|name| network.node(name).machine.kin.contains(&1_001));
    network.set_members_of(&[watchers.clone(), vec!["n1".to_owned()]].concat());
    network.run(500);
    assert!(!network.node("n1").fenced);
    for watcher in &watchers {
        strangers.iter().for_each(|stranger| network.cut(watcher, stranger));
        network.cut(watcher, "n1");
    }
    network.set_members_of(&strangers);
    assert!(strangers.iter().all(|name| network.node(name).down.contains("n1")), "as before");
    network.run(250);
    assert!(strangers.iter().all(|name| !network.node(name).down.contains("n1")), "{}", network.standing());
}

#[test]
fn one_is_forsaken_that_should_hear_somebody_and_hears_nobody() {
    let is_forsaken = |network: &mut Network| {
        let now = network.now;
        network.node("n0").machine.is_forsaken(now)
    };
    for nodes in [1, 2, 3, 10] {
        let mut network = Network::of(nodes);
        assert!(!is_forsaken(&mut network), "{nodes}: it hears all there are");
        let others: Vec<String> = network.nodes.keys().skip(1).cloned().collect();
        others.iter().for_each(|other| network.cut("n0", other));
        network.run(500);
        assert_eq!(is_forsaken(&mut network), nodes > 1, "{nodes}: they don't reach it");
        network.run(10_000);
        assert_eq!(is_forsaken(&mut network), nodes > 1, "{nodes}: it holds them to be down");
        if let Some(other) = others.first() {
            network.cut.clear();
            others.iter().skip(1).for_each(|other| network.cut("n0", other));
            network.run(500);
            assert!(!is_forsaken(&mut network), "{nodes}: {other} is enough");
        }
        let now = network.now;
        network.node("n0").machine.peers([], now);
        assert!(!is_forsaken(&mut network), "{nodes}: nobody is listed");
    }
}

#[test]
fn one_alone_has_nobody_to_ask() {
    let mut network = Network::of(1);
    network.freeze("n0", true);
    network.run(10_000);
    network.freeze("n0", false);
    network.run(1);
    let now = network.now;
    network.node("n0").machine.set_joined(true, now);
    assert!(!network.node("n0").machine.is_fenced());
}

/// Its own memberlist has declared everybody dead meanwhile; they answer for what it had.
#[test]
fn one_that_lists_nobody_after_a_long_cut_answers_once_they_count_it_or_nobody_is_found() {
    for (joined_after, expected) in
        [(None, 2_990..=3_100), (Some(300), 400..=1_000), (Some(2_900), 3_100..=3_700)]
    {
        let mut network = Network::of(3);
        let now = network.now;
        network.node("n0").machine.carrier_lost(now);
        ["n1", "n2"].iter().for_each(|other| network.cut("n0", other));
        network.run(6_000);
        let (now, of_others) = (network.now, [member("n1", 1_001), member("n2", 1_002)]);
        network.node("n0").machine.peers([], now);
        ["n1", "n2"].iter().for_each(|other| network.node(other).machine.peers(of_others.clone(), now));
        network.run(4_000);
        network.cut.clear();
        let now = network.now;
        network.node("n0").machine.carrier_back(now);
        for passed in 0..5_000 {
            if Some(passed) == joined_after {
                network.set_members();
                let now = network.now;
                network.node("n0").machine.set_joined(true, now);
                // It came and went, and is silent for a moment: that is no reason to answer beside an heir.
                network.cut("n0", "n1");
                network.cut("n0", "n2");
            }
            if joined_after.is_some_and(|joined| passed == joined + 200) {
                network.cut.clear();
            }
            network.run(1);
            if !network.node("n0").fenced {
                assert!(expected.contains(&passed), "{joined_after:?}: {passed} ms");
                break;
            }
        }
        assert!(!network.node("n0").fenced, "{joined_after:?}");
    }
}

/// An exchange has told memberlist of all of them, and they have to contradict their deaths yet.
#[test]
fn one_that_gave_up_others_while_it_was_cut_off_waits_until_they_are_found_or_nobody_is_for_a_second() {
    for (joined, found, expected) in [
        (0, [Some(200), Some(200)], 250..=900),
        (0, [Some(200), Some(1_100)], 1_100..=1_200),
        (0, [Some(900), None], 1_890..=2_000),
        (2_000, [Some(2_100), None], 3_090..=3_200),
        (0, [None, None], 2_990..=3_100),
        (9_000, [None, None], 2_990..=3_100),
    ] {
        let mut network = Network::of(3);
        let others = [("n1", 1_001), ("n2", 1_002)];
        let now = network.now;
        network.node("n0").machine.carrier_lost(now);
        // By another interface: that says nothing of those that are given up later.
        network.node("n0").machine.set_joined(true, now);
        others.iter().for_each(|(other, _)| network.cut("n0", other));
        network.run(10_000);
        let now = network.now;
        for (other, _) in others {
            network.node("n0").machine.lost(other);
            network.node(other).machine.peers(others.map(|(name, boot)| member(name, boot)), now);
        }
        network.node("n0").machine.peers([], now);
        network.cut.clear();
        network.node("n0").machine.carrier_back(now);
        let opened = (0..5_000).find(|passed| {
            let now = network.now;
            network.node("n0").machine.set_joined(*passed >= joined, now);
            if found.contains(&Some(*passed)) {
                let is_found = |at: &Option<i32>| at.is_some_and(|at| at <= *passed);
                let found = others.into_iter().zip(&found).filter(|(_, at)| is_found(at));
                let found: Vec<Member> = found.map(|((name, boot), _)| member(name, boot)).collect();
                found.iter().for_each(|member| network.node("n0").machine.found(&member.name, now));
                network.set_members_of(&["n1".to_owned(), "n2".to_owned()]);
                network.node("n0").machine.peers(found, now);
            }
            network.run(1);
            !network.node("n0").fenced
        });
        assert!(opened.is_some_and(|opened| expected.contains(&opened)), "{joined} {found:?}: {opened:?}");
    }
}

/// The other one, which had taken over, goes on in its place no longer than that. After a stall nobody has to be waited for.
#[test]
fn one_that_others_count_waits_a_second_for_one_that_is_not_found_if_it_was_cut_off() {
    for (was_cut_off, expected) in [(true, 990..1_100), (false, 0..400)] {
        let mut network = Network::of(3);
        network.kill("n2");
        network.until("n0:n2 n1:n2", 700);
        let now = network.now;
        let machine = &mut network.node("n0").machine;
        if was_cut_off {
            machine.carrier_lost(now);
            machine.carrier_back(now);
        } else {
            machine.stalled(MS * 400, now);
        }
        machine.set_joined(true, now);
        machine.lost("n2");
        machine.peers([member("n1", 1_001)], now);
        let opened = (0..5_000).find(|_| {
            network.run(1);
            !network.node("n0").fenced
        });
        assert!(opened.is_some_and(|opened| expected.contains(&opened)), "{was_cut_off}: {opened:?}");
    }
}

/// However many there are, three seconds are enough.
#[test]
fn one_that_finds_others_one_by_one_waits_three_seconds_for_the_rest() {
    let mut network = Network::of(3);
    let now = network.now;
    let machine = &mut network.node("n0").machine;
    machine.carrier_lost(now);
    (0..40).for_each(|other| machine.lost(&format!("m{other}")));
    machine.carrier_back(now);
    machine.set_joined(true, now);
    let opened = (0..10_000).find(|passed| {
        let now = network.now;
        if passed % 500 == 0 {
            network.node("n0").machine.found(&format!("m{}", passed / 500), now);
        }
        network.run(1);
        !network.node("n0").fenced
    });
    assert!(opened.is_some_and(|opened| (2_990..3_100).contains(&opened)), "{opened:?}");
}

/// What fell while it could hear others has fallen.
#[test]
fn one_that_was_not_cut_off_waits_for_nobody_that_memberlist_gave_up() {
    let now = MS * 5_000;
    let mut machine = Liveness::new("n0", 1, keys(), Settings::default(), now);
    machine.lost("n1");
    machine.set_joined(true, now);
    assert!(!machine.is_fenced(), "a new one");
    machine.lost("n2");
    machine.carrier_lost(now);
    machine.carrier_back(now);
    machine.set_joined(true, now);
    assert!(!machine.is_fenced());
    machine.stalled(MS * 4_000, now);
    machine.lost("n3");
    machine.set_joined(true, now);
    assert!(!machine.is_fenced(), "the cable was out before");
}

#[test]
fn a_survivor_answers_again_after_a_bound() {
    for nodes in [2, 3, 5] {
        let mut network = Network::of(nodes);
        (0..nodes).for_each(|number| network.freeze(&name(number), true));
        network.run(1_000);
        network.freeze("n1", false);
        network.run(1);
        assert!(network.node("n1").fenced, "{nodes}");
        for passed in 0..4_000 {
            network.run(1);
            if !network.node("n1").fenced {
                assert!(passed > 2_900, "{nodes}: {passed} ms");
                break;
            }
        }
        assert!(!network.node("n1").fenced, "{nodes}");
    }
}

#[test]
fn those_who_all_slept_at_once_agree_when_they_wake() {
    for nodes in [2, 3, 5] {
        let mut network = Network::of(nodes);
        (0..nodes).for_each(|number| network.freeze(&name(number), true));
        network.run(60_000);
        (0..nodes).for_each(|number| network.freeze(&name(number), false));
        network.until("", 500);
        network.run(1_000);
        assert_eq!(network.standing(), "");
    }
}

#[test]
fn without_carrier_a_node_neither_answers_nor_judges() {
    let mut network = Network::of(3);
    let now = network.now;
    network.node("n1").machine.carrier_lost(now);
    network.cut("n1", "n0");
    network.cut("n1", "n2");
    network.run(8_000);
    assert_eq!(network.standing(), "n0:n1 n1:fenced n2:n1");
    network.cut.clear();
    let now = network.now;
    network.node("n1").machine.carrier_back(now);
    network.until("", 600);
}

/// Memberlist has dropped it at n2 and n3, so they send it nothing yet.
#[test]
fn one_that_was_cut_off_for_long_judges_nobody_before_it_hears_them() {
    let mut network = Network::of(4);
    let now = network.now;
    network.node("n0").machine.carrier_lost(now);
    ["n1", "n2", "n3"].iter().for_each(|other| network.cut("n0", other));
    network.run(10_000);
    network.cut.clear();
    ["n2", "n3"].iter().for_each(|other| network.cut("n0", other));
    let now = network.now;
    network.node("n0").machine.carrier_back(now);
    network.node("n1").machine.peers([member("n0", 1_000)], now);
    network.run(8_000);
    assert!(network.node("n0").down.is_empty(), "{}", network.standing());
}

#[test]
fn one_that_never_heard_anybody_is_not_forsaken() {
    let mut network = Network::of(2);
    network.start("n0", 9);
    network.cut("n0", "n1");
    network.set_members();
    network.run(10_000);
    let now = network.now;
    assert!(!network.node("n0").machine.is_forsaken(now), "memberlist alone decides there");
}

/// It said "down" and nothing since: whoever it meant to answer may be gone with it.
#[test]
fn an_accuser_that_died_denies_nobody_for_long() {
    let mut network = Network::of(3);
    network.kill("n1");
    network.until("n0:n1 n2:n1", 105);
    network.start("n1", 77);
    network.set_members();
    network.run(150);
    assert!(network.node("n1").fenced, "they hold its predecessor down, and say so");
    network.freeze("n0", true);
    network.freeze("n2", true);
    network.run(4_000);
    assert!(!network.node("n1").fenced, "{}", network.standing());
}

#[test]
fn one_that_is_held_down_although_it_lives_does_not_answer_beside_its_heir() {
    let mut network = Network::of(3);
    // Nothing it sends arrives any more.
    network.cut.extend(["n1", "n2"].map(|other| ("n0".to_owned(), other.to_owned())));
    network.run(1_500);
    assert_eq!(network.standing(), "n0:fenced n1:n0 n2:n0");
    network.cut.clear();
    network.until("", 600);
}

#[test]
fn where_the_layer_reaches_nobody_a_short_stall_is_no_reason_to_be_silent() {
    let mut network = Network::of(2);
    network.start("n0", 9);
    network.set_members();
    network.cut("n0", "n1");
    network.run(3_100);
    network.freeze("n0", true);
    network.run(1_000);
    network.freeze("n0", false);
    network.run(10);
    assert!(!network.node("n0").fenced);
}

/// Their heartbeats never arrive at the others any more: a firewall that was changed.
#[test]
fn one_that_counts_again_although_the_layer_does_not_reach_the_others_answers() {
    for nodes in [2, 3, 4] {
        let mut network = Network::of(nodes);
        let others: Vec<String> = (1..nodes).map(name).collect();
        network.cut.extend(others.iter().map(|other| ("n0".to_owned(), other.clone())));
        network.run(1_500);
        assert!(network.node("n0").fenced, "{nodes}");
        // Memberlist hears it all the time, so the others find the fault in this layer.
        for _ in 0..100 {
            let now = network.now;
            for other in &others {
                network.node(other).machine.heard_elsewhere("n0", now);
            }
            network.run(100);
        }
        assert_eq!(network.standing(), "", "{nodes}");
    }
}

#[test]
fn one_whose_contradiction_was_lost_closes_its_fence_only_if_it_goes_on_unheard() {
    let mut network = Network::of(2);
    for _ in 0..2 {
        // The first contradiction gets lost, and some heartbeats after it arrive before the next one.
        network.cut.insert(("n0".to_owned(), "n1".to_owned()));
        network.until("n1:n0", 500);
        network.run(120);
        network.cut.clear();
        network.until("", 250);
        network.run(10_000);
    }
    let closed =
        network.log.iter().filter(|(_, name, action)| name == "n0" && *action == Action::Fence(true)).count();
    assert_eq!(closed, 1, "at its birth: {:?}", network.log);
}
