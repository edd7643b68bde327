//! Step 5: tell the resource how it stands, once a pass, on every path, and only when that is news.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use metallb_api::names::OPERATOR_FIELD_MANAGER;
use metallb_cluster::{Event, EventType};
use metallb_render::{Readiness, Reason, State, conditions};
use metallb_telemetry::logs::chain;
use serde_json::json;

use crate::apply::Applied;
use crate::dereference::{Found, resource};
use crate::disposition::{Disposition, explain};
use crate::operator::ReconcileError;
use crate::validate::ValidateError;

/// The status could not be written.
#[derive(Debug, thiserror::Error)]
#[error("could not write the status of MetalLB {namespace}/{name}: {}", explain(.cause))]
pub struct StatusError {
    namespace: String,
    name: String,
    /// What the API server answered.
    pub cause: kube::Error,
}

/// How it stands with a resource after a pass.
#[must_use]
pub fn judge(found: &Found, applied: &Applied, error: Option<&ReconcileError>) -> State {
    let missing = missing(applied);
    let Some(error) = error else {
        return match missing {
            None => State::Available { message: applied.remarks.join("; ") },
            Some(message) => State::Progressing { reason: Reason::Progressing, message },
        };
    };
    if let ReconcileError::Validate(ValidateError::Name) = error {
        let message = format!("Incorrect MetalLB resource name: {}", found.name);
        return State::Degraded { reason: Reason::IncorrectMetalLBResourceName, message, pods: None };
    }
    if error.disposition() == Disposition::Conflict {
        return State::Progressing { reason: Reason::Progressing, message: chain(error) };
    }
    // What keeps the pods away is worth knowing beside that, if it is known.
    failed(&chain(error), missing.filter(|_| applied.is_known()))
}

/// What was asked for can't be done, or not now; and what keeps the pods.
#[must_use]
pub fn failed(problem: &str, pods: Option<String>) -> State {
    let reason = Reason::FailedToSyncMetalLBResources;
    State::Degraded { reason, message: format!("{}: {problem}", reason.as_str()), pods }
}

/// It is deleted and not gone: a finalizer may keep it for ever, and what it asked for goes on running meanwhile.
#[must_use]
pub fn leaving(found: &Found) -> State {
    let message =
        format!("being deleted, held by finalizers {}; nothing is repaired", found.finalizers.join(", "));
    State::Progressing { reason: Reason::Progressing, message }
}

/// What does not run yet, and why.
fn missing(applied: &Applied) -> Option<String> {
    let Readiness::NotReady(shortcoming) = applied.readiness() else { return None };
    let parts = [Some(shortcoming), applied.obstacle.clone()];
    Some(parts.into_iter().flatten().collect::<Vec<_>>().join(": "))
}

/// Writes the conditions if they are news, and says what happened in an event if it is worth one.
///
/// # Errors
/// When the API server refuses; a conflict when the resource has changed meanwhile. That it is gone is fine.
pub async fn write(client: &Client, found: &Found, state: &State) -> Result<Option<Event>, StatusError> {
    let now = Time(jiff::Timestamp::now());
    let wanted = conditions(state, found.generation, &found.conditions, &now);
    if wanted == found.conditions {
        return Ok(None);
    }
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &found.namespace, &resource());
    let params =
        PatchParams { field_manager: Some(OPERATOR_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    // Of the version that was looked at: another resource of that name may have come in its place. An API server overlooks a
    // UID here.
    let metadata = json!({"resourceVersion": found.version});
    let patch = Patch::Merge(json!({"metadata": metadata, "status": {"conditions": wanted}}));
    match api.patch_status(&found.name, &params, &patch).await {
        Ok(_) => Ok(event(found, state)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(cause) => {
            Err(StatusError { namespace: found.namespace.clone(), name: found.name.clone(), cause })
        }
    }
}

/// An event for each turn of a resource's fate; not for each step on the way.
fn event(found: &Found, state: &State) -> Option<Event> {
    let told = |type_: &str| {
        let condition = found.conditions.iter().find(|condition| condition.type_ == type_)?;
        (condition.status == "True").then_some(condition.message.as_str())
    };
    let (is_news, kind, reason, message) = match state {
        // What is worth knowing beside that comes and goes.
        State::Available { message: _ } => {
            (told("Available").is_none(), EventType::Normal, "Available", "what was asked for runs")
        }
        State::Degraded { reason, message, pods: _ } => {
            let is_news = !told("Degraded").is_some_and(|told| is_in(message, told));
            (is_news, EventType::Warning, reason.as_str(), message.as_str())
        }
        State::Progressing { .. } => return None,
    };
    let event =
        || Event { about: found.reference(), kind, reason: reason.to_owned(), message: message.to_owned() };
    is_news.then(event)
}

/// Whether this was told already: what keeps pods away beside it comes and goes, and is no news of it.
fn is_in(message: &str, told: &str) -> bool {
    told.strip_prefix(message).is_some_and(|rest| rest.is_empty() || rest.starts_with("; "))
}
