use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::message::Message;
use crate::wire::packet::PART_OVERHEAD;

use super::super::rumours::{Rumours, Space};
use super::{
    Action, Machine, START, Settings, accusation, address, alive, drain, member_of, name, run, seconds, sent,
};

fn told(rumours: &mut Rumours, bytes: usize, limit: u32) -> Vec<usize> {
    rumours.tell(Space { bytes, messages: 255 }, limit).iter().map(Vec::len).collect()
}

fn rumours(lengths: &[usize]) -> Rumours {
    let mut rumours = Rumours::default();
    for (number, length) in lengths.iter().enumerate() {
        rumours.spread(&number.to_string(), vec![0; *length]);
    }
    rumours
}

#[test]
fn a_message_is_told_so_often_and_then_forgotten() {
    for (limit, times) in [(0, 1), (1, 1), (4, 4)] {
        let mut rumours = rumours(&[10]);
        let told = (0..10).filter(|_| !told(&mut rumours, 100, limit).is_empty()).count();
        assert_eq!(told, times, "limit {limit}");
        assert_eq!(rumours.len(), 0, "limit {limit}");
    }
}

#[test]
fn what_was_told_least_comes_first_then_the_longest_that_fits() {
    let mut rumours = rumours(&[10, 30, 20]);
    let room = |length: usize| length + PART_OVERHEAD;
    assert_eq!(told(&mut rumours, room(20), 9), [20], "30 does not fit");
    assert_eq!(told(&mut rumours, room(30) + room(10), 9), [30, 10], "20 was told before");
    assert_eq!(told(&mut rumours, 1000, 9), [30, 20, 10], "all were told once");
    assert_eq!(told(&mut rumours, room(9), 9), [] as [usize; 0], "nothing fits");
    assert_eq!(told(&mut rumours, 0, 9), [] as [usize; 0], "no room at all");
}

#[test]
fn a_newer_message_about_a_member_makes_the_older_one_void() {
    let mut rumours = rumours(&[10, 11]);
    rumours.spread("0", vec![0; 12]);
    assert_eq!(told(&mut rumours, 1000, 1), [12, 11]);
    assert!(!rumours.mention("0"));
}

#[test]
fn a_datagram_holds_255_messages() {
    let mut rumours = rumours(&[1; 300]);
    assert_eq!(told(&mut rumours, 100_000, 1).len(), 255);
    assert_eq!(told(&mut rumours, 100_000, 1).len(), 45);
}

/// What encryption, checksum and the frame of a compound message take is left free.
#[test]
fn datagrams_fit_into_the_buffer_with_everything_around() {
    for udp_buffer_size in [0, 50, 200, 512, 1400, 9000] {
        let mut machine = member_of(300, Settings { udp_buffer_size, ..Settings::lan() });
        for number in 1..=300 {
            machine.datagram(address(9), Message::Alive(alive(number, 6)), START);
        }
        let mut most = 0;
        for action in run(&mut machine, START, START + seconds(5.0)) {
            if let Action::Send { bodies, .. } = action
                && bodies.len() > 1
            {
                let frame = if bodies.len() > 1 { 2 + 2 * bodies.len() } else { 0 };
                let size = frame + bodies.iter().map(Vec::len).sum::<usize>() + 5 + 29;
                assert!(size <= udp_buffer_size, "{size} bytes instead of {udp_buffer_size}");
                most = most.max(size);
            }
        }
        assert!(
            udp_buffer_size < 512 || most > udp_buffer_size - 120,
            "{most} of {udp_buffer_size} are used"
        );
    }
}

#[test]
fn news_go_to_three_members_each_fifth_of_a_second() {
    let mut machine = member_of(9, Settings::lan());
    // Before the first probe is due, whose ping would take some along.
    machine.turns.probe = None;
    machine.datagram(address(9), Message::Alive(alive(9, 6)), START);
    let rounds = (0..6).map(|round| {
        let from = START + seconds(0.2 * f64::from(round));
        sent(&run(&mut machine, from + seconds(0.001), from + seconds(0.2))).len()
    });
    let rounds: Vec<_> = rounds.collect();
    assert_eq!(rounds, [3, 3, 2, 0, 0, 0], "4 × the two digits of ten members: eight times");
}

/// Contract 02 §1.3: each value of the file has its effect, not only those of a profile.
#[test]
fn news_go_to_as_many_as_often_and_as_many_times_as_the_settings_say() {
    let lan = Settings::lan;
    for (what, settings, interval, expected) in [
        ("GossipNodes", Settings { gossip_nodes: 2, ..lan() }, 0.2, [2, 2, 2, 2, 0, 0]),
        ("GossipInterval", Settings { gossip_interval: seconds(0.5), ..lan() }, 0.5, [3, 3, 2, 0, 0, 0]),
        ("RetransmitMult", Settings { retransmit_mult: 1, ..lan() }, 0.2, [2, 0, 0, 0, 0, 0]),
        ("the WAN's", Settings::wan(), 0.5, [4, 4, 0, 0, 0, 0]),
    ] {
        let mut machine = member_of(9, settings);
        machine.turns.probe = None;
        machine.datagram(address(9), Message::Alive(alive(9, 6)), START);
        let rounds = (0..6).map(|round| {
            let from = START + seconds(interval * f64::from(round));
            sent(&run(&mut machine, from + seconds(0.001), from + seconds(interval))).len()
        });
        assert_eq!(rounds.collect::<Vec<_>>(), expected, "{what}");
    }
}

