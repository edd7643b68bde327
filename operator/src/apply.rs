//! Step 4: make the cluster as prepared, writing only where it differs.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Client;
use kube::api::DynamicObject;
use metallb_api::names::{OPERATOR_FIELD_MANAGER, WEBHOOK_SERVICE};
use metallb_cluster::{Difference, Keeper, Kept, Outcome, Predecessor, apply_over, create, is_current, read};
use metallb_render::{
    Desired, EXCLUDED_INTERFACES, Mode, Readiness, controller_shortcoming, readiness, speaker_shortcoming,
};

use crate::ahead::ask_all;
use crate::build::Prepared;
use crate::disposition::Disposition;
use crate::inventory::Listed;
use crate::others::{objection, role_of};

mod accounts;
mod failure;
mod ownership;
mod straighten;

pub use failure::ApplyError;

use accounts::Accounts;
use failure::{Cause, Failure};
use ownership::adopt;
use straighten::{Places, straighten};

/// How everything is applied.
pub(crate) const KEEPER: Keeper = Keeper { manager: OPERATOR_FIELD_MANAGER, predecessors: &PREDECESSORS };

/// How Secrets and ServiceAccounts are applied: what others put into them is theirs, certificates and the Secrets that images
/// are pulled with above all.
const SHARED_KEEPER: Keeper = Keeper { manager: OPERATOR_FIELD_MANAGER, predecessors: &[] };

/// The images of our containers, in the tree of fields.
const SPEAKER_IMAGE: &str = r#"/f:spec/f:template/f:spec/f:containers/k:{"name":"speaker"}/f:image"#;
const CONTROLLER_IMAGE: &str = r#"/f:spec/f:template/f:spec/f:containers/k:{"name":"controller"}/f:image"#;

/// Who made the same objects before: the original's operator before it applied, plain manifests, and Helm, whose chart
/// names few of them alike. The first goes by the name of many programs, but no other makes our resource the owner, or says
/// which image our daemons run: the owner is ours already where that operator comes back after us.
/// Nor does anybody but us write these places by our name: [whole](straighten), and they are applied at once afterwards.
const PREDECESSORS: [Predecessor; 12] = [
    Predecessor { mark: "/f:spec/f:template", ..by(OPERATOR_FIELD_MANAGER, "Update") },
    Predecessor { mark: "/f:spec/f:updateStrategy", ..by(OPERATOR_FIELD_MANAGER, "Update") },
    Predecessor { mark: "/f:spec/f:strategy", ..by(OPERATOR_FIELD_MANAGER, "Update") },
    Predecessor { mark: "/f:spec/f:maxUnavailable", ..by(OPERATOR_FIELD_MANAGER, "Update") },
    Predecessor { mark: "/f:metadata/f:ownerReferences", ..by("manager", "Update") },
    Predecessor { mark: SPEAKER_IMAGE, ..by("manager", "Update") },
    Predecessor { mark: CONTROLLER_IMAGE, ..by("manager", "Update") },
    by("kubectl-client-side-apply", "Update"),
    by("kubectl-create", "Update"),
    by("kubectl", "Apply"),
    by("helm", "Update"),
    by("helm", "Apply"),
];

const fn by(manager: &'static str, operation: &'static str) -> Predecessor {
    Predecessor { manager, operation, mark: "" }
}

/// What is as prepared; the workloads as the API server has them now.
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

    /// Whether there is no node for a speaker.
    #[must_use]
    pub fn wants_no_speaker(&self) -> bool {
        let status = self.speaker.as_ref().and_then(|speaker| speaker.status.as_ref());
        status.is_some_and(|status| status.desired_number_scheduled == 0)
    }

    /// Whether it is known how both workloads stand.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.speaker.is_some() && self.controller.is_some()
    }

    /// Each workload by name of which it is known how it stands, and whether it runs.
    pub fn running(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let speaker = self.speaker.as_ref().map(|it| ("speaker", speaker_shortcoming(Some(it)).is_none()));
        let controller =
            self.controller.as_ref().map(|it| ("controller", controller_shortcoming(Some(it)).is_none()));
        speaker.into_iter().chain(controller)
    }
}

