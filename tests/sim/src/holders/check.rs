//! What must never be, and what must be at rest.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::cluster::{Cluster, Node};
use super::delay::Delays;
use super::speaker::Speaker;
use super::{ADDRESSES, Figures, NODES, Terms};

/// In a ring whose processes are all younger, what was claimed while nobody remembered anything goes where it is elected to, as after
/// a power failure.
const YOUTH: Duration = Duration::from_secs(90);

/// What has been seen so far.
#[derive(Debug)]
pub(super) struct Check {
    seed: u64,
    terms: Terms,
    /// Who owned what at the last rest.
    owners: BTreeMap<usize, String>,
    /// What of that was claimed while nobody remembered anything.
    fresh: BTreeSet<usize>,
    /// What was disturbed since: nodes that stood still or were replaced, addresses that were taken away.
    lives: BTreeMap<&'static str, Option<u64>>,
    disturbed: BTreeSet<&'static str>,
    gone: BTreeSet<usize>,
    /// Some did not hear others, or not all.
    was_cut: bool,
    two: BTreeMap<usize, Duration>,
    nobody: BTreeMap<usize, Duration>,
    /// What nobody has answered for since a time when words were lost.
    untold: BTreeSet<usize>,
    delays: Delays,
    pub(super) figures: Figures,
}