/// With whom all is exchanged until then, and when.
fn exchanges(
    machine: &mut Machine,
    mut now: Duration,
    until: Duration,
) -> Vec<(Duration, SocketAddr, String)> {
    let mut found = Vec::new();
    while now <= until {
        machine.tick(now);
        for action in drain(machine) {
            if let Action::PushPull { to, node } = action {
                found.push((now, to, node));
            }
        }
        now = machine.next_deadline().expect("there is always something to do");
    }
    found
}

/// Contract 02 §1.3, `PushPullInterval`.
#[test]
fn all_is_exchanged_with_somebody_alive_once_an_interval() {
    for (settings, interval) in [(Settings::lan(), 30), (Settings::wan(), 60)] {
        let interval = Duration::from_secs(interval);
        let mut machine = member_of(4, settings);
        // Without probes nobody is forgotten, and without an end of the suspicion the suspect stays one.
        machine.turns.probe = None;
        machine.datagram(address(2), Message::Suspect(accusation(3, 5, 2)), START);
        machine.datagram(address(2), Message::Dead(accusation(4, 5, 2)), START);
        machine.suspicions.clear();
        let until = START + 40 * interval;
        let exchanged = exchanges(&mut machine, START, until);
        let times: Vec<Duration> = exchanged.iter().map(|(at, ..)| *at).collect();
        assert!(times.len() >= 40 && times[0] <= START + interval, "{times:?}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == interval), "{times:?}");
        let partners: BTreeSet<_> = exchanged.into_iter().map(|(_, to, node)| (to, node)).collect();
        assert_eq!(partners, BTreeSet::from([1, 2].map(|number| (address(number), name(number)))));
        machine.leave(until);
        let after = exchanges(&mut machine, until, until + 2 * interval);
        assert!(after.is_empty(), "after the goodbye: {after:?}");
    }
}

/// What one tick may cost is bounded by what it may send.
#[test]
fn among_a_thousand_members_a_tick_sends_a_handful_of_datagrams() {
    let mut machine = member_of(999, Settings::lan());
    for number in 1..=999 {
        machine.datagram(address(9), Message::Alive(alive(number, 6)), START);
    }
    let (mut now, mut ticks) = (START, 0);
    while now < START + seconds(60.0) {
        machine.tick(now);
        let sent = sent(&drain(&mut machine));
        assert!(sent.len() <= 3 + 1 + 3, "three get gossip, one is pinged, three help: {}", sent.len());
        now = machine.next_deadline().expect("there is always something to do");
        ticks += 1;
    }
    assert!(ticks < 60 * 10, "{ticks} ticks in a minute");
    assert_eq!(machine.gossip_waiting(), 0, "a thousand news are told within a minute");
}

#[test]
fn the_dead_hear_the_news_for_a_while_and_who_left_does_not() {
    for (what, grace, from, after, hears) in [
        ("dead", 30.0, 2, 1.0, true),
        ("dead for long", 30.0, 2, 31.0, false),
        ("dead for less than another time", 5.0, 2, 3.0, true),
        ("dead for more than another time", 5.0, 2, 6.0, false),
        ("left", 30.0, 1, 1.0, false),
    ] {
        let settings = Settings { gossip_to_the_dead_time: seconds(grace), ..Settings::lan() };
        let mut machine = member_of(2, settings);
        // Without probes nobody is forgotten.
        machine.turns.probe = None;
        machine.datagram(address(2), Message::Dead(accusation(1, 5, from)), START);
        run(&mut machine, START, START + seconds(after));
        machine.datagram(address(2), Message::Alive(alive(2, 6)), START + seconds(after));
        let actions = run(&mut machine, START + seconds(after), START + seconds(after + 1.0));
        let heard = sent(&actions).iter().any(|(to, _)| *to == address(1));
        assert_eq!(heard, hears, "{what}");
    }
}

#[test]
fn pings_and_answers_take_news_along() {
    let mut machine = member_of(3, Settings::lan());
    machine.datagram(address(2), Message::Alive(alive(3, 6)), START);
    let ping = machine.ping(4, name(0));
    machine.datagram(address(2), Message::Ping(ping), START);
    let answers = sent(&drain(&mut machine));
    let ack = Message::Ack { sequence: 4, payload: Vec::new() };
    assert_eq!(answers, [(address(0), vec![ack, Message::Alive(alive(3, 6))])]);
}

#[test]
fn checksums_go_to_those_who_are_known_to_understand_them() {
    let mut machine = member_of(1, Settings::lan());
    let old = crate::wire::message::Versions([1, 4, 2, 0, 0, 0]);
    let old = super::Alive { versions: old, ..alive(2, 1) };
    machine.datagram(address(2), Message::Alive(old), START);
    machine.turns.probe = None;
    let with_checksum =
        run(&mut machine, START, START + seconds(0.5)).into_iter().filter_map(|action| match action {
            Action::Send { to, with_checksum, .. } => Some((to, with_checksum)),
            _ => None,
        });
    let mut with_checksum: Vec<_> = with_checksum.collect();
    with_checksum.sort();
    with_checksum.dedup();
    assert_eq!(with_checksum, [(address(1), true), (address(2), false)]);
}
