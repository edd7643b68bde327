//! What a node knows of the others, by memberlist or by its timings.

use std::collections::{BTreeMap, BTreeSet};

use super::{Event, MOST, World, node, timings};

impl World {
    pub(super) fn hear_rumour(&mut self, number: usize) {
        let view = timings::view(number, &self.nodes, &self.network, self.split, self.now);
        let starts = |other: &usize| self.nodes.get(*other).is_some_and(|node| !node.has_answered);
        let starting = view.keys().copied().filter(starts).collect();
        self.set_view(number, view, starting);
    }

    pub(super) fn set_view(&mut self, number: usize, view: BTreeMap<usize, u64>, starting: BTreeSet<usize>) {
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.runs()) else { return };
        if node.view == view && node.starting == starting {
            return;
        }
        node.down.retain(|other| view.contains_key(other));
        let member = |(other, boot): (&usize, &u64)| node::member(*other, *boot, starting.contains(other));
        let members: Vec<_> = view.iter().map(member).collect();
        (node.view, node.starting) = (view, starting);
        self.with(number, |node, now| {
            node.machine.peers(members, now);
            node.starting.retain(|other| !node.machine.answers(&node::name(*other)));
        });
        self.elect(number);
    }

    /// Everybody will hear that something changed.
    pub(super) fn spread_rumours(&mut self) {
        if self.nodes.len() <= MOST {
            return;
        }
        for number in 0..self.nodes.len() {
            for at in timings::rumours(self.now, &mut self.chance) {
                self.queue.add(at, Event::Rumour(number));
            }
        }
    }

    /// Others may leave to this node what it owns, since it answers; or take over from it, since it ends.
    pub(super) fn announce(&mut self, number: usize) {
        if self.nodes.len() <= MOST {
            return self.announce_by_memberlist(number);
        }
        for other in 0..self.nodes.len() {
            let at = timings::gossip(self.now, &mut self.chance);
            self.queue.add(at, Event::Rumour(other));
        }
    }
}
