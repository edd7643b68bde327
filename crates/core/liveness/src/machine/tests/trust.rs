use proptest::prelude::*;

use super::super::*;
use super::network::*;
use crate::wire::{Claim, Datagram, Evidence, Verdict};

fn down(from: u64, sequence: u64, beat: u64) -> Datagram {
    let claim = Claim { verdict: Verdict::Down, about: 1002, beat, evidence: Evidence::Silent };
    Datagram { from, to: 1000, sequence, body: Body::Claim(claim) }
}

/// Hands a datagram to n0; the standing and what was counted since.
fn hand(network: &mut Network, from: &str, bytes: &[u8]) -> (bool, Counters) {
    let now = network.now;
    let node = network.node("n0");
    let before = node.machine.counters();
    node.machine.datagram(address(from), bytes, now);
    let after = node.machine.counters();
    let since = Counters {
        sent: 0,
        sent_bytes: 0,
        suspicions: 0,
        verdicts: 0,
        received: after.received - before.received,
        malformed: after.malformed - before.malformed,
        forged: after.forged - before.forged,
        replayed: after.replayed - before.replayed,
        unknown: after.unknown - before.unknown,
        refused: 0,
    };
    (node.machine.down().next().is_some(), since)
}

#[test]
fn a_verdict_counts_once_from_a_member_for_this_life() {
    let high = 1 << 40;
    let wrong = Keys::derive([&b"wrong"[..]]);
    let none = Counters::default();
    let cases = [
        ("right", down(1001, high, high), keys(), true, Counters { received: 1, ..none }),
        ("old", down(1001, high, 1), keys(), false, Counters { received: 1, ..none }),
        ("replayed", down(1001, 0, high), keys(), false, Counters { replayed: 1, ..none }),
        ("another life of the accuser", down(7, high, high), keys(), false, Counters { unknown: 1, ..none }),
        (
            "for another life of ours",
            Datagram { to: 7, ..down(1001, high, high) },
            keys(),
            false,
            Counters { unknown: 1, ..none },
        ),
        ("of another ring", down(1001, high, high), wrong, false, Counters { forged: 1, ..none }),
        ("unsigned", down(1001, high, high), Keys::plain(), false, Counters { forged: 1, ..none }),
    ];
    for (what, datagram, keys, falls, counted) in cases {
        let mut network = Network::of(3);
        assert_eq!(hand(&mut network, "n1", &wire::encode(&datagram, &keys)), (falls, counted), "{what}");
    }
}

#[test]
fn the_same_datagram_twice_is_a_replay() {
    let mut network = Network::of(3);
    let bytes = wire::encode(&down(1001, 1 << 40, 1), &keys());
    assert_eq!(hand(&mut network, "n1", &bytes).1.received, 1);
    assert_eq!(hand(&mut network, "n1", &bytes).1.replayed, 1);
    // Also after memberlist lost and found the member.
    let now = network.now;
    network.node("n0").machine.peers([member("n2", 1002)], now);
    assert_eq!(hand(&mut network, "n1", &bytes).1.unknown, 1);
    network.set_members();
    assert_eq!(hand(&mut network, "n1", &bytes).1.replayed, 1);
}

#[test]
fn without_keys_the_source_must_be_the_member() {
    let mut network = Network::of(3);
    network.node("n0").machine.set_keys(Keys::plain());
    let bytes = wire::encode(&down(1001, 1 << 40, 1), &Keys::plain());
    assert_eq!(hand(&mut network, "n2", &bytes).1.forged, 1);
    assert_eq!(hand(&mut network, "n1", &bytes).1.received, 1);
}

#[test]
fn a_secret_is_changed_node_by_node_without_a_verdict() {
    let mut network = Network::of(3);
    let (old, new) = (&b"secret"[..], &b"new"[..]);
    for stage in [vec![old, new], vec![new, old], vec![new]] {
        for name in ["n0", "n1", "n2"] {
            network.node(name).machine.set_keys(Keys::derive(stage.iter().copied()));
            network.run(1_000);
            assert_eq!(network.standing(), "");
        }
    }
}

/// One that is started again while the secret changes has read only the new one, and the others send with the old one.
#[test]
fn a_process_that_knows_only_the_secret_to_come_is_heard_and_hears() {
    let mut network = Network::of(3);
    let changing = Keys::derive([&b"secret"[..]]).ahead([&b"new"[..]]);
    for name in ["n0", "n2"] {
        network.node(name).machine.set_keys(changing.clone());
    }
    network.kill("n1");
    network.until("n0:n1 n2:n1", 105);
    network.start("n1", 77);
    network.node("n1").machine.set_keys(Keys::derive([&b"new"[..]]));
    network.set_members();
    network.until("", 600);
    network.run(1_000);
    assert_eq!(network.standing(), "");
    // The others go over to it one after the other.
    for name in ["n0", "n2"] {
        network.node(name).machine.set_keys(Keys::derive([&b"new"[..], b"secret"]));
        network.run(1_000);
        assert_eq!(network.standing(), "");
    }
    for name in ["n0", "n2"] {
        network.node(name).machine.set_keys(Keys::derive([&b"new"[..]]));
    }
    network.run(1_000);
    assert_eq!(network.standing(), "", "all sign with the new one");
}

