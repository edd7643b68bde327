//! What a `ConfigurationState` says and should say: decisions without I/O.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, OwnerReference, Time};
use metallb_api::{ConfigurationResult, ConfigurationState, ConfigurationStateStatus};
use serde_json::json;

use super::Component;

#[cfg(test)]
mod tests;

/// Longest message a condition may carry (bytes), by the schema.
const LONGEST_MESSAGE: usize = 32_768;

/// The version of an object. Versions of one object grow (KEP-5504); none is older than any.
pub(super) fn version(object: Option<&ConfigurationState>) -> Option<u64> {
    object?.metadata.resource_version.as_ref()?.parse().ok()
}

/// What the object says and should say: decisions without I/O.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) component: Component,
    /// The component's pod, once it could be read.
    pub(super) owner: Option<OwnerReference>,
    /// The verdict last written, and the version of the object that came of it, until the watch shows
    /// that version: what it shows before is old news.
    pub(super) written: Option<(Vec<String>, Option<u64>)>,
}

impl Said {
    /// Takes note of what the watch shows.
    pub(super) fn hear(&mut self, live: Option<&ConfigurationState>) {
        let arrived = |since| live.is_some() && version(live) >= since;
        if self.written.as_ref().is_some_and(|(_, since)| arrived(*since)) {
            self.written = None;
        }
    }

    pub(super) fn is_said(&self, live: Option<&ConfigurationState>, errors: &[String]) -> bool {
        if self.written.as_ref().is_some_and(|(said, _)| said == errors) {
            return true;
        }
        let Some(status) = live.and_then(|object| object.status.as_ref()) else { return false };
        let wanted = self.status(live, errors);
        status.result == wanted.result
            && status.error_summary == wanted.error_summary
            && status.conditions.as_deref().unwrap_or_default().contains(&self.condition(live, errors))
    }

    pub(super) fn bare_object(&self) -> serde_json::Value {
        json!({
            "apiVersion": "metallb.io/v1beta1",
            "kind": "ConfigurationState",
            "metadata": {
                "name": self.component.object_name(),
                "labels": self.component.labels(),
                "ownerReferences": self.owner.as_slice(),
            },
        })
    }

    /// Whether the object belongs to the component's pod, as far as that is known. One that belongs to an earlier
    /// pod would go with that.
    pub(super) fn is_owned(&self, live: &ConfigurationState) -> bool {
        let owners = live.metadata.owner_references.as_deref().unwrap_or_default();
        self.owner.as_ref().is_none_or(|owner| owners.iter().any(|known| known.uid == owner.uid))
    }

    /// What is applied: our condition, and the result of all. Others' conditions are theirs.
    pub(super) fn with_status(
        &self,
        live: Option<&ConfigurationState>,
        errors: &[String],
    ) -> serde_json::Value {
        json!({
            "apiVersion": "metallb.io/v1beta1",
            "kind": "ConfigurationState",
            "metadata": { "name": self.component.object_name() },
            "status": self.status(live, errors),
        })
    }

    pub(super) fn status(
        &self,
        live: Option<&ConfigurationState>,
        errors: &[String],
    ) -> ConfigurationStateStatus {
        let condition = self.condition(live, errors);
        let kind = condition.type_.clone();
        let others = conditions(live).filter(|other| other.type_ != kind);
        let bad: Vec<&str> =
            others.chain([&condition]).filter(|it| is_error(it)).map(|it| it.message.as_str()).collect();
        let result = if bad.is_empty() { ConfigurationResult::Valid } else { ConfigurationResult::Invalid };
        ConfigurationStateStatus {
            result: Some(result),
            error_summary: (!bad.is_empty()).then(|| bad.join("\n")),
            conditions: Some(vec![condition]),
        }
    }

    /// The condition for these errors; its transition time moves only when its status does.
    pub(super) fn condition(&self, live: Option<&ConfigurationState>, errors: &[String]) -> Condition {
        let (kind, _) = self.component.reporter();
        let (status, reason, message) = match errors {
            [] => ("True", "Reconciled", String::new()),
            errors => ("False", "ConfigurationError", format!("configuration error: {}", errors.join("\n"))),
        };
        let same = conditions(live).find(|old| old.type_ == kind && old.status == status);
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: shorten(message),
            last_transition_time: same.map_or_else(now, |old| old.last_transition_time.clone()),
            observed_generation: None,
        }
    }
}

fn conditions(live: Option<&ConfigurationState>) -> impl Iterator<Item = &Condition> {
    live.and_then(|object| object.status.as_ref()?.conditions.as_ref()).into_iter().flatten()
}

/// A condition that is false for another reason says nothing about the configuration.
fn is_error(condition: &Condition) -> bool {
    condition.status == "False" && condition.reason == "ConfigurationError"
}

fn now() -> Time {
    // The API server keeps whole seconds.
    let seconds = jiff::Timestamp::now().as_second();
    Time(jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}

pub(super) fn shorten(mut message: String) -> String {
    message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
    message
}
