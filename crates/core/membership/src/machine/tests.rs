//! What the machine does, by sentence. `network` plays a whole cluster.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::wire::message::{Accusation, Alive, Message, State, Versions};
use crate::wire::packet;
use crate::{Keyring, Settings};

use super::{Action, Event, Identity, Machine, Note};

mod arbitrary;
mod gossip;
mod merge;
mod network;
mod probe;
mod scale;
mod scenarios;
mod suspicion;

const START: Duration = Duration::from_secs(40_000);

fn address(number: usize) -> SocketAddr {
    let [.., high, low] = u32::try_from(number).expect("small").to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(10, 0, high, low), 7946))
}

fn name(number: usize) -> String {
    format!("node-{number}")
}

fn identity(number: usize) -> Identity {
    Identity { name: name(number), address: address(number), meta: Vec::new() }
}

fn alive(number: usize, incarnation: u32) -> Alive {
    Alive {
        incarnation,
        node: name(number),
        address: address(number),
        meta: Vec::new(),
        versions: Versions::OURS,
    }
}

fn accusation(accused: usize, incarnation: u32, from: usize) -> Accusation {
    Accusation { incarnation, node: name(accused), from: name(from) }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Node 0, which knows nodes 1 to `others`, and has told everything.
fn member_of(others: usize, settings: Settings) -> Machine {
    let mut machine = Machine::new(identity(0), settings, 7, START);
    for number in 1..=others {
        machine.datagram(address(number), Message::Alive(alive(number, 5)), START);
    }
    machine.rumours = super::Rumours::default();
    drain(&mut machine);
    machine
}

fn drain(machine: &mut Machine) -> Vec<Action> {
    std::iter::from_fn(|| machine.poll()).collect()
}

/// All datagrams among the actions: to whom, and what.
fn sent(actions: &[Action]) -> Vec<(SocketAddr, Vec<Message>)> {
    let datagrams = actions.iter().filter_map(|action| match action {
        Action::Send { to, bodies, .. } => Some((*to, bodies.iter().map(|body| decode(body)).collect())),
        _ => None,
    });
    datagrams.collect()
}

fn events(actions: &[Action]) -> Vec<(&'static str, String)> {
    let events = actions.iter().filter_map(|action| match action {
        Action::Event(Event::Joined(member)) => Some(("joined", member.name.clone())),
        Action::Event(Event::Left(member)) => Some(("left", member.name.clone())),
        Action::Event(Event::Failed(member)) => Some(("failed", member.name.clone())),
        Action::Event(Event::Updated(member)) => Some(("updated", member.name.clone())),
        _ => None,
    });
    events.collect()
}

fn notes(actions: &[Action]) -> Vec<Note> {
    let notes = actions.iter().filter_map(|action| match action {
        Action::Note(note) => Some(note.clone()),
        _ => None,
    });
    notes.collect()
}

fn state(machine: &Machine, number: usize) -> Option<(State, u32)> {
    machine.member(&name(number)).map(|member| (member.state, member.incarnation))
}

/// Ticks until `until`, as a driver would; what came out meanwhile.
fn run(machine: &mut Machine, from: Duration, until: Duration) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut now = from;
    loop {
        machine.tick(now);
        actions.extend(drain(machine));
        match machine.next_deadline() {
            Some(next) if next <= until => now = next,
            _ => return actions,
        }
    }
}

fn decode(body: &[u8]) -> Message {
    let opened = packet::open(body, &Keyring::plain(), &Settings::lan()).expect("a body");
    opened.into_iter().next().expect("a message")
}
