//! The API server is gone: addresses stay where they are, move when their node fails, and a speaker that is restarted
//! meanwhile answers again. `METALLB_OUTAGE_SECONDS` says how long nothing else happens first.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use metallb_e2e::cluster::REACTION;
use metallb_e2e::manifest::NAMESPACE;
use metallb_e2e::probe::{Probe, parse_mac};
use metallb_e2e::{Cluster, lan};
use metallb_testbed::Signal;
use metallb_testbed::wait::{self, seen};

use super::report;

/// Enough for every watch to notice.
const SHORT: u64 = 5;
/// How long answers must be steady before something is done.
const STEADY: Duration = Duration::from_secs(3);
/// A packet may be lost; more is a gap.
const HELD: Duration = Duration::from_millis(500);
/// No takeover comes near this, on however busy a machine.
const TAKEN_OVER: Duration = Duration::from_secs(3);
/// What is promised is two seconds on a machine of its own.
const ANSWERS_AGAIN: Duration = Duration::from_secs(5);
/// Until the container is started again, and until the API server is in step.
const BACK: Duration = Duration::from_secs(60);

pub(crate) fn speaker_restarted(cluster: &Cluster) -> Result<()> {
    let address = cluster.addresses("web")?.first().copied().context("the Service has addresses")?;
    let owner = lan::wait_owner(&cluster.bed, address, None, REACTION)?;
    let mac = parse_mac(&cluster.bed.mac(&owner)?)?;
    let probe = Probe::start(&cluster.bed, address)?;
    probe.wait_only(mac, STEADY, BACK)?;
    let pod = cluster.speaker_on(&owner)?;
    let processes = cluster.bed.container_processes(NAMESPACE, &pod, "speaker")?;
    cluster.bed.stop_api()?;
    let result =
        while_away(&probe, mac, || processes.iter().try_for_each(|it| it.signal(Signal::SIGKILL).map(drop)));
    cluster.bed.start_api_again()?;
    result?;
    cluster.wait_available()?;
    probe.wait_only(mac, STEADY, BACK)
}

fn while_away(probe: &Probe, mac: [u8; 6], kill: impl FnOnce() -> Result<()>) -> Result<()> {
    let gone = Instant::now();
    probe.wait_only(mac, outage(), outage() + BACK)?;
    let gap = probe.longest_gap(gone, Instant::now());
    ensure!(gap < HELD, "no answer for {gap:?} after the API server was gone");
    let others = |answer: &metallb_e2e::probe::Answer| answer.at > gone && answer.mac != mac;
    ensure!(!probe.answers().iter().any(others), "the address moved when the API server was gone");

    let before = speakers()?;
    let killed = Instant::now();
    kill()?;
    let taken_over = probe.wait_other(killed, mac, TAKEN_OVER)?.at.saturating_duration_since(killed);
    report("without the API server, owner killed: another node answers after", taken_over);
    let started = wait::until("the speaker's container started again", BACK, || {
        let is_new = speakers()?.difference(&before).next().is_some();
        Ok(if is_new {
            wait::Seen::Done(Instant::now())
        } else {
            wait::Seen::NotYet("the same processes".to_owned())
        })
    })?;
    wait::until("the restarted speaker answers", BACK, || {
        let again = probe.answers().into_iter().rfind(|answer| answer.mac == mac && answer.at > started);
        Ok(seen(again.is_some(), "others"))
    })?;
    let again = probe.answers().into_iter().find(|answer| answer.mac == mac && answer.at > started);
    let again = again.context("it has answered")?.at.saturating_duration_since(started);
    report("without the API server, speaker restarted: it answers again after", again);
    ensure!(again < ANSWERS_AGAIN, "the restarted speaker answered only after {again:?}");
    Ok(())
}

fn outage() -> Duration {
    let seconds = std::env::var("METALLB_OUTAGE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(SHORT))
}

/// The processes named as speakers, on whatever node.
fn speakers() -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir("/proc")? {
        let path = entry?.path();
        if std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "speaker") {
            found.insert(path.display().to_string());
        }
    }
    Ok(found)
}
