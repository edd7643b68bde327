//! An address of another subnet goes to the node that has an interface in it: `subnets: Prefer`.

use std::time::Duration;

use anyhow::{Context, Result};
use metallb_e2e::cluster::REACTION;
use metallb_e2e::manifest::{self, NAMESPACE, Service};
use metallb_e2e::probe::{Probe, parse_mac};
use metallb_e2e::{Cluster, lan};
use metallb_testbed::wait::{self, seen};

/// How long the right node must be the only one that answers.
const STEADY: Duration = Duration::from_secs(2);
/// Of that subnet, and free.
const ADDRESS: &str = "172.29.7.50/32";
/// The one node's own address there.
const NEIGHBOUR: &str = "172.29.7.1/24";

/// The contract's winner gives it to the only node in its subnet, for as long as that is in it.
pub(crate) fn preferred(cluster: &Cluster) -> Result<()> {
    let bed = &cluster.bed;
    cluster.apply(&manifest::pool("away", &format!("[{ADDRESS}]")))?;
    cluster.apply(&Service::named("away").annotated("{metallb.io/address-pool: away}").yaml())?;
    let address = cluster.wait_address("away")?;
    let winner = lan::wait_owner(bed, address, None, REACTION)?;
    let inside =
        bed.node_names().into_iter().find(|node| *node != winner).context("there are several nodes")?;
    let [winner_mac, inside_mac] = [parse_mac(&bed.mac(&winner)?)?, parse_mac(&bed.mac(&inside)?)?];
    let probe = Probe::start(bed, address)?;
    let patch = r#"{"spec":{"subnets":"Prefer"}}"#;
    cluster.kubectl(&["patch", "l2advertisement", "away", "-n", NAMESPACE, "--type=merge", "-p", patch])?;
    // Where nobody is in the subnet the contract's winner has it.
    probe.wait_only(winner_mac, STEADY, REACTION)?;
    bed.run(&inside, &["ip", "address", "add", NEIGHBOUR, "dev", "eth0"])?;
    probe.wait_only(inside_mac, STEADY, REACTION)?;
    let line = format!("node {inside} has an interface in the subnet of {address}");
    wait::until("a condition that says why", REACTION, || {
        let message = r#"jsonpath={.status.conditions[?(@.type=="metallb.io/Announced")].message}"#;
        let said = cluster.kubectl(&["get", "service", "away", "-o", message])?;
        Ok(seen(said.contains(&line), said))
    })?;
    bed.run(&inside, &["ip", "address", "delete", NEIGHBOUR, "dev", "eth0"])?;
    probe.wait_only(winner_mac, STEADY, REACTION)
}
