//! The API server is gone: addresses stay where they are, move when their node fails, and a speaker that is restarted
//! meanwhile answers again; each node's in turn. `METALLB_OUTAGE_SECONDS` says how long nothing else happens first; from three
//! hundred on the promised bounds hold.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use metallb_e2e::Cluster;
use metallb_e2e::manifest::NAMESPACE;
use metallb_e2e::probe::Answer;
use metallb_testbed::wait::{self, Seen, seen};
use metallb_testbed::{Process, Signal};

use crate::figures::{Figures, number, say};
use crate::takeover::signal;
use crate::watched::{GIVEN_UP, Watch, Watched};

/// Enough for every watch to notice.
const SHORT: usize = 5;
/// From here on the promised bounds hold.
const LONG: usize = 300;
/// A packet may be lost; more is a gap.
const HELD: Duration = Duration::from_millis(500);
/// Until the container is started again, and until the API server is in step.
const BACK: Duration = Duration::from_secs(60);
/// Whoever answered for it in between does so no longer, once its node has been answering for so long.
const GIVEN_BACK: Duration = Duration::from_secs(3);

/// An owner that is killed when its turn comes.
#[derive(Debug)]
struct Victim {
    owner: String,
    watch: Watch,
    processes: Vec<Process>,
    /// Its node's.
    network: PathBuf,
}

/// When what happened to it.
#[derive(Clone, Copy, Debug)]
struct Turn {
    killed: Instant,
    /// Others answer for all its addresses.
    moved: Instant,
    /// The new process does, and soon alone.
    back: Instant,
}

pub(crate) fn speakers_restarted(cluster: &Cluster) -> Result<()> {
    let services = Watched::spread(cluster, "takeover", false)?;
    let victims: Vec<Victim> =
        services.iter().map(|watched| Victim::of(cluster, watched)).collect::<Result<_>>()?;
    cluster.bed.stop_api()?;
    let result = while_away(&victims);
    cluster.bed.start_api_again()?;
    result?;
    cluster.wait_available()?;
    victims.iter().try_for_each(|victim| victim.watch.wait_back(BACK))
}

fn while_away(victims: &[Victim]) -> Result<()> {
    let gone = Instant::now();
    let seconds = number("METALLB_OUTAGE_SECONDS").unwrap_or(SHORT);
    wait::throughout("every address with its owner", Duration::from_secs(u64::try_from(seconds)?), || {
        let strange: Vec<Answer> = victims.iter().flat_map(|victim| victim.strange_since(gone)).collect();
        Ok(seen(strange.is_empty(), format!("{strange:?}")))
    })?;
    let (mut taken_over, mut answered) = figures(seconds);
    let turns: Vec<Turn> =
        victims.iter().map(|victim| victim.turn(&mut taken_over, &mut answered)).collect::<Result<_>>()?;
    // Both are told before either fails.
    let is_in_time = answered.judge();
    taken_over.judge().and(is_in_time)?;
    victims.iter().zip(turns).try_for_each(|(victim, turn)| victim.has_held(gone, turn))
}

/// From the kill to another node's answer, and from the start of the new process to its own.
fn figures(seconds: usize) -> (Figures, Figures) {
    // The short form is for machines that do other things as well, as those of CI: there no takeover comes near this.
    let [taken_over, answered] = if seconds < LONG { [3_000, 5_000] } else { [250, 2_000] };
    let within = |what, bound| Figures::within(what, Duration::from_millis(bound));
    (
        within("owner killed without the API server", taken_over),
        within("speaker restarted without the API server", answered),
    )
}

impl Victim {
    fn of(cluster: &Cluster, watched: &Watched) -> Result<Self> {
        let watch = watched.watch(cluster)?;
        let pod = cluster.speaker_on(&watched.owner)?;
        let processes = cluster.bed.container_processes(NAMESPACE, &pod, "speaker")?;
        let first = processes.first().context("a speaker is a process")?;
        let network = fs::read_link(format!("/proc/{}/ns/net", first.pid))?;
        Ok(Self { owner: watched.owner.clone(), watch, processes, network })
    }

    fn turn(&self, taken_over: &mut Figures, answered: &mut Figures) -> Result<Turn> {
        let (owner, mac) = (&self.owner, self.watch.mac);
        let before = speakers_in(&self.network)?;
        let killed = Instant::now();
        signal(&self.processes, Signal::SIGKILL)?;
        let mut moved = killed;
        for (address, probe) in &self.watch.probes {
            let answer = probe.wait_other(killed, mac, GIVEN_UP)?;
            moved = moved.max(answer.at);
            taken_over.add(*address, answer.at.saturating_duration_since(killed));
        }
        let started = self.wait_started(&before, killed)?;
        let mut back = started;
        for (address, probe) in &self.watch.probes {
            let first = wait::until("an answer of the restarted speaker", BACK, || {
                // What the one that was killed said last is no answer of the new one.
                let said = probe.said_since(started.max(moved), |from| from == mac);
                let first = said.into_iter().find(|answer| answer.was_asked);
                Ok(first.map_or_else(|| Seen::NotYet("others".to_owned()), Seen::Done))
            })?;
            back = back.max(first.at);
            let time = first.at.saturating_duration_since(started);
            let since_killed = first.at.saturating_duration_since(killed).as_millis();
            say(&format!(
                "restarted on {owner}: {address} after {} ms, {since_killed} ms after the kill",
                time.as_millis()
            ));
            answered.add(*address, time);
        }
        self.watch.wait_back(BACK)?;
        Ok(Turn { killed, moved, back })
    }

    /// Waits for another process than those before, and returns when it was not there yet.
    fn wait_started(&self, before: &BTreeSet<PathBuf>, killed: Instant) -> Result<Instant> {
        let mut missing = killed;
        wait::until("the speaker's container started again", BACK, || {
            let look = Instant::now();
            if speakers_in(&self.network)?.difference(before).next().is_some() {
                return Ok(Seen::Done(missing));
            }
            missing = look;
            Ok(Seen::NotYet("no other process".to_owned()))
        })
    }

    fn strange_since(&self, since: Instant) -> Vec<Answer> {
        self.watch.said_since(since, |mac| mac != self.watch.mac)
    }

    /// Whether its addresses were answered for all the time, and by it alone but for its turn.
    fn has_held(&self, gone: Instant, Turn { killed, moved, back }: Turn) -> Result<()> {
        let (owner, mut strange) = (&self.owner, self.strange_since(gone));
        strange.retain(|answer| answer.at < killed || answer.at > back + GIVEN_BACK);
        ensure!(strange.is_empty(), "addresses of {owner} moved without the API server: {strange:?}");
        let longest =
            self.watch.longest_wait(gone, killed).max(self.watch.longest_wait(moved, Instant::now()));
        let longest_ms = longest.as_millis();
        say(&format!(
            "without the API server: {owner}'s addresses waited {longest_ms} ms at most beside the kill"
        ));
        ensure!(longest < HELD, "no answer for addresses of {owner} for {longest:?} without the API server");
        Ok(())
    }
}

/// The processes named as speakers in a node's network: of other nodes and beds there are more.
fn speakers_in(network: &Path) -> Result<BTreeSet<PathBuf>> {
    let is_one = |path: &PathBuf| {
        let is_named = fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "speaker");
        is_named && fs::read_link(path.join("ns/net")).is_ok_and(|its| its == network)
    };
    let entries = fs::read_dir("/proc")?.map(|entry| entry.map(|entry| entry.path()));
    let paths: Vec<PathBuf> = entries.collect::<std::io::Result<_>>()?;
    Ok(paths.into_iter().filter(is_one).collect())
}
