//! What wakes the operator: any change to a `MetalLB` resource or to what belongs to one.
//!
//! Only metadata is followed. A change says "look again"; the pass then reads what it needs, fresh.

use std::fmt::Debug;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Config;
use kube::{Api, Client, Resource};
use metallb_api::MetalLB;
use metallb_api::names::WEBHOOK_CONFIGURATION;
use metallb_cluster::{Store, Watches};
use metallb_render::{
    ApiServer, Monitors, OPERATOR_WEBHOOK_CONFIGURATION, OWNED_BY, Platform, PodMonitor,
    SecurityContextConstraints, ServiceMonitor,
};

use crate::api_ports::{API_NAMESPACE, API_SERVICE};

/// Label of everything the operator keeps in its namespace but NetworkPolicies.
const OPERANDS: &str = "app=metallb";

/// What is followed.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Where the resource is.
    pub namespace: &'a str,
    /// Which kinds there are.
    pub platform: Platform,
    /// Which monitors are kept.
    pub monitors: Monitors,
}

/// Follows everything; also the resources themselves, to know when they have been seen.
#[must_use]
pub fn follow(client: &Client, scope: &Scope<'_>) -> (Watches, Store<PartialObjectMeta<MetalLB>>) {
    let namespace = scope.namespace;
    let mut watches = Watches::default();
    let all = Config::default();
    let operands = Config::default().labels(OPERANDS);
    let ours = Config::default().labels(&format!("{OWNED_BY}={namespace}"));
    // Those of other namespaces tell where another MetalLB begins or ends.
    let resources = watches.add(Api::all(client.clone()), all.clone(), "metallbs.metallb.io");
    let mut inside = Inside { client, namespace, watches: &mut watches };
    inside.add::<Deployment>(&operands, "deployments");
    inside.add::<DaemonSet>(&operands, "daemonsets");
    inside.add::<ServiceAccount>(&operands, "serviceaccounts");
    inside.add::<ConfigMap>(&operands, "configmaps");
    inside.add::<Secret>(&operands, "secrets");
    // The controller's Service for ServiceMonitors bears no such label.
    inside.add::<Service>(&all, "services");
    inside.add::<Role>(&operands, "roles");
    inside.add::<RoleBinding>(&operands, "rolebindings");
    inside.add::<PodDisruptionBudget>(&operands, "poddisruptionbudgets");
    inside.add::<NetworkPolicy>(&all, "networkpolicies");
    add_outside::<ClusterRole>(&mut watches, client, &ours, "clusterroles");
    add_outside::<ClusterRoleBinding>(&mut watches, client, &ours, "clusterrolebindings");
    // Also while it is another MetalLB's, which is in the way until it goes.
    let named = Config::default().fields(&format!("metadata.name={WEBHOOK_CONFIGURATION}"));
    let what = "validatingwebhookconfigurations";
    add_outside::<ValidatingWebhookConfiguration>(&mut watches, client, &named, what);
    // Our own webhook's bears no such label: it stays when the resource goes.
    let own = Config::default().fields(&format!("metadata.name={OPERATOR_WEBHOOK_CONFIGURATION}"));
    add_outside::<ValidatingWebhookConfiguration>(&mut watches, client, &own, "the operator's own webhook");
    // An API server that comes with another port: the policies have to let it through while one of the others is still there.
    let api_servers = Config::default().labels(API_SERVICE);
    Inside { client, namespace: API_NAMESPACE, watches: &mut watches }
        .add::<EndpointSlice>(&api_servers, "endpointslices of the API server");
    follow_untyped(client, &mut watches, scope);
    (watches, resources)
}

/// Kinds without a Rust type here, which a cluster may not have.
fn follow_untyped(client: &Client, watches: &mut Watches, scope: &Scope<'_>) {
    let operands = Config::default().labels(OPERANDS);
    let mut inside = Inside { client, namespace: scope.namespace, watches };
    match scope.monitors {
        Monitors::None => {}
        Monitors::Services => {
            inside.add::<ServiceMonitor>(&operands, "servicemonitors.monitoring.coreos.com");
        }
        Monitors::Pods => inside.add::<PodMonitor>(&operands, "podmonitors.monitoring.coreos.com"),
    }
    if scope.platform == Platform::OpenShift {
        let ours = Config::default().labels(&format!("{OWNED_BY}={}", scope.namespace));
        let what = "securitycontextconstraints.security.openshift.io";
        add_outside::<SecurityContextConstraints>(watches, client, &ours, what);
        add_outside::<ApiServer>(watches, client, &Config::default(), "apiservers.config.openshift.io");
    }
}

/// What is followed in a namespace.
struct Inside<'a> {
    client: &'a Client,
    namespace: &'a str,
    watches: &'a mut Watches,
}

impl Inside<'_> {
    fn add<K>(&mut self, config: &Config, what: &'static str)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + Sync + 'static,
    {
        let api = Api::<PartialObjectMeta<K>>::namespaced(self.client.clone(), self.namespace);
        self.watches.add(api, config.clone(), what);
    }
}

fn add_outside<K>(watches: &mut Watches, client: &Client, config: &Config, what: &'static str)
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Debug + Send + Sync + 'static,
{
    watches.add(Api::<PartialObjectMeta<K>>::all(client.clone()), config.clone(), what);
}
