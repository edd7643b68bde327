//! One pass over everything: all steps, for every resource.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kube::Client;
use metallb_api::names::METALLB_NAME;
use metallb_cluster::{Event, EventSink};
use metallb_render::{BuildError, Environment, Platform, Readiness, State, Unanswered};
use metallb_telemetry::logs::chain;
use metallb_telemetry::metrics::OperatorMetrics;

use crate::apply::{Applied, ApplyError};
use crate::build::build;
use crate::cluster_tls::{ClusterTlsError, follow_cluster};
use crate::deeds::{REPAIRED, deed};
use crate::dereference::{Found, dereference};
use crate::disposition::Disposition;
use crate::inventory::{Inventory, PruneError, Wanted};
use crate::progress::obstacle;
use crate::register::register;
use crate::status;
use crate::validate::{ValidateError, validate};

/// What a pass works with.
#[derive(Clone)]
pub struct Operator {
    /// The API server.
    pub client: Client,
    /// What the installer decided.
    pub environment: Environment,
    /// What kind of cluster this is.
    pub platform: Platform,
    /// Takes events about the resources.
    pub events: EventSink,
    /// What is counted.
    pub metrics: OperatorMetrics,
    /// Whether nothing was looked at yet.
    pub fresh: Fresh,
    /// Whether its own webhook is served, so that API servers are to ask it.
    pub registers: bool,
}

/// Whether this process has not looked after the resource yet. Clones tell the same.
#[derive(Clone, Debug)]
pub struct Fresh(Arc<AtomicBool>);

impl Default for Fresh {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

/// A resource is not as it should be, by the step that failed.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Step 2.
    #[error(transparent)]
    Validate(#[from] ValidateError),
    /// On the way to it: the cluster's own settings.
    #[error(transparent)]
    ClusterTls(#[from] ClusterTlsError),
    /// Step 3.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Step 4.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Step 5.
    #[error(transparent)]
    Prune(#[from] PruneError),
}

impl ReconcileError {
    /// What it means for the next pass.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Validate(error) => error.disposition(),
            Self::ClusterTls(error) => error.disposition(),
            Self::Build(_) => Disposition::Bug,
            Self::Apply(error) => error.disposition(),
            Self::Prune(error) => error.disposition(),
        }
    }
}

/// What came of a pass.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// What was written, one line an object.
    pub changes: Vec<String>,
    /// What went wrong, in one line each.
    pub problems: Vec<String>,
    /// When to try again; `None` if nothing went wrong.
    pub disposition: Option<Disposition>,
    /// All is as asked for, but does not run yet.
    pub settling: bool,
    /// API servers do not insist on our webhook's answer yet.
    pub lenient: bool,
}

impl Report {
    fn problem(&mut self, problem: String, disposition: Disposition) {
        self.problems.push(problem);
        self.disposition = self.disposition.max(Some(disposition));
    }
}

impl Operator {
    /// Looks at everything once. Safe to cancel: the next pass finds what is left to do.
    pub async fn pass(&self) -> Report {
        let mut report = Report::default();
        let found = match dereference(&self.client, &self.environment.namespace).await {
            Ok(found) => found,
            Err(error) => {
                report.problem(chain(&error), error.disposition());
                return report;
            }
        };
        for resource in &found {
            self.look_after(resource, &mut report).await;
        }
        if !found.iter().any(|resource| resource.name == METALLB_NAME) {
            self.clear_away(&mut report).await;
        }
        if self.registers {
            match register(&self.client, &self.environment.namespace).await {
                Ok(registered) => {
                    report.changes.extend(registered.change);
                    report.lenient = registered.unanswered == Unanswered::Allow;
                }
                Err(error) => report.problem(chain(&error), error.disposition()),
            }
        }
        report
    }

    /// One resource. Whatever happens, its status is written exactly once, at the end.
    async fn look_after(&self, found: &Found, report: &mut Report) {
        if found.is_being_deleted {
            // Applying now would only be in the way of the garbage collector.
            return;
        }
        let result = self.reconcile(found).await;
        match &result {
            Ok(applied) => {
                report.changes.extend(applied.changes.iter().cloned());
                report.settling = applied.readiness() != Readiness::Ready;
                let is_first = self.fresh.0.swap(false, Ordering::Relaxed);
                self.show(applied);
                if let Some(deed) = deed(found, &applied.changes, is_first) {
                    self.count(&deed, applied.changes.len());
                    self.events.publish(deed);
                }
            }
            Err(error) => {
                report.problem(format!("MetalLB {}: {}", found.name, chain(error)), error.disposition());
            }
        }
        self.tell(found, &status::judge(found, &result), report).await;
    }

    /// Whether each workload runs, for dashboards and alerts.
    fn show(&self, applied: &Applied) {
        for (workload, runs) in applied.running() {
            self.metrics.ready.with_label_values(&[workload]).set(i64::from(runs));
        }
    }

    fn count(&self, deed: &Event, changes: usize) {
        if deed.reason == REPAIRED {
            self.metrics.repairs.inc_by(u64::try_from(changes).unwrap_or(u64::MAX));
        }
    }

    async fn reconcile(&self, found: &Found) -> Result<Applied, ReconcileError> {
        let settings = validate(found, &self.environment, self.platform)?;
        let (environment, remark) = follow_cluster(&self.client, &self.environment, self.platform).await?;
        let mut prepared = build(found, &settings, &environment)?;
        prepared.remarks.extend((!remark.is_empty()).then_some(remark));
        let mut applied = prepared.apply(&self.client).await?;
        let runs = applied.readiness() == Readiness::Ready;
        let wanted = Wanted { uid: &found.uid, objects: &applied.objects, runs };
        let pruned = self.inventory().prune(&wanted).await?;
        applied.changes.extend(pruned);
        if !runs {
            applied.obstacle = obstacle(&self.client, &found.namespace).await;
        }
        Ok(applied)
    }

    fn inventory(&self) -> Inventory<'_> {
        let Self { client, environment, platform, .. } = self;
        Inventory { client, namespace: &environment.namespace, platform: *platform }
    }

    async fn tell(&self, found: &Found, state: &State, report: &mut Report) {
        match status::write(&self.client, found, state).await {
            Ok(event) => event.into_iter().for_each(|event| self.events.publish(event)),
            Err(error) => report.problem(chain(&error), Disposition::of(&error.cause)),
        }
    }

    async fn clear_away(&self, report: &mut Report) {
        match self.inventory().remove_leftovers().await {
            Ok(removed) => report.changes.extend(removed),
            Err(error) => report.problem(chain(&error), error.disposition()),
        }
    }
}
