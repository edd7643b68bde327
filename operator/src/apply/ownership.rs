//! Whom an object belongs to that is made once and left alone from then on.
//!
//! It may have lost its owner: the resource was deleted and its dependents were left behind, and another resource came. Without one it would
//! outlive that.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::{Client, Error, ResourceExt as _};
use metallb_api::names::OPERATOR_FIELD_MANAGER;
use metallb_cluster::{Kept, Outcome};
use metallb_render::Desired;
use serde_json::json;

/// Gives it the owner it should have, beside others; writes nothing else.
///
/// # Errors
/// Whatever the API server answers; a conflict when the object has changed meanwhile.
pub(super) async fn adopt(client: &Client, desired: &Desired, live: DynamicObject) -> Result<Kept, Error> {
    let Some(owners) = owners(&live, &desired.object) else {
        return Ok(Kept { live, outcome: Outcome::Unchanged });
    };
    let api: Api<DynamicObject> = match desired.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &desired.resource),
        None => Api::all_with(client.clone(), &desired.resource),
    };
    let version = &live.metadata.resource_version;
    let patch = json!({"metadata": {"ownerReferences": owners, "resourceVersion": version}});
    let params =
        PatchParams { field_manager: Some(OPERATOR_FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    let live = api.patch(desired.name(), &params, &Patch::Merge(patch)).await?;
    Ok(Kept { live, outcome: Outcome::TakenOver })
}

/// The owners it should have; none if it has them.
fn owners(live: &DynamicObject, desired: &DynamicObject) -> Option<Vec<OwnerReference>> {
    let ours = desired.owner_references().first()?;
    if live.owner_references().iter().any(|owner| owner.uid == ours.uid) {
        return None;
    }
    // A resource that was there before is gone.
    let others = live.owner_references().iter().filter(|owner| owner.kind != ours.kind);
    let mut owners: Vec<OwnerReference> = others.cloned().collect();
    // The API server allows one that controls it.
    let is_free = !owners.iter().any(|owner| owner.controller == Some(true));
    owners.push(OwnerReference { controller: ours.controller.filter(|_| is_free), ..ours.clone() });
    Some(owners)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn owned_by(owners: &Value) -> DynamicObject {
        let object = json!({"metadata": {"name": "x", "ownerReferences": owners}});
        serde_json::from_value(object).unwrap()
    }

    fn owner(kind: &str, uid: &str, controls: bool) -> Value {
        let mut owner = json!({"apiVersion": "v1", "kind": kind, "name": "n", "uid": uid});
        if controls {
            owner["controller"] = json!(true);
        }
        owner
    }

    #[test]
    fn it_is_owned_by_ours_beside_others_and_by_no_resource_that_is_gone() {
        let ours = owner("MetalLB", "now", true);
        let (gone, deployment) = (owner("MetalLB", "gone", true), owner("Deployment", "d", false));
        let (theirs, second) = (owner("Other", "o", true), owner("MetalLB", "now", false));
        for (live, expected) in [
            (json!(null), Some(json!([ours]))),
            (json!([ours]), None),
            (json!([deployment, ours]), None),
            (json!([gone]), Some(json!([ours]))),
            (json!([deployment]), Some(json!([deployment, ours]))),
            (json!([gone, deployment]), Some(json!([deployment, ours]))),
            (json!([theirs]), Some(json!([theirs, second]))),
        ] {
            let found = owners(&owned_by(&live), &owned_by(&json!([ours])));
            let expected: Option<Vec<OwnerReference>> =
                expected.map(|owners| serde_json::from_value(owners).unwrap());
            assert_eq!(found, expected, "{live}");
        }
    }
}
