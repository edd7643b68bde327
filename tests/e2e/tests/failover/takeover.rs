//! How long an address is without an answer when its node fails, measured by a client that asks a hundred times a
//! second. `METALLB_FAILOVER_ROUNDS` says how often each fault is made; from thirty on the promised bounds hold.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use metallb_e2e::cluster::REACTION;
use metallb_e2e::manifest::{NAMESPACE, Service};
use metallb_e2e::probe::{PACE, Probe, parse_mac};
use metallb_e2e::{Cluster, lan};
use metallb_testbed::{Process, Signal};

/// Enough to tell that it works; figures need more.
const FEW_ROUNDS: usize = 2;
const MANY_ROUNDS: usize = 30;
/// What the original takes; nothing may come near it, on however busy a machine.
const NEVER: Duration = Duration::from_secs(3);
/// A new owner answers after this at the latest.
const GIVEN_UP: Duration = Duration::from_secs(30);
/// How long answers must be steady before a fault: heartbeats flow again by then.
const STEADY: Duration = Duration::from_secs(3);
/// Until the node is the owner again: a pod starts, a node boots, one that comes and goes is held out for a while.
const BACK: Duration = Duration::from_secs(180);
/// Someone who never stopped answering is heard in this time, whatever the machine is busy with.
const NO_GAP: Duration = Duration::from_millis(50);
/// A speaker that goes on after a stall has to hear of the others first, which takes three heartbeats.
const TOO_SOON: Duration = Duration::from_millis(150);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Killed,
    Frozen,
    Unplugged,
    PoweredOff,
}

impl Fault {
    /// The 99th percentile that is promised.
    fn bound(self) -> Duration {
        Duration::from_millis(if self == Self::Killed { 250 } else { 600 })
    }
}

pub(crate) fn killed(cluster: &Cluster) -> Result<()> {
    measure(cluster, Fault::Killed)
}

pub(crate) fn frozen(cluster: &Cluster) -> Result<()> {
    measure(cluster, Fault::Frozen)
}

pub(crate) fn unplugged(cluster: &Cluster) -> Result<()> {
    measure(cluster, Fault::Unplugged)
}

pub(crate) fn powered_off(cluster: &Cluster) -> Result<()> {
    measure(cluster, Fault::PoweredOff)
}

/// Services whose addresses are answered for by different nodes: one that fails often is held out for a while.
fn services(cluster: &Cluster) -> Result<Vec<Watched>> {
    let mut found: Vec<Watched> = Vec::new();
    for number in 0..12 {
        if found.len() == cluster.bed.node_names().len() {
            break;
        }
        let name = format!("takeover-{number}");
        cluster.apply(&Service::named(&name).families("RequireDualStack", "[IPv4, IPv6]").yaml())?;
        let addresses = cluster.wait_addresses(&name, 2)?;
        let first = addresses.first().context("two addresses were waited for")?;
        let owner = lan::wait_owner(&cluster.bed, *first, None, REACTION)?;
        if !found.iter().any(|known| known.owner == owner) {
            found.push(Watched { owner, addresses });
        }
    }
    Ok(found)
}

/// A Service and the node that answers for it while nothing fails.
#[derive(Debug)]
struct Watched {
    owner: String,
    addresses: Vec<IpAddr>,
}

fn rounds() -> usize {
    std::env::var("METALLB_FAILOVER_ROUNDS").ok().and_then(|count| count.parse().ok()).unwrap_or(FEW_ROUNDS)
}

fn measure(cluster: &Cluster, fault: Fault) -> Result<()> {
    let (services, rounds) = (services(cluster)?, rounds());
    let mut times = Vec::new();
    for watched in services.iter().cycle().take(rounds) {
        times.extend(round(cluster, fault, watched)?);
    }
    times.sort();
    let at = |share: usize| times.get((times.len() * share / 100).min(times.len() - 1)).copied();
    let (median, high, most) = (at(50), at(99), times.last().copied());
    report(&format!("{fault:?}: {} takeovers, median {median:?}, p99 {high:?}, max {most:?}", times.len()));
    let bound = if rounds < MANY_ROUNDS { NEVER } else { fault.bound() };
    ensure!(high <= Some(bound), "{fault:?}: p99 {high:?} is above {bound:?}: {times:?}");
    Ok(())
}

