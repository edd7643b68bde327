//! The NetworkPolicies of the controller and of the operator. Speakers use the host's network, where policies don't apply.
//!
//! Most network plugins judge a connection to the API server by the port it arrives at, behind the Service, and some by that of
//! the Service: all that are known are opened.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::environment::Environment;
use crate::install::{OPERATOR_DEPLOYMENT, operator_labels};
use crate::labels::Component;
use crate::settings::Policy;
use crate::{operator_webhooks, webhooks};

/// Where API servers usually listen.
const API_PORT: i32 = 6443;

/// Those that are asked for.
///
/// A port that is wrong keeps the controller away, which the operator can put right; the operator itself it would shut out for
/// good. So its own policy opens what is asked for beside what is known, and is left out where nothing can be known, or a name
/// is looked up first: nobody tells where.
pub(crate) fn policies(policy: Policy, environment: &Environment) -> Vec<NetworkPolicy> {
    let asked = match policy {
        Policy::Off => return Vec::new(),
        Policy::Found => None,
        Policy::Port(port) => Some(port),
    };
    let namespace = environment.namespace.as_str();
    let known = environment.api_ports.clone();
    let of_controller = match asked {
        Some(port) => vec![port],
        None => api_ports(known.clone().unwrap_or_default(), None),
    };
    let own = known.filter(|_| !environment.api_is_named);
    let own = own.map(|known| operator(namespace, api_ports(known, asked), environment.operator_metrics));
    [controller(namespace, of_controller)].into_iter().chain(own).collect()
}

/// The usual one first, and each once.
fn api_ports(known: BTreeSet<u16>, asked: Option<i32>) -> Vec<i32> {
    let mut ports: BTreeSet<i32> = known.into_iter().map(i32::from).chain(asked).collect();
    ports.remove(&API_PORT);
    [API_PORT].into_iter().chain(ports).collect()
}

/// The controller talks to the API server, answers its webhooks, and lets its metrics be read.
fn controller(namespace: &str, api_ports: Vec<i32>) -> NetworkPolicy {
    let component = Component::Controller;
    let served = ["metricshttps", webhooks::PORT_NAME].map(|name| IntOrString::String(name.to_owned()));
    guard(component.name(), namespace, component.selector(), opened(api_ports, served))
}

/// So does the operator, where it serves metrics at all.
fn operator(namespace: &str, api_ports: Vec<i32>, metrics: Option<u16>) -> NetworkPolicy {
    let served =
        [operator_webhooks::PORT].into_iter().chain(metrics).map(|port| IntOrString::Int(port.into()));
    let selector = LabelSelector { match_labels: Some(operator_labels()), ..LabelSelector::default() };
    guard(OPERATOR_DEPLOYMENT, namespace, selector, opened(api_ports, served))
}

/// Rules that open these ports: of others, and of the pods themselves.
type Rules = (NetworkPolicyEgressRule, NetworkPolicyIngressRule);

fn opened(api_ports: Vec<i32>, served: impl IntoIterator<Item = IntOrString>) -> Rules {
    let egress = api_ports.into_iter().map(IntOrString::Int).map(tcp).collect();
    let ingress = served.into_iter().map(tcp).collect();
    (
        NetworkPolicyEgressRule { ports: Some(egress), to: None },
        NetworkPolicyIngressRule { ports: Some(ingress), from: None },
    )
}

fn tcp(port: IntOrString) -> NetworkPolicyPort {
    NetworkPolicyPort { port: Some(port), protocol: Some("TCP".to_owned()), end_port: None }
}

/// Shuts everything else.
fn guard(name: &str, namespace: &str, pods: LabelSelector, (egress, ingress): Rules) -> NetworkPolicy {
    NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pods),
            policy_types: Some(vec!["Egress".to_owned(), "Ingress".to_owned()]),
            egress: Some(vec![egress]),
            ingress: Some(vec![ingress]),
        }),
    }
}
