//! Speakers that leave addresses where they are, or spread them: what they tell each other, who they think is there, what
//! they have read from the API server, all late and each at another time.
//!
//! Who is alive is told to everybody by the simulation, late; the ring itself is simulated in [`super::ring`].

mod check;
mod cluster;
mod delay;
mod faults;
mod speaker;

use std::time::Duration;

use crate::Chance;
use check::Check;
pub use cluster::Cluster;
use faults::Fault;

/// How owners are kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Terms {
    /// `preempt: Never`.
    Never,
    /// `preempt: Delayed`, five seconds.
    Delayed,
    /// `spread: Bounded`.
    Bounded,
    /// `preempt: Never` and `spread: Bounded`.
    Both,
}

/// The nodes of a simulated cluster.
pub(crate) const NODES: [&str; 4] = ["n0", "n1", "n2", "n3"];
/// The addresses at most.
pub(crate) const ADDRESSES: usize = 10;
/// Nothing happens for so long before all must agree.
const REST: Duration = Duration::from_secs(8);

/// What was seen of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// The longest that two nodes that hear each other have answered for the same address.
    pub two: Duration,
    /// The longest that nobody did for one that everybody knew, while no word was lost.
    pub nobody_told: Duration,
    /// The same while some were.
    pub nobody: Duration,
}

/// Has things happen to a ring that is there since long, and looks at it whenever it had rest, every other time with one
/// node away.
#[must_use]
pub fn run(seed: u64, terms: Terms) -> Figures {
    let mut chance = Chance::new(seed);
    let mut cluster = Cluster::new(seed, terms);
    let mut check = Check::new(seed, terms);
    NODES.iter().for_each(|node| cluster.start(node));
    (0..6).for_each(|number| cluster.add(number));
    cluster.run(Duration::from_secs(110), &mut check);
    check.at_rest(&cluster);
    for _ in 0..6 {
        for _ in 0..=chance.below(3) {
            Fault::any(&mut chance).strike(&mut cluster, &mut chance);
            let pause = Duration::from_millis(chance.below(1500) as u64);
            cluster.run(pause, &mut check);
        }
        cluster.mend();
        if chance.once_in(2) {
            let away = chance.pick(&NODES).copied().unwrap_or("n0");
            cluster.stop(away);
        }
        cluster.run(REST, &mut check);
        check.at_rest(&cluster);
    }
    check.figures
}

/// Starts all speakers at once, as after a power failure: within `within`. How many addresses are not where an election
/// without memory has them in the end.
#[must_use]
pub fn cold_start(seed: u64, terms: Terms, within: Duration) -> usize {
    let mut chance = Chance::new(seed);
    let mut cluster = Cluster::new(seed, terms);
    let mut check = Check::new(seed, terms);
    (0..ADDRESSES).for_each(|number| cluster.add(number));
    let most = usize::try_from(within.as_millis()).unwrap_or(usize::MAX);
    let mut starts: Vec<(usize, &str)> = NODES.iter().map(|node| (chance.below(most), *node)).collect();
    starts.sort_unstable();
    let mut now = 0;
    for (at, node) in starts {
        cluster.run(Duration::from_millis((at - now) as u64), &mut check);
        (now, _) = (at, cluster.start(node));
    }
    cluster.run(REST, &mut check);
    check.at_rest(&cluster);
    let elsewhere = cluster.elsewhere();
    cluster.run(Duration::from_secs(100), &mut check);
    check.at_rest(&cluster);
    assert_eq!(cluster.elsewhere(), elsewhere, "seed {seed}: nothing moves when all are there");
    elsewhere
}

/// Replaces one process after the other, ten seconds apart, as a roll-out does. How many addresses the node that was last has
/// in the end.
#[must_use]
pub fn roll_out(seed: u64, terms: Terms) -> usize {
    let (mut cluster, mut check) = (Cluster::new(seed, terms), Check::new(seed, terms));
    NODES.iter().for_each(|node| cluster.start(node));
    (0..ADDRESSES).for_each(|number| cluster.add(number));
    cluster.run(Duration::from_secs(110), &mut check);
    check.at_rest(&cluster);
    for node in NODES {
        cluster.stop(node);
        cluster.run(Duration::from_secs(2), &mut check);
        cluster.start(node);
        cluster.run(REST, &mut check);
        check.at_rest(&cluster);
    }
    NODES.last().map_or(0, |last| cluster.owned_by(last))
}
