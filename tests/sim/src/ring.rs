//! Speakers that watch each other on a virtual network: the real machines of liveness and memberlist, and the real
//! election. In rings of more than a hundred a model with memberlist's timings stands for its machine.
//!
//! Processes are killed, frozen, stopped and restarted, cables pulled, networks split in one direction or both, clocks jump,
//! schedulers are late, datagrams get lost.

mod check;
mod faults;
mod measure;
mod memberlist;
mod network;
mod node;
mod queue;
mod rejoin;
mod restarts;
mod timings;
mod trouble;
mod views;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use metallb_announce::ballot;
use metallb_liveness::{Action, Note};

use crate::Chance;
use check::Watchdog;
use faults::Fault;
pub use measure::{Figures, Kind, Trouble, in_turn, measure, push_pull};
use memberlist::{Mail, Memberlist};
use network::Network;
use node::{Node, Process};
use queue::Queue;
pub use rejoin::{Rejoin, rejoin};
use restarts::Gaps;
pub use restarts::{End, Gap, restarts};

/// The fewest addresses in a run, and the most; between them there is one for each node.
const ADDRESSES: [usize; 2] = [8, 100];

/// A fault is a cause for so long.
const CAUSE: Duration = Duration::from_secs(5);

/// In larger rings memberlist's timings stand for its machine.
const MOST: usize = 100;

/// Between two looks at addresses with one candidate.
const ROUND: Duration = Duration::from_millis(500);

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
    world.queue.add(ROUND, Event::Round);
    plan.into_iter().for_each(|(at, fault)| world.queue.add(at, Event::Fault(fault)));
    world.run_until(RUN);
    // One that flapped is held down a while longer, and memberlist joins anew in ever longer pauses.
    let mut end = RUN;
    while world.is_unsettled() && end < RUN * 2 {
        end += Duration::from_secs(10);
        world.run_until(end);
    }
    world.watchdog.check_rest(&world.nodes, &world.ranks);
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
    /// A node's memberlist is due.
    WakeMemberlist(usize),
    /// Something of memberlist's arrives.
    Mail {
        to: usize,
        from: usize,
        mail: Mail,
    },
    /// A process that was asked to stop ends, in this life.
    Gone(usize, u64),
    /// A look at addresses with one candidate.
    Round,
    /// Two owners: for how long?
    Look,
}

struct World {
    now: Duration,
    chance: Chance,
    queue: Queue<Event>,
    network: Network,
    nodes: Vec<Node>,
    /// For each address, its candidates in the order of the election.
    ranks: Vec<Vec<usize>>,
    /// When a partition last was there.
    split: Duration,
    watchdog: Watchdog,
    report: Report,
    /// Measured in planned restarts.
    gaps: Option<Gaps>,
}

