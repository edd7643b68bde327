//! Nodes whose cables were out for so long that memberlist gave up others meanwhile.

use std::time::Duration;

use super::faults::Fault;
use super::network::Network;
use super::{Event, World};
use crate::Chance;

const STEP: Duration = Duration::from_millis(1);
/// Ample for all to answer again.
const BACK: Duration = Duration::from_secs(10);

/// What their return came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rejoin {
    /// Members that those who were cut off had given up, all together.
    pub given_up: usize,
    /// For how long, at most, one of them answered for an address of one that was there all the time.
    pub wrong: Duration,
    /// From when the cables were back until all of them answered again.
    pub silent: Duration,
}

/// The cables of so many nodes are out for so long, and back within a tenth of a second of each other.
///
/// # Panics
/// When one of them does not answer again.
#[must_use]
pub fn rejoin(seed: u64, (nodes, cut): (usize, usize), time: Duration, loses: bool) -> Rejoin {
    let mut chance = Chance::new(seed);
    let network = if loses { Network::new(&mut chance) } else { Network::good() };
    let mut world = World::new(seed, nodes, network, chance);
    world.run_until(Duration::from_secs(10));
    (0..cut).for_each(|number| world.fault(&Fault::Unplug(number, true)));
    world.run_until(world.now + time);
    let lists = world.nodes.iter().take(cut).map(|node| node.view.len() + 1);
    let given_up = lists.map(|listed| nodes - listed).sum();
    let (plugged, mut since) = (world.now, None);
    for number in 0..cut {
        let at = plugged + pause(&mut world.chance);
        world.queue.add(at, Event::Fault(Fault::Plug(number, true)));
    }
    let mut rejoin = Rejoin { given_up, ..Rejoin::default() };
    while world.now < plugged + BACK {
        world.run_until(world.now + STEP);
        let is_wrong = world.ranks.iter().enumerate().any(|(address, candidates)| {
            let is_cut = candidates.first().is_some_and(|owner| *owner < cut);
            !is_cut && world.nodes.iter().take(cut).any(|node| node.answers.contains(&address))
        });
        since = is_wrong.then(|| since.unwrap_or(world.now - STEP));
        rejoin.wrong = rejoin.wrong.max(since.map_or(Duration::ZERO, |since| world.now - since));
        if world.nodes.iter().take(cut).any(|node| node.fenced) {
            rejoin.silent = world.now - plugged;
        }
    }
    assert!(rejoin.silent < BACK, "METALLB_SIM_SEED={seed}: {rejoin:?}");
    rejoin
}

/// Somebody plugs in one cable after the other.
fn pause(chance: &mut Chance) -> Duration {
    Duration::from_millis(u64::try_from(chance.below(100)).unwrap_or(0))
}
