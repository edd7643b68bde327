//! The owner task: sleeps until something changed or something is to be tried again, then makes a pass.

use std::time::Duration;

use kube::core::PartialObjectMeta;
use metallb_api::MetalLB;
use metallb_cluster::{Pace, Store, Unsynced, Watches};
use metallb_telemetry::health::{Gate, Heartbeat};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use crate::apply::Applied;
use crate::disposition::Disposition;
use crate::operator::{Operator, Report};
use crate::register::Pending;

#[cfg(test)]
mod tests;

/// The loop turns at least this often between passes, to show that it is alive.
const TURN: Duration = Duration::from_secs(5);
/// A pass that takes longer is cut short: each request has its time limit, but a pass makes dozens of them.
const LONGEST_PASS: Duration = Duration::from_secs(60);
/// So long it may take to tell the resource that.
const LAST_WORD: Duration = Duration::from_secs(10);
/// A loop that did not turn for so long is stuck. Longer than a pass, the last word about it and a turn together.
pub const STUCK: Duration = Duration::from_secs(90);

/// What the loop looks at.
pub struct Owner {
    /// Does the work.
    pub operator: Operator,
    /// Wakes us.
    pub watches: Watches,
    /// Says when the resources have been seen.
    pub resources: Store<PartialObjectMeta<MetalLB>>,
    /// Open while the last pass could work with the API server.
    pub ready: Gate,
    /// Beats with every turn of the loop, at least once in [`STUCK`].
    pub alive: Heartbeat,
    /// Whether this process leads; the others look on, ready to take over.
    pub leader: watch::Receiver<bool>,
}

impl Owner {
    /// Makes a pass whenever it is time for one; never returns. Safe to cancel.
    pub async fn run(mut self) {
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut rhythm = Rhythm::default();
        let mut told = Vec::new();
        let mut again = None;
        let mut certificate = self.operator.memory.certificate();
        loop {
            let is_due = tokio::select! {
                () = self.watches.changed() => true,
                () = until(again) => true,
                Ok(()) = self.leader.changed() => true,
                Ok(()) = certificate.changed() => true,
                _ = turn.tick() => false,
            };
            self.alive.beat();
            self.operator.metrics.leads.set(i64::from(*self.leader.borrow()));
            if !self.resources.is_synced() {
                self.ready.close(why_not(&self.watches.unsynced()));
                again = None;
            } else if !*self.leader.borrow() {
                self.operator.show(&Applied::default());
                self.ready.open();
                again = None;
            } else if is_due {
                let started = Instant::now();
                let report = tokio::select! {
                    report = bounded(self.operator.pass(), |problem| self.operator.tell_slowness(problem)) => report,
                    // What is half done is finished by who leads now.
                    () = lost(&mut self.leader) => continue,
                };
                let passes = self.operator.metrics.passes.with_label_values(&[outcome(&report)]);
                passes.observe(started.elapsed().as_secs_f64());
                log(&report, &mut told);
                show(&report, &self.ready);
                again = rhythm.next(&report).map(|pause| Instant::now() + pause);
            }
        }
    }
}

/// Resolves when this process does not lead any more. Safe to cancel.
async fn lost(leader: &mut watch::Receiver<bool>) {
    if leader.wait_for(|leads| !leads).await.is_err() {
        // Nobody is left who could tell.
        std::future::pending::<()>().await;
    }
}

/// Resolves at the time, or never.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The pass, unless it takes too long: then that is told, if that is not too slow as well. What it wrote until then stays;
/// the next one goes on from there.
async fn bounded<F>(pass: impl Future<Output = Report>, tell: impl FnOnce(&'static str) -> F) -> Report
where
    F: Future<Output = ()>,
{
    const PROBLEM: &str = "the API server answers too slowly: a pass was not through after 60 s";
    let Ok(report) = timeout(LONGEST_PASS, pass).await else {
        let _ = timeout(LAST_WORD, tell(PROBLEM)).await;
        return Report {
            problems: vec![PROBLEM.to_owned()],
            disposition: Some(Disposition::CutOff),
            ..Report::default()
        };
    };
    report
}

/// What came of a pass, in a word.
fn outcome(report: &Report) -> &'static str {
    match (report.disposition, report.settling) {
        (Some(_), _) => "failed",
        (None, true) => "settling",
        (None, false) => "ok",
    }
}

/// Ready is who can work. That a resource asks for what can't be is told in its status, not here.
fn show(report: &Report, ready: &Gate) {
    match report.disposition {
        Some(Disposition::CutOff) => ready.close(report.problems.join("; ")),
        _ => ready.open(),
    }
}

fn why_not(unsynced: &[Unsynced]) -> String {
    let resources = unsynced.iter().find(|store| store.what == "metallbs.metallb.io");
    resources.and_then(|store| store.last_error.clone()).unwrap_or_else(|| "not yet read".to_owned())
}

/// What is written is always logged; what is wrong when it is news.
fn log(report: &Report, told: &mut Vec<String>) {
    for change in &report.changes {
        tracing::info!(change, "written");
    }
    if report.problems != *told {
        for problem in &report.problems {
            tracing::warn!(
                problem,
                again = report.disposition.map(|next| format!("{next:?}")),
                "not as it should be"
            );
        }
        told.clone_from(&report.problems);
    }
}

/// When to try again.
#[derive(Debug)]
struct Rhythm {
    pace: Pace,
    patience: Patience,
    /// What API servers wait for before they insist on the webhook's answer, and the patience with it.
    leniency: Option<(Pending, Patience)>,
    conflicts: u8,
    /// Looks in a row at what does not run yet.
    looks: u8,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            pace: Pace::default(),
            patience: Patience::up_to(LONGEST_PAUSE),
            leniency: None,
            conflicts: 0,
            looks: 0,
        }
    }
}

