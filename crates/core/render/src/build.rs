//! All objects of a MetalLB that runs, in the order in which they are applied.

use k8s_openapi::Metadata;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube_core::{ApiResource, Resource};
use metallb_api::MetalLB;
use serde::Serialize;
use serde_json::Value;

use crate::backend::Platform;
use crate::desired::Desired;
use crate::environment::{Environment, Monitors};
use crate::kinds::{PodMonitor, SecurityContextConstraints, ServiceMonitor};
use crate::labels::Component;
use crate::settings::Settings;
use crate::{
    config_map, controller, disruption_budget, monitors, network_policy, openshift, rbac, secrets, speaker,
    webhooks,
};

pub use crate::secrets::MemberlistKey;

#[cfg(test)]
mod tests;

/// The definition of `MetalLB`.
pub const DEFINITION: &str = "metallbs.metallb.io";

/// Whom everything belongs to; what belongs to somebody goes with him.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Owner {
    /// Name of the `MetalLB` resource, the owner of everything in its namespace.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// UID of the definition of its kind, the owner of everything outside of namespaces, which can't belong to what is in
    /// one. When the operator goes with all it was installed with, nobody else is left to clear that away.
    pub definition: String,
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

/// The definition of the kind `MetalLB`, by its UID, as an owner.
pub(crate) fn definition(uid: &str) -> OwnerReference {
    OwnerReference {
        api_version: "apiextensions.k8s.io/v1".to_owned(),
        kind: "CustomResourceDefinition".to_owned(),
        name: DEFINITION.to_owned(),
        uid: uid.to_owned(),
        ..OwnerReference::default()
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
    let mut objects = Objects {
        owner: owner.reference(),
        definition: definition(&owner.definition),
        namespace: &environment.namespace,
        list: Vec::new(),
    };
    objects.add_foundations(settings, environment, key)?;
    objects.add_rights(settings.platform, environment.monitors)?;
    objects.add_services(settings.platform, environment)?;
    if let Some(budget) = disruption_budget::controller(&settings.options, &environment.namespace) {
        objects.owned(budget)?;
    }
    objects.owned(controller::deployment(settings, environment))?;
    objects.owned(speaker::daemon_set(settings, environment))?;
    objects.of_cluster(webhooks::configuration(&environment.namespace))?;
    objects.add_monitors(settings.platform, environment.monitors)?;
    Ok(objects.list)
}

const COMPONENTS: [Component; 2] = [Component::Controller, Component::Speaker];

/// The groups of objects, each in its order.
impl Objects<'_> {
    fn add_foundations(
        &mut self,
        settings: &Settings,
        environment: &Environment,
        key: &MemberlistKey,
    ) -> Result<(), BuildError> {
        let namespace = self.namespace;
        for policy in network_policy::policies(settings.options.network_policy, environment) {
            self.owned(policy)?;
        }
        for component in COMPONENTS {
            self.owned(rbac::service_account(component, namespace))?;
        }
        // Whether it is used or not: switched off and on again, speakers with two keys would be two rings.
        self.owned_once(secrets::memberlist(namespace, key))?;
        self.owned(secrets::webhook_certificate(namespace))?;
        let patterns = settings.options.excluded_interfaces.as_deref();
        self.owned(config_map::excluded_interfaces(namespace, patterns))?;
        if settings.platform == Platform::OpenShift {
            let constraints = openshift::speaker_constraints(namespace);
            let owner = self.definition.clone();
            self.untyped_owned::<SecurityContextConstraints>(constraints, owner)?;
        }
        Ok(())
    }

    fn add_rights(&mut self, platform: Platform, monitors: Monitors) -> Result<(), BuildError> {
        let namespace = self.namespace;
        if monitors == Monitors::Pods {
            self.owned(monitors::reader(namespace))?;
            self.owned(monitors::token(namespace))?;
        }
        for grant in rbac::cluster_grants(monitors) {
            let (role, binding) = rbac::cluster_objects(&grant, namespace);
            self.of_cluster(role)?;
            self.of_cluster(binding)?;
        }
        for grant in rbac::namespace_grants(platform) {
            let (role, binding) = rbac::namespace_objects(&grant, namespace);
            self.owned(role)?;
            self.owned(binding)?;
        }
        Ok(())
    }

    /// On OpenShift the Services of the monitors come with the certificates the pods wait for.
    fn add_services(&mut self, platform: Platform, environment: &Environment) -> Result<(), BuildError> {
        self.owned(webhooks::service(self.namespace))?;
        if environment.monitors == Monitors::Services {
            for component in COMPONENTS {
                self.owned(monitors::service(component, environment, platform))?;
            }
        }
        Ok(())
    }

    /// Last, since their kinds may be missing.
    fn add_monitors(&mut self, platform: Platform, monitors: Monitors) -> Result<(), BuildError> {
        let namespace = self.namespace;
        for component in COMPONENTS {
            match monitors {
                Monitors::None => {}
                Monitors::Services => {
                    let monitor = monitors::service_monitor(component, namespace, platform);
                    self.untyped_owned::<ServiceMonitor>(monitor, self.owner.clone())?;
                }
                Monitors::Pods => {
                    let monitor = monitors::pod_monitor(component, namespace);
                    self.untyped_owned::<PodMonitor>(monitor, self.owner.clone())?;
                }
            }
        }
        Ok(())
    }
}