/// Makes the fault once. Returns how long each address was without an answer of another node.
fn round(cluster: &Cluster, fault: Fault, watched: &Watched) -> Result<Vec<Duration>> {
    let (bed, owner) = (&cluster.bed, watched.owner.as_str());
    let mac = parse_mac(&bed.mac(owner)?)?;
    let probes = watched.addresses.iter().map(|address| Probe::start(bed, *address));
    let probes: Vec<Probe> = probes.collect::<Result<_>>()?;
    probes.iter().try_for_each(|probe| probe.wait_only(mac, STEADY, BACK))?;
    let pod = cluster.speaker_on(owner)?;
    let processes = bed.container_processes(NAMESPACE, &pod, "speaker")?;
    let start = Instant::now();
    match fault {
        Fault::Killed => signal(&processes, Signal::SIGKILL)?,
        Fault::Frozen => signal(&processes, Signal::SIGSTOP)?,
        Fault::Unplugged => bed.unplug(owner)?,
        Fault::PoweredOff => bed.power_off(owner)?,
    }
    let mut times = Vec::new();
    for probe in &probes {
        times.push(probe.wait_other(start, mac, GIVEN_UP)?.at.saturating_duration_since(start));
    }
    report(&format!("{fault:?} on {owner}: {times:?}"));
    let healed = Instant::now();
    match fault {
        // A container that is killed again and again would be started ever later: another pod starts afresh.
        Fault::Killed => drop(cluster.kubectl(&["delete", "pod", "-n", NAMESPACE, &pod])?),
        Fault::Frozen => signal(&processes, Signal::SIGCONT)?,
        Fault::Unplugged => bed.plug(owner)?,
        Fault::PoweredOff => bed.power_on(owner)?,
    }
    for probe in &probes {
        probe.wait_only(mac, STEADY, BACK)?;
        let back = probe.answers().into_iter().find(|answer| answer.at > healed && answer.mac == mac);
        let back = back.context("it answers again")?.at.saturating_duration_since(healed);
        ensure!(
            back > TOO_SOON,
            "{owner} answered {back:?} after it came back, without having heard the others"
        );
    }
    Ok(times)
}

fn signal(processes: &[Process], signal: Signal) -> Result<()> {
    processes.iter().try_for_each(|process| process.signal(signal).map(drop))
}

/// How long a stop that is asked for leaves an address silent, when it goes and when it comes back. The promised bound is
/// judged from thirty rounds on; fewer only tell.
pub(crate) fn stopped(cluster: &Cluster) -> Result<()> {
    let services = services(cluster)?;
    let mut gaps = Vec::new();
    for watched in services.iter().cycle().take(rounds()) {
        let mac = parse_mac(&cluster.bed.mac(&watched.owner)?)?;
        let probes = watched.addresses.iter().map(|address| Probe::start(&cluster.bed, *address));
        let probes: Vec<Probe> = probes.collect::<Result<_>>()?;
        probes.iter().try_for_each(|probe| probe.wait_only(mac, STEADY, BACK))?;
        let pod = cluster.speaker_on(&watched.owner)?;
        let start = Instant::now();
        cluster.kubectl(&["delete", "pod", "-n", NAMESPACE, &pod, "--wait=false"])?;
        for probe in &probes {
            probe.wait_other(start, mac, GIVEN_UP)?;
            probe.wait_only(mac, STEADY, BACK)?;
            gaps.push(probe.longest_gap(start, Instant::now()));
        }
    }
    gaps.sort();
    report(&format!("Stopped: longest times without an answer {gaps:?}"));
    let bound = if rounds() < MANY_ROUNDS { NEVER } else { NO_GAP + PACE };
    ensure!(gaps.last() <= Some(&bound), "a clean stop left a gap of {:?}", gaps.last());
    cluster.wait_available()
}

#[expect(clippy::print_stdout, reason = "the time is what these tests report")]
fn report(what: &str) {
    println!("{what}");
}
