//! Memberlist itself: the real machine of each node, its datagrams and its exchanges over connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use metallb_liveness::meta;
use metallb_membership::machine::{Action, Event as Told, Identity, Machine};
use metallb_membership::wire::message::{Message, Ping, PushPull};
use metallb_membership::wire::packet;
use metallb_membership::{Keyring, Settings};

use super::node::{self, Node, Process};
use super::{Event, World};

/// Joins begun at a time, and the pauses between two attempts, as the speaker has them.
const AT_ONCE: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// The longest pause between two exchanges of one that hears nobody, as the speaker has it.
const LONGEST_CALL: Duration = Duration::from_secs(60);

/// What goes between two of them.
#[derive(Debug)]
pub(super) enum Mail {
    /// A datagram.
    Gossip(Vec<Message>),
    /// A datagram found the port closed.
    Refused(SocketAddr),
    /// All state; whoever is asked answers with the same.
    Exchange {
        state: PushPull,
        is_answer: bool,
    },
    /// A ping over a connection.
    Ping(Ping),
    Pong(u32),
}

/// Memberlist at one node.
#[derive(Debug)]
pub(super) struct Memberlist {
    pub(super) machine: Machine,
    /// Whom it tried to join: when again, and the pause after that.
    attempts: BTreeMap<usize, (Duration, Duration)>,
    /// When it exchanges again if it hears nobody, and the pause after that.
    next_call: (Duration, Duration),
    is_forsaken: bool,
    /// When the fence closed that is closed now.
    closed: Option<Duration>,
    /// When it will be woken; earlier plans are void.
    wake: Duration,
    /// What waits for a process that stands still.
    pub(super) buffer: Vec<(usize, Vec<Message>)>,
}

impl Memberlist {
    pub(super) fn new(number: usize, meta: Vec<u8>, life: u64, now: Duration) -> Self {
        let identity = Identity { name: node::name(number), address: node::address(number), meta };
        let machine = Machine::new(identity, Settings::lan(), life, now);
        let (attempts, buffer, next_call) = (BTreeMap::new(), Vec::new(), (now + FIRST_PAUSE, FIRST_PAUSE));
        let (is_forsaken, closed, wake) = (false, None, Duration::MAX);
        Self { machine, attempts, next_call, is_forsaken, closed, wake, buffer }
    }
}

impl World {
    /// Everybody knows everybody.
    pub(super) fn settle(&mut self) {
        let states =
            self.nodes.iter().filter_map(|node| Some(node.memberlist.as_ref()?.machine.local_state(true)));
        let peers = states.flat_map(|state| state.peers).collect();
        let everybody = PushPull { is_join: true, peers, user_state: Vec::new() };
        for number in 0..self.nodes.len() {
            self.with_memberlist(number, |memberlist, now| {
                memberlist.machine.merge(everybody.clone(), now);
            });
            self.with(number, |node, now| node.machine.set_joined(true, now));
        }
    }

    pub(super) fn wake_memberlist(&mut self, number: usize) {
        let memberlist = self.nodes.get_mut(number).and_then(|node| node.memberlist.as_mut());
        let Some(memberlist) = memberlist.filter(|memberlist| memberlist.wake <= self.now) else { return };
        memberlist.wake = Duration::MAX;
        self.with_memberlist(number, |memberlist, now| memberlist.machine.tick(now));
        self.look_after(number);
        let has_left =
            |node: &Node| node.leaves && node.memberlist.as_ref().is_some_and(|it| it.machine.has_left());
        if self.nodes.get(number).is_some_and(has_left) {
            self.stop(number, Process::Gone);
        }
    }

