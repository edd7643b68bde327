//! What must never be, and what must be at rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::cluster::{Cluster, Node};
use super::{ADDRESSES, Figures, NODES, Terms};

/// Of a ring whose processes are all younger nobody remembers anything: as after a power failure, all is where it is elected to in
/// the end.
const YOUTH: Duration = Duration::from_secs(90);

/// What has been seen so far.
#[derive(Debug)]
pub(super) struct Check {
    seed: u64,
    terms: Terms,
    /// Who owned what at the last rest.
    owners: BTreeMap<usize, String>,
    /// What was disturbed since: nodes that stood still or were replaced, addresses that were taken away.
    lives: BTreeMap<&'static str, Option<u64>>,
    disturbed: BTreeSet<&'static str>,
    gone: BTreeSet<usize>,
    two: BTreeMap<usize, Duration>,
    nobody: BTreeMap<usize, Duration>,
    pub(super) figures: Figures,
}

impl Check {
    pub(super) fn new(seed: u64, terms: Terms) -> Self {
        Self {
            seed,
            terms,
            owners: BTreeMap::new(),
            lives: BTreeMap::new(),
            disturbed: BTreeSet::new(),
            gone: BTreeSet::new(),
            two: BTreeMap::new(),
            nobody: BTreeMap::new(),
            figures: Figures::default(),
        }
    }

    /// So much time passes with things as they are.
    pub(super) fn passes(&mut self, cluster: &Cluster, time: Duration) {
        for (name, node) in &cluster.nodes {
            if node.is_frozen || node.is_held || self.lives.get(name) != Some(&node.boot) {
                self.disturbed.insert(name);
            }
            self.lives.insert(name, node.boot);
        }
        for number in 0..ADDRESSES {
            if !cluster.services.contains(&number) {
                self.gone.insert(number);
            }
            let answering = answering(cluster, number);
            let is_pair = |one: &&'static str, other: &&'static str| {
                one != other && cluster.is_heard(one, other) && cluster.is_heard(other, one)
            };
            let are_two = answering.iter().any(|one| answering.iter().any(|other| is_pair(one, other)));
            // One that is cut off from the API server may be elected for what it has not read of.
            let has_read =
                |node: &Node| node.speaker.as_ref().is_none_or(|speaker| speaker.services.contains(&number));
            let is_there = cluster.services.contains(&number) && cluster.has_advertisement;
            let is_known = is_there && cluster.nodes.values().all(has_read);
            // A node that is away ails nothing: the others are there for its addresses.
            let ails = |node: &Node| node.speaker.as_ref().is_some_and(|speaker| !speaker.answers_anything());
            let is_nobodys = is_known && answering.is_empty() && !cluster.nodes.values().any(ails);
            self.figures.two = self.figures.two.max(lasts(&mut self.two, number, are_two, time));
            self.figures.nobody = self.figures.nobody.max(lasts(&mut self.nobody, number, is_nobodys, time));
        }
    }

    /// Nothing has happened for a while: there is one owner for each address, and everybody says who; and nobody who was
    /// there all the time has lost one, where nobody preempts and somebody remembers.
    pub(super) fn at_rest(&mut self, cluster: &Cluster) {
        let mut owners = BTreeMap::new();
        for number in &cluster.services {
            let answering = answering(cluster, *number);
            let seen = cluster.nodes.values().filter_map(|node| node.speaker.as_ref());
            let seen: BTreeSet<Option<String>> =
                seen.map(|speaker| speaker.owner(*number).cloned()).collect();
            let expected = answering.first().map(|node| (*node).to_owned());
            assert!(
                answering.len() == 1 && seen == BTreeSet::from([expected.clone()]),
                "seed {}, {:?}, at {:?}: s{number} is answered for by {answering:?}, and {seen:?} are thought to do",
                self.seed,
                self.terms,
                cluster.now
            );
            owners.extend(expected.map(|owner| (*number, owner)));
        }
        let speakers = cluster.nodes.values().filter_map(|node| node.speaker.as_ref());
        let mut ages = speakers.map(|speaker| cluster.now.saturating_sub(speaker.started));
        if matches!(self.terms, Terms::Never | Terms::Both) && ages.any(|age| age > YOUTH) {
            for (number, owner) in &self.owners {
                let is_lost = owners.get(number) != Some(owner);
                assert!(
                    !is_lost || self.disturbed.contains(owner.as_str()) || self.gone.contains(number),
                    "seed {}, {:?}, at {:?}: {owner} has lost s{number} to {:?}",
                    self.seed,
                    self.terms,
                    cluster.now,
                    owners.get(number)
                );
            }
        }
        (self.owners, self.disturbed, self.gone) = (owners, BTreeSet::new(), BTreeSet::new());
    }
}

fn answering(cluster: &Cluster, number: usize) -> Vec<&'static str> {
    let answers =
        |node: &Node| !node.is_frozen && node.speaker.as_ref().is_some_and(|speaker| speaker.answers(number));
    NODES.into_iter().filter(|name| cluster.nodes.get(name).is_some_and(answers)).collect()
}

/// How long something is so without a break.
fn lasts(since: &mut BTreeMap<usize, Duration>, number: usize, is_so: bool, time: Duration) -> Duration {
    let lasted = since.entry(number).or_default();
    *lasted = if is_so { *lasted + time } else { Duration::ZERO };
    *lasted
}
