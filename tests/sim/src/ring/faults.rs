//! What goes wrong, and when.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::Chance;

/// Something that begins or ends.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The process is killed.
    Kill(usize),
    /// The process is asked to stop: it says goodbye and ends.
    Leave(usize),
    /// A new one starts.
    Start(usize),
    /// The process stands still.
    Freeze(usize),
    /// It goes on.
    Thaw(usize),
    /// The cable is pulled; whether the node sees that.
    Unplug(usize, bool),
    /// The cable is back.
    Plug(usize, bool),
    /// These are cut off from the rest; whether what they send still arrives.
    Split(BTreeSet<usize>, bool),
    /// The partition is over.
    Heal,
    /// The clock jumps ahead.
    Jump(usize, Duration),
    /// The scheduler keeps the process waiting, so long at most.
    Load(usize, Duration),
}

/// The time of faults; rest follows.
pub(super) const TROUBLE: std::ops::Range<usize> = 5_000..90_000;

fn millis(count: usize) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}

/// The faults of a run. Some runs see none but load.
pub(super) fn plan(nodes: usize, chance: &mut Chance) -> Vec<(Duration, Fault)> {
    let mut plan = Vec::new();
    if chance.once_in(3) {
        let loaded = 1 + chance.below(nodes);
        plan.extend((0..loaded).map(|node| (millis(TROUBLE.start), Fault::Load(node, millis(200)))));
        plan.extend((0..loaded).map(|node| (millis(TROUBLE.end), Fault::Load(node, Duration::ZERO))));
    }
    if !chance.once_in(4) {
        let mut free = vec![TROUBLE.start; nodes];
        let mut whole = TROUBLE.start;
        for _ in 0..2 + chance.below(8) {
            add(&mut plan, (&mut free, &mut whole), chance);
        }
    }
    plan.sort_by_key(|(at, _)| *at);
    plan
}

/// One more fault, of a node that has none at that time; and one partition at a time.
fn add(plan: &mut Vec<(Duration, Fault)>, (free, whole): (&mut [usize], &mut usize), chance: &mut Chance) {
    let node = chance.below(free.len());
    let split = chance.once_in(5);
    let from = if split { *whole } else { free.get(node).copied().unwrap_or(TROUBLE.end) };
    let begin = from + chance.below(20_000);
    let long = chance.pick(&[300, 1_000, 5_000, 20_000]).copied().unwrap_or(300);
    let end = begin + 50 + chance.below(long);
    if end + 1_000 > TROUBLE.end {
        return;
    }
    let (first, last) = if split {
        *whole = end + 1_000;
        let side = (0..free.len()).filter(|_| chance.once_in(2)).collect();
        (Fault::Split(side, chance.once_in(3)), Fault::Heal)
    } else {
        if let Some(free) = free.get_mut(node) {
            *free = end + 1_000;
        }
        pair(node, chance)
    };
    plan.extend([(millis(begin), first), (millis(end), last)]);
}

fn pair(node: usize, chance: &mut Chance) -> (Fault, Fault) {
    let seen = !chance.once_in(3);
    match chance.below(8) {
        7 => (Fault::Leave(node), Fault::Start(node)),
        0 | 1 => (Fault::Kill(node), Fault::Start(node)),
        2 | 3 => (Fault::Freeze(node), Fault::Thaw(node)),
        4 | 5 => (Fault::Unplug(node, seen), Fault::Plug(node, seen)),
        _ => (Fault::Jump(node, millis(100 + chance.below(30_000))), Fault::Load(node, Duration::ZERO)),
    }
}
