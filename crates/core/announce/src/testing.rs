//! Builders for tests: objects as YAML-like JSON go through the same doors as in production.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Service};
use metallb_api::{IPAddressPool, L2Advertisement};
use metallb_config::RawConfig;
use serde_json::{Value, json};

use crate::endpoints::Endpoints;
use crate::node::NodeView;
use crate::service::ServiceFacts;
use crate::world::{Inputs, OwnInterfaces, Speakers, World};

pub(crate) fn pool(name: &str, addresses: &[&str]) -> Arc<IPAddressPool> {
    let object = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": { "name": name, "namespace": "metallb-system" }, "spec": { "addresses": addresses },
    });
    Arc::new(serde_json::from_value(object).unwrap())
}

pub(crate) fn advertisement(name: &str, spec: Value) -> Arc<L2Advertisement> {
    let object = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement",
        "metadata": { "name": name, "namespace": "metallb-system" }, "spec": spec,
    });
    Arc::new(serde_json::from_value(object).unwrap())
}

/// A node labelled with its own name and those labels.
pub(crate) fn node(name: &str, labels: &[(&str, &str)]) -> NodeView {
    let mut all: serde_json::Map<String, Value> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    all.insert("kubernetes.io/hostname".to_owned(), json!(name));
    let object: Node =
        serde_json::from_value(json!({ "metadata": { "name": name, "labels": all } })).unwrap();
    NodeView::parse(&object)
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A LoadBalancer Service `default/web` with these addresses in its status; `spec` is merged into its spec.
pub(crate) fn service(addresses: &[&str], spec: Value) -> ServiceFacts {
    named_service("web", addresses, spec, json!({}))
}

pub(crate) fn named_service(name: &str, addresses: &[&str], spec: Value, metadata: Value) -> ServiceFacts {
    let ingress: Vec<Value> = addresses.iter().map(|ip| json!({ "ip": ip })).collect();
    let mut object = json!({
        "metadata": { "name": name, "namespace": "default" },
        "spec": { "type": "LoadBalancer" },
        "status": { "loadBalancer": { "ingress": ingress } },
    });
    for (part, more) in [("spec", spec), ("metadata", metadata)] {
        let part = object.get_mut(part).unwrap().as_object_mut().unwrap();
        part.extend(more.as_object().unwrap().clone());
    }
    let object: Service = serde_json::from_value(object).unwrap();
    ServiceFacts::of(&metallb_config::service::parse(&object))
}

pub(crate) fn endpoints_on(nodes: &[&str]) -> Endpoints {
    Endpoints { any: !nodes.is_empty(), nodes: names(nodes) }
}

pub(crate) fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Inputs of node `n1` among `n1`, `n2` and `n3`, all alive, one pool with one advertisement.
pub(crate) fn inputs() -> Inputs {
    let interfaces = [("eth0", "172.30.0.0/24"), ("eth0", "fd00:30::/64"), ("eth1", "10.0.0.0/8")];
    let mut own = OwnInterfaces::new();
    for (name, subnet) in interfaces {
        own.entry(name.to_owned()).or_default().insert(subnet.parse().unwrap());
    }
    let inputs = Inputs {
        me: "n1".to_owned(),
        class: String::new(),
        ignore_exclude_label: false,
        config: metallb_config::Config::default(),
        nodes: ["n1", "n2", "n3"].map(|name| (name.to_owned(), node(name, &[]))).into(),
        speakers: Speakers::On(names(&["n1", "n2", "n3"])),
        has_plain: false,
        interfaces: own,
        subnets: None,
    };
    let all = advertisement("all", json!({}));
    configured(inputs, &[pool("pool", &["172.30.0.0/24", "fd00:30::/64"])], &[all])
}

/// The same with this configuration.
pub(crate) fn configured(
    mut inputs: Inputs,
    pools: &[Arc<IPAddressPool>],
    advertisements: &[Arc<L2Advertisement>],
) -> Inputs {
    let nodes = inputs.nodes.values();
    let raw = RawConfig {
        pools: pools.to_vec(),
        l2_advertisements: advertisements.to_vec(),
        nodes: nodes
            .map(|node| metallb_config::Node { name: node.name.clone(), labels: node.labels.clone() })
            .collect(),
        ..RawConfig::default()
    };
    let parsed = metallb_config::parse(&raw, &metallb_config::Config::default());
    assert_eq!(parsed.refusals, []);
    inputs.config = parsed.config;
    inputs
}

/// The world as each of the inputs' nodes sees it.
pub(crate) fn seen_by_each(inputs: &Inputs) -> Vec<(String, World)> {
    let nodes = inputs.nodes.keys();
    nodes.map(|me| (me.clone(), World::new(Inputs { me: me.clone(), ..inputs.clone() }))).collect()
}
