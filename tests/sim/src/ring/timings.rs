//! Memberlist as its timings have it (contract 02 §1.3), for rings too large for the machine itself: who is gone is taken
//! out after five to seven seconds, who is there is listed within two, goodbyes and first answers are heard at once.

use std::collections::BTreeMap;
use std::time::Duration;

use super::network::Network;
use super::node::{Node, Process};
use crate::Chance;

/// Nobody is taken out sooner.
const DETECTION: Duration = Duration::from_secs(5);

/// When a node hears of a change: those who came, then those who went.
pub(super) fn rumours(now: Duration, chance: &mut Chance) -> [Duration; 2] {
    let millis = |count: usize| Duration::from_millis(u64::try_from(count).unwrap_or(0));
    [now + millis(100 + chance.below(1_500)), now + DETECTION + millis(100 + chance.below(2_000))]
}

/// What a node's memberlist lists now.
pub(super) fn view(
    me: usize,
    nodes: &[Node],
    network: &Network,
    split: Duration,
    now: Duration,
) -> BTreeMap<usize, u64> {
    let Some(node) = nodes.get(me) else { return BTreeMap::new() };
    let others = nodes.iter().enumerate().filter(|(other, _)| *other != me);
    let listed = others.filter_map(|(number, other)| {
        if other.leaves {
            return None;
        }
        let there = other.process == Process::Runs && network.connects(me, number);
        if there {
            return Some((number, other.boot));
        }
        let since = other.ailed.unwrap_or_default().max(node.ailed.unwrap_or_default()).max(split);
        let known = node.view.get(&number)?;
        (now < since + DETECTION).then_some((number, *known))
    });
    listed.collect()
}

/// When a node hears what another one says to everybody.
pub(super) fn gossip(now: Duration, chance: &mut Chance) -> Duration {
    now + Duration::from_millis(u64::try_from(1 + chance.below(400)).unwrap_or(0))
}
