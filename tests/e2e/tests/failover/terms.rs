//! What an advertisement may ask for beyond the contract's election: `preempt: Delayed` and `spread: Bounded`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use metallb_e2e::cluster::REACTION;
use metallb_e2e::manifest::{self, NAMESPACE, Service};
use metallb_e2e::probe::{Probe, parse_mac};
use metallb_e2e::{Cluster, lan};
use metallb_testbed::wait::{self, seen};

use crate::sticky::{YOUTH, patch, wait_for_another};
use crate::watched::{BACK, GIVEN_UP};

/// How long the winner must be the only one that answers before it is deleted.
const STEADY: Duration = Duration::from_secs(5);
const DELAY: Duration = Duration::from_secs(15);
const DELAYED: &str = r#"{"spec":{"preempt":"Delayed","preemptDelay":"15s"}}"#;
/// Of which the contract gives six to one of three nodes, and what that may have when they are bounded:
/// a quarter more than its share, rounded up.
const SKEWED: &str = "[172.30.0.190-172.30.0.198]";
const SERVICES: usize = 9;
const BOUND: usize = 4;

/// The contract's winner loses an address, is back, and gets it after the delay and not before.
pub(crate) fn delayed(cluster: &Cluster) -> Result<()> {
    cluster.apply(&manifest::pool("delayed", "[172.30.0.171/32]"))?;
    patch(cluster, "delayed", DELAYED)?;
    cluster.apply(&Service::named("delayed").annotated("{metallb.io/address-pool: delayed}").yaml())?;
    let address = cluster.wait_address("delayed")?;
    let winner = lan::wait_owner(&cluster.bed, address, None, REACTION)?;
    let mac = parse_mac(&cluster.bed.mac(&winner)?)?;
    let probe = Probe::start(&cluster.bed, address)?;
    probe.wait_only(mac, YOUTH, BACK)?;
    let pod = cluster.speaker_on(&winner)?;
    let start = Instant::now();
    cluster.kubectl(&["delete", "pod", "-n", NAMESPACE, &pod, "--wait=false"])?;
    let heir = probe.wait_other(start, mac, GIVEN_UP)?;
    wait_for_another(cluster, &winner, &pod)?;
    probe.wait_only(mac, STEADY, BACK)?;
    // Its successor starts after the heir has answered: it can't be due any earlier.
    let last = probe.said_since(heir.at, |other| other == heir.mac).last().map(|answer| answer.at - heir.at);
    ensure!(
        last.is_some_and(|last| last >= DELAY),
        "the heir gave it up after {last:?}, due after {DELAY:?}"
    );
    Ok(())
}

/// No node has many more than the others for as long as that is asked for, and all are answered for.
pub(crate) fn bounded(cluster: &Cluster) -> Result<()> {
    cluster.apply(&manifest::pool("spread", SKEWED))?;
    let names: Vec<String> = (0..SERVICES).map(|number| format!("spread-{number}")).collect();
    for name in &names {
        cluster.apply(&Service::named(name).annotated("{metallb.io/address-pool: spread}").yaml())?;
    }
    let addresses: Vec<IpAddr> =
        names.iter().map(|name| cluster.wait_address(name)).collect::<Result<_>>()?;
    for (spec, is_skewed) in [
        (r#"{"spec":{}}"#, true),
        (r#"{"spec":{"spread":"Bounded"}}"#, false),
        (r#"{"spec":{"spread":null}}"#, true),
    ] {
        patch(cluster, "spread", spec)?;
        wait::until(&format!("owners after {spec}"), REACTION + YOUTH, || {
            let owners = owners(cluster, &addresses)?;
            let (all, most) = (owners.values().sum::<usize>(), owners.values().max().copied());
            let is_so = all == SERVICES && most.is_some_and(|most| (most > BOUND) == is_skewed);
            Ok(seen(is_so, format!("{owners:?}")))
        })?;
    }
    Ok(())
}

/// How many each node answers for.
fn owners(cluster: &Cluster, addresses: &[IpAddr]) -> Result<BTreeMap<String, usize>> {
    let mut owners = BTreeMap::new();
    for address in addresses {
        if let Some(owner) = lan::owner(&cluster.bed, *address)? {
            *owners.entry(owner).or_default() += 1;
        }
    }
    Ok(owners)
}
