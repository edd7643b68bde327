//! How many addresses move when nodes come and go, under each way of choosing owners.

use std::collections::BTreeMap;
use std::net::IpAddr;

use metallb_announce::{Candidates, Shares, elect};

use crate::Chance;

/// How owners are chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Way {
    /// Whether an owner keeps what it has.
    pub keeps: bool,
    /// Whether the number of addresses of a node is bounded.
    pub is_bounded: bool,
}

/// Addresses that move on average, beside those that have to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moves {
    /// The most addresses a node has, as a multiple of its share.
    pub most: f64,
    /// That move when a node dies, as a multiple of those it had.
    pub death: f64,
    /// That move when it returns, as a multiple of its share.
    pub comeback: f64,
    /// That move when a node joins that was never there, as a multiple of its share.
    pub newcomer: f64,
    /// Of others, when an address is added or taken away.
    pub edit: f64,
    /// Of each address while all nodes are restarted, one after the other.
    pub restarts: f64,
    /// The most addresses a node has afterwards, as a multiple of its share.
    pub most_afterwards: f64,
}

/// A cluster, and who owns what.
struct Cluster {
    way: Way,
    /// The nodes that are there.
    nodes: Vec<String>,
    shares: Shares,
    owners: BTreeMap<IpAddr, String>,
}

impl Cluster {
    fn new(way: Way, nodes: usize, addresses: usize) -> Self {
        let nodes = (0..nodes).map(|number| format!("node-{number}")).collect();
        let owners = (0..addresses).map(|number| (address(2 * number), String::new())).collect();
        let mut cluster = Self { way, nodes, shares: Shares::over(Candidates::from([])), owners };
        cluster.set_nodes(|_| {});
        cluster
    }

    /// The addresses that move when the nodes change.
    fn set_nodes(&mut self, change: impl FnOnce(&mut Vec<String>)) -> usize {
        change(&mut self.nodes);
        self.nodes.sort();
        self.shares = Shares::over(self.nodes.iter().map(|node| (node.clone(), 0)).collect());
        if self.way.is_bounded {
            self.owners.keys().for_each(|address| self.shares.insert(*address));
        }
        self.choose()
    }

    fn choose(&mut self) -> usize {
        let Self { way, nodes, shares, owners } = self;
        shares.settle();
        let mut moved = 0;
        for (address, owner) in owners {
            let is_kept = way.keeps && nodes.contains(owner);
            let chosen = match way.is_bounded {
                _ if is_kept => continue,
                true => shares.owner(*address),
                false => elect(nodes.iter().map(|node| (node.as_str(), 0)), *address),
            };
            let chosen = chosen.unwrap_or_default();
            if owner != chosen {
                moved += 1;
                chosen.clone_into(owner);
            }
        }
        moved
    }

    fn add(&mut self, address: IpAddr) -> usize {
        self.owners.insert(address, String::new());
        if self.way.is_bounded {
            self.shares.insert(address);
        }
        self.choose() - 1
    }

    fn remove(&mut self, address: IpAddr) -> usize {
        self.owners.remove(&address);
        self.shares.remove(address);
        self.choose()
    }

    fn load(&self, node: &str) -> usize {
        self.owners.values().filter(|owner| *owner == node).count()
    }

    fn share(&self) -> f64 {
        float(self.owners.len()) / float(self.nodes.len())
    }

    fn most(&self) -> f64 {
        float(self.nodes.iter().map(|node| self.load(node)).max().unwrap_or_default()) / self.share()
    }
}

fn address(number: usize) -> IpAddr {
    let [.., a, b, c] = number.to_be_bytes();
    [10, a, b, c].into()
}

#[expect(clippy::cast_precision_loss, reason = "numbers of addresses are small")]
fn float(number: usize) -> f64 {
    number as f64
}

/// Plays everything that moves addresses, `rounds` times each.
#[must_use]
pub fn measure(way: Way, (nodes, addresses): (usize, usize), rounds: usize) -> Moves {
    let mut chance = Chance::new(1);
    let mut moves = Moves { most: Cluster::new(way, nodes, addresses).most(), ..Moves::default() };
    for _ in 0..rounds {
        let mut cluster = Cluster::new(way, nodes, addresses);
        let name = cluster.nodes.swap_remove(chance.below(nodes));
        cluster.nodes.push(name.clone());
        let had = float(cluster.load(&name).max(1));
        moves.death += float(cluster.set_nodes(|nodes| nodes.retain(|node| *node != name))) / had;
        moves.comeback += float(cluster.set_nodes(|nodes| nodes.push(name))) / cluster.share();
        moves.newcomer += float(cluster.set_nodes(|nodes| nodes.push("new".to_owned()))) / cluster.share();
    }
    let rounds = float(rounds.max(1));
    for sum in [&mut moves.death, &mut moves.comeback, &mut moves.newcomer] {
        *sum /= rounds;
    }
    moves.edit = edits(way, (nodes, addresses), &mut chance);
    (moves.restarts, moves.most_afterwards) = restarts(Cluster::new(way, nodes, addresses));
    moves
}

/// Adds a tenth of the addresses in between, and takes as many away.
fn edits(way: Way, (nodes, addresses): (usize, usize), chance: &mut Chance) -> f64 {
    let mut cluster = Cluster::new(way, nodes, addresses);
    let count = (addresses / 10).clamp(1, 400);
    let mut moved = 0;
    for _ in 0..count {
        let number = 2 * chance.below(addresses) + 1;
        if !cluster.owners.contains_key(&address(number)) {
            moved += cluster.add(address(number));
        }
    }
    for _ in 0..count {
        let gone = cluster.owners.keys().nth(chance.below(cluster.owners.len())).copied();
        moved += gone.map(|gone| cluster.remove(gone)).unwrap_or_default();
    }
    float(moved) / float(2 * count)
}

fn restarts(mut cluster: Cluster) -> (f64, f64) {
    let mut moved = 0;
    for name in cluster.nodes.clone() {
        moved += cluster.set_nodes(|nodes| nodes.retain(|node| *node != name));
        moved += cluster.set_nodes(|nodes| nodes.push(name));
    }
    (float(moved) / float(cluster.owners.len()), cluster.most())
}
