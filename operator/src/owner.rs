//! The owner task: sleeps until something changed or something is to be tried again, then makes a pass.

use std::time::Duration;

use kube::core::PartialObjectMeta;
use metallb_api::MetalLB;
use metallb_cluster::{Pace, Store, Unsynced, Watches};
use metallb_telemetry::health::Gate;

use crate::disposition::Disposition;
use crate::operator::{Operator, Report};

#[cfg(test)]
mod tests;

/// What the loop looks at.
pub struct Owner {
    /// Does the work.
    pub operator: Operator,
    /// Wakes us.
    pub watches: Watches,
    /// Says when the resources have been seen.
    pub resources: Store<PartialObjectMeta<MetalLB>>,
    /// Opens when the first pass is through.
    pub ready: Gate,
}

impl Owner {
    /// Makes a pass whenever it is time for one; never returns. Safe to cancel.
    pub async fn run(mut self) {
        let mut rhythm = Rhythm::default();
        let mut told = Vec::new();
        let mut again = None;
        loop {
            tokio::select! {
                () = self.watches.changed() => {}
                () = pause(again) => {}
            }
            if !self.resources.is_synced() {
                self.ready.close(why_not(&self.watches.unsynced()));
                continue;
            }
            let report = self.operator.pass().await;
            log(&report, &mut told);
            again = rhythm.next(report.disposition);
            self.ready.open();
        }
    }
}

/// Resolves after the pause, or never.
async fn pause(length: Option<Duration>) {
    match length {
        Some(length) => tokio::time::sleep(length).await,
        None => std::future::pending().await,
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
            tracing::warn!(problem, again = ?report.disposition, "not as it should be");
        }
        told.clone_from(&report.problems);
    }
}

/// When to try again.
#[derive(Debug, Default)]
struct Rhythm {
    pace: Pace,
    conflicts: u8,
}

/// Conflicts in a row after which it is no longer a matter of being quicker.
const CONFLICTS: u8 = 3;

impl Rhythm {
    /// The pause before the next try; `None` waits for a change.
    fn next(&mut self, disposition: Option<Disposition>) -> Option<Duration> {
        match disposition {
            None | Some(Disposition::Bug | Disposition::Invalid) => {
                *self = Self::default();
                None
            }
            Some(Disposition::Conflict) if self.conflicts < CONFLICTS => {
                self.conflicts = self.conflicts.saturating_add(1);
                Some(Duration::ZERO)
            }
            Some(Disposition::Conflict | Disposition::Transient) => self.pace.next(),
        }
    }
}
