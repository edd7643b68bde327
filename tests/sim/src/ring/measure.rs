//! How fast, and at what price.

use std::collections::BTreeSet;
use std::time::Duration;

use super::faults::Fault;
use super::network::Network;
use super::node::Process;
use super::{Chance, World};

/// A kind of death.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The process is killed.
    Killed,
    /// The process is frozen; a pulled cable looks the same to the others.
    Frozen,
}

/// What was measured.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// From a kill until every other node knew, sorted.
    pub killed: Vec<Duration>,
    /// The same from a freeze.
    pub frozen: Vec<Duration>,
    /// Datagrams a node sends in a second of rest.
    pub packets: f64,
    /// Bytes of them, without headers.
    pub bytes: f64,
    /// Datagrams the busiest node sent because of one death, beyond its heartbeats.
    pub extra: u64,
}

/// A ring in which node after node dies, so often for each kind.
#[must_use]
pub fn measure(seed: u64, nodes: usize, deaths: usize) -> Figures {
    let mut world = World::new(seed, nodes, Network::good(), Chance::new(seed));
    world.run_until(Duration::from_secs(10));
    let mut figures = Figures::default();
    let before = world.sent();
    world.run_until(Duration::from_secs(20));
    let per_second = |counts: &[(u64, u64)], of: fn(&(u64, u64)) -> u64| {
        let total: u64 = counts.iter().map(of).sum();
        total as f64 / nodes as f64 / 10.0
    };
    let spent: Vec<(u64, u64)> =
        world.sent().iter().zip(&before).map(|(now, then)| (now.0 - then.0, now.1 - then.1)).collect();
    figures.packets = per_second(&spent, |count| count.0);
    figures.bytes = per_second(&spent, |count| count.1);
    for death in 0..deaths * 2 {
        let victim = death / 2 % nodes;
        let (kind, times) = if death % 2 == 0 {
            (Kind::Killed, &mut figures.killed)
        } else {
            (Kind::Frozen, &mut figures.frozen)
        };
        times.push(world.die(victim, kind));
    }
    figures.killed.sort_unstable();
    figures.frozen.sort_unstable();
    figures
}

impl World {
    fn sent(&self) -> Vec<(u64, u64)> {
        let counters = self.nodes.iter().map(|node| node.machine.counters());
        counters.map(|counters| (counters.sent, counters.sent_bytes)).collect()
    }

    /// Kills a node at a random moment, and brings it back; how long until everybody knew.
    fn die(&mut self, victim: usize, kind: Kind) -> Duration {
        let pause = u64::try_from(10_000 + self.chance.below(1_000)).unwrap_or(0);
        self.run_until(self.now + Duration::from_millis(pause));
        let begin = self.now;
        self.fault(&if kind == Kind::Killed { Fault::Kill(victim) } else { Fault::Freeze(victim) });
        while !self.all_know(victim) {
            if self.now > begin + Duration::from_secs(4) {
                self.watchdog.fail(format_args!("{victim} died and not everybody knows"));
            }
            self.run_until(self.now + Duration::from_millis(1));
        }
        let known = self.now - begin;
        self.fault(&if kind == Kind::Killed { Fault::Start(victim) } else { Fault::Thaw(victim) });
        // Long enough for the next fall to be a first one.
        self.run_until(self.now + Duration::from_secs(if self.nodes.len() > 50 { 5 } else { 65 }));
        known
    }

    fn all_know(&self, victim: usize) -> bool {
        let others = self.nodes.iter().filter(|node| node.process == Process::Runs);
        let unaware: BTreeSet<&str> =
            others.filter(|node| !node.down.contains(&victim)).map(|node| node.name.as_str()).collect();
        unaware.is_empty()
    }
}
