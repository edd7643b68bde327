//! Whatever arrives, in whatever order, at whatever time.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;

use crate::wire::message::{
    Accusation, Alive, IndirectPing, Message, PeerState, Ping, PushPull, State, Versions,
};

use super::{Action, Machine, START, Settings, address, identity, member_of, name, run, seconds, state};

/// Something that happens to a machine.
#[derive(Clone, Debug)]
enum Happens {
    Datagram(Message),
    Exchange(PushPull),
    Tick,
    StreamAck(u32),
    Unreachable(SocketAddr),
    Meta(Vec<u8>),
    Leave,
}

fn number() -> impl Strategy<Value = usize> {
    0..6_usize
}

/// Lives that are likely, and those at the ends.
fn life() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 0..8_u32, 1 => Just(u32::MAX), 1 => any::<u32>()]
}

fn addresses() -> impl Strategy<Value = SocketAddr> {
    let odd = any::<([u16; 8], u16)>().prop_map(SocketAddr::from);
    prop_oneof![8 => number().prop_map(address), 1 => odd, 1 => number().prop_map(|n| SocketAddr::new(address(n).ip(), 0))]
}

prop_compose! {
    fn alive()(incarnation in life(), node in number(), address in addresses(), byte in 0..3_u8, odd in any::<bool>(),
            versions in any::<[u8; 6]>()) -> Alive {
        let versions = if odd { Versions(versions) } else { Versions::OURS };
        Alive { incarnation, node: name(node), address, meta: vec![byte], versions }
    }
}

prop_compose! {
    fn accusation()(incarnation in life(), node in number(), from in number()) -> Accusation {
        Accusation { incarnation, node: name(node), from: name(from) }
    }
}

prop_compose! {
    fn ping()(sequence in any::<u32>(), node in number(), source in proptest::option::of(addresses())) -> Ping {
        Ping { sequence, node: name(node), source, source_node: String::new() }
    }
}

fn message() -> impl Strategy<Value = Message> {
    let indirect = (ping(), addresses(), any::<bool>()).prop_map(|(ping, target, wants_nack)| {
        let Ping { sequence, node, source, source_node } = ping;
        Message::IndirectPing(IndirectPing { sequence, target, node, wants_nack, source, source_node })
    });
    prop_oneof![
        4 => alive().prop_map(Message::Alive),
        4 => accusation().prop_map(Message::Suspect),
        4 => accusation().prop_map(Message::Dead),
        1 => ping().prop_map(Message::Ping),
        1 => indirect,
        1 => any::<u32>().prop_map(|sequence| Message::Ack { sequence, payload: Vec::new() }),
        1 => any::<u32>().prop_map(|sequence| Message::Nack { sequence }),
        1 => Just(Message::User(vec![1])),
    ]
}

fn exchange() -> impl Strategy<Value = PushPull> {
    let state = prop_oneof![Just(State::Alive), Just(State::Suspect), Just(State::Dead), Just(State::Left)];
    let peer = (state, alive()).prop_map(|(state, alive)| PeerState { state, alive });
    let peers = proptest::collection::vec(peer, 0..6);
    (any::<bool>(), peers).prop_map(|(is_join, peers)| PushPull { is_join, peers, user_state: Vec::new() })
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        12 => message().prop_map(Happens::Datagram),
        3 => exchange().prop_map(Happens::Exchange),
        8 => Just(Happens::Tick),
        1 => any::<u32>().prop_map(Happens::StreamAck),
        1 => addresses().prop_map(Happens::Unreachable),
        1 => proptest::collection::vec(any::<u8>(), 0..600).prop_map(Happens::Meta),
        1 => Just(Happens::Leave),
    ]
}

/// Mostly a little later, but also an hour later or earlier.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![12 => 0..700_i64, 1 => -3_600_000..0_i64, 1 => 0..3_600_000_i64]
}

fn do_it(machine: &mut Machine, what: Happens, now: Duration) {
    match what {
        Happens::Datagram(message) => machine.datagram(address(1), message, now),
        Happens::Exchange(theirs) => drop(machine.push_pull(theirs, now)),
        Happens::Tick => {
            machine.tick(now);
            // A probe that was due meanwhile comes at once; but then there is a pause.
            machine.tick(now);
            let deadline = machine.next_deadline().expect("there is always something to do");
            assert!(deadline > now && deadline <= now + seconds(1.0), "{deadline:?} at {now:?}");
        }
        Happens::StreamAck(sequence) => machine.stream_ack(sequence),
        Happens::Unreachable(to) => machine.unreachable(to, now),
        Happens::Meta(meta) => machine.set_meta(meta, now),
        Happens::Leave => machine.leave(now),
    }
}

/// What must hold whatever happened.
fn check(machine: &mut Machine) {
    let me = machine.member(&name(0)).expect("it knows itself");
    assert_eq!(me.address, address(0));
    assert_eq!(me.state, if machine.leaving { State::Left } else { State::Alive });
    for name in machine.suspicions.keys() {
        assert_eq!(machine.member(name).map(|member| member.state), Some(State::Suspect), "{name}");
    }
    for member in machine.members().filter(|member| member.state == State::Suspect) {
        assert!(machine.suspicions.contains_key(&member.name), "{} is suspect for ever", member.name);
    }
    while let Some(action) = machine.poll() {
        if let Action::Send { bodies, .. } = action {
            let size: usize = bodies.iter().map(|body| body.len() + 2).sum();
            assert!(bodies.len() == 1 || size <= 1400 - 36, "{size} bytes");
        }
    }
}

proptest! {
    #[test]
    fn nothing_that_arrives_confuses_it(story in proptest::collection::vec((happens(), step()), 0..80), seed: u64) {
        let mut machine = Machine::new(identity(0), Settings::lan(), seed, START);
        let mut now = START;
        for (what, step) in story {
            let by = Duration::from_millis(step.unsigned_abs());
            now = if step < 0 { now.saturating_sub(by) } else { now + by };
            do_it(&mut machine, what, now);
            check(&mut machine);
        }
    }
}

#[test]
fn replays_of_all_that_was_ever_said_change_nothing() {
    let mut machine = member_of(5, Settings::lan());
    let mut said = Vec::new();
    for life in 5..20 {
        said.push(Message::Suspect(super::accusation(1, life, 2)));
        said.push(Message::Alive(super::alive(1, life + 1)));
    }
    for message in &said {
        machine.datagram(address(2), message.clone(), START);
    }
    run(&mut machine, START, START + seconds(0.1));
    let before = state(&machine, 1);
    for message in said.iter().rev().chain(&said) {
        machine.datagram(address(2), message.clone(), START + seconds(0.1));
        assert_eq!(state(&machine, 1), before);
    }
}
