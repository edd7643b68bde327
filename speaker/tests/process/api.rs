//! The API server in memory, over a socket, as a process reaches it.

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use metallb_api::{IPAddressPool, L2Advertisement};
use metallb_testkit::{ApiServer, Socket};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::netns::Namespace;

/// MetalLB's namespace.
pub const NAMESPACE: &str = "metallb-system";

/// The server, as long as this lives.
pub struct Api {
    pub server: ApiServer,
    socket: Socket,
}

impl Api {
    /// Serves on the loopback interface of this network.
    pub fn serve(node: &Namespace) -> Self {
        let listener = node.run(|| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let server = ApiServer::default();
        let socket = Socket::serve(&server, listener);
        Self { server, socket }
    }

    /// The flag by which a speaker finds it.
    pub fn flag(&self) -> String {
        self.socket.flag()
    }

    pub fn put_node(&self, name: &str) {
        self.put::<Node>(json!({ "metadata": { "name": name } }));
    }

    /// A pod that has this address and label.
    pub fn put_pod(&self, name: &str, address: &str, label: (&str, &str)) {
        self.put::<Pod>(json!({
            "metadata": { "name": name, "namespace": NAMESPACE, "labels": { label.0: label.1 } },
            "spec": { "containers": [] }, "status": { "podIP": address },
        }));
    }

    pub fn put_pool(&self, name: &str, addresses: &str) {
        self.put::<IPAddressPool>(json!({
            "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
            "metadata": { "name": name, "namespace": NAMESPACE }, "spec": { "addresses": [addresses] },
        }));
    }

    /// The Service `default/web` with an endpoint on `n1`, announced by whoever is first in line.
    pub fn put_web(&self, address: &str) {
        self.put_pool("pool", "192.0.2.0/24");
        self.put::<L2Advertisement>(json!({
            "apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement",
            "metadata": { "name": "all", "namespace": NAMESPACE }, "spec": {},
        }));
        self.put_service("web", address);
    }

    /// One more Service with an endpoint on `n1`.
    pub fn put_service(&self, name: &str, address: &str) {
        self.put::<Service>(json!({
            "metadata": { "name": name, "namespace": "default", "uid": format!("uid-of-{name}") },
            "spec": { "type": "LoadBalancer", "clusterIP": "10.96.0.9" },
            "status": { "loadBalancer": { "ingress": [{ "ip": address }] } },
        }));
        self.put::<EndpointSlice>(json!({
            "metadata": {
                "name": format!("{name}-x"), "namespace": "default",
                "labels": { "kubernetes.io/service-name": name },
            },
            "addressType": "IPv4",
            "endpoints": [
                { "addresses": ["10.244.0.9"], "nodeName": "n1", "conditions": { "ready": true } },
            ],
        }));
    }

    /// The status objects there are.
    pub fn statuses(&self) -> Vec<String> {
        let is_status = |name: &String| name.to_lowercase().contains("servicel2status");
        self.server.objects().into_iter().filter(is_status).collect()
    }

    fn put<K>(&self, object: Value)
    where
        K: kube::Resource<DynamicType = ()> + Serialize + DeserializeOwned,
    {
        self.server.put(&serde_json::from_value::<K>(object).unwrap());
    }
}
