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

#[cfg(test)]
mod tests {
    use super::*;

    /// Three nodes that list each other, the first of which answers for the only address.
    fn at_rest() -> (Watchdog, Vec<Node>, Vec<Vec<usize>>) {
        let mut nodes: Vec<Node> = (0..3).map(|number| Node::new(number, Duration::ZERO)).collect();
        let boots: Vec<u64> = nodes.iter().map(|node| node.boot).collect();
        for (number, node) in nodes.iter_mut().enumerate() {
            let others = boots.iter().copied().enumerate().filter(|(other, _)| *other != number);
            node.view = others.collect();
        }
        nodes[0].answers.insert(0);
        (Watchdog::new(1), nodes, vec![vec![0, 1, 2]])
    }

    fn watch(watchdog: &mut Watchdog, nodes: &[Node], network: &Network) {
        for second in [10, 11, 12] {
            watchdog.check_owners(nodes, network, Duration::from_secs(second));
        }
    }

    #[test]
    fn a_ring_at_rest_is_passed() {
        let (mut watchdog, nodes, ranks) = at_rest();
        watch(&mut watchdog, &nodes, &Network::good());
        watchdog.check_rest(&nodes, &ranks);
        watchdog.check_cause(true, Duration::ZERO, "a fall");
        assert!(!watchdog.shares() && watchdog.longest == Duration::ZERO);
    }

    #[test]
    fn two_that_answer_where_they_can_not_know_are_passed() {
        let (mut watchdog, mut nodes, _) = at_rest();
        nodes[1].answers.insert(0);
        let mut network = Network::good();
        network.plug(1, false);
        watch(&mut watchdog, &nodes, &network);
        assert!(!watchdog.shares());
    }

    #[test]
    #[should_panic(expected = "0 and 1 both answer for 0, since 10s")]
    fn two_that_answer_for_two_seconds_are_found() {
        let (mut watchdog, mut nodes, _) = at_rest();
        nodes[1].answers.insert(0);
        watch(&mut watchdog, &nodes, &Network::good());
    }

    #[test]
    #[should_panic(expected = "10s n1 falls without a cause")]
    fn a_fall_for_nothing_is_found() {
        at_rest().0.check_cause(false, Duration::from_secs(10), "n1 falls");
    }

    #[test]
    #[should_panic(expected = "[] answer for 0, the order is [0, 1, 2]")]
    fn an_address_nobody_answers_for_is_found() {
        let (watchdog, mut nodes, ranks) = at_rest();
        nodes[0].answers.clear();
        watchdog.check_rest(&nodes, &ranks);
    }

    #[test]
    #[should_panic(expected = "[1] answer for 0")]
    fn an_address_somebody_else_answers_for_is_found() {
        let (watchdog, mut nodes, ranks) = at_rest();
        nodes[0].answers.clear();
        nodes[1].answers.insert(0);
        watchdog.check_rest(&nodes, &ranks);
    }

    #[test]
    #[should_panic(expected = "no rest")]
    fn a_fence_that_stays_closed_is_found() {
        let (watchdog, mut nodes, ranks) = at_rest();
        nodes[2].fenced = true;
        watchdog.check_rest(&nodes, &ranks);
    }

    #[test]
    #[should_panic(expected = "no rest")]
    fn a_member_that_is_not_listed_is_found() {
        let (watchdog, mut nodes, ranks) = at_rest();
        nodes[2].view.remove(&0);
        watchdog.check_rest(&nodes, &ranks);
    }
}
