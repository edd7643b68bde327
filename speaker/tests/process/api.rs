//! The API server in memory, over a socket, as a process reaches it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Client;
use kube::client::Body;
use metallb_api::{IPAddressPool, L2Advertisement};
use metallb_testkit::ApiServer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

use crate::netns::Namespace;

/// MetalLB's namespace.
pub const NAMESPACE: &str = "metallb-system";

/// The server, as long as this lives.
pub struct Api {
    pub server: ApiServer,
    kubeconfig: PathBuf,
    _runtime: Runtime,
}

impl Api {
    /// Serves on the loopback interface of this network.
    pub fn serve(node: &Namespace) -> Self {
        let listener = node.run(|| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        listener.set_nonblocking(true).unwrap();
        let kubeconfig = write_kubeconfig(&format!("http://{}", listener.local_addr().unwrap()));
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = ApiServer::default();
        {
            let _entered = runtime.enter();
            let listener = TcpListener::from_std(listener).unwrap();
            runtime.spawn(accept(listener, server.client(NAMESPACE)));
        }
        Self { server, kubeconfig, _runtime: runtime }
    }

    /// The flag by which a speaker finds it.
    pub fn flag(&self) -> String {
        format!("--kubeconfig={}", self.kubeconfig.display())
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

impl Drop for Api {
    fn drop(&mut self) {
        // Left behind, it harms nobody.
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}

fn write_kubeconfig(server: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("metallb-api-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{ "name": "c", "cluster": { "server": server } }],
        "users": [{ "name": "c", "user": {} }],
        "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "c" } }],
    });
    std::fs::write(&path, text.to_string()).unwrap();
    path
}

async fn serve(client: Client, request: hyper::Request<Incoming>) -> std::io::Result<hyper::Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let request = hyper::Request::from_parts(head, Body::from(body.to_vec()));
    client.send(request).await.map_err(std::io::Error::other)
}

async fn accept(listener: TcpListener, client: Client) {
    while let Ok((stream, _)) = listener.accept().await {
        let client = client.clone();
        let answer = service_fn(move |request: hyper::Request<Incoming>| {
            let client = client.clone();
            async move { serve(client, request).await }
        });
        tokio::spawn(async move {
            // Who has gone away needs no answer.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}
