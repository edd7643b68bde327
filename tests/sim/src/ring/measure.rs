//! How fast, and at what price.

use std::time::Duration;

use metallb_membership::wire::message::{Alive, PeerState, PushPull, State, StreamMessage, Versions};
use metallb_membership::wire::stream;
use metallb_membership::{Keyring, Settings};

use super::faults::Fault;
use super::network::Network;
use super::node::{self, Process};
use super::{Chance, World};

/// A kind of death.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The process is killed.
    Killed,
    /// The process is frozen; a pulled cable looks the same to the others.
    Frozen,
}

/// What makes a node silent that goes on later.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// Its process stands still.
    Frozen,
    /// Its cable is out, and it does not see that.
    Unplugged,
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
    /// Bytes a node sends in a second for memberlist's push/pull, beside it.
    pub push_pull: f64,
}

/// A ring in which node after node dies, so often for each kind.
#[must_use]
pub fn measure(seed: u64, nodes: usize, deaths: usize) -> Figures {
    let mut world = World::new(seed, nodes, Network::good(), Chance::new(seed));
    world.run_until(Duration::from_secs(10));
    let mut figures = Figures { push_pull: push_pull(nodes), ..Figures::default() };
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

/// Each node of a ring is frozen, or loses its cable without noticing, for less than a second, soon after the one before: those
/// who watch it were in that trouble themselves a moment ago. How long each time until everybody knew.
#[must_use]
pub fn in_turn(seed: u64, nodes: usize, kind: Trouble) -> Vec<Duration> {
    let mut chance = Chance::new(seed);
    let network = Network::new(&mut chance);
    let mut world = World::new(seed, nodes, network, chance);
    world.run_until(Duration::from_secs(10));
    let turn = |victim| {
        let (first, last) = match kind {
            Trouble::Frozen => (Fault::Freeze(victim), Fault::Thaw(victim)),
            Trouble::Unplugged => (Fault::Unplug(victim, false), Fault::Plug(victim, false)),
        };
        let known = world.until_known(victim, &first);
        world.run_until(world.now + Duration::from_millis(300));
        world.fault(&last);
        let pause = u64::try_from(1_500 + world.chance.below(1_000)).unwrap_or(0);
        world.run_until(world.now + Duration::from_millis(pause));
        known
    };
    (0..nodes).map(turn).collect()
}

/// What a node of such a ring sends in a second for push/pull: the whole state, as ours encodes it for the original,
/// once as the one who asks and once as the one who is asked, at the interval that memberlist has for that size.
#[must_use]
pub fn push_pull(nodes: usize) -> f64 {
    let peer = |number: usize| {
        let (node, address) = (node::name(number), node::address(number));
        let alive =
            Alive { incarnation: 1, node, address, meta: node::meta(1, false), versions: Versions::OURS };
        PeerState { state: State::Alive, alive }
    };
    let state = PushPull { is_join: false, peers: (0..nodes).map(peer).collect(), user_state: Vec::new() };
    let keyring = Keyring::from_secret(b"secret");
    let bytes = stream::encode(&StreamMessage::PushPull(state), &keyring, &Settings::lan(), [0; 12]).len();
    let doublings = (nodes as f64 / 32.0).log2().ceil().max(0.0);
    2.0 * bytes as f64 / (30.0 * (1.0 + doublings))
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
        let death = if kind == Kind::Killed { Fault::Kill(victim) } else { Fault::Freeze(victim) };
        let known = self.until_known(victim, &death);
        self.fault(&if kind == Kind::Killed { Fault::Start(victim) } else { Fault::Thaw(victim) });
        // Long enough for the next fall to be a first one.
        self.run_until(self.now + Duration::from_secs(if self.nodes.len() > 50 { 5 } else { 65 }));
        known
    }

    /// How long until everybody knew.
    fn until_known(&mut self, victim: usize, death: &Fault) -> Duration {
        let begin = self.now;
        self.fault(death);
        while !self.all_know(victim) {
            if self.now > begin + Duration::from_secs(4) {
                self.watchdog.fail(format_args!("{victim} died and not everybody knows"));
            }
            self.run_until(self.now + Duration::from_millis(1));
        }
        self.now - begin
    }

    fn all_know(&self, victim: usize) -> bool {
        let others = self.nodes.iter().enumerate().filter(|(number, _)| *number != victim);
        others.filter(|(_, node)| node.process == Process::Runs).all(|(_, node)| node.down.contains(&victim))
    }
}
