//! What must not happen: answers for a lost address, and moves without a cause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use metallb_e2e::Cluster;
use metallb_e2e::manifest::NAMESPACE;
use metallb_e2e::probe::Answer;
use metallb_testbed::Signal;
use metallb_testbed::wait::{self, seen};

use crate::figures::{number, say};
use crate::takeover::signal;
use crate::watched::{BACK, Watch, Watched};

/// How long both processors are busy, in seconds, unless `METALLB_LOAD_SECONDS` says otherwise.
const LOAD: usize = 20;
/// How long a thawed speaker is listened to.
const THAW: Duration = Duration::from_secs(3);

/// While it is frozen its node is excluded: it has lost the address for good, and does not know it when it goes on.
pub(crate) fn thawed(cluster: &Cluster) -> Result<()> {
    for watched in Watched::spread(cluster, "takeover", false)? {
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
    Ok(())
}

/// Nothing moves because processors are busy.
pub(crate) fn loaded(cluster: &Cluster) -> Result<()> {
    let services = Watched::spread(cluster, "takeover", false)?;
    let watches = services.iter().map(|watched| watched.watch(cluster)).collect::<Result<Vec<_>>>()?;
    let time = Duration::from_secs(u64::try_from(number("METALLB_LOAD_SECONDS").unwrap_or(LOAD))?);
    let start = Instant::now();
    let load = Load::start(thread::available_parallelism()?.get());
    wait::throughout("every address with its owner", time, || {
        let strange = |watch: &Watch| watch.said_since(start, |mac| mac != watch.mac);
        let strange: Vec<Answer> = watches.iter().flat_map(strange).collect();
        Ok(seen(strange.is_empty(), format!("{strange:?}")))
    })?;
    drop(load);
    let gaps = watches
        .iter()
        .flat_map(|watch| &watch.probes)
        .map(|(_, probe)| probe.longest_gap(start, Instant::now()));
    let longest = gaps.max().context("something is watched")?;
    say(&format!(
        "no takeover in {} s of full load, longest wait {} ms",
        time.as_secs(),
        longest.as_millis()
    ));
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
