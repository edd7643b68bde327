//! Step 4: make the cluster as prepared, writing only where it differs.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use kube::Client;
use metallb_api::names::OPERATOR_FIELD_MANAGER;
use metallb_cluster::{Keeper, Kept, Outcome, Predecessor, apply, create_once};
use metallb_render::{Desired, Mode, Readiness, controller_shortcoming, readiness, speaker_shortcoming};

use crate::build::Prepared;
use crate::disposition::{Disposition, explain};

/// How everything is applied.
pub(crate) const KEEPER: Keeper = Keeper { manager: OPERATOR_FIELD_MANAGER, predecessors: &PREDECESSORS };

/// How Secrets and ServiceAccounts are applied: what others put into them is theirs, certificates and the Secrets that images
/// are pulled with above all.
const SHARED_KEEPER: Keeper = Keeper { manager: OPERATOR_FIELD_MANAGER, predecessors: &[] };

/// Who made the same objects before: the original's operator before it applied, plain manifests, and Helm, whose chart
/// names few of them alike. The first goes by the name of many programs, but no other makes our resource the owner.
const PREDECESSORS: [Predecessor; 6] = [
    Predecessor { mark: "/f:metadata/f:ownerReferences", ..by("manager", "Update") },
    by("kubectl-client-side-apply", "Update"),
    by("kubectl-create", "Update"),
    by("kubectl", "Apply"),
    by("helm", "Update"),
    by("helm", "Apply"),
];

const fn by(manager: &'static str, operation: &'static str) -> Predecessor {
    Predecessor { manager, operation, mark: "" }
}

/// Everything is as prepared; the workloads as the API server has them now.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    speaker: Option<DaemonSet>,
    controller: Option<Deployment>,
    /// What was written and why, one line an object.
    pub changes: Vec<String>,
    /// What was asked for.
    pub objects: Vec<Desired>,
    /// What the user should know even if all went well.
    pub remarks: Vec<String>,
    /// What keeps the pods away, if they are and it is known.
    pub obstacle: Option<String>,
}

impl Applied {
    /// Whether the workloads run.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        readiness(self.speaker.as_ref(), self.controller.as_ref())
    }

    /// Each workload by name, and whether it runs.
    #[must_use]
    pub fn running(&self) -> [(&'static str, bool); 2] {
        let speaker = speaker_shortcoming(self.speaker.as_ref());
        let controller = controller_shortcoming(self.controller.as_ref());
        [("speaker", speaker.is_none()), ("controller", controller.is_none())]
    }
}

/// Some objects are not as prepared. The others are.
#[derive(Debug, thiserror::Error)]
#[error("{}", list(.failures))]
pub struct ApplyError {
    failures: Vec<Failure>,
    /// Whether not a single object is as prepared.
    is_total: bool,
}

/// One object that is not as prepared.
#[derive(Debug)]
struct Failure {
    /// Kind, namespace and name.
    object: String,
    cause: kube::Error,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "could not apply {}: {}", self.object, explain(&self.cause))
    }
}

fn list(failures: &[Failure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl ApplyError {
    /// The most pressing of all failures; who may do nothing at all is cut off.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        if self.is_total && self.failures.iter().all(Failure::is_forbidden) {
            return Disposition::CutOff;
        }
        let all = self.failures.iter().map(|failure| Disposition::of(&failure.cause));
        all.max().unwrap_or(Disposition::Transient)
    }
}

impl Failure {
    fn is_forbidden(&self) -> bool {
        matches!(&self.cause, kube::Error::Api(status) if status.code == 403)
    }
}

impl Prepared {
    /// Applies every object in order. One that is refused does not keep the others from being applied; only when the
    /// API server can't be reached at all, it is left at that.
    ///
    /// # Errors
    /// The objects that are not as prepared.
    pub async fn apply(self, client: &Client) -> Result<Applied, ApplyError> {
        let mut applied = Applied { remarks: self.remarks, ..Applied::default() };
        let mut failures = Vec::new();
        for desired in &self.objects {
            match keep(client, desired).await {
                Ok(kept) => applied.note(desired, kept),
                Err(cause) => {
                    let unreachable = !matches!(cause, kube::Error::Api(_));
                    failures.push(Failure { object: name(desired), cause });
                    if unreachable {
                        break;
                    }
                }
            }
        }
        let is_total = failures.len() == self.objects.len();
        applied.objects = self.objects;
        if failures.is_empty() { Ok(applied) } else { Err(ApplyError { failures, is_total }) }
    }
}

async fn keep(client: &Client, desired: &Desired) -> Result<Kept, kube::Error> {
    let Desired { resource, object, mode } = desired;
    match mode {
        Mode::Apply if matches!(resource.kind.as_str(), "Secret" | "ServiceAccount") => {
            apply(client, resource, object, &SHARED_KEEPER).await
        }
        Mode::Apply => apply(client, resource, object, &KEEPER).await,
        Mode::CreateOnce => create_once(client, resource, object, OPERATOR_FIELD_MANAGER).await,
    }
}

/// The object as users know it from the original's messages: `(apps/v1, Kind=Deployment) namespace/name`.
fn name(desired: &Desired) -> String {
    let resource = &desired.resource;
    let namespace = desired.namespace().unwrap_or_default();
    format!("({}, Kind={}) {namespace}/{}", resource.api_version, resource.kind, desired.name())
}

impl Applied {
    fn note(&mut self, desired: &Desired, kept: Kept) {
        match kept.outcome {
            Outcome::Unchanged => {}
            Outcome::TakenOver => self.changes.push(format!("{desired} taken over")),
            Outcome::Created => self.changes.push(format!("{desired} created")),
            Outcome::Changed(difference) => self.changes.push(format!("{desired} changed: {difference}")),
        }
        // Read by their own types again; what does not fit counts as not there.
        if desired.is::<DaemonSet>("speaker") {
            self.speaker = kept.live.try_parse().ok();
        } else if desired.is::<Deployment>("controller") {
            self.controller = kept.live.try_parse().ok();
        }
    }
}