impl Prepared {
    /// Looks at every object that was not listed whole, and then applies them in order. One that is refused does not keep the
    /// others from being applied; only when the API server can't be reached at all, it is left at that.
    pub async fn apply(self, client: &Client, listed: &Listed) -> (Applied, Result<(), ApplyError>) {
        let Self { objects, remarks, doubt: _ } = self;
        let applied = Applied { remarks, ..Applied::default() };
        let (accounts, failures) = (Accounts::default(), Vec::new());
        let mut round = Round { client, objects: &objects, applied, accounts, failures };
        let mut waiting = None;
        let unknown = objects.iter().filter(|desired| listed.whole(desired).is_none());
        let unknown = unknown.map(|desired| read(client, &desired.resource, &desired.object)).collect();
        let mut answers = ask_all(unknown).await.into_iter();
        for desired in &objects {
            let known = listed.whole(desired).map(|known| Ok(known.cloned()));
            // Without an answer the API server is out of reach, which the last one said.
            let Some(live) = known.or_else(|| answers.next()) else { break };
            match round.apply(desired, live).await {
                Step::Done => {}
                Step::Later => waiting = Some(desired),
                Step::Stop => break,
            }
        }
        if let Some(desired) =
            waiting.filter(|_| controller_shortcoming(round.applied.controller.as_ref()).is_none())
        {
            round.finish(desired).await;
        }
        let Round { mut applied, failures, .. } = round;
        let is_total = failures.len() == objects.len();
        applied.objects = objects;
        let result = if failures.is_empty() { Ok(()) } else { Err(ApplyError { failures, is_total }) };
        (applied, result)
    }
}

/// What became of an object.
enum Step {
    /// It is as prepared, or noted as a failure.
    Done,
    /// It is to stay as it is until the controller runs.
    Later,
    /// The API server is not there.
    Stop,
}

/// One round over all objects.
struct Round<'a> {
    client: &'a Client,
    objects: &'a [Desired],
    applied: Applied,
    accounts: Accounts,
    failures: Vec<Failure>,
}

