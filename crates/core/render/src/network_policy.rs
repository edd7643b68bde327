//! The NetworkPolicy of the controller. Speakers use the host's network, where policies don't apply.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::labels::Component;
use crate::webhooks;

/// The controller talks to the API server, answers its webhooks, and lets its metrics be read.
pub(crate) fn controller(namespace: &str, api_port: i32) -> NetworkPolicy {
    let component = Component::Controller;
    let served = ["metricshttps", webhooks::PORT_NAME];
    let served = served.map(|name| tcp(IntOrString::String(name.to_owned())));
    NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(component.name().to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(component.selector()),
            policy_types: Some(vec!["Egress".to_owned(), "Ingress".to_owned()]),
            egress: Some(vec![NetworkPolicyEgressRule {
                ports: Some(vec![tcp(IntOrString::Int(api_port))]),
                to: None,
            }]),
            ingress: Some(vec![NetworkPolicyIngressRule { ports: Some(served.into()), from: None }]),
        }),
    }
}

fn tcp(port: IntOrString) -> NetworkPolicyPort {
    NetworkPolicyPort { port: Some(port), protocol: Some("TCP".to_owned()), end_port: None }
}
