//! What to clear away when there is no `metallb` resource.
//!
//! Objects in its namespace go with the resource, by their owner reference. Objects of the whole cluster can't have
//! an owner in a namespace: they carry a label with our namespace instead, and are deleted here, whether the resource
//! went away just now or while no operator was running.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Preconditions};
use kube::{Client, ResourceExt};
use metallb_render::OWNED_BY;

use crate::disposition::{Disposition, explain};

/// Some leftovers are still there.
#[derive(Debug, thiserror::Error)]
#[error("could not clear away {what}: {}", explain(.cause))]
pub struct RemovalError {
    what: String,
    /// What the API server answered.
    pub cause: kube::Error,
}

impl RemovalError {
    /// What it means for the next pass.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::of(&self.cause)
    }
}

/// Kinds outside namespaces. Webhooks first, or the API server would go on asking whom nobody runs any more; bindings
/// before roles, so that rights end first.
fn kinds() -> [ApiResource; 3] {
    [
        ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
        ApiResource::erase::<ClusterRoleBinding>(&()),
        ApiResource::erase::<ClusterRole>(&()),
    ]
}

/// Deletes every object of the whole cluster that belongs to the operator of this namespace; the names of those deleted.
///
/// # Errors
/// The first failure; everything else is cleared away all the same.
pub async fn remove_leftovers(client: &Client, namespace: &str) -> Result<Vec<String>, RemovalError> {
    let mut removed = Vec::new();
    let mut failures = Vec::new();
    for kind in kinds() {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
        let ours = ListParams::default().labels(&format!("{OWNED_BY}={namespace}"));
        let leftovers = match api.list(&ours).await {
            Ok(list) => list.items,
            Err(cause) => {
                failures.push(RemovalError { what: format!("every {}", kind.kind), cause });
                continue;
            }
        };
        for object in leftovers {
            let what = format!("{} {}", kind.kind, object.name_any());
            match delete(&api, &object).await {
                Ok(()) => removed.push(what),
                Err(cause) => failures.push(RemovalError { what, cause }),
            }
        }
    }
    failures.into_iter().next().map_or(Ok(removed), Err)
}

/// Deletes just this object, not one that has come in its place.
async fn delete(api: &Api<DynamicObject>, object: &DynamicObject) -> Result<(), kube::Error> {
    let preconditions = Preconditions { uid: object.uid(), resource_version: None };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    match api.delete(&object.name_any(), &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}
