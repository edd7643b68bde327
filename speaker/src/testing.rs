//! What several tests need: objects, and waiting for a condition with a deadline.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use metallb_api::{IPAddressPool, L2Advertisement, ServiceL2Status};
use metallb_testkit::ApiServer;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The namespace of all tests.
pub(crate) const NAMESPACE: &str = "metallb-system";

const DEADLINE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(2);

/// Looks until what is seen is as expected.
pub(crate) async fn until<T: Debug>(
    what: &str,
    mut look: impl FnMut() -> T,
    expected: impl Fn(&T) -> bool,
) -> T {
    let mut pace = tokio::time::interval(PAUSE);
    let started = tokio::time::Instant::now();
    loop {
        pace.tick().await;
        let seen = look();
        if expected(&seen) {
            return seen;
        }
        assert!(started.elapsed() < DEADLINE, "{what}: last seen {seen:?}");
    }
}

pub(crate) fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

pub(crate) fn node(name: &str) -> Node {
    object(json!({ "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } } }))
}

pub(crate) fn pool(name: &str, addresses: &[&str]) -> IPAddressPool {
    object(json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": { "name": name, "namespace": NAMESPACE }, "spec": { "addresses": addresses },
    }))
}

pub(crate) fn advertisement(spec: Value) -> L2Advertisement {
    object(json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement",
        "metadata": { "name": "all", "namespace": NAMESPACE }, "spec": spec,
    }))
}

pub(crate) fn service(name: &str, address: &str) -> Service {
    object(json!({
        "metadata": { "name": name, "namespace": "default", "uid": format!("uid-of-{name}") },
        "spec": { "type": "LoadBalancer", "clusterIP": "10.96.0.9" },
        "status": { "loadBalancer": { "ingress": [{ "ip": address }] } },
    }))
}

/// An endpoint of a Service, ready or not, on this node.
pub(crate) fn slice(service: &str, node: &str, is_ready: bool) -> EndpointSlice {
    object(json!({
        "metadata": {
            "name": format!("{service}-x"), "namespace": "default",
            "labels": { "kubernetes.io/service-name": service },
        },
        "addressType": "IPv4",
        "endpoints": [{ "addresses": ["10.244.0.9"], "nodeName": node, "conditions": { "ready": is_ready } }],
    }))
}

/// A speaker's pod on a node.
pub(crate) fn pod(node: &str, is_ready: bool) -> Pod {
    object(json!({
        "metadata": {
            "name": format!("speaker-{node}"), "namespace": NAMESPACE, "uid": format!("uid-of-{node}"),
            "labels": { "component": "speaker" },
        },
        "spec": { "nodeName": node, "containers": [] },
        "status": { "conditions": [{ "type": "Ready", "status": if is_ready { "True" } else { "False" } }] },
    }))
}

/// All status objects, as node, Service and interfaces.
pub(crate) fn statuses(server: &ApiServer) -> Vec<(String, String, Vec<String>)> {
    let names = server.objects().into_iter().filter(|name| name.to_lowercase().contains("servicel2status"));
    let names = names.filter_map(|name| name.rsplit(['/', ' ']).next().map(str::to_owned));
    let objects = names.filter_map(|name| server.get::<ServiceL2Status>(Some(NAMESPACE), &name));
    let mut all: Vec<_> = objects
        .map(|object| {
            let status = object.status.unwrap_or_default();
            let interfaces = status.interfaces.into_iter().flatten().filter_map(|interface| interface.name);
            let service = status.service_name.unwrap_or_default();
            (status.node.unwrap_or_default(), service, interfaces.collect())
        })
        .collect();
    all.sort();
    all
}

/// A folder of its own for one test, gone with it.
#[derive(Debug)]
pub(crate) struct Folder(std::path::PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("metallb-speaker-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
