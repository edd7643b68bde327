//! Moves without a fault: somebody answers all the time.

use std::time::{Duration, Instant};

use anyhow::Result;
use metallb_e2e::Cluster;
use metallb_e2e::manifest::NAMESPACE;

use crate::figures::{Figures, rounds, say};
use crate::watched::{BACK, Watched};

/// The longest time a question may wait for an answer.
const NO_GAP: Duration = Duration::from_millis(50);

/// A speaker that is asked to stop, and the one that takes its place.
pub(crate) fn stopped(cluster: &Cluster) -> Result<()> {
    measure(cluster, ("speaker stopped", "takeover", false), |cluster, watched| {
        let pod = cluster.speaker_on(&watched.owner)?;
        cluster.kubectl(&["delete", "pod", "-n", NAMESPACE, &pod, "--wait=false"]).map(drop)
    })?;
    cluster.wait_available()
}

/// The last endpoint of a node goes away; another one starts there.
pub(crate) fn endpoint_left(cluster: &Cluster) -> Result<()> {
    measure(cluster, ("last local endpoint gone", "local", true), |cluster, watched| {
        let on_owner = format!("spec.nodeName={}", watched.owner);
        let which = ["-l", "app=web", "--field-selector", &on_owner, "--wait=false"];
        cluster.kubectl(&[&["delete", "pod", "-n", "default"], &which[..]].concat()).map(drop)
    })?;
    cluster.wait_web()
}

/// Times from before the move until the first owner has the addresses again.
fn measure(
    cluster: &Cluster,
    (what, prefix, is_local): (&'static str, &str, bool),
    cause: fn(&Cluster, &Watched) -> Result<()>,
) -> Result<()> {
    let services = Watched::spread(cluster, prefix, is_local)?;
    let mut figures = Figures::new(what, NO_GAP);
    for watched in services.iter().cycle().take(rounds()) {
        let watch = watched.watch(cluster)?;
        let streams = watched.connect(cluster)?;
        let start = Instant::now();
        cause(cluster, watched)?;
        watch.wait_moved(start)?;
        let moved = Instant::now();
        watch.wait_back(BACK)?;
        for (address, probe) in &watch.probes {
            let (there, back) = (probe.longest_gap(start, moved), probe.longest_gap(moved, Instant::now()));
            let (there_ms, back_ms) = (there.as_millis(), back.as_millis());
            say(&format!(
                "{what} on {}: {address}: {there_ms} ms, on its return {back_ms} ms",
                watched.owner
            ));
            figures.add(*address, there.max(back));
        }
        for (address, stream) in streams {
            figures.add_fate(address, stream.finish()?);
        }
    }
    figures.judge()
}
