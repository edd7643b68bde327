//! What somebody wrote beside our fields, and excludes them: a value where ours comes from elsewhere, another kind of probe or
//! volume, a surge beside what may be unavailable.
//!
//! Server-side apply leaves alone what others wrote and we don't name. Where only one of the two may be there, the API server refuses
//! ours for as long as theirs is: then the place is written whole, and what else others wrote into it is lost.

use std::fmt;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::{Client, Error};
use metallb_api::names::OPERATOR_FIELD_MANAGER;
use metallb_render::Desired;
use serde_json::{Value, json};

use super::is;

/// Places of an object that are ours as a whole if need be, as paths with dots.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Places(Vec<&'static str>);

impl Places {
    /// Where the API server's refusal says that something is wrong; none if it names nothing, or anything elsewhere: writing
    /// these would not help then.
    pub(super) fn excluded(desired: &Desired, refusal: &Error) -> Option<Self> {
        let Error::Api(status) = refusal else { return None };
        let causes = &status.details.as_ref().filter(|_| status.code == 422)?.causes;
        let ours = ours(desired);
        let place = |field: &str| ours.iter().copied().find(|place| is_in(field, place));
        let mut places = causes.iter().map(|cause| place(&cause.field)).collect::<Option<Vec<_>>>()?;
        places.sort_unstable();
        places.dedup();
        (!places.is_empty()).then_some(Self(places))
    }
}

impl fmt::Display for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" and "))
    }
}

/// What may be written whole.
fn ours(desired: &Desired) -> &'static [&'static str] {
    if is::<DaemonSet>(desired) {
        &["spec.template", "spec.updateStrategy"]
    } else if is::<Deployment>(desired) {
        &["spec.template", "spec.strategy"]
    } else if is::<PodDisruptionBudget>(desired) {
        &["spec"]
    } else {
        &[]
    }
}

/// Whether a field, as the API server names it, is this place or in it.
fn is_in(field: &str, place: &str) -> bool {
    field.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Writes the places whole; a conflict when the object has changed meanwhile.
pub(super) async fn straighten(
    client: &Client,
    desired: &Desired,
    live: &DynamicObject,
    places: &Places,
) -> Result<(), Error> {
    let namespace = desired.namespace().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &desired.resource);
    let pointers = places.0.iter().map(|place| format!("/{}", place.replace('.', "/")));
    let mut steps: Vec<Value> = pointers.map(|pointer| written(desired, &pointer)).collect();
    let version = &live.metadata.resource_version;
    steps.push(json!({"op": "replace", "path": "/metadata/resourceVersion", "value": version}));
    let patch: json_patch::Patch = serde_json::from_value(Value::Array(steps)).map_err(Error::SerdeError)?;
    let params =
        PatchParams { field_manager: Some(OPERATOR_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch(desired.name(), &params, &Patch::Json::<()>(patch)).await.map(drop)
}

/// That a place is to be as we want it.
fn written(desired: &Desired, pointer: &str) -> Value {
    json!({"op": "replace", "path": pointer, "value": desired.object.data.pointer(pointer)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_in_a_place_by_whole_steps() {
        let table = [
            ("spec.template", true),
            ("spec.template.spec.containers[0].env[1].valueFrom", true),
            ("spec.template[0]", true),
            ("spec.templates", false),
            ("spec.selector", false),
            ("spec", false),
            ("", false),
        ];
        for (field, expected) in table {
            assert_eq!(is_in(field, "spec.template"), expected, "{field}");
        }
    }
}
