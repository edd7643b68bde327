//! Moves without a fault: somebody answers all the time.
//!
//! All nodes of the bed and the control plane share the machine's processors, and each of them is busy when an endpoint
//! goes: its packet filter is made anew. An answer that is late because its speaker waits for a processor, while the same
//! node answers before and after, is told beside the waits between two nodes, so that the two can be told apart. The bound is the
//! same: whoever asks has to wait as long. A wait for the same node in which the one that asks did not run itself is told, and
//! not judged.
//!
//! How many questions and answers a wait had, and how long the other family of addresses waited meanwhile, tells who was
//! late: one thread answers for both.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use metallb_e2e::Cluster;
use metallb_e2e::manifest::NAMESPACE;
use metallb_e2e::probe::{Mac, Wait, format_mac};

use crate::figures::{Figures, rounds, say};
use crate::watched::{BACK, Watch, Watched};

/// The longest time a question may wait for an answer.
const NO_GAP: Duration = Duration::from_millis(50);

/// What moves the addresses of a node, and what brings them back.
struct Move {
    what: &'static str,
    /// What answers are called that one node gave late meanwhile.
    late: &'static str,
    prefix: &'static str,
    is_local: bool,
    there: fn(&Cluster, &Watched) -> Result<()>,
    back: fn(&Cluster, &Watched) -> Result<()>,
}

/// A speaker that is asked to stop, and the one that takes its place.
pub(crate) fn stopped(cluster: &Cluster) -> Result<()> {
    measure(
        cluster,
        &Move {
            what: "speaker stopped",
            late: "late answers beside a stopped speaker",
            prefix: "takeover",
            is_local: false,
            there: |cluster, watched| {
                let pod = cluster.speaker_on(&watched.owner)?;
                cluster.kubectl(&["delete", "pod", "-n", NAMESPACE, &pod, "--wait=false"]).map(drop)
            },
            // Its DaemonSet sees to it.
            back: |_, _| Ok(()),
        },
    )?;
    cluster.wait_available()
}

/// The last endpoint of a node goes away; another one starts there once it is missed.
pub(crate) fn endpoint_left(cluster: &Cluster) -> Result<()> {
    measure(
        cluster,
        &Move {
            what: "last local endpoint gone",
            late: "late answers beside the last local endpoint's going",
            prefix: "local",
            is_local: true,
            there: |cluster, watched| {
                // Or the other one may serve before anybody has moved.
                cluster.kubectl(&["cordon", &watched.owner])?;
                let on_owner = format!("spec.nodeName={}", watched.owner);
                let which = ["-l", "app=web", "--field-selector", &on_owner, "--wait=false"];
                cluster.kubectl(&[&["delete", "pod", "-n", "default"], &which[..]].concat()).map(drop)
            },
            back: |cluster, watched| cluster.kubectl(&["uncordon", &watched.owner]).map(drop),
        },
    )?;
    cluster.wait_web()
}

/// A node that is kept from announcing, and is not any more.
pub(crate) fn excluded(cluster: &Cluster) -> Result<()> {
    measure(
        cluster,
        &Move {
            what: "node excluded",
            late: "late answers beside an excluded node",
            prefix: "takeover",
            is_local: false,
            there: |cluster, watched| label(cluster, &watched.owner, "=true"),
            back: |cluster, watched| label(cluster, &watched.owner, "-"),
        },
    )
}

/// Sets the label that keeps a node from announcing, or takes it off.
fn label(cluster: &Cluster, node: &str, change: &str) -> Result<()> {
    let label = format!("node.kubernetes.io/exclude-from-external-load-balancers{change}");
    cluster.kubectl(&["label", "node", node, &label]).map(drop)
}

