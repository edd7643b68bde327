//! Every kind of object the operator keeps, so that what is no longer wanted can be found.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube_core::{ApiResource, Resource};
use metallb_api::names::WEBHOOK_CONFIGURATION;

use crate::backend::Platform;
use crate::monitors::READER;
use crate::openshift::SPEAKER_CONSTRAINTS;

mod foreign;

pub use foreign::{ApiServer, PodMonitor, SecurityContextConstraints, ServiceMonitor};

/// A kind, and what is known of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kind {
    /// Where the API serves it.
    pub resource: ApiResource,
    /// Whether its objects are in a namespace.
    pub namespaced: bool,
    /// Whether pods follow from its objects, or may need them to run.
    pub serves_pods: bool,
    /// Whether a cluster may do without it.
    pub is_optional: bool,
    /// Whether those of others, which are listed with ours, are few and small as well, so that a list may be of whole objects.
    pub is_small: bool,
    /// Outside of namespaces: every name that was ever used, by this release or one before. A label can be copied.
    pub names: &'static [&'static str],
}

/// Names of the cluster's roles. One that is no longer used stays here: it is to be found and cleared away.
pub(crate) const CLUSTER_ROLES: [&str; 4] =
    ["metallb-system:controller", "metallb-system:speaker", "metallb-system:kube-rbac-proxy", READER];
/// Names of their bindings.
pub(crate) const CLUSTER_ROLE_BINDINGS: [&str; 4] =
    ["metallb-system:controller", "metallb-system:speaker", "kube-rbac-proxy", READER];

/// Every kind on this platform, in the order in which what is no longer wanted goes: nobody is asked any more before he
/// is gone, and rights end last of all.
#[must_use]
pub fn kinds(platform: Platform) -> Vec<Kind> {
    let mut kinds = vec![
        large(Kind {
            serves_pods: false,
            ..cluster::<ValidatingWebhookConfiguration>(&[WEBHOOK_CONFIGURATION])
        }),
        optional(ApiResource::erase::<ServiceMonitor>(&())),
        optional(ApiResource::erase::<PodMonitor>(&())),
        around_pods(ApiResource::erase::<PodDisruptionBudget>(&())),
        around_pods(ApiResource::erase::<NetworkPolicy>(&())),
        namespaced(ApiResource::erase::<DaemonSet>(&())),
        namespaced(ApiResource::erase::<Deployment>(&())),
        namespaced(ApiResource::erase::<Service>(&())),
        large(namespaced(ApiResource::erase::<ConfigMap>(&()))),
        large(namespaced(ApiResource::erase::<Secret>(&()))),
        namespaced(ApiResource::erase::<RoleBinding>(&())),
        namespaced(ApiResource::erase::<Role>(&())),
        namespaced(ApiResource::erase::<ServiceAccount>(&())),
        cluster::<ClusterRoleBinding>(&CLUSTER_ROLE_BINDINGS),
        cluster::<ClusterRole>(&CLUSTER_ROLES),
    ];
    if platform == Platform::OpenShift {
        kinds.push(cluster::<SecurityContextConstraints>(&[SPEAKER_CONSTRAINTS]));
    }
    kinds
}

fn namespaced(resource: ApiResource) -> Kind {
    Kind { resource, namespaced: true, serves_pods: true, is_optional: false, is_small: true, names: &[] }
}

fn large(kind: Kind) -> Kind {
    Kind { is_small: false, ..kind }
}

fn around_pods(resource: ApiResource) -> Kind {
    Kind { serves_pods: false, ..namespaced(resource) }
}

fn optional(resource: ApiResource) -> Kind {
    Kind { is_optional: true, ..around_pods(resource) }
}

fn cluster<K: Resource<DynamicType = ()>>(names: &'static [&'static str]) -> Kind {
    Kind { namespaced: false, names, ..namespaced(ApiResource::erase::<K>(&())) }
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
