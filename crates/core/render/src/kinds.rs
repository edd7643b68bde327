//! Every kind of object the operator keeps, so that what is no longer wanted can be found.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube_core::ApiResource;

use crate::backend::Platform;

mod foreign;

pub use foreign::{ApiServer, PodMonitor, SecurityContextConstraints, ServiceMonitor};

/// A kind, and what is known of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kind {
    /// Where the API serves it.
    pub resource: ApiResource,
    /// Whether its objects are in a namespace.
    pub namespaced: bool,
    /// Whether pods follow from its objects.
    pub is_workload: bool,
    /// Whether a cluster may do without it.
    pub is_optional: bool,
}

/// Every kind on this platform, in the order in which what is no longer wanted goes: nobody is asked any more before he
/// is gone, and rights end last of all.
#[must_use]
pub fn kinds(platform: Platform) -> Vec<Kind> {
    let mut kinds = vec![
        cluster(ApiResource::erase::<ValidatingWebhookConfiguration>(&())),
        optional(ApiResource::erase::<ServiceMonitor>(&())),
        optional(ApiResource::erase::<PodMonitor>(&())),
        namespaced(ApiResource::erase::<PodDisruptionBudget>(&())),
        workload(ApiResource::erase::<DaemonSet>(&())),
        workload(ApiResource::erase::<Deployment>(&())),
        namespaced(ApiResource::erase::<Service>(&())),
        namespaced(ApiResource::erase::<NetworkPolicy>(&())),
        namespaced(ApiResource::erase::<ConfigMap>(&())),
        namespaced(ApiResource::erase::<Secret>(&())),
        namespaced(ApiResource::erase::<RoleBinding>(&())),
        namespaced(ApiResource::erase::<Role>(&())),
        namespaced(ApiResource::erase::<ServiceAccount>(&())),
        cluster(ApiResource::erase::<ClusterRoleBinding>(&())),
        cluster(ApiResource::erase::<ClusterRole>(&())),
    ];
    if platform == Platform::OpenShift {
        kinds.push(cluster(ApiResource::erase::<SecurityContextConstraints>(&())));
    }
    kinds
}

fn namespaced(resource: ApiResource) -> Kind {
    Kind { resource, namespaced: true, is_workload: false, is_optional: false }
}

fn workload(resource: ApiResource) -> Kind {
    Kind { is_workload: true, ..namespaced(resource) }
}

fn optional(resource: ApiResource) -> Kind {
    Kind { is_optional: true, ..namespaced(resource) }
}

fn cluster(resource: ApiResource) -> Kind {
    Kind { namespaced: false, ..namespaced(resource) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_kinds_are_those_of_prometheus() {
        let optional: Vec<_> =
            kinds(Platform::OpenShift).into_iter().filter(|kind| kind.is_optional).collect();
        let names: Vec<&str> = optional.iter().map(|kind| kind.resource.kind.as_str()).collect();
        assert_eq!(names, ["ServiceMonitor", "PodMonitor"]);
    }

    #[test]
    fn constraints_are_only_asked_for_where_they_exist() {
        let has =
            |platform| kinds(platform).iter().any(|kind| kind.resource.kind == "SecurityContextConstraints");
        assert_eq!([has(Platform::Kubernetes), has(Platform::OpenShift)], [false, true]);
    }
}
