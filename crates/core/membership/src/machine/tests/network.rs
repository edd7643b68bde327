//! Machines on a virtual network with a virtual clock: datagrams may be lost, links cut, members restarted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::Settings;
use crate::wire::message::{Message, Ping, PushPull};

use super::super::dice::Dice;
use super::super::rumours::Rumours;
use super::{Action, Event, Machine, START, address, decode, drain, identity, name};

/// What arrives, and when a machine wakes up.
enum Arrival {
    Datagram { from: SocketAddr, to: usize, messages: Vec<Message> },
    Request { from: usize, to: usize, state: PushPull },
    Answer { to: usize, state: PushPull },
    StreamPing { from: usize, to: usize, ping: Ping },
    StreamAck { to: usize, sequence: u32 },
    Wake(usize),
}

/// What somebody on the way can record and say again.
#[derive(Clone)]
pub(super) enum Heard {
    Datagram(SocketAddr, Message),
    Exchange(PushPull),
}

/// A member's process and its clock.
pub(super) struct Node {
    pub(super) machine: Machine,
    pub(super) is_up: bool,
    /// How far its clock is off, in seconds.
    clock_off: i64,
    /// Members of different sides don't reach each other.
    pub(super) side: u8,
    wakes: Option<Duration>,
}

/// What a member noticed, and when.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Noticed {
    pub(super) at: Duration,
    pub(super) by: usize,
    pub(super) what: &'static str,
    pub(super) whom: String,
}

/// The cluster.
pub(super) struct Network {
    pub(super) nodes: Vec<Node>,
    pub(super) now: Duration,
    pub(super) noticed: Vec<Noticed>,
    pub(super) datagrams: usize,
    /// Of a thousand datagrams so many are lost.
    pub(super) loss: usize,
    /// Of a thousand datagrams so many arrive twice.
    pub(super) twice: usize,
    /// A member with a bad link, which loses every other datagram.
    pub(super) ill: Option<usize>,
    /// Two members that don't reach each other.
    pub(super) cut: Option<(usize, usize)>,
    /// Whether datagrams get through at all.
    pub(super) udp_works: bool,
    pub(super) settings: Settings,
    /// All that arrived at the first member.
    pub(super) heard: Vec<Heard>,
    dice: Dice,
    arrivals: BTreeMap<(Duration, u64), Arrival>,
    number: u64,
}

impl Network {
    /// A cluster in which each has asked the first one to join.
    pub(super) fn of(members: usize, seed: u64) -> Self {
        let mut network = Self::of_strangers(members, seed);
        for number in 1..members {
            network.join(number, 0);
        }
        network
    }

    /// A cluster in which everybody knows everybody, and no news is on its way.
    pub(super) fn settled(members: usize, seed: u64) -> Self {
        let mut network = Self::of_strangers(members, seed);
        let states = network.nodes.iter().flat_map(|node| node.machine.local_state(true).peers);
        let everybody = PushPull { is_join: true, peers: states.collect(), user_state: Vec::new() };
        for node in &mut network.nodes {
            node.machine.merge(everybody.clone(), START);
            node.machine.rumours = Rumours::default();
            drain(&mut node.machine);
        }
        assert!(network.agrees(members));
        network
    }

    /// A cluster in which nobody knows anybody.
    pub(super) fn of_strangers(members: usize, seed: u64) -> Self {
        let mut network = Self {
            nodes: Vec::new(),
            now: Duration::ZERO,
            noticed: Vec::new(),
            datagrams: 0,
            loss: 0,
            twice: 0,
            ill: None,
            cut: None,
            udp_works: true,
            settings: Settings::lan(),
            heard: Vec::new(),
            dice: Dice::new(seed),
            arrivals: BTreeMap::new(),
            number: 0,
        };
        for number in 0..members {
            let machine = network.process(number, 0);
            network.nodes.push(Node { machine, is_up: true, clock_off: 0, side: 0, wakes: None });
            network.touched(number);
        }
        network
    }

    fn process(&mut self, number: usize, off: i64) -> Machine {
        let seed = self.dice.throw();
        Machine::new(identity(number), self.settings.clone(), seed, self.clock(off))
    }

