//! Step 1: read the `MetalLB` resources.
//!
//! They are read as they are stored: one that does not fit our types is no reason to overlook the others. Those of other
//! namespaces are none of our business, but tell where another MetalLB may run.

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::{Client, Resource};
use metallb_api::MetalLB;
use serde_json::Value;

use crate::disposition::{Disposition, explain};

/// One resource as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// `metadata.namespace`
    pub namespace: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: String,
    /// `metadata.generation`
    pub generation: Option<i64>,
    /// `metadata.resourceVersion`
    pub version: Option<String>,
    /// `metadata.creationTimestamp`
    pub created: Option<Time>,
    /// Whether it is on its way out.
    pub is_being_deleted: bool,
    /// Who has to let it go before it is gone.
    pub finalizers: Vec<String>,
    /// The spec, not yet understood.
    pub spec: Value,
    /// The conditions it carries; none if they can't be read.
    pub conditions: Vec<Condition>,
}

/// The resources could not be read.
#[derive(Debug, thiserror::Error)]
#[error("could not read the MetalLB resources: {}", explain(.0))]
pub struct DereferenceError(kube::Error);

impl DereferenceError {
    /// Whatever the answer was: who can't see the resources can't work.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::CutOff
    }
}

/// Where `MetalLB` resources are served.
#[must_use]
pub fn resource() -> ApiResource {
    ApiResource::erase::<MetalLB>(&())
}

/// All `MetalLB` resources of the cluster, sorted by namespace and name.
///
/// # Errors
/// When the API server can't be asked.
pub async fn dereference(client: &Client) -> Result<Vec<Found>, DereferenceError> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource());
    let listed = api.list(&ListParams::default()).await.map_err(DereferenceError)?;
    let mut found: Vec<Found> = listed.into_iter().map(Found::from).collect();
    found.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
    Ok(found)
}

impl From<DynamicObject> for Found {
    fn from(object: DynamicObject) -> Self {
        let DynamicObject { metadata, mut data, types: _ } = object;
        let conditions = data.pointer_mut("/status/conditions").map(Value::take).unwrap_or_default();
        Self {
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
            generation: metadata.generation,
            version: metadata.resource_version,
            created: metadata.creation_timestamp,
            is_being_deleted: metadata.deletion_timestamp.is_some(),
            finalizers: metadata.finalizers.unwrap_or_default(),
            spec: data.get_mut("spec").map(Value::take).unwrap_or_default(),
            conditions: serde_json::from_value(conditions).unwrap_or_default(),
        }
    }
}

impl Found {
    /// Whether it was told that it can't be done as asked.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.conditions.iter().any(is_degraded)
    }

    /// Whether it was told that of its edit as it is now. What the original told may be of another.
    #[must_use]
    pub fn was_refused(&self) -> bool {
        let is_present = |seen: Option<i64>| seen.is_some() && seen == self.generation;
        self.conditions.iter().any(|told| is_degraded(told) && is_present(told.observed_generation))
    }

    /// Whether it was made before another one; of two that were made in the same second the first namespace counts.
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        let age = |found: &Self| (found.created.as_ref().map(|time| time.0), found.namespace.clone());
        age(self) < age(other)
    }

    /// The resource as events name it.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        reference(&self.namespace, &self.name, Some(self.uid.clone()))
    }
}

fn is_degraded(condition: &Condition) -> bool {
    condition.type_ == "Degraded" && condition.status == "True"
}

/// A resource as events name it; without the UID if it is gone.
#[must_use]
pub fn reference(namespace: &str, name: &str, uid: Option<String>) -> ObjectReference {
    ObjectReference {
        api_version: Some(MetalLB::api_version(&()).into_owned()),
        kind: Some(MetalLB::kind(&()).into_owned()),
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid,
        ..ObjectReference::default()
    }
}
