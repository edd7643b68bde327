//! Services whose addresses are asked for while their node fails.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use metallb_e2e::cluster::REACTION;
use metallb_e2e::manifest::Service;
use metallb_e2e::probe::{Answer, Mac, Probe, Wait, parse_mac};
use metallb_e2e::stream::Stream;
use metallb_e2e::{Cluster, lan};

/// A new owner answers after this at the latest.
pub(crate) const GIVEN_UP: Duration = Duration::from_secs(30);
/// How long answers must be steady before a fault: heartbeats flow again by then.
const STEADY: Duration = Duration::from_secs(3);
/// Until the node is the owner again: a pod starts, a node boots, one that comes and goes is held out for a while.
pub(crate) const BACK: Duration = Duration::from_secs(180);

/// A Service and the node that answers for it while nothing fails.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) owner: String,
    addresses: Vec<IpAddr>,
}

/// Its addresses, asked for until this is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The owner's.
    pub(crate) mac: Mac,
    pub(crate) probes: Vec<(IpAddr, Probe)>,
}

impl Watched {
    /// Services whose addresses are answered for by different nodes: one that fails often is held out for a while.
    pub(crate) fn spread(cluster: &Cluster, prefix: &str, is_local: bool) -> Result<Vec<Self>> {
        let mut found: Vec<Self> = Vec::new();
        for number in 0..12 {
            if found.len() == cluster.bed.node_names().len() {
                break;
            }
            let name = format!("{prefix}-{number}");
            let service = Service::named(&name).families("RequireDualStack", "[IPv4, IPv6]");
            let service = if is_local { service.local() } else { service };
            cluster.apply(&service.yaml())?;
            let addresses = cluster.wait_addresses(&name, 2)?;
            let first = addresses.first().context("two addresses were waited for")?;
            let owner = lan::wait_owner(&cluster.bed, *first, None, REACTION)?;
            if !found.iter().any(|known| known.owner == owner) {
                found.push(Self { owner, addresses });
            }
        }
        let nodes = cluster.bed.node_names().len();
        ensure!(found.len() == nodes, "only {} of {nodes} nodes own anything: {found:?}", found.len());
        Ok(found)
    }

    /// Begins to ask, and waits until the owner alone has answered for a while.
    pub(crate) fn watch(&self, cluster: &Cluster) -> Result<Watch> {
        let mac = parse_mac(&cluster.bed.mac(&self.owner)?)?;
        let start = |address: &IpAddr| Ok((*address, Probe::start(&cluster.bed, *address)?));
        let watch = Watch { mac, probes: self.addresses.iter().map(start).collect::<Result<_>>()? };
        watch.wait_back(BACK)?;
        Ok(watch)
    }

    /// A connection through each address.
    pub(crate) fn connect(&self, cluster: &Cluster) -> Result<Vec<(IpAddr, Stream)>> {
        let open = |address: &IpAddr| {
            // The path may have to come up first.
            lan::fetch(&cluster.bed, *address)?;
            Ok((*address, Stream::open(&cluster.bed, *address)?))
        };
        self.addresses.iter().map(open).collect()
    }
}

impl Watch {
    /// Waits until the owner alone has answered for a while.
    pub(crate) fn wait_back(&self, deadline: Duration) -> Result<()> {
        self.probes.iter().try_for_each(|(_, probe)| probe.wait_only(self.mac, STEADY, deadline))
    }

    /// What was said since a moment by stations that `is_wanted`.
    pub(crate) fn said_since(&self, since: Instant, is_wanted: impl Fn(Mac) -> bool) -> Vec<Answer> {
        self.probes.iter().flat_map(|(_, probe)| probe.said_since(since, &is_wanted)).collect()
    }

    /// The longest time a question between two moments waited for an answer, whoever gave it. Of a wait in which the one that asks
    /// did not run itself, what was asked counts.
    pub(crate) fn longest_wait(&self, from: Instant, to: Instant) -> Duration {
        let time = |wait: Wait| if wait.is_askers() { wait.asked_for() } else { wait.time };
        let waits = self.probes.iter().flat_map(|(_, probe)| probe.waits(from, to));
        waits.map(time).max().unwrap_or_default()
    }

    /// Waits until somebody else answers for each address.
    pub(crate) fn wait_moved(&self, since: Instant) -> Result<()> {
        self.probes.iter().try_for_each(|(_, probe)| probe.wait_other(since, self.mac, GIVEN_UP).map(drop))
    }
}