    fn clock(&self, off: i64) -> Duration {
        let off_by = Duration::from_secs(off.unsigned_abs());
        let now = START + self.now;
        if off < 0 { now - off_by } else { now + off_by }
    }

    /// Member `number` joins through `through`.
    pub(super) fn join(&mut self, number: usize, through: usize) {
        if number != through {
            let state = self.nodes[number].machine.local_state(true);
            self.deliver(Arrival::Request { from: number, to: through, state });
        }
    }

    /// Like a SIGKILL.
    pub(super) fn kill(&mut self, number: usize) {
        self.nodes[number].is_up = false;
    }

    /// A new process that knows nothing.
    pub(super) fn restart(&mut self, number: usize) {
        self.nodes[number].machine = self.process(number, self.nodes[number].clock_off);
        self.nodes[number].is_up = true;
        self.nodes[number].wakes = None;
        self.touched(number);
    }

    /// The clock of a member is set; it notices at once.
    pub(super) fn set_clock(&mut self, number: usize, off: i64) {
        self.nodes[number].clock_off = off;
        self.arrive(Arrival::Wake(number), Duration::ZERO);
    }

    pub(super) fn leave(&mut self, number: usize) {
        let now = self.clock(self.nodes[number].clock_off);
        self.nodes[number].machine.leave(now);
        self.touched(number);
    }

    pub(super) fn set_meta(&mut self, number: usize, meta: Vec<u8>) {
        let now = self.clock(self.nodes[number].clock_off);
        self.nodes[number].machine.set_meta(meta, now);
        self.touched(number);
    }

    /// Whether all that are up know exactly so many members.
    pub(super) fn agrees(&self, members: usize) -> bool {
        let up = self.nodes.iter().filter(|node| node.is_up);
        up.map(|node| node.machine.members().count()).all(|count| count == members)
    }