    /// Lets a running node's memberlist do something, and does what it says.
    pub(super) fn with_memberlist(&mut self, number: usize, act: impl FnOnce(&mut Memberlist, Duration)) {
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.runs()) else { return };
        let ahead = node.ahead;
        let Some(memberlist) = node.memberlist.as_mut() else { return };
        act(memberlist, self.now + ahead);
        let mut is_news = false;
        while let Some(action) = self.memberlist(number).and_then(|memberlist| memberlist.machine.poll()) {
            is_news |= matches!(action, Action::Event(_));
            self.carry_out(number, action);
        }
        let now = self.now;
        let Some(memberlist) = self.memberlist(number) else { return };
        let due = memberlist.machine.next_deadline().unwrap_or(Duration::MAX).saturating_sub(ahead).max(now);
        if due < memberlist.wake {
            memberlist.wake = due;
            self.queue.add(due, Event::WakeMemberlist(number));
        }
        if is_news {
            self.meet(number);
        }
    }

    fn memberlist(&mut self, number: usize) -> Option<&mut Memberlist> {
        self.nodes.get_mut(number)?.memberlist.as_mut()
    }

    fn carry_out(&mut self, from: usize, action: Action) {
        match action {
            Action::Send { to, bodies, .. } => {
                let to = node::number_at(to);
                if let Some(delay) = self.network.carry(from, to, &mut self.chance) {
                    let mail = Mail::Gossip(bodies.iter().flat_map(|body| open(body)).collect());
                    self.queue.add(self.now + delay, Event::Mail { to, from, mail });
                }
            }
            Action::PushPull { to, .. } => {
                let Some(memberlist) = self.memberlist(from) else { return };
                let state = memberlist.machine.local_state(false);
                self.connect(from, node::number_at(to), Mail::Exchange { state, is_answer: false });
            }
            Action::StreamPing { to, ping, .. } => self.connect(from, node::number_at(to), Mail::Ping(ping)),
            Action::Event(Told::Failed(member)) => {
                self.with(from, |node, _| node.machine.lost(&member.name));
            }
            Action::Event(Told::Joined(member) | Told::Left(member)) => {
                self.with(from, |node, now| node.machine.found(&member.name, now));
            }
            Action::Event(Told::Updated(_)) | Action::Note(_) => {}
        }
    }

    /// Over a connection nothing is lost, but both directions have to work.
    fn connect(&mut self, from: usize, to: usize, mail: Mail) {
        if self.network.connects(from, to) {
            let delay = Duration::from_micros(u64::try_from(500 + self.chance.below(4_000)).unwrap_or(0));
            self.queue.add(self.now + delay, Event::Mail { to, from, mail });
        }
    }

    pub(super) fn take_mail(&mut self, to: usize, from: usize, mail: Mail) {
        let Some(node) = self.nodes.get_mut(to) else { return };
        match (node.process, mail) {
            (Process::Runs, mail) => self.read_mail(to, from, mail),
            (Process::Frozen, Mail::Gossip(messages)) => node.put_gossip_aside(from, messages),
            (Process::Gone, Mail::Gossip(_)) => {
                if let Some(delay) = self.network.carry(to, from, &mut self.chance) {
                    let mail = Mail::Refused(node::address(to));
                    self.queue.add(self.now + delay, Event::Mail { to: from, from: to, mail });
                }
            }
            // Connections time out, or are refused.
            _ => {}
        }
    }

    fn read_mail(&mut self, to: usize, from: usize, mail: Mail) {
        let sender = node::address(from);
        match mail {
            Mail::Gossip(messages) => {
                let name = node::name(from);
                self.with(to, |node, now| node.machine.heard_elsewhere(&name, now));
                self.with_memberlist(to, |memberlist, now| {
                    messages
                        .into_iter()
                        .for_each(|message| memberlist.machine.datagram(sender, message, now));
                });
            }
            Mail::Refused(at) => {
                let name = node::name(from);
                self.with(to, |node, now| node.machine.refused_elsewhere(&name, now));
                self.with_memberlist(to, |memberlist, now| memberlist.machine.unreachable(at, now));
            }
            Mail::Exchange { state, is_answer: true } => {
                self.with_memberlist(to, |memberlist, now| {
                    memberlist.machine.merge(state, now);
                });
                self.meet(to);
                self.with(to, |node, now| node.machine.set_joined(true, now));
            }
            Mail::Exchange { state, is_answer: false } => {
                let mut answer = None;
                self.with_memberlist(to, |memberlist, now| {
                    answer = Some(memberlist.machine.push_pull(state, now))
                });
                if let Some(state) = answer {
                    self.connect(to, from, Mail::Exchange { state, is_answer: true });
                }
            }
            Mail::Ping(ping) => {
                let answer =
                    self.memberlist(to).and_then(|memberlist| memberlist.machine.stream_ping(&ping, sender));
                if answer.is_some() {
                    self.connect(to, from, Mail::Pong(ping.sequence));
                }
            }
            Mail::Pong(sequence) => {
                self.with_memberlist(to, |memberlist, _| memberlist.machine.stream_ack(sequence));
            }
        }
    }

    /// Tells a node's heartbeats who is there.
    pub(super) fn meet(&mut self, number: usize) {
        let Some(memberlist) = self.memberlist(number) else { return };
        let listed = memberlist.machine.members().filter_map(|member| {
            let announced = meta::decode(&member.meta)?;
            Some((node::number(&member.name), announced))
        });
        let listed: BTreeMap<usize, meta::Announced> = listed.filter(|(other, _)| *other != number).collect();
        let starting =
            listed.iter().filter(|(_, announced)| announced.is_starting).map(|(other, _)| *other).collect();
        let view = listed.into_iter().map(|(other, announced)| (other, announced.boot)).collect();
        self.set_view(number, view, starting);
    }

    /// Tries those who have a pod and are no members.
    pub(super) fn join(&mut self, number: usize) {
        let (now, count) = (self.now, self.nodes.len());
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.runs() && !node.leaves) else {
            return;
        };
        let Some(memberlist) = node.memberlist.as_mut() else { return };
        let view = &node.view;
        if view.len() + 1 == count {
            return memberlist.attempts.clear();
        }
        memberlist.attempts.retain(|other, _| !view.contains_key(other));
        let attempts = &memberlist.attempts;
        let is_due = |other: &usize| {
            *other != number
                && !view.contains_key(other)
                && attempts.get(other).is_none_or(|(at, _)| *at <= now)
        };
        let begin = self.chance.below(count);
        let due: Vec<usize> =
            (0..count).map(|at| (begin + at) % count).filter(is_due).take(AT_ONCE).collect();
        for other in due {
            let Some(memberlist) = self.memberlist(number) else { return };
            let pause = memberlist.attempts.get(&other).map_or(FIRST_PAUSE, |(_, pause)| *pause);
            memberlist.attempts.insert(other, (now + pause, LONGEST_PAUSE.min(pause * 2)));
            let state = memberlist.machine.local_state(true);
            self.connect(number, other, Mail::Exchange { state, is_answer: false });
        }
    }

    /// Joins and calls. After a stall or without carrier, what was found before proves nothing.
    pub(super) fn look_after(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.runs()) else { return };
        let (now, closed) = (self.now + node.ahead, node.machine.closed_since());
        let Some(memberlist) = node.memberlist.as_mut() else { return };
        if std::mem::replace(&mut memberlist.closed, closed) != closed && closed.is_some() {
            memberlist.attempts.clear();
            memberlist.next_call = (now, FIRST_PAUSE);
        }
        self.join(number);
        self.call(number);
    }

    /// One that hears nobody may be no member to the others any more.
    fn call(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.runs() && !node.leaves) else {
            return;
        };
        let now = self.now + node.ahead;
        let Some(memberlist) = node.memberlist.as_mut() else { return };
        let is_forsaken = node.machine.is_forsaken(now);
        let is_back = std::mem::replace(&mut memberlist.is_forsaken, is_forsaken) && !is_forsaken;
        let (next, pause) = &mut memberlist.next_call;
        if !is_forsaken {
            *pause = FIRST_PAUSE;
        } else if now >= *next {
            *next = now + *pause;
            *pause = LONGEST_CALL.min(*pause * 2);
        } else {
            return;
        }
        if !is_back && !is_forsaken {
            return;
        }
        let listed: Vec<usize> = node.view.keys().copied().collect();
        let state = memberlist.machine.local_state(false);
        if let Some(to) = self.chance.pick(&listed) {
            self.connect(number, *to, Mail::Exchange { state, is_answer: false });
        }
    }

    /// Others may leave to this node what it owns, since it answers.
    pub(super) fn announce_by_memberlist(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        let meta = node.meta();
        self.with_memberlist(number, |memberlist, now| memberlist.machine.set_meta(meta, now));
    }
}

fn open(body: &[u8]) -> Vec<Message> {
    packet::open(body, &Keyring::plain(), &Settings::lan()).unwrap_or_default()
}

impl Node {
    pub(super) fn put_gossip_aside(&mut self, from: usize, messages: Vec<Message>) {
        if let Some(memberlist) =
            self.memberlist.as_mut().filter(|memberlist| memberlist.buffer.len() < node::BUFFER)
        {
            memberlist.buffer.push((from, messages));
        }
    }
}