#[test]
fn a_false_verdict_is_lifted_by_the_accused_at_once() {
    let mut network = Network::of(3);
    let bytes = wire::encode(&down(1001, 1 << 40, 1 << 9), &keys());
    let accused = Datagram { to: 1002, ..down(1001, 1 << 40, 1 << 9) };
    assert!(hand(&mut network, "n1", &bytes).0);
    let now = network.now;
    let bytes = wire::encode(&accused, &keys());
    // It has sent about twelve heartbeats: it must go beyond what the verdict says it sent.
    network.node("n2").machine.beat = 1 << 9;
    network.node("n2").machine.datagram(address("n1"), &bytes, now);
    network.until("", 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn noise_changes_nothing(noise in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..130), 0..40)) {
        let mut network = Network::of(2);
        for bytes in noise {
            prop_assert_eq!(hand(&mut network, "n1", &bytes).1.received, 0);
        }
        network.run(500);
        prop_assert_eq!(network.standing(), "");
    }

    #[test]
    fn whatever_members_send_the_machine_goes_on(
        datagrams in prop::collection::vec((0u64..3, 0u64..4, any::<u64>(), 0u8..4, 0u64..4, any::<u64>(), any::<u8>()), 0..60),
    ) {
        let mut network = Network::of(3);
        for (from, to, sequence, kind, about, beat, byte) in datagrams {
            let verdict = match kind {
                0 => Verdict::Alive,
                1 => Verdict::Suspect,
                _ => Verdict::Down,
            };
            let evidence = if byte & 1 == 0 { Evidence::Silent } else { Evidence::Refused };
            let body = if kind == 3 {
                Body::Heartbeat { flags: Flags(byte), echo: beat }
            } else {
                Body::Claim(Claim { verdict, about: 1000 + about, beat, evidence })
            };
            let datagram = Datagram { from: 1000 + from, to: 1000 + to, sequence, body };
            hand(&mut network, &format!("n{from}"), &wire::encode(&datagram, &keys()));
            network.run(10);
        }
    }
}

/// What n0 tells others after it was told that n2 is down, so long after it last did anything.
fn passed_on(pause: Duration) -> usize {
    let mut network = Network::of(4);
    let now = network.now + pause;
    let machine = &mut network.node("n0").machine;
    let bytes = wire::encode(&down(1001, 99, 1_000), &keys());
    machine.datagram(address("n1"), &bytes, now);
    let sent = std::iter::from_fn(|| machine.poll()).filter_map(|action| match action {
        Action::Send { bytes, .. } => wire::decode(&bytes, &keys()).ok(),
        _ => None,
    });
    sent.filter(|sent| matches!(sent.body, Body::Claim(claim) if claim.verdict == Verdict::Down)).count()
}

#[test]
fn a_verdict_that_waited_for_one_that_stood_still_is_not_passed_on() {
    assert!(passed_on(MS * 50) > 0);
    assert_eq!(passed_on(MS * 5_000), 0);
}

#[test]
fn a_verdict_that_memberlist_has_overruled_is_void() {
    let mut network = Network::of(3);
    let now = network.now;
    let (n1, n2) = (member("n1", 1001), member("n2", 1002));
    let machine = &mut network.node("n0").machine;
    let beat = machine.peers[&1002].beat;
    let tell = |machine: &mut Liveness, sequence| {
        machine.datagram(address("n1"), &wire::encode(&down(1001, sequence, beat), &keys()), now);
        machine.down().count()
    };
    assert_eq!(tell(machine, 99), 1);
    machine.peers([n1.clone()], now);
    machine.peers([n1, n2], now);
    assert_eq!(tell(machine, 100), 0);
}

/// Nobody who watches n5 reaches n0.
#[test]
fn one_that_counts_for_its_watchers_tells_whoever_holds_it_down() {
    let mut network = Network::of(10);
    let names: Vec<String> = network.nodes.keys().cloned().collect();
    let kin = |network: &mut Network, name: &str| network.node(name).machine.kin.clone();
    let far = names.iter().find(|name| *name != "n0" && !kin(&mut network, "n0").contains(&boot(name)));
    let far = far.unwrap();
    for watcher in kin(&mut network, far) {
        network.cut("n0", &name(usize::try_from(watcher - 1_000).unwrap()));
    }
    let claim = Claim { verdict: Verdict::Down, about: boot(far), beat: 1_000, evidence: Evidence::Silent };
    let (now, from) = (network.now, kin(&mut network, "n0")[0]);
    let lie = Datagram { from, to: 1_000, sequence: 9_999, body: Body::Claim(claim) };
    let sender = address(&name(usize::try_from(from - 1_000).unwrap()));
    network.node("n0").machine.datagram(sender, &wire::encode(&lie, &keys()), now);
    network.run(1);
    assert!(network.node("n0").machine.down().any(|down| down == far));
    // Its heartbeats have to come after that one.
    network.node(far).machine.beat = 1_001;
    network.run(600);
    assert_eq!(network.node("n0").machine.down().next(), None);
}
