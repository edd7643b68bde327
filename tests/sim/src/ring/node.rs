//! A speaker: its process, its machine, what it believes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use metallb_liveness::meta::{self, Announced};
use metallb_liveness::{Keys, Liveness, Member, Settings};

use super::memberlist::Memberlist;

/// What a process does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Process {
    /// It runs.
    Runs,
    /// It stands still; what it is sent waits.
    Frozen,
    /// There is none: the port is closed.
    Gone,
}

/// How much waits for a process that stands still.
pub(super) const BUFFER: usize = 256;

/// A node and its speaker.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) process: Process,
    pub(super) machine: Liveness,
    /// Counts its lives.
    pub(super) boot: u64,
    /// None where its timings stand for it.
    pub(super) memberlist: Option<Memberlist>,
    /// Whom memberlist lists here, in which life.
    pub(super) view: BTreeMap<usize, u64>,
    /// Those of them who do not answer yet.
    pub(super) starting: BTreeSet<usize>,
    /// Whether it answers for what it owns, or did once in this life.
    pub(super) has_answered: bool,
    /// It says goodbye.
    pub(super) leaves: bool,
    pub(super) down: BTreeSet<usize>,
    pub(super) fenced: bool,
    /// The others do not count it, for it comes and goes.
    pub(super) held: bool,
    /// What its clock jumped ahead so far.
    pub(super) ahead: Duration,
    /// Its scheduler wakes it so much too late, at most, in milliseconds.
    pub(super) lag: usize,
    /// It gets no processor before.
    pub(super) busy: Duration,
    /// Datagrams that wait.
    pub(super) buffer: Vec<(usize, Vec<u8>)>,
    /// When it will be woken; earlier plans are void.
    pub(super) wake: Duration,
    /// For which addresses it answers.
    pub(super) answers: BTreeSet<usize>,
    /// When something last was wrong with it, for its own or anybody's part.
    pub(super) ailed: Option<Duration>,
}

impl Node {
    pub(super) fn new(number: usize, now: Duration) -> Self {
        let name = name(number);
        let boot = boot(number, 1);
        Self {
            machine: machine(&name, boot, now),
            name,
            process: Process::Runs,
            boot,
            memberlist: None,
            view: BTreeMap::new(),
            starting: BTreeSet::new(),
            has_answered: false,
            leaves: false,
            down: BTreeSet::new(),
            fenced: false,
            held: false,
            ahead: Duration::ZERO,
            lag: 0,
            busy: Duration::ZERO,
            buffer: Vec::new(),
            wake: Duration::MAX,
            answers: BTreeSet::new(),
            ailed: Some(now),
        }
    }

    /// A new process, which knows nobody.
    pub(super) fn restart(&mut self, now: Duration) {
        self.boot += 1;
        self.machine = machine(&self.name, self.boot, now + self.ahead);
        self.process = Process::Runs;
        let life = self.boot;
        let number = number(&self.name);
        (self.has_answered, self.leaves) = (false, false);
        let meta = self.meta();
        if let Some(memberlist) = self.memberlist.as_mut() {
            *memberlist = Memberlist::new(number, meta, life, now + self.ahead);
        }
        self.starting.clear();
        self.view.clear();
        self.down.clear();
        self.buffer.clear();
        (self.fenced, self.held) = (false, false);
    }

    pub(super) fn runs(&self) -> bool {
        self.process == Process::Runs
    }

    /// What it says of itself.
    pub(super) fn meta(&self) -> Vec<u8> {
        meta(self.boot, !self.has_answered)
    }

    /// For which addresses it would answer, by what it knows; each is given as its candidates in the order of the
    /// election. Those who start take part only where all do; those who are held or down, where no candidate counts.
    pub(super) fn wins(&self, ranks: &[Vec<usize>]) -> BTreeSet<usize> {
        let me = number(&self.name);
        let counts = |other: usize| {
            if other == me {
                !self.held
            } else {
                self.view.contains_key(&other) && !self.down.contains(&other)
            }
        };
        let starts =
            |other: usize| if other == me { !self.has_answered } else { self.starting.contains(&other) };
        let all_start = self.view.keys().copied().chain([me]).filter(|other| counts(*other)).all(starts);
        let elected = |candidates: &Vec<usize>| {
            let mut candidates = candidates.iter().copied();
            let first = candidates.clone().find(|other| counts(*other) && (all_start || !starts(*other)));
            let listed = |other: &usize| *other == me || self.view.contains_key(other);
            first.or_else(|| candidates.find(|other| self.held && listed(other)))
        };
        let won = ranks.iter().enumerate().filter(|(_, candidates)| elected(candidates) == Some(me));
        won.map(|(address, _)| address).collect()
    }

    /// Puts a datagram aside.
    pub(super) fn put_aside(&mut self, from: usize, bytes: Vec<u8>) {
        if self.buffer.len() < BUFFER {
            self.buffer.push((from, bytes));
        }
    }
}

fn machine(name: &str, boot: u64, now: Duration) -> Liveness {
    Liveness::new(name, boot, Keys::derive([&b"secret"[..]]), Settings::default(), now)
}

/// What memberlist says of a life.
pub(super) fn meta(boot: u64, is_starting: bool) -> Vec<u8> {
    meta::encode(&Announced { version: meta::VERSION, port: 7947, boot, is_starting, knows_terms: true })
}

pub(super) fn name(number: usize) -> String {
    format!("node-{number}")
}

/// The boot of a node's life: as good as random.
fn boot(number: usize, life: u64) -> u64 {
    ((number as u64 + 1) << 20) + life
}

pub(super) fn number(name: &str) -> usize {
    name.strip_prefix("node-").and_then(|number| number.parse().ok()).unwrap_or(usize::MAX)
}

pub(super) fn address(number: usize) -> SocketAddr {
    let octet = |shift: usize| u8::try_from(number >> shift & 0xff).unwrap_or(0);
    SocketAddr::from(([10, octet(16), octet(8), octet(0)], 7947))
}

pub(super) fn number_at(address: SocketAddr) -> usize {
    match address.ip() {
        std::net::IpAddr::V4(address) => {
            let [_, a, b, c] = address.octets().map(usize::from);
            a << 16 | b << 8 | c
        }
        std::net::IpAddr::V6(_) => usize::MAX,
    }
}

pub(super) fn member(number: usize, boot: u64, is_starting: bool) -> Member {
    Member { name: name(number), address: address(number), boot, is_starting }
}
