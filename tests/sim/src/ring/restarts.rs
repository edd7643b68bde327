//! Planned restarts, one node after the other: an address that was answered for goes on to be.

use std::time::Duration;

use super::World;
use super::faults::Fault;
use super::network::Network;
use crate::Chance;

/// Between a node's end and its next process, at most, in milliseconds.
const PAUSE: usize = 3_000;

/// What an update of all nodes came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Gap {
    /// The longest time without an answer for an address with more than one candidate.
    pub longest: Duration,
    /// How often answers began or ended.
    pub moves: usize,
}

/// Addresses that nobody answers for.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    since: Vec<Option<Duration>>,
    longest: Duration,
}

/// How processes are ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Asked to stop, in a network that loses nothing.
    Asked,
    /// Asked to stop, in any network.
    AskedAmidLosses,
    /// Killed, in a network that loses nothing.
    Killed,
}

/// Every node of a ring (of the first twenty) gets a new process, one after the other.
#[must_use]
pub fn restarts(seed: u64, nodes: usize, end: End) -> Gap {
    let mut chance = Chance::new(seed);
    let network = if end == End::AskedAmidLosses { Network::new(&mut chance) } else { Network::good() };
    let mut world = World::new(seed, nodes, network, chance);
    world.run_until(Duration::from_secs(5));
    world.gaps = Some(Gaps::default());
    for number in 0..nodes.min(20) {
        world.fault(&if end == End::Killed { Fault::Kill(number) } else { Fault::Leave(number) });
        world.run_until(world.now + Duration::from_millis(1_001));
        let pause = u64::try_from(world.chance.below(PAUSE)).unwrap_or(0);
        world.run_until(world.now + Duration::from_millis(pause));
        world.fault(&Fault::Start(number));
        // The next node's turn comes when this one's probe says that it is ready.
        let latest = world.now + Duration::from_secs(10);
        while world.nodes.get(number).is_some_and(|node| !node.has_answered) && world.now < latest {
            world.run_until(world.now + Duration::from_millis(100));
        }
        world.run_until(world.now + Duration::from_secs(2));
    }
    world.run_until(world.now + Duration::from_secs(5));
    world.watchdog.check_rest(&world.nodes, &world.ranks);
    let longest = world.gaps.map_or(Duration::ZERO, |gaps| gaps.longest);
    Gap { longest, moves: world.report.moves }
}

impl World {
    /// Answers have begun or ended.
    pub(super) fn measure_gaps(&mut self) {
        let Some(gaps) = self.gaps.as_mut() else { return };
        gaps.since.resize(self.ranks.len(), None);
        for (address, since) in gaps.since.iter_mut().enumerate() {
            let has_heirs = self.ranks.get(address).is_some_and(|candidates| candidates.len() > 1);
            let is_answered = || self.nodes.iter().any(|node| node.runs() && node.answers.contains(&address));
            if has_heirs && !is_answered() {
                since.get_or_insert(self.now);
            } else if let Some(since) = since.take() {
                gaps.longest = gaps.longest.max(self.now - since);
            }
        }
    }
}
