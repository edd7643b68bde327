//! What must not happen: answers for a lost address, and moves without a cause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use metallb_e2e::Cluster;
use metallb_e2e::manifest::NAMESPACE;
use metallb_e2e::probe::Answer;
use metallb_testbed::Signal;
use metallb_testbed::wait::{self, seen};

use crate::figures::{number, rounds, say};
use crate::takeover::signal;
use crate::watched::{BACK, Watch, Watched};

/// How long both processors are busy, in seconds, unless `METALLB_LOAD_SECONDS` says otherwise.
const LOAD: usize = 20;
/// From so many on it is judged how long the owner let anybody wait.
const LONG: usize = 600;
/// How long it may: one that did not run is taken over after 350 ms and 40 to contradict (which would be a move), and one whose
/// fence closed for that opens it with the third heartbeat of each other, which is there within four periods. Whoever waits longer waits
/// for a fence that stays closed.
const LATE: Duration = Duration::from_millis(800);
/// How long a cable is out: memberlist has given up everybody by then.
const CUT: Duration = Duration::from_secs(13);
/// A cable is unplugged by a command that takes less than this.
const GONE: Duration = Duration::from_secs(2);
/// That is one cut for so many rounds of shorter faults.
const LONG_CUTS: usize = 3;
/// How long a thawed speaker is listened to.
const THAW: Duration = Duration::from_secs(3);

/// While it is frozen its node is excluded: it has lost the address for good, and does not know it when it goes on.
pub(crate) fn thawed(cluster: &Cluster) -> Result<()> {
    let services = Watched::spread(cluster, "takeover", false)?;
    for watched in services.iter().cycle().take(rounds()) {
        let label = |value: &str| {
            let value = format!("node.kubernetes.io/exclude-from-external-load-balancers{value}");
            cluster.kubectl(&["label", "node", &watched.owner, &value, "--overwrite"]).map(drop)
        };
        let watch = watched.watch(cluster)?;
        let pod = cluster.speaker_on(&watched.owner)?;
        let processes = cluster.bed.container_processes(NAMESPACE, &pod, "speaker")?;
        let frozen = Instant::now();
        signal(&processes, Signal::SIGSTOP)?;
        watch.wait_moved(frozen)?;
        label("=true")?;
        let thawed = Instant::now();
        signal(&processes, Signal::SIGCONT)?;
        let silence = wait::throughout("silence of the thawed speaker", THAW, || {
            let said = watch.said_since(thawed, |mac| mac == watch.mac);
            Ok(seen(said.is_empty(), format!("{said:?}")))
        });
        label("-")?;
        silence.with_context(|| format!("{} answers for addresses it had lost", watched.owner))?;
        watch.wait_back(BACK)?;
    }
    say(&format!("thawed {} times, and no answer for an address that was lost", rounds()));
    Ok(())
}

/// Its memberlist gives up all others meanwhile, and they have what it had. Back on the cable it must not take for its own what
/// is theirs, not even until it has found them.
pub(crate) fn plugged_in(cluster: &Cluster) -> Result<()> {
    let services = Watched::spread(cluster, "takeover", false)?;
    for watched in services.iter().cycle().take(rounds().div_ceil(LONG_CUTS)) {
        let watches = services.iter().map(|watched| watched.watch(cluster)).collect::<Result<Vec<_>>>()?;
        let own = services.iter().position(|other| other.owner == watched.owner);
        let own = own.and_then(|own| watches.get(own)).context("it is one of them")?;
        let before = given_up(cluster, &watched.owner)?;
        let cut = Instant::now();
        cluster.bed.unplug(&watched.owner)?;
        own.wait_moved(cut)?;
        wait::throughout("the cut", CUT.saturating_sub(cut.elapsed()), || {
            let said = watches.iter().flat_map(|watch| watch.said_since(cut, |mac| mac == own.mac));
            let late = said.filter(|answer| answer.at > cut + GONE).collect::<Vec<_>>();
            Ok(seen(late.is_empty(), format!("{late:?}")))
        })?;
        let plugged = Instant::now();
        cluster.bed.plug(&watched.owner)?;
        own.wait_back(BACK)?;
        for other in watches.iter().filter(|other| other.mac != own.mac) {
            let said = other.said_since(plugged, |mac| mac != other.mac);
            ensure!(said.is_empty(), "{} answers for what another node owns: {said:?}", watched.owner);
        }
        let given_up = given_up(cluster, &watched.owner)?;
        ensure!(
            given_up >= before + services.len() - 1,
            "memberlist still had others when the cable was back"
        );
    }
    let (rounds, seconds) = (rounds().div_ceil(LONG_CUTS), CUT.as_secs());
    say(&format!(
        "plugged in {rounds} times after {seconds} s, and no answer for an address of another node"
    ));
    Ok(())
}

/// How often the speaker of a node lost a member, by its log.
fn given_up(cluster: &Cluster, node: &str) -> Result<usize> {
    let log = cluster.kubectl(&["logs", "-n", NAMESPACE, &cluster.speaker_on(node)?])?;
    Ok(log.lines().filter(|line| line.contains("NodeLeave")).count())
}

/// Nothing moves because processors are busy, and whoever has an address answers.
pub(crate) fn loaded(cluster: &Cluster) -> Result<()> {
    let services = Watched::spread(cluster, "takeover", false)?;
    let watches = services.iter().map(|watched| watched.watch(cluster)).collect::<Result<Vec<_>>>()?;
    let seconds = number("METALLB_LOAD_SECONDS").unwrap_or(LOAD);
    let start = Instant::now();
    let load = Load::start(thread::available_parallelism()?.get());
    wait::throughout("every address with its owner", Duration::from_secs(u64::try_from(seconds)?), || {
        let strange = |watch: &Watch| watch.said_since(start, |mac| mac != watch.mac);
        let strange: Vec<Answer> = watches.iter().flat_map(strange).collect();
        Ok(seen(strange.is_empty(), format!("{strange:?}")))
    })?;
    drop(load);
    let end = Instant::now();
    let longest = watches.iter().map(|watch| watch.longest_wait(start, end)).max();
    let longest = longest.context("something is watched")?;
    say(&format!("no takeover in {seconds} s of full load, longest wait {} ms", longest.as_millis()));
    // In the short form a machine that tests on the side may be late by itself.
    ensure!(seconds < LONG || longest < LATE, "an owner did not answer for {longest:?}");
    Ok(())
}

/// Processors kept busy until this is dropped.
struct Load(Arc<AtomicBool>);

impl Load {
    fn start(processors: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..processors {
            let stop = stop.clone();
            thread::spawn(move || while !stop.load(Ordering::Relaxed) {});
        }
        Self(stop)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
