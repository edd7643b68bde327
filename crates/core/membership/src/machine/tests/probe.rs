use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::message::{IndirectPing, Message, Ping, State, StreamMessage, Versions};

use super::{
    Action, Machine, Note, START, Settings, accusation, address, alive, drain, events, member_of, name,
    notes, run, seconds, sent, state,
};

fn ack(sequence: u32) -> Message {
    Message::Ack { sequence, payload: Vec::new() }
}

/// The first ping from then on, when it was sent and to whom. All others than pings are dropped.
fn next_ping(machine: &mut Machine, mut now: Duration) -> (Duration, SocketAddr, Ping) {
    loop {
        machine.tick(now);
        for (to, messages) in sent(&drain(machine)) {
            if let Some(Message::Ping(ping)) = messages.first() {
                return (now, to, ping.clone());
            }
        }
        now = machine.next_deadline().expect("there is always something to do").max(now + seconds(0.001));
    }
}

#[test]
fn each_member_is_probed_once_a_round_and_once_a_second() {
    let mut machine = member_of(5, Settings::lan());
    let mut now = START;
    let mut earlier = None;
    for round in 0..20 {
        let mut probed = BTreeSet::new();
        for _ in 0..5 {
            let (at, to, ping) = next_ping(&mut machine, now);
            machine.datagram(to, ack(ping.sequence), at);
            assert!(probed.insert(to), "round {round}: {to} twice");
            assert_eq!((ping.source, ping.source_node), (Some(address(0)), name(0)));
            if let Some(earlier) = earlier.replace(at) {
                assert_eq!(at - earlier, seconds(1.0), "round {round}");
            }
            now = at;
        }
    }
    assert_eq!(machine.suspicions.len(), 0);
}

