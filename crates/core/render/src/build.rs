//! All objects of a MetalLB that runs, in the order in which they are applied.

use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube_core::Resource;
use metallb_api::MetalLB;
use serde::Serialize;

use crate::desired::Desired;
use crate::environment::Environment;
use crate::labels::Component;
use crate::settings::Settings;
use crate::{config_map, controller, network_policy, rbac, secrets, speaker, webhooks};

pub use crate::secrets::MemberlistKey;

#[cfg(test)]
mod tests;

/// The `MetalLB` resource everything in its namespace belongs to; what belongs to it goes with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    /// `metadata.name`
    pub name: String,
    /// `metadata.uid`
    pub uid: String,
}

impl Owner {
    fn reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: MetalLB::api_version(&()).into_owned(),
            kind: MetalLB::kind(&()).into_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }
    }
}

/// An object could not be written as JSON: a mistake in this program, not in what it was given.
#[derive(Debug, thiserror::Error)]
#[error("could not render {kind} {name}")]
pub struct BuildError {
    kind: String,
    name: String,
    #[source]
    source: serde_json::Error,
}

/// Builds every object. `key` is only used when the speakers have none yet.
///
/// Roles come before the pods that need them, the controller before the speakers, and last who sends for it.
///
/// # Errors
/// When an object can't be written as JSON.
pub fn build(
    settings: &Settings,
    environment: &Environment,
    owner: &Owner,
    key: &MemberlistKey,
) -> Result<Vec<Desired>, BuildError> {
    let namespace = environment.namespace.as_str();
    let mut objects = Objects { owner: owner.reference(), list: Vec::new() };
    if environment.network_policies {
        objects.owned(network_policy::controller(namespace))?;
    }
    for component in [Component::Controller, Component::Speaker] {
        objects.owned(rbac::service_account(component, namespace))?;
    }
    objects.owned_once(secrets::memberlist(namespace, key))?;
    objects.owned(secrets::webhook_certificate(namespace))?;
    objects.owned(config_map::excluded_interfaces(namespace))?;
    for grant in rbac::cluster_grants() {
        let (role, binding) = rbac::cluster_objects(&grant, namespace);
        objects.unowned(&role)?;
        objects.unowned(&binding)?;
    }
    for grant in rbac::namespace_grants() {
        let (role, binding) = rbac::namespace_objects(&grant, namespace);
        objects.owned(role)?;
        objects.owned(binding)?;
    }
    objects.owned(webhooks::service(namespace))?;
    objects.owned(controller::deployment(settings, environment))?;
    objects.owned(speaker::daemon_set(settings, environment))?;
    objects.unowned(&webhooks::configuration(namespace))?;
    Ok(objects.list)
}

/// Collects objects, naming their owner where Kubernetes allows it.
struct Objects {
    owner: OwnerReference,
    list: Vec<Desired>,
}

impl Objects {
    fn owned<K>(&mut self, object: K) -> Result<(), BuildError>
    where
        K: Resource<DynamicType = ()> + Metadata<Ty = ObjectMeta> + Serialize,
    {
        let object = self.with_owner(object);
        self.unowned(&object)
    }

    fn owned_once<K>(&mut self, object: K) -> Result<(), BuildError>
    where
        K: Resource<DynamicType = ()> + Metadata<Ty = ObjectMeta> + Serialize,
    {
        let object = self.with_owner(object);
        let desired = Desired::create_once(&object).map_err(|source| error(&object, source))?;
        self.list.push(desired);
        Ok(())
    }

    fn unowned<K>(&mut self, object: &K) -> Result<(), BuildError>
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let desired = Desired::apply(object).map_err(|source| error(object, source))?;
        self.list.push(desired);
        Ok(())
    }

    fn with_owner<K: Metadata<Ty = ObjectMeta>>(&self, mut object: K) -> K {
        object.metadata_mut().owner_references = Some(vec![self.owner.clone()]);
        object
    }
}

fn error<K: Resource<DynamicType = ()>>(object: &K, source: serde_json::Error) -> BuildError {
    let name = object.meta().name.clone().unwrap_or_default();
    BuildError { kind: K::kind(&()).into_owned(), name, source }
}
