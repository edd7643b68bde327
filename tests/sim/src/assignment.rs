//! Controllers that assign addresses over an API server, both as models, with the real allocator in between.
//!
//! Everything that takes time may come in any order: watches deliver late, writes arrive late, answers get lost, the
//! controller is killed between any two of its writes and another takes over.

mod check;
mod controller;
mod server;
mod shapes;

use std::collections::BTreeSet;

use crate::Chance;
use check::Watchdog;
use controller::{Controller, Flight};
use server::{Refused, Server};

/// Steps of one run.
const STEPS: usize = 160;

/// When the writes of a killed or deposed controller reach the API server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Successor {
    /// Before its successor reads the cluster: leases and timeouts of requests see to that.
    WaitsForLateWrites,
    /// At any time. Then only the resource version protects, and a Service may get what another was given since.
    DoesNotWait,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// Successful writes to Services.
    pub writes: usize,
    /// Refused writes.
    pub conflicts: usize,
    /// Times a controller was replaced.
    pub replaced: usize,
    /// Writes of a controller that was gone by then, and that were accepted.
    pub late: usize,
}

/// One history from a seed.
///
/// # Panics
/// When an invariant is violated; the message names the seed.
pub fn run(seed: u64, successor: Successor) -> Report {
    let mut world = World::new(seed, successor);
    for _ in 0..STEPS {
        world.step();
    }
    world.come_to_rest();
    world.restart_silently();
    world.report
}

struct World {
    chance: Chance,
    successor: Successor,
    server: Server,
    controller: Controller,
    /// Writes of controllers that are gone.
    late: Vec<Flight>,
    watchdog: Watchdog,
    report: Report,
}

impl World {
    fn new(seed: u64, successor: Successor) -> Self {
        let mut server = Server::default();
        server.set_pools(shapes::pools(0));
        let controller = Controller::start(&server);
        let watchdog = Watchdog::new(seed, successor);
        let (late, report) = (Vec::new(), Report::default());
        Self { chance: Chance::new(seed), successor, server, controller, late, watchdog, report }
    }

    fn step(&mut self) {
        match self.chance.below(20) {
            0..=3 => self.edit_service(),
            4 => self.delete_service(),
            5 => self.server.set_pools(shapes::pools(self.chance.below(shapes::POOLS))),
            6..=8 => {
                let some = 1 + self.chance.below(4);
                self.controller.deliver(&self.server, some);
            }
            9..=11 => self.look(),
            12..=16 => self.land(),
            17 => self.land_late(),
            18 => self.controller.send(&mut self.chance),
            _ if self.chance.once_in(3) => self.replace_controller(),
            _ => self.controller.relist(&self.server),
        }
        self.check();
    }

    fn check(&mut self) {
        let under_way = self.under_way();
        self.watchdog.check(&self.server, &under_way);
    }

    /// Every write that may yet arrive.
    fn under_way(&self) -> Vec<Flight> {
        self.late.iter().cloned().chain(self.controller.pending()).collect()
    }

    fn edit_service(&mut self) {
        let name = shapes::name(&mut self.chance);
        let there = self.server.get(&name).cloned();
        let edited = shapes::edit(&mut self.chance, &name, there);
        self.watchdog.note(format!("{name} edited: {:?} {:?}", edited.metadata.annotations, edited.spec));
        self.server.put(edited);
        let under_way = self.under_way();
        self.watchdog.excuse(&self.server, &under_way, &name);
    }

    fn delete_service(&mut self) {
        let name = shapes::name(&mut self.chance);
        self.watchdog.note(format!("{name} deleted"));
        self.server.delete(&name);
    }

    /// The controller decides; what it wants to write is checked against what it knew.
    fn look(&mut self) {
        for decided in self.controller.look() {
            self.watchdog.note(format!("decided: {:?}", decided.decision));
            self.watchdog.check_reason(&decided, &self.controller);
        }
        let under_way = self.under_way();
        self.watchdog.excuse_unheard(&self.server, &under_way, &self.controller);
        self.controller.send(&mut self.chance);
    }

    /// One of the writes under way reaches the API server; its answer may get lost.
    fn land(&mut self) {
        let Some(flight) = self.controller.take_flight(&mut self.chance) else { return };
        if self.chance.once_in(12) {
            return self.controller.failed(flight);
        }
        let outcome = self.write(&flight);
        if self.chance.once_in(10) {
            self.controller.failed(flight)
        } else {
            self.controller.answered(flight, outcome)
        }
    }

    fn write(&mut self, flight: &Flight) -> Result<(), Refused> {
        let outcome = self.server.write(flight);
        let Flight { record, decision, .. } = flight;
        let what = if outcome.is_ok() { "written" } else { "refused" };
        self.watchdog.note(format!("{what}: {} {:?}", decision.key, record.assignment));
        *(if outcome.is_ok() { &mut self.report.writes } else { &mut self.report.conflicts }) += 1;
        outcome
    }

    fn land_late(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let flight = self.late.swap_remove(self.chance.below(self.late.len()));
        let outcome = self.write(&flight);
        if outcome.is_ok() {
            self.report.late += 1;
        }
    }

    /// The controller is killed, or deposed: it starts no write any more, what is under way may still arrive.
    fn replace_controller(&mut self) {
        self.late.extend(self.controller.flights());
        if self.successor == Successor::WaitsForLateWrites {
            while !self.late.is_empty() {
                // Some never arrive.
                if self.chance.once_in(3) {
                    drop(self.late.pop())
                } else {
                    self.land_late()
                }
                self.check();
            }
        }
        self.report.replaced += 1;
        self.watchdog.note("another controller starts".to_owned());
        self.controller = Controller::start(&self.server);
    }

    /// No more news, no more failures: after a while nothing is left to do.
    fn come_to_rest(&mut self) {
        while !self.late.is_empty() {
            self.land_late();
            self.check();
        }
        // The last good version of a refused pool is a memory that a restart loses: so none is refused at rest.
        self.server.set_pools(shapes::pools(self.chance.below(shapes::GOOD_POOLS)));
        for _ in 0..60 {
            self.controller.deliver(&self.server, usize::MAX);
            self.look();
            if self.controller.is_idle() && self.controller.is_in_step(&self.server) {
                return self.watchdog.check_rest(&self.server, &self.controller);
            }
            while let Some(flight) = self.controller.take_flight(&mut self.chance) {
                let outcome = self.write(&flight);
                self.controller.answered(flight, outcome);
                self.check();
                self.controller.send(&mut self.chance);
            }
        }
        self.watchdog.fail("it does not come to rest");
    }

    /// A controller that starts when nothing is to do does nothing.
    fn restart_silently(&mut self) {
        self.controller = Controller::start(&self.server);
        let decisions = self.controller.look();
        let spoken: BTreeSet<String> =
            decisions.iter().map(|decided| format!("{:?}", decided.decision)).collect();
        if !spoken.is_empty() {
            self.watchdog.fail(&format!("a restart is not silent: {spoken:?}"));
        }
        self.watchdog.check_rest(&self.server, &self.controller);
    }
}
