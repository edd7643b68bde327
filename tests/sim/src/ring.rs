//! Speakers that watch each other on a virtual network: the real liveness machine and the real election, with
//! memberlist as a model that keeps its timings.
//!
//! Processes are killed, frozen and restarted, cables pulled, networks split in one direction or both, clocks jump,
//! schedulers are late, datagrams get lost.

mod check;
mod faults;
mod measure;
mod memberlist;
mod network;
mod node;
mod queue;
mod trouble;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use metallb_announce::ballot;
use metallb_liveness::{Action, Note};

use crate::Chance;
use check::Watchdog;
use faults::Fault;
pub use measure::{Figures, Kind, measure, push_pull};
use network::Network;
use node::{Node, Process};
use queue::Queue;

/// The fewest addresses in a run, and the most; between them there is one for each node.
const ADDRESSES: [usize; 2] = [8, 100];

/// A fault is a cause for so long.
const CAUSE: Duration = Duration::from_secs(5);

/// Two virtual minutes.
const RUN: Duration = Duration::from_secs(120);

/// Between two looks at addresses with two owners.
const LOOK: Duration = Duration::from_millis(20);

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Faults.
    pub faults: usize,
    /// Members found down, by each node that found or heard so.
    pub downs: usize,
    /// Verdicts lifted.
    pub ups: usize,
    /// Fences closed.
    pub fences: usize,
    /// Verdicts contradicted by the accused.
    pub refuted: usize,
    /// Answers begun or ended.
    pub moves: usize,
    /// The longest time two that could know better answered for one address.
    pub both: Duration,
}

impl Report {
    /// Both together.
    pub fn add(&mut self, other: Self) {
        let Self { faults, downs, ups, fences, refuted, moves, both } = other;
        self.faults += faults;
        self.downs += downs;
        self.ups += ups;
        self.fences += fences;
        self.refuted += refuted;
        self.moves += moves;
        self.both = self.both.max(both);
    }
}

/// One history of that many nodes from a seed.
///
/// # Panics
/// When an invariant is violated; the message names the seed.
#[must_use]
pub fn run(seed: u64, nodes: usize) -> Report {
    let mut chance = Chance::new(seed);
    let network = Network::new(&mut chance);
    let plan = faults::plan(nodes, &mut chance);
    let mut world = World::new(seed, nodes, network, chance);
    world.report.faults = plan.len();
    plan.into_iter().for_each(|(at, fault)| world.queue.add(at, Event::Fault(fault)));
    world.run_until(RUN);
    // One that flapped is held down a while longer.
    let mut end = RUN;
    while world.is_held() && end < RUN * 2 {
        end += Duration::from_secs(10);
        world.run_until(end);
    }
    world.watchdog.check_rest(&world.nodes, &world.addresses);
    Report { both: world.watchdog.longest, ..world.report }
}

/// Something that happens.
#[derive(Debug)]
enum Event {
    /// A datagram arrives.
    Deliver {
        to: usize,
        from: usize,
        bytes: Vec<u8>,
    },
    /// Word arrives that a port is closed.
    Refused {
        to: usize,
        at: SocketAddr,
    },
    /// A node's deadline.
    Wake(usize),
    /// Memberlist may tell a node something.
    Rumour(usize),
    Fault(Fault),
    /// Two owners: for how long?
    Look,
}

struct World {
    now: Duration,
    chance: Chance,
    queue: Queue<Event>,
    network: Network,
    nodes: Vec<Node>,
    addresses: Vec<IpAddr>,
    /// For each address, the nodes in the order of the election.
    ranks: Vec<Vec<usize>>,
    /// When a partition last was there.
    split: Duration,
    watchdog: Watchdog,
    report: Report,
}

