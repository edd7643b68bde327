//! Kinds that Kubernetes does not define: only what they are called and where they are served is known here.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube_core::Resource;

use crate::{monitors, openshift};

macro_rules! foreign {
    ($doc:literal, $kind:ident, $name:literal, $plural:literal, $group:expr, $scope:ty) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Default)]
        pub struct $kind {
            metadata: ObjectMeta,
        }

        impl Resource for $kind {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> {
                $name.into()
            }

            fn group((): &()) -> Cow<'_, str> {
                $group.into()
            }

            fn version((): &()) -> Cow<'_, str> {
                "v1".into()
            }

            fn plural((): &()) -> Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        }
    };
}

foreign!(
    "prometheus-operator's.",
    ServiceMonitor,
    "ServiceMonitor",
    "servicemonitors",
    monitors::GROUP,
    NamespaceResourceScope
);
foreign!(
    "prometheus-operator's.",
    PodMonitor,
    "PodMonitor",
    "podmonitors",
    monitors::GROUP,
    NamespaceResourceScope
);
foreign!(
    "OpenShift's.",
    SecurityContextConstraints,
    "SecurityContextConstraints",
    "securitycontextconstraints",
    openshift::SECURITY_GROUP,
    ClusterResourceScope
);
foreign!("OpenShift's.", ApiServer, "APIServer", "apiservers", openshift::CONFIG_GROUP, ClusterResourceScope);
