//! The Lease of our controllers, which they make themselves and which belongs to nobody.
//!
//! The last of them can't give it back when it goes with the resource: its rights go at the same time. Left there, it would keep those
//! of the next resource waiting for the one that is gone.

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, DeleteParams, Preconditions};
use kube::{Client, Error};

pub(super) const NAME: &str = "metallb-controller";
/// How names of our controllers' pods begin. Those of Helm's begin otherwise, and hold one of the same name.
const HOLDERS: &str = "controller-";

/// Deletes the Lease unless somebody else holds it, and says whether it was there; a conflict when it has changed meanwhile.
///
/// Who held it may still run for a moment, as a rule with an account that is gone; a successor takes longer to start.
pub(super) async fn remove(client: &Client, namespace: &str) -> Result<bool, Error> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let Some(lease) = leases.get_opt(NAME).await?.filter(is_ours) else { return Ok(false) };
    let preconditions =
        Preconditions { uid: lease.metadata.uid, resource_version: lease.metadata.resource_version };
    let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::background() };
    match leases.delete(NAME, &params).await {
        Ok(_) => Ok(true),
        Err(Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_ours(lease: &Lease) -> bool {
    let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
    // Who gives it back leaves no name.
    holder.is_empty() || holder.starts_with(HOLDERS)
}
