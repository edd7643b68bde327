//! The pod a daemon runs in, as owner of what it writes.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Api, Client};

/// A reference by which the pod owns objects without controlling them, so that they go with it.
///
/// # Errors
/// When the pod can't be read.
pub async fn pod_owner(client: &Client, namespace: &str, pod: &str) -> Result<OwnerReference, kube::Error> {
    let pod = Api::<Pod>::namespaced(client.clone(), namespace).get(pod).await?;
    Ok(OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: pod.metadata.name.unwrap_or_default(),
        uid: pod.metadata.uid.unwrap_or_default(),
        ..OwnerReference::default()
    })
}
