//! An address that stays with who took it over: `preempt: Never`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use metallb_e2e::cluster::REACTION;
use metallb_e2e::manifest::{self, NAMESPACE, Service};
use metallb_e2e::probe::{Probe, parse_mac};
use metallb_e2e::{Cluster, lan};
use metallb_testbed::Signal;
use metallb_testbed::wait::{self, seen};

use crate::takeover::signal;
use crate::watched::{BACK, GIVEN_UP};

/// How long the heir must be the only one that answers, once the other is back.
const STEADY: Duration = Duration::from_secs(5);
/// Speakers that were all started a moment ago, as other tests may leave them, remember nothing and keep nothing yet (ADR 13, cold
/// start).
pub(crate) const YOUTH: Duration = Duration::from_secs(95);
/// One that is stopped, or gives way, answers beside its heir for this long at most.
const BOTH: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug)]
enum Fault {
    Deleted,
    Frozen,
    Unplugged,
}

/// The contract's winner loses it, comes back, and gets it only when it may.
pub(crate) fn stays(cluster: &Cluster) -> Result<()> {
    cluster.apply(&manifest::pool("sticky", "[172.30.0.170/32]"))?;
    cluster.apply(&Service::named("sticky").annotated("{metallb.io/address-pool: sticky}").yaml())?;
    let address = cluster.wait_address("sticky")?;
    let winner = lan::wait_owner(&cluster.bed, address, None, REACTION)?;
    let probe = Probe::start(&cluster.bed, address)?;
    probe.wait_only(parse_mac(&cluster.bed.mac(&winner)?)?, YOUTH, BACK)?;
    for fault in [Fault::Deleted, Fault::Frozen, Fault::Unplugged] {
        round(cluster, fault, &winner, &probe).with_context(|| format!("{fault:?} on {winner}"))?;
    }
    Ok(())
}

fn round(cluster: &Cluster, fault: Fault, winner: &str, probe: &Probe) -> Result<()> {
    let mac = parse_mac(&cluster.bed.mac(winner)?)?;
    preempt(cluster, "Never")?;
    probe.wait_only(mac, STEADY, BACK)?;
    let pod = cluster.speaker_on(winner)?;
    let processes = cluster.bed.container_processes(NAMESPACE, &pod, "speaker")?;
    let start = Instant::now();
    match fault {
        Fault::Deleted => drop(cluster.kubectl(&["delete", "pod", "-n", NAMESPACE, &pod, "--wait=false"])?),
        Fault::Frozen => signal(&processes, Signal::SIGSTOP)?,
        Fault::Unplugged => cluster.bed.unplug(winner)?,
    }
    let heir = probe.wait_other(start, mac, GIVEN_UP)?;
    match fault {
        Fault::Deleted => wait_for_another(cluster, winner, &pod)?,
        Fault::Frozen => signal(&processes, Signal::SIGCONT)?,
        Fault::Unplugged => cluster.bed.plug(winner)?,
    }
    cluster.wait_available()?;
    probe.wait_only(heir.mac, STEADY, BACK)?;
    let strange = probe.said_since(heir.at + BOTH, |other| other != heir.mac);
    ensure!(strange.is_empty(), "the heir answers since {:?}, and {strange:?} after it", heir.at);
    // What held it there was the field: without it the contract's winner has it again.
    preempt(cluster, "Always")?;
    probe.wait_only(mac, STEADY, BACK)
}

/// Waits for the pod that comes instead of this one: until then all may seem to be well.
pub(crate) fn wait_for_another(cluster: &Cluster, node: &str, pod: &str) -> Result<()> {
    wait::until("another speaker", BACK, || {
        let found = cluster.speakers()?.into_iter().find(|(on, other)| on == node && other != pod);
        let is_ready = match &found {
            Some((_, other)) => {
                let ready = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
                cluster.kubectl(&["get", "pod", "-n", NAMESPACE, other, "-o", ready])? == "True"
            }
            None => false,
        };
        Ok(seen(is_ready, format!("{found:?}")))
    })
}

fn preempt(cluster: &Cluster, when: &str) -> Result<()> {
    patch(cluster, "sticky", &format!("{{\"spec\":{{\"preempt\":\"{when}\"}}}}"))
}

/// Changes the L2Advertisement of this name.
pub(crate) fn patch(cluster: &Cluster, name: &str, patch: &str) -> Result<()> {
    let advertisement = ["l2advertisement", name, "-n", NAMESPACE];
    cluster.kubectl(&[&["patch"], &advertisement[..], &["--type=merge", "-p", patch]].concat()).map(drop)
}