impl Round<'_> {
    /// Applies it over what was there when the pass began. Who has changed it since then wakes us once more.
    async fn apply(&mut self, desired: &Desired, live: Result<Option<DynamicObject>, kube::Error>) -> Step {
        if let Ok(Some(live)) = &live {
            self.accounts.note(desired, live);
        }
        let desired = &*self.accounts.tie(desired, live.as_ref().ok().and_then(Option::as_ref));
        match live {
            Ok(Some(live)) if leads_elsewhere(desired, &live) => Step::Later,
            Ok(Some(live)) if self.would_miss_its_file(desired, &live) => {
                self.applied.note(desired, Kept { live, outcome: Outcome::Unchanged });
                self.note(desired, Err(waits::<ConfigMap>(EXCLUDED_INTERFACES)))
            }
            Ok(live) => {
                let kept = self.keep(desired, live).await;
                self.note(desired, kept)
            }
            Err(cause) => self.note(desired, Err(cause.into())),
        }
    }

    /// Applies what had to wait.
    async fn finish(&mut self, desired: &Desired) {
        let kept = match read(self.client, &desired.resource, &desired.object).await {
            Ok(live) => self.keep(desired, live).await,
            Err(cause) => Err(cause.into()),
        };
        self.note(desired, kept);
    }

    /// Where somebody was quicker, it is looked at once more: that is no trouble worth telling.
    async fn keep(&self, desired: &Desired, live: Option<DynamicObject>) -> Result<Kept, Cause> {
        let kept = match self.try_to_keep(desired, live).await {
            Err(cause) if cause.is_conflict() => self.keep_anew(desired).await,
            kept => kept,
        };
        match kept {
            Err(Cause::Api(refusal)) => match Places::excluded(desired, &refusal) {
                Some(places) => self.keep_whole(desired, &places, refusal).await,
                None => Err(refusal.into()),
            },
            kept => kept,
        }
    }

    async fn keep_anew(&self, desired: &Desired) -> Result<Kept, Cause> {
        let live = read(self.client, &desired.resource, &desired.object).await?;
        self.try_to_keep(desired, live).await
    }

    /// The same where something of others excludes what is ours. What is refused even so was refused for the first reason.
    async fn keep_whole(
        &self,
        desired: &Desired,
        places: &Places,
        refusal: kube::Error,
    ) -> Result<Kept, Cause> {
        let Some(live) = read(self.client, &desired.resource, &desired.object).await? else {
            return self.try_to_keep(desired, None).await;
        };
        match straighten(self.client, desired, &live, places).await {
            Ok(()) => {}
            Err(error) if Disposition::of(&error) == Disposition::Refused => return Err(refusal.into()),
            Err(error) => return Err(error.into()),
        }
        // Controllers answer what was written by a status: they may be quicker.
        let kept = match self.keep_anew(desired).await {
            Err(cause) if cause.is_conflict() => self.keep_anew(desired).await,
            kept => kept,
        };
        Ok(Kept { outcome: Outcome::Changed(Difference::Value(places.to_string())), ..kept? })
    }

    async fn try_to_keep(&self, desired: &Desired, live: Option<DynamicObject>) -> Result<Kept, Cause> {
        let Desired { resource, object, mode } = desired;
        if let Some(live) = live.as_ref().filter(|_| desired.namespace().is_none())
            && let Some(foreign) = objection(self.client, desired, live, self.objects).await?
        {
            return Err(Cause::Foreign(foreign));
        }
        // Ours, it would be taken for a proof that the role is ours as well.
        if let Some(role) =
            role_of(desired).filter(|role| live.is_none() && self.has_failed::<ClusterRole>(role))
        {
            return Err(waits::<ClusterRole>(role));
        }
        let keeper = match resource.kind.as_str() {
            "Secret" | "ServiceAccount" => SHARED_KEEPER,
            _ => KEEPER,
        };
        let kept = match (mode, live) {
            (Mode::Apply, live) => apply_over(self.client, resource, live, object, &keeper).await,
            (Mode::CreateOnce, Some(live)) => adopt(self.client, desired, live).await,
            (Mode::CreateOnce, None) => create(self.client, resource, object, OPERATOR_FIELD_MANAGER).await,
        };
        Ok(kept?)
    }

    /// Whether these are speakers who would be replaced to read a file that is not written: that would have to be done
    /// once more.
    fn would_miss_its_file(&self, desired: &Desired, live: &DynamicObject) -> bool {
        desired.is::<DaemonSet>("speaker")
            && self.has_failed::<ConfigMap>(EXCLUDED_INTERFACES)
            && !is_current(live, &desired.object, KEEPER.manager)
    }

    /// Whether an object could not be applied in this round, for whatever reason. Of a role it is not known whose it is
    /// then.
    fn has_failed<K: k8s_openapi::Resource>(&self, wanted: &str) -> bool {
        let mut objects = self.objects.iter().filter(|desired| desired.is::<K>(wanted)).map(name);
        objects.any(|object| self.failures.iter().any(|failure| failure.object == object))
    }

    fn note(&mut self, desired: &Desired, kept: Result<Kept, Cause>) -> Step {
        match kept {
            Ok(kept) => {
                self.accounts.note(desired, &kept.live);
                self.applied.note(desired, kept);
                Step::Done
            }
            Err(cause) => {
                let is_optional = desired.is_optional();
                let failure = Failure { object: name(desired), cause, is_optional };
                let step = if failure.is_final() { Step::Stop } else { Step::Done };
                self.failures.push(failure);
                step
            }
        }
    }
}

fn waits<K: k8s_openapi::Resource>(name: &str) -> Cause {
    Cause::Waits { kind: K::KIND, name: name.to_owned() }
}

/// Whether this is the Service of the controller's webhooks, and leads to somebody else who answers for it: as long as the controller
/// does not run, nobody would.
fn leads_elsewhere(desired: &Desired, live: &DynamicObject) -> bool {
    let selector = |object: &DynamicObject| object.data.pointer("/spec/selector").cloned();
    desired.is::<Service>(WEBHOOK_SERVICE) && selector(live) != selector(&desired.object)
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

/// Whether it is of kind `K`.
fn is<K: k8s_openapi::Resource>(desired: &Desired) -> bool {
    desired.resource.kind == K::KIND && desired.resource.group == K::GROUP
}
