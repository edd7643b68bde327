//! A server, a controller at work on it, and what can be seen of both.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Namespace, Service};
use metallb_api::{ConfigurationState, IPAddressPool};
use metallb_controller::{Controller, Leadership, Options};
use metallb_process::Shutdown;
use metallb_telemetry::health::Health;
use metallb_telemetry::metrics::Metrics;
use metallb_testkit::{ApiServer, Request};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// A controller at work on a server.
pub(crate) struct Running {
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    shutdown: Shutdown,
    pub(crate) task: JoinHandle<()>,
}

pub(crate) fn start(server: &ApiServer) -> Running {
    start_with(server, Leadership::always(), Health::default(), "")
}

pub(crate) fn start_with(server: &ApiServer, leadership: Leadership, health: Health, pod: &str) -> Running {
    let (metrics, shutdown) = (Metrics::default(), Shutdown::default());
    let options = Options { namespace: "metallb-system".into(), pod: pod.to_owned(), ..Options::default() };
    let client = server.client("metallb-system");
    let controller = Controller::start(client, &options, leadership, &metrics, &health).unwrap();
    let task = tokio::spawn(controller.run(shutdown.clone()));
    Running { metrics, health, shutdown, task }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.shutdown.request();
        self.task.await.unwrap();
    }
}

/// Under paused time this ends when everybody waits for something later: all that can happen has happened.
pub(crate) async fn quiet() {
    tokio::time::sleep(Duration::from_secs(8)).await;
}

pub(crate) fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

pub(crate) fn pool(name: &str, addresses: &[&str]) -> IPAddressPool {
    object(json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": "metallb-system"}, "spec": {"addresses": addresses},
    }))
}

pub(crate) fn service(name: &str) -> Service {
    object(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80, "protocol": "TCP"}]},
    }))
}

/// A server with a namespace, and pool "p" unless `addresses` is empty. As a real one it fills in `ipMode`.
pub(crate) fn server(addresses: &[&str]) -> ApiServer {
    let server = ApiServer::default();
    server.default_fields(|object| {
        let ingress = object.pointer_mut("/status/loadBalancer/ingress").and_then(Value::as_array_mut);
        for entry in ingress.into_iter().flatten() {
            entry["ipMode"] = json!("VIP");
        }
    });
    server.put(&object::<Namespace>(
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}),
    ));
    if !addresses.is_empty() {
        server.put(&pool("p", addresses));
    }
    server
}

pub(crate) fn ip(server: &ApiServer, name: &str) -> Option<String> {
    let service: Service = server.get(Some("default"), name).unwrap();
    service.status?.load_balancer?.ingress?.into_iter().next()?.ip
}

pub(crate) fn requests(server: &ApiServer, about: &str) -> Vec<String> {
    let texts = server.take_requests().into_iter().filter(|request| request.verb.writes());
    texts.map(|request: Request| request.to_string()).filter(|text| text.contains(about)).collect()
}

/// `object Reason: message (count)` of every event.
pub(crate) fn events(server: &ApiServer) -> Vec<String> {
    let names =
        server.objects().into_iter().filter_map(|name| name.strip_prefix("Event ").map(str::to_owned));
    let read = |name: String| {
        let (namespace, name) = name.split_once('/').unwrap();
        let event: Event = server.get(Some(namespace), name).unwrap();
        let about = event.involved_object.name.unwrap();
        format!("{about} {}: {} ({})", event.reason.unwrap(), event.message.unwrap(), event.count.unwrap())
    };
    let mut events: Vec<String> = names.map(read).collect();
    events.sort();
    events
}

/// Status and message of the first condition in the `ConfigurationState`.
pub(crate) fn condition(server: &ApiServer) -> (String, String) {
    let state: ConfigurationState = server.get(Some("metallb-system"), "controller").unwrap();
    let condition = state.status.unwrap().conditions.unwrap().remove(0);
    (condition.status, condition.message)
}