    /// Who noticed that about `whom`, at what time.
    pub(super) fn times(&self, what: &str, whom: usize) -> Vec<Duration> {
        let about = self.noticed.iter().filter(|noticed| noticed.what == what && noticed.whom == name(whom));
        about.map(|noticed| noticed.at).collect()
    }

    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.arrivals.first_entry().filter(|next| next.key().0 <= until) {
            let ((now, _), arrival) = next.remove_entry();
            self.now = now;
            self.handle(arrival);
        }
        self.now = until;
    }

    /// Runs until it is so, for that time at most; how long it took.
    pub(super) fn run_until(&mut self, at_most: Duration, is_so: impl Fn(&Self) -> bool) -> Option<Duration> {
        let start = self.now;
        while !is_so(self) {
            if self.now - start > at_most {
                return None;
            }
            self.run(Duration::from_millis(10));
        }
        Some(self.now - start)
    }

    fn handle(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Datagram { from, to, messages } => {
                let Some(now) = self.hears(to) else { return };
                for message in messages {
                    self.record(to, Heard::Datagram(from, message.clone()));
                    self.nodes[to].machine.datagram(from, message, now);
                }
                self.touched(to);
            }
            Arrival::Request { from, to, state } => {
                let Some(now) = self.hears(to).filter(|_| self.are_linked(from, to)) else { return };
                self.record(to, Heard::Exchange(state.clone()));
                let state = self.nodes[to].machine.push_pull(state, now);
                self.touched(to);
                self.deliver(Arrival::Answer { to: from, state });
            }
            Arrival::Answer { to, state } => {
                let Some(now) = self.hears(to) else { return };
                self.record(to, Heard::Exchange(state.clone()));
                self.nodes[to].machine.merge(state, now);
                self.touched(to);
            }
            Arrival::StreamPing { from, to, ping } => {
                if self.hears(to).is_none() || !self.are_linked(from, to) {
                    return;
                }
                if self.nodes[to].machine.stream_ping(&ping, address(from)).is_some() {
                    self.deliver(Arrival::StreamAck { to: from, sequence: ping.sequence });
                }
            }
            Arrival::StreamAck { to, sequence } => self.nodes[to].machine.stream_ack(sequence),
            Arrival::Wake(number) => {
                let Some(now) = self.hears(number) else { return };
                if self.nodes[number].wakes.is_some_and(|wakes| wakes <= self.now) {
                    self.nodes[number].wakes = None;
                    self.nodes[number].machine.tick(now);
                    self.touched(number);
                }
            }
        }
    }

    fn record(&mut self, to: usize, what: Heard) {
        if to == 0 {
            self.heard.push(what);
        }
    }

    /// All that the first member ever heard arrives there once more, all at the same time.
    pub(super) fn replay(&mut self) {
        for heard in self.heard.clone() {
            let arrival = match heard {
                Heard::Datagram(from, message) => Arrival::Datagram { from, to: 0, messages: vec![message] },
                Heard::Exchange(state) => Arrival::Answer { to: 0, state },
            };
            self.arrive(arrival, Duration::ZERO);
        }
    }

    /// A member's own time, if it is up.
    fn hears(&self, number: usize) -> Option<Duration> {
        let node = &self.nodes[number];
        node.is_up.then(|| self.clock(node.clock_off))
    }

    fn are_linked(&self, from: usize, to: usize) -> bool {
        let is_cut = self.cut.is_some_and(|cut| cut == (from, to) || cut == (to, from));
        self.nodes[from].side == self.nodes[to].side && !is_cut
    }

    /// Carries out what a machine wants, and wakes it when it wants.
    fn touched(&mut self, number: usize) {
        while let Some(action) = self.nodes[number].machine.poll() {
            self.carry_out(number, action);
        }
        let clock = self.clock(self.nodes[number].clock_off);
        let Some(deadline) = self.nodes[number].machine.next_deadline() else { return };
        let wakes = self.now + deadline.saturating_sub(clock);
        if self.nodes[number].wakes.is_none_or(|earlier| wakes < earlier) {
            self.nodes[number].wakes = Some(wakes);
            self.arrive(Arrival::Wake(number), wakes - self.now);
        }
    }

    fn carry_out(&mut self, from: usize, action: Action) {
        match action {
            Action::Send { to, bodies, .. } => self.send(from, to, &bodies),
            Action::PushPull { to, .. } => {
                let state = self.nodes[from].machine.local_state(false);
                let to = self.number_of(to);
                self.deliver(Arrival::Request { from, to, state });
            }
            Action::StreamPing { to, ping, .. } => {
                let to = self.number_of(to);
                self.deliver(Arrival::StreamPing { from, to, ping });
            }
            Action::Event(event) => {
                let (what, member) = match event {
                    Event::Joined(member) => ("joined", member),
                    Event::Left(member) => ("left", member),
                    Event::Failed(member) => ("failed", member),
                    Event::Updated(member) => ("updated", member),
                };
                self.noticed.push(Noticed { at: self.now, by: from, what, whom: member.name });
            }
            Action::Note(_) => {}
        }
    }

    fn send(&mut self, from: usize, to: SocketAddr, bodies: &[Vec<u8>]) {
        self.datagrams += 1;
        let to = self.number_of(to);
        let is_ill = [from, to].into_iter().any(|end| Some(end) == self.ill);
        let loss = if is_ill { 500 } else { self.loss };
        if !self.udp_works || !self.are_linked(from, to) || self.dice.below(1000) < loss {
            return;
        }
        let copies = if self.dice.below(1000) < self.twice { 2 } else { 1 };
        for _ in 0..copies {
            let messages = bodies.iter().map(|body| decode(body)).collect();
            self.deliver(Arrival::Datagram { from: address(from), to, messages });
        }
    }

    /// After one to five milliseconds: datagrams overtake each other.
    fn deliver(&mut self, arrival: Arrival) {
        let latency = Duration::from_millis(1) + self.dice.part_of(Duration::from_millis(4));
        self.arrive(arrival, latency);
    }

    fn arrive(&mut self, arrival: Arrival, after: Duration) {
        self.number += 1;
        self.arrivals.insert((self.now + after, self.number), arrival);
    }

    fn number_of(&self, to: SocketAddr) -> usize {
        let SocketAddr::V4(to) = to else { panic!("a member's address: {to}") };
        let [.., high, low] = to.ip().octets();
        usize::from(u16::from_be_bytes([high, low]))
    }
}
