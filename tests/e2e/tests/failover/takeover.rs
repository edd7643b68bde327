//! How long an address is without an answer when its node fails, measured by a client that asks two hundred times a
//! second. `METALLB_FAILOVER_ROUNDS` says how often each fault is made; from thirty on the promised bounds hold.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use metallb_e2e::Cluster;
use metallb_e2e::manifest::NAMESPACE;
use metallb_testbed::wait::{self, seen};
use metallb_testbed::{Process, Signal};

use crate::figures::{Figures, rounds, say};
use crate::watched::{BACK, GIVEN_UP, Watched};

/// A speaker that goes on after a stall has to hear of the others first, which takes three heartbeats.
const TOO_SOON: Duration = Duration::from_millis(150);
/// How long a connection may take to find out about a new owner.
const SETTLED: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fault {
    Killed,
    Frozen,
    Unplugged,
    PoweredOff,
}

impl Fault {
    /// Its name, and the 99th percentile that is promised.
    fn figures(self) -> Figures {
        let (what, bound) = match self {
            Self::Killed => ("speaker killed", 250),
            Self::Frozen => ("speaker frozen", 600),
            Self::Unplugged => ("cable pulled", 600),
            Self::PoweredOff => ("node killed", 600),
        };
        Figures::new(what, Duration::from_millis(bound))
    }

    /// To cut a cable or a power line takes a command: the last answer tells when it was carried out. A signal is there at
    /// once, and answers that were on their way count against who takes over.
    fn takes_a_command(self) -> bool {
        match self {
            Self::Killed | Self::Frozen => false,
            Self::Unplugged | Self::PoweredOff => true,
        }
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

fn measure(cluster: &Cluster, fault: Fault) -> Result<()> {
    let services = Watched::spread(cluster, "takeover", false)?;
    let mut figures = fault.figures();
    for watched in services.iter().cycle().take(rounds()) {
        round(cluster, fault, watched, &mut figures)?;
    }
    figures.judge()
}

/// Makes the fault once, and heals it. Adds how long each address was without an answer of another node.
fn round(cluster: &Cluster, fault: Fault, watched: &Watched, figures: &mut Figures) -> Result<()> {
    let (bed, owner) = (&cluster.bed, watched.owner.as_str());
    let watch = watched.watch(cluster)?;
    let streams = watched.connect(cluster)?;
    let pod = cluster.speaker_on(owner)?;
    let processes = bed.container_processes(NAMESPACE, &pod, "speaker")?;
    let start = Instant::now();
    match fault {
        Fault::Killed => signal(&processes, Signal::SIGKILL)?,
        Fault::Frozen => signal(&processes, Signal::SIGSTOP)?,
        Fault::Unplugged => bed.unplug(owner)?,
        // Without the cable, lest a kernel that outlives its processes says that their ports are closed.
        Fault::PoweredOff => bed.unplug(owner).and_then(|()| bed.power_off(owner))?,
    }
    let mut moved = start;
    for (address, probe) in &watch.probes {
        let answer = probe.wait_other(start, watch.mac, GIVEN_UP)?;
        moved = moved.max(answer.at);
        let last = probe.said_since(start, |mac| mac == watch.mac).last().map(|said| said.at);
        let fell = last.filter(|_| fault.takes_a_command()).unwrap_or(start);
        let time = answer.at.saturating_duration_since(fell);
        say(&format!("{fault:?} on {owner}: {address} after {} ms", time.as_millis()));
        figures.add(*address, time);
    }
    wait::throughout("silence of the one that failed", SETTLED, || {
        let said = watch.said_since(moved, |mac| mac == watch.mac);
        Ok(seen(said.is_empty() || fault == Fault::Killed, format!("{said:?}")))
    })?;
    streams.iter().for_each(|(_, stream)| stream.end());
    for (address, stream) in streams {
        let fate = stream.finish()?;
        say(&format!("{fault:?} on {owner}: the connection to {address} {fate}"));
        figures.add_fate(address, fate);
    }
    let healed = Instant::now();
    match fault {
        // A container that is killed again and again would be started ever later: another pod starts afresh.
        Fault::Killed => drop(cluster.kubectl(&["delete", "pod", "-n", NAMESPACE, &pod])?),
        Fault::Frozen => signal(&processes, Signal::SIGCONT)?,
        Fault::Unplugged => bed.plug(owner)?,
        Fault::PoweredOff => bed.power_on(owner)?,
    }
    watch.wait_back(BACK)?;
    // A container that was killed has been started again meanwhile.
    let too_soon = if fault == Fault::Killed { Duration::ZERO } else { TOO_SOON };
    for (address, _) in &watch.probes {
        let said = watch.said_since(healed, |mac| mac == watch.mac);
        let back = said.first().context("it answers again")?.at.saturating_duration_since(healed);
        say(&format!("{fault:?} on {owner}: {address} is back after {} ms", back.as_millis()));
        ensure!(back > too_soon, "{owner} answered before it can have heard the others: {:?}", said.get(..9));
    }
    Ok(())
}

pub(crate) fn signal(processes: &[Process], signal: Signal) -> Result<()> {
    processes.iter().try_for_each(|process| process.signal(signal).map(drop))
}
