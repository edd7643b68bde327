//! Faults take effect.

use std::time::Duration;

use super::faults::Fault;
use super::node::{Node, Process};
use super::{Event, World, node};

/// How long a goodbye may take (contract 02 §1.3).
const GOODBYE: Duration = Duration::from_secs(1);

impl World {
    pub(super) fn fault(&mut self, fault: &Fault) {
        self.watchdog.note(self.now, format_args!("{fault:?}"));
        match fault {
            Fault::Kill(number) => self.stop(*number, Process::Gone),
            Fault::Leave(number) => self.leave(*number),
            Fault::Freeze(number) => self.stop(*number, Process::Frozen),
            Fault::Start(number) => self.start(*number),
            Fault::Thaw(number) => self.thaw(*number),
            Fault::Unplug(number, seen) => self.plug(*number, false, *seen),
            Fault::Plug(number, seen) => self.plug(*number, true, *seen),
            Fault::Split(side, one_way) => {
                self.split = self.now;
                self.network.split(side.clone(), *one_way);
            }
            Fault::Heal => {
                self.split = self.now;
                self.network.heal();
            }
            Fault::Jump(number, by) => {
                let by = *by;
                self.ail(*number);
                self.with(*number, |node, _| node.ahead += by);
                self.with(*number, |node, now| node.machine.tick(now));
                return;
            }
            Fault::Load(number, lag) => {
                let lag = usize::try_from(lag.as_millis()).unwrap_or(0);
                self.nodes.get_mut(*number).into_iter().for_each(|node| node.lag = lag);
                return;
            }
        }
        self.spread_rumours();
    }

    /// A planned stop: the others are told, and the node goes on answering meanwhile.
    fn leave(&mut self, number: usize) {
        self.ail(number);
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.runs()) else { return };
        node.leaves = true;
        self.queue.add(self.now + GOODBYE, Event::Gone(number, node.boot));
        if node.memberlist.is_none() {
            return self.announce(number);
        }
        self.with_memberlist(number, |memberlist, now| memberlist.machine.leave(now));
    }

    /// The goodbye has taken long enough.
    pub(super) fn end(&mut self, number: usize, life: u64) {
        if self.nodes.get(number).is_some_and(|node| node.boot == life && node.runs()) {
            self.stop(number, Process::Gone);
        }
    }

    fn ail(&mut self, number: usize) {
        let now = self.now;
        self.nodes.get_mut(number).into_iter().for_each(|node| node.ailed = Some(now));
    }

    pub(super) fn stop(&mut self, number: usize, process: Process) {
        self.ail(number);
        self.nodes.get_mut(number).into_iter().for_each(|node| node.process = process);
        self.elect(number);
    }

    fn start(&mut self, number: usize) {
        self.ail(number);
        let now = self.now;
        self.nodes.get_mut(number).into_iter().for_each(|node| node.restart(now));
        self.with(number, |node, now| node.machine.tick(now));
        self.with_memberlist(number, |memberlist, now| memberlist.machine.tick(now));
        self.join(number);
    }

    /// What waited is handed in first, as a socket does; then the deadline that passed.
    fn thaw(&mut self, number: usize) {
        self.ail(number);
        let Some(node) = self.nodes.get_mut(number) else { return };
        node.process = Process::Runs;
        let waited = std::mem::take(&mut node.buffer);
        self.with(number, |node, now| {
            for (from, bytes) in waited {
                node.machine.datagram(node::address(from), &bytes, now);
            }
            node.machine.tick(now);
        });
        self.with_memberlist(number, |memberlist, now| {
            for (from, messages) in std::mem::take(&mut memberlist.buffer) {
                messages
                    .into_iter()
                    .for_each(|message| memberlist.machine.datagram(node::address(from), message, now));
            }
            memberlist.machine.tick(now);
        });
        self.look_after(number);
        self.elect(number);
    }

    fn plug(&mut self, number: usize, plugged: bool, seen: bool) {
        self.ail(number);
        self.network.plug(number, plugged);
        let tell = |node: &mut Node, now| {
            if plugged { node.machine.carrier_back(now) } else { node.machine.carrier_lost(now) }
        };
        if seen {
            if plugged {
                self.with_memberlist(number, |memberlist, now| memberlist.machine.excuse(now));
            }
            self.with(number, tell);
            self.look_after(number);
        }
    }
}
