//! What must hold: no two answer for one address for long, nothing happens without a cause, and rest is rest.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use super::network::Network;
use super::node::Node;

/// Two that could know better may answer for one address for so long.
pub(super) const BOUND: Duration = Duration::from_millis(1_500);

/// Looks for violations.
#[derive(Debug)]
pub(super) struct Watchdog {
    seed: u64,
    trace: Vec<String>,
    /// Who answers for one address together, and since when they could know.
    both: BTreeMap<(usize, usize, usize), Duration>,
    /// The longest time of that kind.
    pub(super) longest: Duration,
}

impl Watchdog {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, trace: Vec::new(), both: BTreeMap::new(), longest: Duration::ZERO }
    }

    pub(super) fn note(&mut self, now: Duration, what: impl Display) {
        self.trace.push(format!("{now:?} {what}"));
    }

    pub(super) fn fail(&self, what: impl Display) {
        let latest = self.trace.len().saturating_sub(200);
        let latest = self.trace.get(latest..).unwrap_or_default().join("\n");
        panic!("METALLB_SIM_SEED={}: {what}\n{latest}", self.seed);
    }

    /// Nobody is found dead, or fenced, for nothing.
    pub(super) fn check_cause(&self, cause: bool, now: Duration, what: impl Display) {
        if !cause {
            self.fail(format_args!("{now:?} {what} without a cause"));
        }
    }

    /// Two that hear each other and are listed by each other must not both answer for long.
    pub(super) fn check_owners(&mut self, nodes: &[Node], network: &Network, now: Duration) {
        let mut owners: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, node) in nodes.iter().enumerate().filter(|(_, node)| node.runs()) {
            node.answers.iter().for_each(|address| owners.entry(*address).or_default().push(number));
        }
        let could_know = |one: usize, other: usize| {
            let lists = |a: usize, b: usize| {
                let (a, other) = (nodes.get(a), nodes.get(b));
                a.and_then(|a| a.view.get(&b)).copied() == other.map(|other| other.boot)
            };
            // Those who are deaf fell others whom they do not hear, again and again: no bound while that lasts.
            !network.is_one_way() && network.connects(one, other) && lists(one, other) && lists(other, one)
        };
        let mut both = BTreeMap::new();
        for (address, owners) in owners {
            for (at, one) in owners.iter().enumerate() {
                for other in owners.iter().skip(at + 1).filter(|other| could_know(*one, **other)) {
                    let pair = (address, *one, *other);
                    both.insert(pair, self.both.get(&pair).copied().unwrap_or(now));
                }
            }
        }
        self.both = both;
        for ((address, one, other), since) in self.both.clone() {
            self.longest = self.longest.max(now - since);
            if now > since + BOUND {
                self.fail(format_args!(
                    "{now:?} {one} and {other} both answer for {address}, since {since:?}"
                ));
            }
        }
    }

    pub(super) fn shares(&self) -> bool {
        !self.both.is_empty()
    }

    /// Everybody counts everybody, and the one elected answers, alone.
    pub(super) fn check_rest(&self, nodes: &[Node], ranks: &[Vec<usize>]) {
        for node in nodes {
            if node.fenced || node.held || !node.down.is_empty() || node.view.len() + 1 != nodes.len() {
                let Node { name, fenced, down, view, .. } = node;
                self.fail(format_args!(
                    "no rest: {name} fenced {fenced}, down {down:?}, lists {}",
                    view.len()
                ));
            }
        }
        for (address, candidates) in ranks.iter().enumerate() {
            let answering = nodes.iter().enumerate().filter(|(_, node)| node.answers.contains(&address));
            let answering: Vec<usize> = answering.map(|(number, _)| number).collect();
            if answering != candidates.first().copied().as_slice() {
                self.fail(format_args!("{answering:?} answer for {address}, the order is {candidates:?}"));
            }
        }
    }
}