/// Times from before the move until the first owner has the addresses again.
fn measure(cluster: &Cluster, kind: &Move) -> Result<()> {
    let what = kind.what;
    let services = Watched::spread(cluster, kind.prefix, kind.is_local)?;
    let (mut figures, mut late) = (Figures::new(what, NO_GAP), Figures::new(kind.late, NO_GAP));
    for watched in services.iter().cycle().take(rounds()) {
        let watch = watched.watch(cluster)?;
        let streams = watched.connect(cluster)?;
        let start = Instant::now();
        (kind.there)(cluster, watched)?;
        watch.wait_moved(start)?;
        (kind.back)(cluster, watched)?;
        watch.wait_back(BACK)?;
        for (address, probe) in &watch.probes {
            let Longest { between, late: lag, pause, asked } =
                Longest::of(&probe.waits(start, Instant::now()));
            let tell = |wait| tell(cluster, wait, start, &watch, *address);
            let (gap, late_by, paused) = (tell(between), tell(lag), tell(pause));
            let owner = &watched.owner;
            say(&format!(
                "{what} on {owner}: {address}: {gap}; late by {late_by}; the prober paused for {paused}"
            ));
            // Without a question between the two nodes' answers there is no gap.
            figures.add(*address, between.map_or(Duration::ZERO, |wait| wait.time));
            // Of a wait in which the one that asks did not run, what was asked counts.
            late.add(*address, lag.context("nobody answered twice")?.time.max(asked));
        }
        for (address, stream) in streams {
            figures.add_fate(address, stream.finish()?);
        }
    }
    // Both are told before either fails.
    let is_in_time = late.judge();
    figures.judge().and(is_in_time)
}

/// The longest waits.
struct Longest {
    /// After the last answer of one node for another's, or for anybody's in vain.
    between: Option<Wait>,
    /// For the next answer of the same node.
    late: Option<Wait>,
    /// The same where the one that asks did not run.
    pause: Option<Wait>,
    /// For how long at least nobody answered then, though it was asked.
    asked: Duration,
}

impl Longest {
    fn of(waits: &[Wait]) -> Self {
        let longest =
            |is_meant: fn(&Wait) -> bool| waits.iter().copied().filter(is_meant).max_by_key(|wait| wait.time);
        let is_pause = |wait: &&Wait| wait.is_of_one_node() && wait.is_askers();
        Self {
            asked: waits.iter().filter(is_pause).map(Wait::asked_for).max().unwrap_or_default(),
            between: longest(|wait| !wait.is_of_one_node()),
            late: longest(|wait| wait.is_of_one_node() && !wait.is_askers()),
            pause: longest(|wait| wait.is_of_one_node() && wait.is_askers()),
        }
    }
}

/// How long a wait for an address was, when, after whose answer whose came, and what tells who was late.
fn tell(cluster: &Cluster, wait: Option<Wait>, start: Instant, watch: &Watch, address: IpAddr) -> String {
    let Some(wait) = wait else { return "0 ms".to_owned() };
    let name = |mac: Option<Mac>| {
        let node = mac.and_then(|mac| cluster.bed.machine_with_mac(&format_mac(mac)));
        node.unwrap_or_else(|| "nobody".to_owned())
    };
    let (time, after) = (wait.time.as_millis(), wait.asked.saturating_duration_since(start).as_millis());
    let (by, before, Wait { questions, answers, .. }) = (name(wait.by), name(wait.before), wait);
    let other = other_family(watch, address, wait).as_millis();
    format!(
        "{time} ms ({after} ms after the cause, {by} after {before}, {questions} asked, {answers} answered, the other family {other} ms)"
    )
}

/// How long a question for the address of the other family waited at most during a wait.
fn other_family(watch: &Watch, address: IpAddr, wait: Wait) -> Duration {
    let others = watch.probes.iter().filter(|(other, _)| other.is_ipv4() != address.is_ipv4());
    let gaps = others.map(|(_, probe)| probe.longest_gap(wait.asked, wait.asked + wait.time));
    gaps.max().unwrap_or_default()
}