/// Collects objects, naming their owner.
struct Objects<'a> {
    owner: OwnerReference,
    /// The owner of those outside of namespaces.
    definition: OwnerReference,
    namespace: &'a str,
    list: Vec<Desired>,
}

impl Objects<'_> {
    fn owned<K>(&mut self, object: K) -> Result<(), BuildError>
    where
        K: Resource<DynamicType = ()> + Metadata<Ty = ObjectMeta> + Serialize,
    {
        let desired = apply(&with_owner(object, self.owner.clone()))?;
        self.list.push(desired);
        Ok(())
    }

    fn of_cluster<K>(&mut self, object: K) -> Result<(), BuildError>
    where
        K: Resource<DynamicType = ()> + Metadata<Ty = ObjectMeta> + Serialize,
    {
        let desired = apply(&with_owner(object, self.definition.clone()))?;
        self.list.push(desired);
        Ok(())
    }

    fn owned_once<K>(&mut self, object: K) -> Result<(), BuildError>
    where
        K: Resource<DynamicType = ()> + Metadata<Ty = ObjectMeta> + Serialize,
    {
        let object = with_owner(object, self.owner.clone());
        let desired = Desired::create_once(&object).map_err(|source| error(&object, source))?;
        self.list.push(desired);
        Ok(())
    }

    fn untyped_owned<K: Resource<DynamicType = ()>>(
        &mut self,
        object: Value,
        owner: OwnerReference,
    ) -> Result<(), BuildError> {
        let resource = ApiResource::erase::<K>(&());
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = resource.kind.clone();
        let desired = Desired::untyped(resource, object);
        let mut desired = desired.map_err(|source| BuildError { kind, name, source })?;
        desired.object.metadata.owner_references = Some(vec![owner]);
        self.list.push(desired);
        Ok(())
    }
}

fn with_owner<K: Metadata<Ty = ObjectMeta>>(mut object: K, owner: OwnerReference) -> K {
    object.metadata_mut().owner_references = Some(vec![owner]);
    object
}

fn apply<K: Resource<DynamicType = ()> + Serialize>(object: &K) -> Result<Desired, BuildError> {
    Desired::apply(object).map_err(|source| error(object, source))
}

pub(crate) fn error<K: Resource<DynamicType = ()>>(object: &K, source: serde_json::Error) -> BuildError {
    let name = object.meta().name.clone().unwrap_or_default();
    BuildError { kind: K::kind(&()).into_owned(), name, source }
}