impl Check {
    pub(super) fn new(seed: u64, terms: Terms) -> Self {
        Self {
            seed,
            terms,
            owners: BTreeMap::new(),
            fresh: BTreeSet::new(),
            lives: BTreeMap::new(),
            disturbed: BTreeSet::new(),
            gone: BTreeSet::new(),
            was_cut: false,
            two: BTreeMap::new(),
            nobody: BTreeMap::new(),
            untold: BTreeSet::new(),
            delays: Delays::default(),
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
        self.was_cut |= !cluster.cut.is_empty() || cluster.loss > 0;
        if self.terms == Terms::Delayed {
            let early = self.delays.passes(cluster);
            assert!(early.is_none(), "seed {}, at {:?}: {early:?}", self.seed, cluster.now);
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
            let is_there = cluster.services.contains(&number) && cluster.has_advertisement;
            let is_known = is_there && !is_expected_of_one_that_has_not_read(cluster, number);
            // A node that is away ails nothing: the others are there for its addresses.
            let ails = |node: &Node| node.speaker.as_ref().is_some_and(|speaker| !speaker.answers_anything());
            let is_nobodys = is_known && answering.is_empty() && !cluster.nodes.values().any(ails);
            self.figures.two = self.figures.two.max(lasts(&mut self.two, number, are_two, time));
            if !is_nobodys {
                self.untold.remove(&number);
            } else if cluster.loss > 0 {
                self.untold.insert(number);
            }
            let lasted = lasts(&mut self.nobody, number, is_nobodys, time);
            let Figures { nobody, nobody_told, .. } = &mut self.figures;
            let longest = if self.untold.contains(&number) { nobody } else { nobody_told };
            *longest = lasted.max(*longest);
        }
    }

    /// Nothing has happened for a while: there is one owner for each address, and everybody says who; and nobody who was
    /// there all the time has lost one, where nobody preempts, clocks don't mislead and somebody remembers.
    pub(super) fn at_rest(&mut self, cluster: &Cluster) {
        let mut owners = BTreeMap::new();
        for number in &cluster.services {
            let answering = answering(cluster, *number);
            let seen: BTreeSet<Option<String>> =
                speakers(cluster).map(|speaker| speaker.owner(*number).cloned()).collect();
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
        // While all hear each other it is no matter what clocks say.
        let is_misled = cluster.is_astray && self.was_cut;
        if matches!(self.terms, Terms::Never | Terms::Both) && !is_misled {
            self.check_kept(cluster, &owners);
        }
        let is_fresh = |(number, owner): (&usize, &String)| {
            let owner = cluster.nodes.get(owner.as_str()).and_then(|node| node.speaker.as_ref());
            owner.is_some_and(|owner| owner.has_claimed_anew(*number)).then_some(*number)
        };
        self.fresh = owners.iter().filter_map(is_fresh).collect();
        (self.owners, self.disturbed, self.gone) = (owners, BTreeSet::new(), BTreeSet::new());
        self.was_cut = false;
        self.delays.rest();
    }

    /// Nobody has lost anything who was there all the time.
    fn check_kept(&self, cluster: &Cluster, owners: &BTreeMap<usize, String>) {
        let is_young = speakers(cluster).all(|speaker| cluster.now.saturating_sub(speaker.started) <= YOUTH);
        for (number, owner) in &self.owners {
            let is_kept = owners.get(number) == Some(owner) || is_young && self.fresh.contains(number);
            assert!(
                is_kept || self.disturbed.contains(owner.as_str()) || self.gone.contains(number),
                "seed {}, {:?}, at {:?}: {owner} has lost s{number} to {:?}",
                self.seed,
                self.terms,
                cluster.now,
                owners.get(number)
            );
        }
    }
}

fn speakers(cluster: &Cluster) -> impl Iterator<Item = &Speaker> {
    cluster.nodes.values().filter_map(|node| node.speaker.as_ref())
}

/// One that is cut off from the API server may be elected for what it has not read of: nobody answers then, as with the original.
fn is_expected_of_one_that_has_not_read(cluster: &Cluster, number: usize) -> bool {
    let awake = cluster.nodes.values().filter(|node| !node.is_frozen);
    let expected = awake.filter_map(|node| node.speaker.as_ref()?.owner(number));
    let mut expected = expected.filter_map(|owner| cluster.nodes.get(owner.as_str())?.speaker.as_ref());
    expected.any(|speaker| !speaker.knows(number))
}

pub(super) fn answering(cluster: &Cluster, number: usize) -> Vec<&'static str> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// All are there since long.
    fn at_rest(terms: Terms, judged_by: Terms) -> (Cluster, Check) {
        let (mut cluster, mut check) = (Cluster::new(0, terms), Check::new(0, judged_by));
        NODES.iter().for_each(|node| cluster.start(node));
        (0..6).for_each(|number| cluster.add(number));
        cluster.run(Duration::from_secs(110), &mut check);
        check.at_rest(&cluster);
        (cluster, check)
    }

    fn rests(cluster: &mut Cluster, check: &mut Check) {
        cluster.run(Duration::from_secs(15), check);
        check.at_rest(cluster);
    }

    #[test]
    #[should_panic(expected = "are thought to do")]
    fn two_that_answer_are_found() {
        let (mut cluster, mut check) = at_rest(Terms::Never, Terms::Never);
        let others = NODES.iter().filter(|node| **node != "n0");
        cluster.cut = others.map(|node| ("n0".to_owned(), (*node).to_owned())).collect();
        cluster.noticed("n0", 350);
        NODES.iter().for_each(|node| cluster.noticed(node, 350));
        rests(&mut cluster, &mut check);
    }

    #[test]
    fn two_that_answer_and_hear_each_other_are_measured() {
        let (mut cluster, mut check) = at_rest(Terms::Never, Terms::Never);
        let others = NODES.iter().filter(|node| **node != "n0");
        cluster.cut = others.map(|node| ("n0".to_owned(), (*node).to_owned())).collect();
        NODES.iter().for_each(|node| cluster.noticed(node, 350));
        check.figures.two = Duration::ZERO;
        cluster.run(Duration::from_secs(2), &mut check);
        assert_eq!(check.figures.two, Duration::ZERO, "they don't hear each other");
        // Nobody notices that it is over.
        cluster.cut = BTreeSet::new();
        cluster.run(Duration::from_secs(4), &mut check);
        assert!(check.figures.two >= Duration::from_secs(3), "{:?}", check.figures);
    }

    /// Though all are young.
    #[test]
    #[should_panic(expected = "has lost s0")]
    fn what_was_remembered_is_not_excused() {
        let (mut cluster, check) = at_rest(Terms::Never, Terms::Never);
        for node in NODES {
            cluster.with(node, |node| node.speaker.as_mut().unwrap().started = Duration::from_secs(100));
        }
        let owner = check.owners.get(&0).unwrap();
        let other = NODES.iter().find(|node| *node != owner).unwrap();
        check.check_kept(&cluster, &BTreeMap::from([(0, (*other).to_owned())]));
    }

    #[test]
    fn an_address_nobody_answers_for_is_found() {
        let (mut cluster, mut check) = at_rest(Terms::Never, Terms::Never);
        let owner = check.owners.get(&0).cloned().unwrap();
        // Nobody is told.
        cluster.with(&owner, |node| *node = Node::default());
        cluster.run(Duration::from_secs(4), &mut check);
        assert!(check.figures.nobody_told >= Duration::from_secs(3), "{:?}", check.figures);
    }

    /// Runs on these terms, judged by others, while one node after the other is stopped and comes back.
    fn replace_each(terms: Terms, judged_by: Terms) {
        let (mut cluster, mut check) = at_rest(terms, judged_by);
        for node in NODES {
            cluster.stop(node);
            rests(&mut cluster, &mut check);
            cluster.start(node);
            rests(&mut cluster, &mut check);
        }
    }

    #[test]
    #[should_panic(expected = "has lost s")]
    fn one_that_stays_and_loses_an_address_is_found() {
        replace_each(Terms::Delayed, Terms::Never);
    }

    #[test]
    #[should_panic(expected = "Early")]
    fn one_that_gets_an_address_back_at_once_is_found() {
        replace_each(Terms::Bounded, Terms::Delayed);
    }
}