#[test]
fn whoever_does_not_answer_is_asked_for_and_then_suspected() {
    let mut machine = member_of(6, Settings::lan());
    let (at, target, ping) = next_ping(&mut machine, START);
    let asked = run(&mut machine, at, at + seconds(0.5));
    let helpers: Vec<_> = sent(&asked)
        .into_iter()
        .filter_map(|(to, messages)| match messages.first() {
            Some(Message::IndirectPing(request)) => Some((to, request.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(helpers.len(), 3, "three help");
    for (helper, request) in helpers {
        assert!(helper != target && helper != address(0));
        let expected = IndirectPing {
            sequence: ping.sequence,
            target,
            node: ping.node.clone(),
            wants_nack: true,
            source: Some(address(0)),
            source_node: name(0),
        };
        assert_eq!(request, expected);
    }
    let over_a_stream = Action::StreamPing { to: target, ping: ping.clone(), within: seconds(0.5) };
    assert!(asked.contains(&over_a_stream), "{asked:?}");
    let before = run(&mut machine, at + seconds(0.5), at + seconds(0.999));
    assert_eq!(notes(&before), []);
    let after = run(&mut machine, at + seconds(0.999), at + seconds(1.0));
    assert_eq!(notes(&after), [Note::Suspected { name: ping.node.clone() }]);
    assert_eq!(machine.member(&ping.node).map(|member| member.state), Some(State::Suspect));
    assert_eq!(events(&after), [], "suspects still count");
}

/// How many are asked to help.
fn helpers(actions: &[Action]) -> usize {
    let is_request = |message: Option<&Message>| matches!(message, Some(Message::IndirectPing(_)));
    sent(actions).iter().filter(|(_, messages)| is_request(messages.first())).count()
}

/// Contract 02 §1.3: each value of the file has its effect, not only those of a profile.
#[test]
fn as_many_are_asked_and_as_long_is_waited_as_the_settings_say() {
    let lan = Settings::lan;
    // How unwell we are, how many help and from when on, and when the one that is silent is suspected.
    for (what, settings, unwell, asked, after, ends) in [
        ("the LAN's", lan(), 0, 3, 0.5, 1.0),
        ("IndirectChecks", Settings { indirect_checks: 1, ..lan() }, 0, 1, 0.5, 1.0),
        ("no IndirectChecks", Settings { indirect_checks: 0, ..lan() }, 0, 0, 0.5, 1.0),
        ("ProbeTimeout", Settings { probe_timeout: seconds(0.2), ..lan() }, 0, 3, 0.2, 1.0),
        ("ProbeInterval", Settings { probe_interval: seconds(0.7), ..lan() }, 0, 3, 0.5, 0.7),
        ("AwarenessMaxMultiplier", Settings { awareness_max_multiplier: 2, ..lan() }, 9, 3, 0.5, 2.0),
        ("the WAN's", Settings::wan(), 0, 3, 3.0, 5.0),
    ] {
        let mut machine = member_of(6, settings);
        machine.health.worsen(unwell);
        let (at, _, ping) = next_ping(&mut machine, START);
        let [after, ends] = [after, ends].map(|time| at + seconds(time));
        let moment = seconds(0.001);
        let early = run(&mut machine, at, after - moment);
        let due = run(&mut machine, after - moment, after);
        assert_eq!((helpers(&early), helpers(&due)), (0, asked), "{what}");
        let early = run(&mut machine, after, ends - moment);
        let due = run(&mut machine, ends - moment, ends);
        assert_eq!(notes(&early), [], "{what}");
        assert_eq!(notes(&due), [Note::Suspected { name: ping.node }], "{what}");
    }
}

#[test]
fn whoever_goes_on_being_silent_is_noted_once() {
    let mut machine = member_of(1, Settings::lan());
    let actions = run(&mut machine, START, START + seconds(4.5));
    assert_eq!(notes(&actions), [Note::Suspected { name: name(1) }]);
}

/// What happens to a probe: what arrives at which time, whether the member is suspected, and how unwell we are then.
#[test]
fn an_answer_by_whatever_way_clears() {
    type Arrives = fn(&mut Machine, SocketAddr, u32, Duration);
    let by_datagram: Arrives = |machine, from, sequence, at| machine.datagram(from, ack(sequence), at);
    let nack: Arrives = |machine, from, sequence, at| machine.datagram(from, Message::Nack { sequence }, at);
    let stream: Arrives = |machine, _, sequence, _| machine.stream_ack(sequence);
    type Case = (&'static str, Vec<(f64, Arrives)>, bool, u32);
    let cases: Vec<Case> = vec![
        ("a direct ack", vec![(0.3, by_datagram)], false, 0),
        ("an ack through a helper", vec![(0.9, by_datagram)], false, 0),
        ("an ack over a stream", vec![(0.6, stream)], false, 0),
        ("an ack over a stream before one was asked for", vec![(0.3, stream)], true, 4),
        ("nothing: all three helpers are silent, so it may be us", vec![], true, 4),
        ("three nacks: it is not us", vec![(0.9, nack), (0.9, nack), (0.9, nack)], true, 1),
        ("more nacks than helpers", vec![(0.9, nack); 9], true, 1),
        ("one nack of three", vec![(0.9, nack)], true, 3),
        ("nacks, then an ack", vec![(0.6, nack), (0.7, by_datagram)], false, 0),
    ];
    for (what, arrivals, suspected, unwell) in cases {
        let mut machine = member_of(6, Settings::lan());
        machine.health.worsen(1);
        let (at, target, ping) = next_ping(&mut machine, START);
        let mut now = at;
        for (after, arrives) in arrivals {
            run(&mut machine, now, at + seconds(after));
            now = at + seconds(after);
            arrives(&mut machine, target, ping.sequence, now);
        }
        let sequence = machine.sequence;
        // Being unwell, it waits for two intervals.
        run(&mut machine, now, at + seconds(2.0));
        let is_suspect = machine.member(&ping.node).map(|member| member.state) == Some(State::Suspect);
        assert_eq!(is_suspect, suspected, "{what}");
        if suspected {
            assert_eq!(machine.unwell(), unwell, "{what}");
        } else {
            assert!(machine.sequence > sequence, "{what}: the next one is probed");
        }
    }
}

#[test]
fn answers_over_streams_only_are_worth_a_note() {
    let mut machine = member_of(6, Settings::lan());
    let (at, _, ping) = next_ping(&mut machine, START);
    run(&mut machine, at, at + seconds(0.6));
    machine.stream_ack(ping.sequence);
    let actions = run(&mut machine, at + seconds(0.6), at + seconds(1.0));
    assert_eq!(notes(&actions), [Note::OnlyOverStreams { name: ping.node }]);
}

#[test]
fn an_unknown_answer_is_nobodys() {
    let mut machine = member_of(6, Settings::lan());
    let (at, target, ping) = next_ping(&mut machine, START);
    for sequence in [0, 1, ping.sequence.wrapping_add(1), ping.sequence.wrapping_sub(1), u32::MAX] {
        machine.datagram(target, ack(sequence), at);
        machine.datagram(target, Message::Nack { sequence }, at);
        machine.stream_ack(sequence);
    }
    let actions = run(&mut machine, at, at + seconds(1.0));
    assert_eq!(notes(&actions), [Note::Suspected { name: ping.node }]);
}

#[test]
fn the_unwell_wait_longer_up_to_eight_intervals() {
    for (by, waits) in [(0, 1.0), (1, 2.0), (3, 4.0), (7, 8.0), (8, 8.0), (u32::MAX, 8.0)] {
        let mut machine = member_of(6, Settings::lan());
        machine.health.worsen(by);
        let (at, _, ping) = next_ping(&mut machine, START);
        let actions = run(&mut machine, at, at + seconds(waits - 0.001));
        assert_eq!(notes(&actions), [], "unwell by {by}");
        let actions = run(&mut machine, at + seconds(waits - 0.001), at + seconds(waits));
        assert_eq!(notes(&actions), [Note::Suspected { name: ping.node }], "unwell by {by}");
    }
}

#[test]
fn a_stream_ping_goes_only_to_those_who_take_it_and_if_it_is_wanted() {
    let cases = [("version 2", 2, false, false), ("version 3", 3, false, true), ("disabled", 5, true, false)];
    for (what, newest, disable_tcp_pings, expected) in cases {
        let mut machine = member_of(0, Settings { disable_tcp_pings, ..Settings::lan() });
        let versions = Versions([1, newest, 2, 0, 0, 0]);
        let peer = super::Alive { versions, ..alive(1, 1) };
        machine.datagram(address(1), Message::Alive(peer), START);
        let (at, ..) = next_ping(&mut machine, START);
        let actions = run(&mut machine, at, at + seconds(0.6));
        let asked = actions.iter().any(|action| matches!(action, Action::StreamPing { .. }));
        assert_eq!(asked, expected, "{what}");
    }
}

/// As the original does it: contract 02 §1.3.
#[test]
fn a_suspect_is_told_so_with_the_ping_and_nothing_else() {
    let mut machine = member_of(1, Settings::lan());
    machine.datagram(address(2), Message::Suspect(accusation(1, 5, 2)), START);
    machine.datagram(address(2), Message::Alive(alive(3, 1)), START);
    machine.datagram(address(2), Message::Dead(accusation(3, 1, 3)), START);
    let actions = run(&mut machine, START, START + seconds(1.0));
    let pings: Vec<_> = sent(&actions)
        .into_iter()
        .filter(|(_, messages)| matches!(messages.first(), Some(Message::Ping(_))))
        .collect();
    let [(to, messages)] = &pings[..] else { panic!("one ping: {pings:?}") };
    assert_eq!(*to, address(1), "whoever left is not probed");
    assert_eq!(messages[1..], [Message::Suspect(accusation(1, 5, 0))]);
}

#[test]
fn a_refused_datagram_is_not_waited_for() {
    let mut machine = member_of(6, Settings::lan());
    let (at, target, _) = next_ping(&mut machine, START);
    machine.unreachable(address(99), at);
    assert_eq!(sent(&drain(&mut machine)), [], "somebody else's");
    machine.unreachable(target, at);
    let asked = sent(&drain(&mut machine)).len();
    assert_eq!(asked, 3, "helpers are asked at once");
    machine.unreachable(target, at);
    assert_eq!(sent(&drain(&mut machine)), [], "once");
}

#[test]
fn a_ping_is_answered_by_whom_it_means() {
    let from = address(50);
    let ping = |node: &str, source| Ping { sequence: 9, node: node.to_owned(), source, source_node: name(1) };
    let cases = [
        ("ours", ping("node-0", Some(address(1))), Some(address(1))),
        ("an old member's, without a source", ping("node-0", None), Some(from)),
        ("without a name", ping("", None), Some(from)),
        ("without a port", ping("node-0", Some(SocketAddr::new(address(1).ip(), 0))), Some(from)),
        ("somebody else's", ping("node-7", Some(address(1))), None),
    ];
    for (what, ping, answered_to) in cases {
        let mut machine = member_of(3, Settings::lan());
        machine.datagram(from, Message::Ping(ping.clone()), START);
        let actions = drain(&mut machine);
        let expected: Vec<_> = answered_to.into_iter().map(|to| (to, vec![ack(9)])).collect();
        assert_eq!(sent(&actions), expected, "{what}");
        let over_a_stream = machine.stream_ping(&ping, from);
        let expected = answered_to.map(|_| StreamMessage::Ack { sequence: 9, payload: Vec::new() });
        assert_eq!(over_a_stream, expected, "{what}, over a stream");
        assert_eq!(notes(&actions).is_empty(), answered_to.is_some(), "{what}: noted");
    }
}

fn request(wants_nack: bool) -> Message {
    Message::IndirectPing(IndirectPing {
        sequence: 77,
        target: address(60),
        node: name(60),
        wants_nack,
        source: Some(address(1)),
        source_node: name(1),
    })
}

/// The ping that a request makes us send.
fn relayed(machine: &mut Machine, wants_nack: bool) -> u32 {
    machine.datagram(address(50), request(wants_nack), START);
    match &sent(&drain(machine))[..] {
        [(to, messages)] => match &messages[..] {
            [Message::Ping(ping)] => {
                assert_eq!((*to, &ping.node, ping.source), (address(60), &name(60), Some(address(0))));
                ping.sequence
            }
            other => panic!("a ping, not {other:?}"),
        },
        other => panic!("one datagram, not {other:?}"),
    }
}

#[test]
fn a_request_is_answered_with_what_the_one_in_doubt_says() {
    let nack = Message::Nack { sequence: 77 };
    let cases = [
        ("an ack is passed on", true, Some(0.4), vec![ack(77)]),
        ("silence is told", true, None, vec![nack.clone()]),
        ("unless that is not wanted", false, None, vec![]),
        ("an ack that comes too late", true, Some(0.6), vec![nack]),
    ];
    for (what, wants_nack, acked_after, expected) in cases {
        // Alone, so that nothing but the request is at work.
        let mut machine = member_of(0, Settings::lan());
        let sequence = relayed(&mut machine, wants_nack);
        let mut actions = Vec::new();
        let mut now = START;
        if let Some(after) = acked_after {
            actions = run(&mut machine, now, START + seconds(after));
            now = START + seconds(after);
            machine.datagram(address(60), ack(sequence), now);
            machine.datagram(address(60), ack(sequence), now);
        }
        actions.extend(run(&mut machine, now, START + seconds(3.0)));
        let answers: Vec<_> = sent(&actions);
        let expected: Vec<_> = expected.into_iter().map(|message| (address(1), vec![message])).collect();
        assert_eq!(answers, expected, "{what}");
    }
}

#[test]
fn a_flood_of_requests_is_bounded_and_over_soon() {
    let mut machine = member_of(0, Settings::lan());
    for _ in 0..5000 {
        machine.datagram(address(50), request(true), START);
    }
    assert_eq!(sent(&drain(&mut machine)).len(), 1024);
    run(&mut machine, START, START + seconds(0.6));
    relayed_again(&mut machine);
}

fn relayed_again(machine: &mut Machine) {
    machine.datagram(address(50), request(true), START + seconds(0.6));
    assert_eq!(sent(&drain(machine)).len(), 1);
}

#[test]
fn intervals_of_zero_mean_never() {
    let never = Settings {
        probe_interval: Duration::ZERO,
        gossip_interval: Duration::ZERO,
        push_pull_interval: Duration::ZERO,
        ..Settings::lan()
    };
    let mut machine = member_of(3, never);
    assert_eq!(machine.next_deadline(), None);
    assert_eq!(run(&mut machine, START, START + seconds(60.0)), []);
    assert_eq!(state(&machine, 1), Some((State::Alive, 5)));
}

/// A frozen process, a suspended machine, a clock that was set: nobody is to die for it.
#[test]
fn a_clock_that_jumps_condemns_nobody() {
    let hour = seconds(3600.0);
    for (what, jumped) in
        [("forwards", START + hour), ("backwards", START - hour), ("to zero", Duration::ZERO)]
    {
        let mut machine = member_of(6, Settings::lan());
        machine.datagram(address(2), Message::Suspect(accusation(1, 5, 2)), START);
        machine.tick(START);
        machine.tick(jumped);
        assert_eq!(state(&machine, 1), Some((State::Suspect, 5)), "{what}: its time is not over");
        let deadline = machine.next_deadline().expect("there is always something to do");
        assert!(deadline.abs_diff(jumped) <= seconds(1.0), "{what}: goes on at {deadline:?}");
        let actions = run(&mut machine, jumped, jumped + seconds(0.5));
        assert_eq!(notes(&actions), [], "{what}: nobody new is accused");
        let actions = run(&mut machine, jumped + seconds(0.5), jumped + seconds(30.0));
        assert!(events(&actions).contains(&("failed", name(1))), "{what}: but it ends");
    }
}

#[test]
fn whoever_was_frozen_itself_accuses_nobody() {
    for (what, before, frozen) in [
        ("for long", 0.9, 60.0),
        ("while it waited for the direct answer", 0.2, 5.0),
        ("by others that needed the processor", 0.9, 0.6),
    ] {
        let mut machine = member_of(6, Settings::lan());
        let (at, target, ping) = next_ping(&mut machine, START);
        run(&mut machine, at, at + seconds(before));
        let thawed = at + seconds(before + frozen);
        machine.tick(thawed);
        machine.datagram(target, ack(ping.sequence), thawed);
        let actions = run(&mut machine, thawed, thawed + seconds(0.4));
        assert_eq!((notes(&actions), machine.suspicions.len()), (vec![], 0), "{what}");
    }
}
