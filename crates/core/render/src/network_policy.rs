//! The NetworkPolicies of the controller and of the operator. Speakers use the host's network, where policies don't apply.
//!
//! Most network plugins judge a connection to the API server by the port it arrives at, behind the Service, and some by that of
//! the Service: both are opened, the latter at the Service's address alone.

use std::collections::BTreeSet;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::environment::{ApiService, Environment};
use crate::install::{OPERATOR_DEPLOYMENT, operator_pod_labels};
use crate::labels::Component;
use crate::settings::Policy;
use crate::{operator_webhooks, webhooks};

/// Where API servers usually listen.
const API_PORT: i32 = 6443;
/// Where names are looked up: at the Service, and at pods that may not open the first one.
const DNS_PORTS: [i32; 2] = [53, 5353];

/// Those that are asked for.
///
/// A port that is wrong keeps the controller away, which the operator can put right; the operator itself it would shut out for
/// good. So its own policy opens what is asked for beside what is known, and is left out where nothing can be known.
pub(crate) fn policies(policy: Policy, environment: &Environment) -> Vec<NetworkPolicy> {
    let asked = match policy {
        Policy::Off => return Vec::new(),
        Policy::Found => None,
        Policy::Port(port) => Some(port),
    };
    let Environment { namespace, api_ports: known, operator_metrics, .. } = environment;
    let of_controller = match asked {
        Some(port) => [port].into(),
        None => api_ports(known, None),
    };
    let is_reached = !environment.api_is_hidden
        && !environment.api_is_elsewhere
        && !matches!(environment.api_service, ApiService::Named(_));
    let own = is_reached.then(|| {
        operator(namespace, to_api_servers(api_ports(known, asked), environment), *operator_metrics)
    });
    [controller(namespace, to_api_servers(of_controller, environment))].into_iter().chain(own).collect()
}

fn api_ports(known: &BTreeSet<u16>, asked: Option<i32>) -> BTreeSet<i32> {
    known.iter().map(|port| i32::from(*port)).chain(asked).chain([API_PORT]).collect()
}

/// Lets pods reach API servers on these ports, and their Service: at its address alone, unless what is behind it is not known,
/// which may listen on the same port.
fn to_api_servers(mut ports: BTreeSet<i32>, environment: &Environment) -> Vec<NetworkPolicyEgressRule> {
    let further = match environment.api_service {
        ApiService::Untold => None,
        ApiService::At(_, port) if environment.api_is_hidden => {
            ports.insert(port.into());
            None
        }
        ApiService::At(_, port) if ports.contains(&port.into()) => None,
        ApiService::At(address, port) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            let block = IPBlock { cidr: format!("{address}/{bits}"), except: None };
            let peer = NetworkPolicyPeer { ip_block: Some(block), ..NetworkPolicyPeer::default() };
            Some(NetworkPolicyEgressRule {
                ports: Some(vec![open(port.into(), "TCP")]),
                to: Some(vec![peer]),
            })
        }
        ApiService::Named(port) => {
            ports.insert(port.into());
            let ports =
                DNS_PORTS.iter().flat_map(|port| ["UDP", "TCP"].map(|protocol| open(*port, protocol)));
            Some(NetworkPolicyEgressRule { ports: Some(ports.collect()), to: None })
        }
    };
    // The usual one first.
    let usual = ports.take(&API_PORT);
    let ports = usual.into_iter().chain(ports).map(|port| open(port, "TCP")).collect();
    [NetworkPolicyEgressRule { ports: Some(ports), to: None }].into_iter().chain(further).collect()
}

/// The controller talks to the API server, answers its webhooks, and lets its metrics be read.
fn controller(namespace: &str, egress: Vec<NetworkPolicyEgressRule>) -> NetworkPolicy {
    let component = Component::Controller;
    let served = ["metricshttps", webhooks::PORT_NAME].map(|name| IntOrString::String(name.to_owned()));
    guard(component.name(), namespace, component.selector(), egress, from_anywhere(served))
}

/// So does the operator, where it serves metrics at all.
fn operator(namespace: &str, egress: Vec<NetworkPolicyEgressRule>, metrics: Option<u16>) -> NetworkPolicy {
    let served =
        [operator_webhooks::PORT].into_iter().chain(metrics).map(|port| IntOrString::Int(port.into()));
    let selector = LabelSelector { match_labels: Some(operator_pod_labels()), ..LabelSelector::default() };
    guard(OPERATOR_DEPLOYMENT, namespace, selector, egress, from_anywhere(served))
}

fn from_anywhere(served: impl IntoIterator<Item = IntOrString>) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule { ports: Some(served.into_iter().map(tcp).collect()), from: None }
}

fn tcp(port: IntOrString) -> NetworkPolicyPort {
    NetworkPolicyPort { port: Some(port), protocol: Some("TCP".to_owned()), end_port: None }
}

fn open(port: i32, protocol: &str) -> NetworkPolicyPort {
    NetworkPolicyPort { protocol: Some(protocol.to_owned()), ..tcp(IntOrString::Int(port)) }
}

/// Shuts everything else.
fn guard(
    name: &str,
    namespace: &str,
    pods: LabelSelector,
    egress: Vec<NetworkPolicyEgressRule>,
    ingress: NetworkPolicyIngressRule,
) -> NetworkPolicy {
    NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pods),
            policy_types: Some(vec!["Egress".to_owned(), "Ingress".to_owned()]),
            egress: Some(egress),
            ingress: Some(vec![ingress]),
        }),
    }
}
