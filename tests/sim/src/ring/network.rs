//! The network: delay, loss, and who reaches whom.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::Chance;

/// A network between numbered nodes.
#[derive(Debug)]
pub(super) struct Network {
    /// Of so many datagrams one is lost; zero loses none.
    loss: usize,
    /// The longest usual delay, in microseconds.
    delay: usize,
    /// One side of a partition.
    side: BTreeSet<usize>,
    /// Whether the other side still hears this one.
    one_way: bool,
    /// Nodes whose cable is out.
    unplugged: BTreeSet<usize>,
}

impl Network {
    pub(super) fn new(chance: &mut Chance) -> Self {
        let loss = chance.pick(&[0, 0, 1_000, 200, 50]).copied().unwrap_or(0);
        let delay = chance.pick(&[100, 300, 1_000, 5_000]).copied().unwrap_or(100);
        Self { loss, delay, side: BTreeSet::new(), one_way: false, unplugged: BTreeSet::new() }
    }

    /// One that loses nothing.
    pub(super) fn good() -> Self {
        Self { loss: 0, delay: 300, side: BTreeSet::new(), one_way: false, unplugged: BTreeSet::new() }
    }

    pub(super) fn split(&mut self, side: BTreeSet<usize>, one_way: bool) {
        (self.side, self.one_way) = (side, one_way);
    }

    pub(super) fn heal(&mut self) {
        self.side.clear();
    }

    pub(super) fn is_split(&self) -> bool {
        !self.side.is_empty()
    }

    /// Whether some are heard and do not hear.
    pub(super) fn is_one_way(&self) -> bool {
        self.is_split() && self.one_way
    }

    pub(super) fn plug(&mut self, node: usize, plugged: bool) {
        if plugged {
            self.unplugged.remove(&node);
        } else {
            self.unplugged.insert(node);
        }
    }

    pub(super) fn is_plugged(&self, node: usize) -> bool {
        !self.unplugged.contains(&node)
    }

    /// Whether datagrams get from one to the other.
    pub(super) fn reaches(&self, from: usize, to: usize) -> bool {
        let plugged = self.is_plugged(from) && self.is_plugged(to);
        plugged && !self.is_between(from, to)
    }

    fn is_between(&self, from: usize, to: usize) -> bool {
        let (from, to) = (self.side.contains(&from), self.side.contains(&to));
        from != to && !(self.one_way && from)
    }

    /// Whether both hear each other.
    pub(super) fn connects(&self, one: usize, other: usize) -> bool {
        self.reaches(one, other) && self.reaches(other, one)
    }

    /// How long a datagram takes; nothing if it gets lost.
    pub(super) fn carry(&self, from: usize, to: usize, chance: &mut Chance) -> Option<Duration> {
        if !self.reaches(from, to) || self.loss > 0 && chance.once_in(self.loss) {
            return None;
        }
        let rare = if chance.once_in(1_000) { 20_000 } else { 0 };
        let micros = 30 + chance.below(self.delay) + rare;
        Some(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
    }
}
