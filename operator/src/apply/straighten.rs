//! What somebody wrote beside our fields, and excludes them: a value where ours comes from elsewhere, another kind of probe or
//! volume.
//!
//! Server-side apply leaves alone what others wrote and we don't name. Where only one of the two may be there, the API server refuses
//! ours for as long as theirs is: then the template of the pods is written whole, and what else others wrote into it is lost.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::{Client, Error};
use metallb_api::names::OPERATOR_FIELD_MANAGER;
use metallb_render::Desired;
use serde_json::json;

use super::is;

/// Whether this may be what the API server's refusal means.
pub(super) fn may_be_excluded(desired: &Desired, error: &Error) -> bool {
    let has_template = is::<DaemonSet>(desired) || is::<Deployment>(desired);
    has_template && matches!(error, Error::Api(status) if status.code == 422)
}

/// Writes the template whole; a conflict when the object has changed meanwhile.
pub(super) async fn straighten(
    client: &Client,
    desired: &Desired,
    live: &DynamicObject,
) -> Result<(), Error> {
    let namespace = desired.namespace().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &desired.resource);
    let patch = json!([
        {"op": "replace", "path": "/spec/template", "value": desired.object.data.pointer("/spec/template")},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": live.metadata.resource_version},
    ]);
    let patch: json_patch::Patch = serde_json::from_value(patch).map_err(Error::SerdeError)?;
    let params =
        PatchParams { field_manager: Some(OPERATOR_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch(desired.name(), &params, &Patch::Json::<()>(patch)).await.map(drop)
}
