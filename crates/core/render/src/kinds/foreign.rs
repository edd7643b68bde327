//! Kinds that Kubernetes does not define: only what they are called and where they are served is known here.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube_core::Resource;

use crate::{monitors, openshift};

macro_rules! foreign {
    ($doc:literal, $kind:ident, $plural:literal, $group:expr, $scope:ty) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Default)]
        pub struct $kind {
            metadata: ObjectMeta,
        }

        impl Resource for $kind {
            type DynamicType = ();
            type Scope = $scope;

            fn kind((): &()) -> Cow<'_, str> {
                stringify!($kind).into()
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
    "servicemonitors",
    monitors::GROUP,
    NamespaceResourceScope
);
foreign!("prometheus-operator's.", PodMonitor, "podmonitors", monitors::GROUP, NamespaceResourceScope);
foreign!(
    "OpenShift's.",
    SecurityContextConstraints,
    "securitycontextconstraints",
    openshift::SECURITY_GROUP,
    ClusterResourceScope
);