impl World {
    fn new(seed: u64, count: usize, network: Network, chance: Chance) -> Self {
        let rank = |number: usize| {
            let mut order = candidates(number, count);
            order.sort_by_cached_key(|other| ballot(&node::name(*other), 0, address(number)));
            order
        };
        let ranks = (0..count.clamp(ADDRESSES[0], ADDRESSES[1])).map(rank).collect();
        let (now, split) = (Duration::ZERO, Duration::ZERO);
        let (queue, watchdog, report) = (Queue::new(), Watchdog::new(seed), Report::default());
        let mut world =
            Self { now, chance, queue, network, nodes: vec![], ranks, split, watchdog, report, gaps: None };
        for number in 0..count {
            let begin = Duration::from_micros(u64::try_from(world.chance.below(100_000)).unwrap_or(0));
            let mut node = Node::new(number, begin);
            // The ring has been there for long; but who is sure to answer is asked anew.
            node.has_answered = true;
            node.machine.set_answers();
            if count <= MOST {
                let life = seed.wrapping_mul(1_000_003) ^ node.boot;
                node.memberlist = Some(Memberlist::new(number, node.meta(), life, world.now));
            }
            world.nodes.push(node);
        }
        if count <= MOST {
            world.settle();
        } else {
            (0..count).for_each(|number| world.hear_rumour(number));
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
        if let Event::Deliver { to, .. }
        | Event::Refused { to, .. }
        | Event::Wake(to)
        | Event::WakeMemberlist(to)
        | Event::Mail { to, .. } = &event
            && let Some(node) = self.nodes.get(*to)
            && self.now < node.busy
        {
            // What has arrived is read before a deadline that has passed is looked at, as the speaker does.
            let is_deadline = matches!(event, Event::Wake(_) | Event::WakeMemberlist(_));
            let later = Duration::from_nanos(u64::from(is_deadline));
            let at = node.busy + later;
            return self.queue.add(at, event);
        }
        match event {
            Event::Deliver { to, from, bytes } => self.deliver(to, from, bytes),
            Event::Refused { to, at } => self.with(to, |node, now| node.machine.refused(at, now)),
            Event::Wake(number) => self.wake(number),
            Event::Rumour(number) => self.hear_rumour(number),
            Event::Fault(fault) => self.fault(&fault),
            Event::WakeMemberlist(number) => self.wake_memberlist(number),
            Event::Mail { to, from, mail } => self.take_mail(to, from, mail),
            Event::Gone(number, life) => self.end(number, life),
            Event::Round => self.look_around(),
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
            Action::Answers(name) => {
                self.nodes.get_mut(number).map(|node| node.starting.remove(&node::number(&name)));
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
        let may_answer = node.runs() && !node.fenced;
        let begins = may_answer && !node.has_answered;
        node.has_answered |= may_answer;
        let answers = if may_answer { node.wins(&self.ranks) } else { BTreeSet::new() };
        if answers != node.answers {
            self.report.moves += 1;
            node.answers = answers;
            self.measure_gaps();
            if !self.watchdog.shares() {
                self.look();
            }
        }
        if begins {
            self.with(number, |node, _| node.machine.set_answers());
            self.announce(number);
        }
    }

    fn look(&mut self) {
        self.watchdog.check_owners(&self.nodes, &self.network, self.now);
        if self.watchdog.shares() {
            self.queue.add(self.now + LOOK, Event::Look);
        }
    }

    /// An address with one candidate is answered for, whoever else is in trouble.
    fn look_around(&mut self) {
        for (address, candidates) in self.ranks.iter().enumerate() {
            let &[only] = candidates.as_slice() else { continue };
            let Some(node) = self.nodes.get(only).filter(|node| !self.ails(node)) else { continue };
            if !node.answers.contains(&address) {
                let (now, fenced, held) = (self.now, node.fenced, node.held);
                self.watchdog.fail(format_args!(
                    "{now:?} nobody answers for {address}: {only} is the only candidate, fenced {fenced}, held {held}"
                ));
            }
        }
        self.queue.add(self.now + ROUND, Event::Round);
    }

    /// Whether something is wrong with a node, or was until lately, or with the network.
    fn ails(&self, node: &Node) -> bool {
        let lately = |at: Option<Duration>| at.is_some_and(|at| self.now <= at + CAUSE);
        let split = Some(self.split).filter(|at| !at.is_zero());
        let cut = self.network.is_split() || !self.network.is_plugged(node::number(&node.name));
        cut || !node.runs() || lately(node.ailed) || lately(split)
    }

    fn is_unsettled(&self) -> bool {
        let is_whole = |node: &Node| node.view.len() + 1 == self.nodes.len() && node.starting.is_empty();
        self.nodes.iter().any(|node| node.fenced || node.held || !node.down.is_empty() || !is_whole(node))
    }
}

/// One of the addresses.
fn address(number: usize) -> IpAddr {
    let octet = |shift: usize| u8::try_from(number >> shift & 0xff).unwrap_or(0);
    IpAddr::V4(Ipv4Addr::new(192, 168, octet(8), octet(0)))
}

/// The nodes that may answer for an address: of four, two have all, the others one and two, as those of Services with
/// local endpoints do.
fn candidates(number: usize, nodes: usize) -> Vec<usize> {
    match number % 4 {
        1 => vec![number * 7 % nodes],
        2 => [number * 5, number * 5 + 1].map(|node| node % nodes).to_vec(),
        _ => (0..nodes).collect(),
    }
}
