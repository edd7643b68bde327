//! One pass over everything: all steps, for every resource.

use kube::Client;
use metallb_api::names::METALLB_NAME;
use metallb_cluster::EventSink;
use metallb_render::{BuildError, Environment, State};
use metallb_telemetry::logs::chain;

use crate::apply::{Applied, ApplyError};
use crate::build::build;
use crate::dereference::{Found, dereference};
use crate::disposition::Disposition;
use crate::removal::remove_leftovers;
use crate::status;
use crate::validate::{ValidateError, validate};

/// What a pass works with.
#[derive(Clone)]
pub struct Operator {
    /// The API server.
    pub client: Client,
    /// What the installer decided.
    pub environment: Environment,
    /// Takes events about the resources.
    pub events: EventSink,
}

/// A resource is not as it should be, by the step that failed.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// Step 2.
    #[error(transparent)]
    Validate(#[from] ValidateError),
    /// Step 3.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Step 4.
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl ReconcileError {
    /// What it means for the next pass.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Validate(error) => error.disposition(),
            Self::Build(_) => Disposition::Bug,
            Self::Apply(error) => error.disposition(),
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
            Ok(applied) => report.changes.extend(applied.changes.iter().cloned()),
            Err(error) => {
                report.problem(format!("MetalLB {}: {}", found.name, chain(error)), error.disposition());
            }
        }
        self.tell(found, &status::judge(found, &result), report).await;
    }

    async fn reconcile(&self, found: &Found) -> Result<Applied, ReconcileError> {
        let settings = validate(found, &self.environment)?;
        let prepared = build(found, &settings, &self.environment)?;
        Ok(prepared.apply(&self.client).await?)
    }

    async fn tell(&self, found: &Found, state: &State, report: &mut Report) {
        match status::write(&self.client, found, state).await {
            Ok(event) => event.into_iter().for_each(|event| self.events.publish(event)),
            Err(error) => report.problem(chain(&error), Disposition::of(&error.cause)),
        }
    }

    async fn clear_away(&self, report: &mut Report) {
        match remove_leftovers(&self.client, &self.environment.namespace).await {
            Ok(removed) => report.changes.extend(removed.into_iter().map(|what| format!("{what} deleted"))),
            Err(error) => report.problem(chain(&error), error.disposition()),
        }
    }
}