/// How often it is looked why something does not run yet.
const SETTLING: Duration = Duration::from_secs(5);
/// And after so many looks, since a node may be away for days: how pods fare is followed by their workloads' status all the same.
const CLOSE_LOOKS: u8 = 24;
const SETTLING_STILL: Duration = Duration::from_secs(30);
/// Conflicts in a row after which it is no longer a matter of being quicker.
const CONFLICTS: u8 = 3;

impl Rhythm {
    /// The pause before the next look, by what wants it soonest; `None` waits for a change.
    fn next(&mut self, report: &Report) -> Option<Duration> {
        let retry = self.retry(report.disposition);
        // What keeps a pod is told by no object we follow.
        let settling = self.settling(report);
        let lenient = match (report.lenient, retry.or(settling)) {
            (Some(pending), None) => Some(self.lenient(pending)),
            (Some(_), Some(_)) => None,
            (None, _) => {
                self.leniency = None;
                None
            }
        };
        // Of others only the resources are followed, not what runs there.
        let crowded = report.crowded.then_some(LONGEST_PAUSE);
        [retry, settling, lenient, crowded].into_iter().flatten().min()
    }

    /// The pause before it is looked again whether API servers may insist on the webhook's answer.
    fn lenient(&mut self, pending: Pending) -> Duration {
        let longest = match pending {
            // Somebody else may make the certificate, who takes his time, or nobody.
            Pending::Trust => LONGEST_LENIENCY,
            Pending::Pods => LONGEST_PAUSE,
        };
        let known = self.leniency.take().filter(|(known, _)| *known == pending);
        let (_, patience) = self.leniency.insert(known.unwrap_or((pending, Patience::up_to(longest))));
        patience.next()
    }

    /// The pause before the next look at what does not run yet.
    fn settling(&mut self, report: &Report) -> Option<Duration> {
        if !report.settling || !report.changes.is_empty() {
            self.looks = 0;
        }
        self.looks = self.looks.saturating_add(1);
        let pause = if self.looks > CLOSE_LOOKS { SETTLING_STILL } else { SETTLING };
        report.settling.then_some(pause)
    }

    /// The pause before what went wrong is tried again.
    fn retry(&mut self, disposition: Option<Disposition>) -> Option<Duration> {
        match disposition {
            None | Some(Disposition::Bug | Disposition::Invalid) => {
                let Self { leniency, looks, .. } = std::mem::take(self);
                *self = Self { leniency, looks, ..Self::default() };
                None
            }
            Some(Disposition::Conflict) if self.conflicts < CONFLICTS => {
                self.conflicts = self.conflicts.saturating_add(1);
                Some(Duration::ZERO)
            }
            Some(Disposition::Conflict | Disposition::Refused) => Some(self.patience.next()),
            Some(Disposition::Transient | Disposition::CutOff) => self.pace.next(),
        }
    }
}

/// Pauses between tries of what was refused: each twice the one before, up to the longest.
#[derive(Debug)]
struct Patience {
    pause: Duration,
    longest: Duration,
}

/// Somebody may just be about to clear away what is in the way.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// How long somebody may have to wait after clearing it away.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long an answer of the webhook may not be insisted on although it could be.
const LONGEST_LENIENCY: Duration = Duration::from_secs(600);

impl Patience {
    fn up_to(longest: Duration) -> Self {
        Self { pause: FIRST_PAUSE, longest }
    }

    fn next(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(self.longest);
        pause
    }
}