impl World {
    fn new(seed: u64, count: usize, network: Network, chance: Chance) -> Self {
        let address = |number: usize| {
            let octet = |shift: usize| u8::try_from(number >> shift & 0xff).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::new(192, 168, octet(8), octet(0)))
        };
        let addresses: Vec<IpAddr> = (0..count.clamp(ADDRESSES[0], ADDRESSES[1])).map(address).collect();
        let rank = |address: &IpAddr| {
            let mut order: Vec<usize> = (0..count).collect();
            order.sort_by_cached_key(|number| ballot(&node::name(*number), 0, *address));
            order
        };
        let ranks = addresses.iter().map(rank).collect();
        let (now, split) = (Duration::ZERO, Duration::ZERO);
        let (queue, watchdog, report) = (Queue::new(), Watchdog::new(seed), Report::default());
        let mut world =
            Self { now, chance, queue, network, nodes: vec![], addresses, ranks, split, watchdog, report };
        for number in 0..count {
            let begin = Duration::from_micros(u64::try_from(world.chance.below(100_000)).unwrap_or(0));
            world.nodes.push(Node::new(number, begin));
        }
        for number in 0..count {
            world.hear_rumour(number);
        }
        world
    }

    fn run_until(&mut self, end: Duration) {
        while let Some((at, event)) = self.queue.next(end) {
            self.now = at;
            self.take(event);
        }
        self.now = end;
    }

    fn take(&mut self, event: Event) {
        if let Event::Deliver { to, .. } | Event::Refused { to, .. } | Event::Wake(to) = &event
            && let Some(node) = self.nodes.get(*to)
            && self.now < node.busy
        {
            let busy = node.busy;
            return self.queue.add(busy, event);
        }
        match event {
            Event::Deliver { to, from, bytes } => self.deliver(to, from, bytes),
            Event::Refused { to, at } => self.with(to, |node, now| node.machine.refused(at, now)),
            Event::Wake(number) => self.wake(number),
            Event::Rumour(number) => self.hear_rumour(number),
            Event::Fault(fault) => self.fault(&fault),
            Event::Look => self.look(),
        }
    }

    fn deliver(&mut self, to: usize, from: usize, bytes: Vec<u8>) {
        let Some(node) = self.nodes.get_mut(to) else { return };
        match node.process {
            Process::Runs => {
                self.with(to, |node, now| node.machine.datagram(node::address(from), &bytes, now));
            }
            Process::Frozen => node.put_aside(from, bytes),
            Process::Gone => {
                if let Some(delay) = self.network.carry(to, from, &mut self.chance) {
                    self.queue.add(self.now + delay, Event::Refused { to: from, at: node::address(to) });
                }
            }
        }
    }

    fn wake(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.wake <= self.now) else { return };
        node.wake = Duration::MAX;
        let lag = node.lag;
        self.with(number, |node, now| node.machine.tick(now));
        if lag > 0 && self.chance.once_in(8) {
            let busy = self.now + Duration::from_millis(u64::try_from(self.chance.below(lag)).unwrap_or(0));
            self.nodes.get_mut(number).into_iter().for_each(|node| node.busy = busy);
        }
    }

    /// Lets a running node's machine do something, with the node's own clock, and does what it says.
    fn with(&mut self, number: usize, act: impl FnOnce(&mut Node, Duration)) {
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.runs()) else { return };
        act(node, self.now + node.ahead);
        while let Some(action) = self.nodes.get_mut(number).and_then(|node| node.machine.poll()) {
            self.act(number, action);
        }
        let Some(node) = self.nodes.get_mut(number) else { return };
        let due = node.machine.next_deadline().saturating_sub(node.ahead).max(self.now);
        if due < node.wake {
            node.wake = due;
            self.queue.add(due, Event::Wake(number));
        }
    }

    fn act(&mut self, number: usize, action: Action) {
        match action {
            Action::Send { to, bytes } => return self.send(number, node::number_at(to), bytes),
            Action::Down(name) => self.fell(number, node::number(&name)),
            Action::Up(name) => {
                self.report.ups += 1;
                self.watchdog.note(self.now, format_args!("{number}: {name} is up"));
                self.nodes.get_mut(number).map(|node| node.down.remove(&node::number(&name)));
            }
            Action::Fence(closed) => self.fence(number, closed),
            Action::Held(held) => {
                self.watchdog.note(self.now, format_args!("{number}: held {held}"));
                self.nodes.get_mut(number).into_iter().for_each(|node| node.held = held);
            }
            Action::Note(note) => {
                self.report.refuted += usize::from(note == Note::Refuted);
                return self.watchdog.note(self.now, format_args!("{number}: {note:?}"));
            }
        }
        self.elect(number);
    }

    fn send(&mut self, from: usize, to: usize, bytes: Vec<u8>) {
        if let Some(delay) = self.network.carry(from, to, &mut self.chance) {
            self.queue.add(self.now + delay, Event::Deliver { to, from, bytes });
        }
    }

    fn fell(&mut self, number: usize, other: usize) {
        self.report.downs += 1;
        self.watchdog.note(self.now, format_args!("{number}: {other} is down"));
        if let (Some(node), Some(accused)) = (self.nodes.get(number), self.nodes.get(other)) {
            let what = format_args!("{number} finds {other} down");
            self.watchdog.check_cause(self.ails(node) || self.ails(accused), self.now, what);
        }
        self.nodes.get_mut(number).map(|node| node.down.insert(other));
    }

    fn fence(&mut self, number: usize, closed: bool) {
        self.report.fences += usize::from(closed);
        self.watchdog.note(self.now, format_args!("{number}: fence {closed}"));
        if let Some(node) = self.nodes.get(number) {
            let held = self.nodes.iter().any(|other| other.down.contains(&number));
            if closed && !held {
                let what = format_args!("{number} closes its fence");
                self.watchdog.check_cause(self.ails(node), self.now, what);
            }
        }
        self.nodes.get_mut(number).into_iter().for_each(|node| node.fenced = closed);
    }

    /// For which addresses a node answers, by what it knows.
    fn elect(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        let wins = |order: &Vec<usize>| node.elects(order) == Some(number);
        let won = self.ranks.iter().enumerate().filter(|(_, order)| wins(order));
        let won: BTreeSet<usize> = won.map(|(address, _)| address).collect();
        let answers = if node.runs() && !node.fenced { won } else { BTreeSet::new() };
        if answers != node.answers {
            self.report.moves += 1;
            node.answers = answers;
            if !self.watchdog.shares() {
                self.look();
            }
        }
    }

    fn look(&mut self) {
        self.watchdog.check_owners(&self.nodes, &self.network, self.now);
        if self.watchdog.shares() {
            self.queue.add(self.now + LOOK, Event::Look);
        }
    }

    fn hear_rumour(&mut self, number: usize) {
        let view = memberlist::view(number, &self.nodes, &self.network, self.split, self.now);
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.runs() && node.view != view) else {
            return;
        };
        let same_life = |other: &usize| view.contains_key(other);
        node.down.retain(same_life);
        let members: Vec<_> = view.iter().map(|(other, boot)| node::member(*other, *boot)).collect();
        node.view = view;
        self.with(number, |node, now| node.machine.peers(members, now));
        self.elect(number);
    }

    /// Everybody will hear that something changed.
    fn spread_rumours(&mut self) {
        for number in 0..self.nodes.len() {
            for at in memberlist::rumours(self.now, &mut self.chance) {
                self.queue.add(at, Event::Rumour(number));
            }
        }
    }

    /// Whether something is wrong with a node, or was until lately, or with the network.
    fn ails(&self, node: &Node) -> bool {
        let lately = |at: Option<Duration>| at.is_some_and(|at| self.now <= at + CAUSE);
        let split = Some(self.split).filter(|at| !at.is_zero());
        let cut = self.network.is_split() || !self.network.is_plugged(node::number(&node.name));
        cut || !node.runs() || lately(node.ailed) || lately(split)
    }

    fn is_held(&self) -> bool {
        self.nodes.iter().any(|node| node.fenced || node.held || !node.down.is_empty())
    }
}
