//! Makes API servers ask our own webhook, once there is one to ask.
//!
//! Were this object part of the manifest, nobody could make a `MetalLB` resource until the operator runs: not in the same `kubectl apply`
//! as the operator, and not while it is being replaced by hand. Its owner is the definition of the kind, so that it
//! goes when that goes, and not before.
//!
//! API servers insist on an answer only when one can be had: while they don't trust the certificate yet, or no operator
//! is behind the Service yet, an installation in one go would be refused its resource.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};
use metallb_cluster::{Outcome, apply_over, inherited, is_current};
use metallb_render::{BuildError, Desired, OPERATOR_WEBHOOK_CONFIGURATION, Unanswered, operator_webhooks};

use crate::apply::KEEPER;
use crate::definition::DefinitionError;
use crate::disposition::{Disposition, explain};
use crate::others::answered_elsewhere;

/// Label of the operator's pods, as in the Service of the webhook.
const OPERATORS: &str = "control-plane=controller-manager";
/// How long a pod has been ready when every node's network knows that it is behind its Service.
const KNOWN: SignedDuration = SignedDuration::from_secs(5);

/// API servers don't ask us.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The owner of the configuration can't be read.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// Another operator answers.
    #[error(
        "could not register the operator's webhook: ValidatingWebhookConfiguration {OPERATOR_WEBHOOK_CONFIGURATION} is another operator's: \
         {0}; delete it if nobody needs it"
    )]
    Foreign(String),
    /// The configuration can't be read.
    #[error("could not read the configuration of the operator's webhook: {}", explain(.0))]
    Live(kube::Error),
    /// The operator's pods can't be read.
    #[error("could not read the operator's pods: {}", explain(.0))]
    Pods(kube::Error),
    /// A mistake in this program.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The configuration can't be written.
    #[error("could not register the operator's webhook: {}", explain(.0))]
    Configuration(kube::Error),
}

impl RegisterError {
    /// What it means for the next pass. The resources can be looked after all the same.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Build(_) => Disposition::Bug,
            Self::Foreign(_) => Disposition::Refused,
            Self::Definition(error) => but_not_cut_off(error.disposition()),
            Self::Live(cause) | Self::Pods(cause) | Self::Configuration(cause) => {
                but_not_cut_off(Disposition::of(cause))
            }
        }
    }
}

fn but_not_cut_off(disposition: Disposition) -> Disposition {
    match disposition {
        Disposition::CutOff => Disposition::Transient,
        other => other,
    }
}

/// API servers ask us.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Registered {
    /// What was written, if anything was.
    pub change: Option<String>,
    /// What they do not insist on an answer for yet.
    pub pending: Option<Pending>,
}

/// What has to come before API servers may insist on an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pending {
    /// A certificate they trust, which is told to them by who makes it, if anybody does.
    Trust,
    /// An operator's pod behind the Service, for long enough.
    Pods,
}

/// The configuration as it is; `None` if there is none.
///
/// # Errors
/// When it can't be read.
pub async fn registration(client: &Client) -> Result<Option<DynamicObject>, RegisterError> {
    let resource = ApiResource::erase::<ValidatingWebhookConfiguration>(&());
    let configurations: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    configurations.get_opt(OPERATOR_WEBHOOK_CONFIGURATION).await.map_err(RegisterError::Live)
}

/// Writes the configuration if it is not as it should be; says so if it was written. `definition` is the UID of the
/// kind's, `live` what there is of it.
///
/// # Errors
/// What keeps it from being written.
pub async fn register(
    client: &Client,
    namespace: &str,
    definition: Result<String, DefinitionError>,
    live: Result<Option<DynamicObject>, RegisterError>,
) -> Result<Registered, RegisterError> {
    let (uid, live) = (definition?, live?);
    let (desired, pending) = prepared(client, (namespace, &uid), live.as_ref()).await?;
    let is_as_it_should_be = |live: &DynamicObject| {
        is_current(live, &desired.object, KEEPER.manager)
            && inherited(live, KEEPER.manager, KEEPER.predecessors).is_none()
    };
    if live.as_ref().is_some_and(is_as_it_should_be) {
        return Ok(Registered { change: None, pending });
    }
    // Looked at once more before it is written: another operator may have been quicker.
    let live = registration(client).await?;
    let (desired, pending) = prepared(client, (namespace, &uid), live.as_ref()).await?;
    let kept = apply_over(client, &desired.resource, live, &desired.object, &KEEPER).await;
    let kept = kept.map_err(RegisterError::Configuration)?;
    let change = match kept.outcome {
        Outcome::Unchanged => None,
        Outcome::Created => Some(format!("{desired} created")),
        Outcome::TakenOver => Some(format!("{desired} taken over")),
        Outcome::Changed(difference) => Some(format!("{desired} changed: {difference}")),
    };
    Ok(Registered { change, pending })
}

/// What is to be there, by what is: and what has to come before more.
async fn prepared(
    client: &Client,
    (namespace, uid): (&str, &str),
    live: Option<&DynamicObject>,
) -> Result<(Desired, Option<Pending>), RegisterError> {
    let pending = pending(client, namespace, live).await?;
    let unanswered = if pending.is_none() { Unanswered::Refuse } else { Unanswered::Allow };
    Ok((operator_webhooks(namespace, uid, unanswered)?, pending))
}

/// Why an answer may not be insisted on. Once it is, that stays so while the certificate is trusted, whatever becomes of
/// the pods.
async fn pending(
    client: &Client,
    namespace: &str,
    live: Option<&DynamicObject>,
) -> Result<Option<Pending>, RegisterError> {
    let webhooks = live.and_then(|live| live.data.get("webhooks")).cloned().unwrap_or_default();
    let webhooks: Option<Vec<ValidatingWebhook>> = serde_json::from_value(webhooks)
        .map_err(|cause| RegisterError::Live(kube::Error::SerdeError(cause)))?;
    let webhooks = webhooks.unwrap_or_default();
    let elsewhere = answered_elsewhere(client, &webhooks, namespace).await.map_err(RegisterError::Live)?;
    if let Some(elsewhere) = elsewhere {
        return Err(RegisterError::Foreign(elsewhere));
    }
    if webhooks.is_empty() || !webhooks.iter().all(is_trusted) {
        return Ok(Some(Pending::Trust));
    }
    if webhooks.iter().all(|webhook| webhook.failure_policy.as_deref() == Some("Fail")) {
        return Ok(None);
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pods = pods.list(&ListParams::default().labels(OPERATORS)).await.map_err(RegisterError::Pods)?;
    let now = Timestamp::now();
    let is_reached = pods.items.iter().any(|pod| is_known(pod, now));
    Ok((!is_reached).then_some(Pending::Pods))
}

/// Whether the API server was told whom to trust.
fn is_trusted(webhook: &ValidatingWebhook) -> bool {
    webhook.client_config.ca_bundle.as_ref().is_some_and(|bundle| !bundle.0.is_empty())
}

/// Whether the pod has been ready for so long that its Service leads to it.
fn is_known(pod: &Pod, now: Timestamp) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut ready = conditions.filter(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready.any(|condition| {
        let since = condition.last_transition_time.as_ref();
        since.is_some_and(|since| now.duration_since(since.0) >= KNOWN)
    })
}
