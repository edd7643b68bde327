//! The controller against an API server in memory: the exact writes, and silence when nothing is to do.

#![expect(clippy::unwrap_used, reason = "a failed assumption fails the test")]

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Namespace, Service};
use metallb_api::{ConfigurationState, IPAddressPool};
use metallb_controller::{Controller, Options};
use metallb_process::Shutdown;
use metallb_telemetry::health::Health;
use metallb_telemetry::metrics::Metrics;
use metallb_testkit::{ApiServer, Failure, Request};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// A controller at work on a server.
struct Running {
    metrics: Metrics,
    health: Health,
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

fn start(server: &ApiServer) -> Running {
    let (metrics, health, shutdown) = (Metrics::default(), Health::default(), Shutdown::default());
    let options = Options { namespace: "metallb-system".into(), ..Options::default() };
    let client = server.client("metallb-system");
    let controller = Controller::start(client, &options, &metrics, &health).unwrap();
    let task = tokio::spawn(controller.run(shutdown.clone()));
    Running { metrics, health, shutdown, task }
}

impl Running {
    async fn stop(self) {
        self.shutdown.request();
        self.task.await.unwrap();
    }
}

/// Under paused time this ends when everybody waits for something later: all that can happen has happened.
async fn quiet() {
    tokio::time::sleep(Duration::from_secs(8)).await;
}

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn pool(name: &str, addresses: &[&str]) -> IPAddressPool {
    object(json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": {"name": name, "namespace": "metallb-system"}, "spec": {"addresses": addresses},
    }))
}

fn service(name: &str) -> Service {
    object(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80, "protocol": "TCP"}]},
    }))
}

/// A server with a namespace, and pool "p" unless `addresses` is empty. As a real one it fills in `ipMode`.
fn server(addresses: &[&str]) -> ApiServer {
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

fn ip(server: &ApiServer, name: &str) -> Option<String> {
    let service: Service = server.get(Some("default"), name).unwrap();
    service.status?.load_balancer?.ingress?.into_iter().next()?.ip
}

fn requests(server: &ApiServer, about: &str) -> Vec<String> {
    let texts = server.take_requests().into_iter().filter(|request| request.verb.writes());
    texts.map(|request: Request| request.to_string()).filter(|text| text.contains(about)).collect()
}

/// `object Reason: message (count)` of every event.
fn events(server: &ApiServer) -> Vec<String> {
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

#[tokio::test(start_paused = true)]
async fn a_service_costs_one_write_and_one_event() {
    let server = server(&["192.0.2.0/24"]);
    let running = start(&server);
    quiet().await;
    server.take_requests();
    server.put(&service("web"));
    quiet().await;
    assert_eq!(ip(&server, "web").as_deref(), Some("192.0.2.0"));
    let annotations = server.get::<Service>(Some("default"), "web").unwrap().metadata.annotations.unwrap();
    assert_eq!(annotations["metallb.io/ip-allocated-from-pool"], "p");
    assert_eq!(events(&server), [r#"web IPAllocated: Assigned IP ["192.0.2.0"] (1)"#]);
    let pool: IPAddressPool = server.get(Some("metallb-system"), "p").unwrap();
    assert_eq!((pool.status.as_ref().unwrap().assigned_ipv4, pool.status.unwrap().available_ipv4), (1, 255));
    let writes: Vec<String> = requests(&server, "");
    assert_eq!(writes.iter().filter(|text| text.contains("services")).count(), 1, "{writes:?}");
    assert_eq!(writes.iter().filter(|text| text.contains("ipaddresspools")).count(), 1, "{writes:?}");
    assert_eq!(writes.len(), 3, "{writes:?}");
    assert!(running.metrics.encode().contains(r#"metallb_allocator_addresses_in_use_total{pool="p"} 1"#));
    assert!(running.health.readyz().ok && running.health.healthz().ok);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_with_many_assigned_services_writes_nothing() {
    let server = server(&["192.0.2.0/24", "198.51.100.0/24"]);
    for number in 0..200 {
        server.put(&service(&format!("web-{number:03}")));
    }
    let first = start(&server);
    quiet().await;
    first.stop().await;
    assert_eq!(ip(&server, "web-199").as_deref(), Some("192.0.2.199"));
    server.forbid_writes();
    let second = start(&server);
    quiet().await;
    assert_eq!(server.forbidden_writes(), Vec::<String>::new());
    assert!(second.health.readyz().ok);
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_changes_while_it_is_written_is_looked_at_again() {
    let server = server(&["192.0.2.0/24"]);
    let running = start(&server);
    quiet().await;
    server.fail_nth(0, Failure::Status(409));
    server.put(&service("web"));
    quiet().await;
    // A conflict means that another version is on its way; here it comes.
    assert_eq!(ip(&server, "web"), None);
    server.edit::<Service>(Some("default"), "web", &json!({"metadata": {"labels": {"touched": "yes"}}}));
    quiet().await;
    assert_eq!(ip(&server, "web").as_deref(), Some("192.0.2.0"));
    assert_eq!(events(&server), [r#"web IPAllocated: Assigned IP ["192.0.2.0"] (1)"#]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn failing_writes_are_repeated_until_they_succeed_and_told_once() {
    for failure in [Failure::Status(500), Failure::Status(429), Failure::Unreachable, Failure::AnswerLost] {
        let server = server(&["192.0.2.0/24"]);
        let running = start(&server);
        quiet().await;
        server.fail_nth(0, failure);
        server.put(&service("web"));
        quiet().await;
        assert_eq!(ip(&server, "web").as_deref(), Some("192.0.2.0"), "{failure:?}");
        assert_eq!(events(&server), [r#"web IPAllocated: Assigned IP ["192.0.2.0"] (1)"#], "{failure:?}");
        running.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_api_server_loses_nothing() {
    let server = server(&["192.0.2.0/24"]);
    for name in ["a", "b", "c"] {
        server.put(&service(name));
    }
    let running = start(&server);
    quiet().await;
    server.fail_all(Some(Failure::Unreachable));
    server.put(&service("d"));
    quiet().await;
    assert!(running.health.healthz().ok);
    server.fail_all(None);
    quiet().await;
    quiet().await;
    let ips = ["a", "b", "c", "d"].map(|name| ip(&server, name).unwrap());
    assert_eq!(ips, ["192.0.2.0", "192.0.2.1", "192.0.2.2", "192.0.2.3"]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_pool_is_refused_by_name_and_the_others_work() {
    let server = server(&["192.0.2.0/24"]);
    server.put(&pool("broken", &["192.0.2.9-192.0.2.1"]));
    server.put(&service("web"));
    let running = start(&server);
    quiet().await;
    assert_eq!(ip(&server, "web").as_deref(), Some("192.0.2.0"));
    let why = r#"parsing address pool broken: invalid CIDR "192.0.2.9-192.0.2.1" in pool "broken": invalid IP range "192.0.2.9-192.0.2.1": start IP "192.0.2.9" is after the end IP "192.0.2.1""#;
    assert_eq!(events(&server)[0], format!("broken ConfigurationError: {why} (1)"));
    let state: ConfigurationState = server.get(Some("metallb-system"), "controller").unwrap();
    let condition = &state.status.unwrap().conditions.unwrap()[0];
    assert_eq!(
        (condition.status.as_str(), condition.message.as_str()),
        ("False", format!("configuration error: {why}").as_str())
    );
    assert!(running.metrics.encode().contains("metallb_k8s_client_config_stale_bool 1"));
    server.put(&pool("broken", &["198.51.100.0/24"]));
    quiet().await;
    let state: ConfigurationState = server.get(Some("metallb-system"), "controller").unwrap();
    assert_eq!(state.status.unwrap().conditions.unwrap()[0].status, "True");
    assert!(running.metrics.encode().contains("metallb_k8s_client_config_stale_bool 0"));
    running.stop().await;
}

/// Who wins must not depend on what a process has seen: after a restart "aaa" would win by name.
#[tokio::test(start_paused = true)]
async fn a_pool_refused_for_overlapping_an_older_one_is_refused_after_a_restart_too() {
    let server = server(&[]);
    server.put(&pool("p1", &["192.0.2.0/24"]));
    let services = ["a", "b", "c", "d"];
    services.iter().for_each(|name| server.put(&service(name)));
    let first = start(&server);
    quiet().await;
    let assigned = services.map(|name| ip(&server, name).unwrap());
    server.put(&pool("aaa", &["192.0.2.2-192.0.2.3"]));
    quiet().await;
    let message = |server: &ApiServer| {
        let state: ConfigurationState = server.get(Some("metallb-system"), "controller").unwrap();
        state.status.unwrap().conditions.unwrap()[0].message.clone()
    };
    let refused = message(&server);
    assert!(refused.contains(r#"in pool "aaa" overlaps with"#), "{refused}");
    first.stop().await;
    server.take_requests();
    let second = start(&server);
    quiet().await;
    assert_eq!(requests(&server, "/services/"), Vec::<String>::new());
    assert_eq!(requests(&server, "/ipaddresspools/"), Vec::<String>::new());
    assert_eq!(requests(&server, "configurationstates"), Vec::<String>::new());
    assert_eq!(services.map(|name| ip(&server, name).unwrap()), assigned);
    assert_eq!(message(&server), refused);
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_crd_nothing_is_touched_and_readiness_names_it() {
    let server = server(&["192.0.2.0/24"]);
    server.put(&service("web"));
    let first = start(&server);
    quiet().await;
    first.stop().await;
    server.forget_kind("ipaddresspools");
    server.put(&service("new"));
    let second = start(&server);
    quiet().await;
    let report = second.health.readyz();
    assert!(
        !report.ok && report.text.contains("ipaddresspools.metallb.io") && report.text.contains("CRD"),
        "{report:?}"
    );
    assert_eq!((ip(&server, "web").as_deref(), ip(&server, "new")), (Some("192.0.2.0"), None));
    server.learn_kind("ipaddresspools");
    quiet().await;
    assert!(second.health.readyz().ok);
    assert_eq!(ip(&server, "new").as_deref(), Some("192.0.2.1"));
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_server_at_start_is_waited_for() {
    let server = server(&["192.0.2.0/24"]);
    server.put(&service("web"));
    server.fail_all(Some(Failure::Unreachable));
    let running = start(&server);
    quiet().await;
    let report = running.health.readyz();
    assert!(!report.ok && report.text.contains("services"), "{report:?}");
    assert!(running.health.healthz().ok, "waiting is no reason to be restarted");
    server.fail_all(None);
    quiet().await;
    assert_eq!(ip(&server, "web").as_deref(), Some("192.0.2.0"));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_service_frees_its_address_for_the_one_that_waits() {
    let server = server(&["192.0.2.7/32"]);
    let running = start(&server);
    server.put(&service("a"));
    quiet().await;
    server.put(&service("b"));
    quiet().await;
    assert_eq!(ip(&server, "b"), None);
    let pending = r#"b AllocationFailed: Failed to allocate IP for "default/b": no available IPs (1)"#;
    assert!(events(&server).contains(&pending.to_owned()), "{:?}", events(&server));
    server.remove::<Service>(Some("default"), "a");
    quiet().await;
    assert_eq!(ip(&server, "b").as_deref(), Some("192.0.2.7"));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_pool_status_that_somebody_edits_is_set_right() {
    let server = server(&["192.0.2.0/24"]);
    let running = start(&server);
    quiet().await;
    let wrong = json!({"assignedIPv4": 9, "assignedIPv6": 9, "availableIPv4": 9, "availableIPv6": 9});
    server.set_status::<IPAddressPool>(Some("metallb-system"), "p", &wrong);
    quiet().await;
    let pool: IPAddressPool = server.get(Some("metallb-system"), "p").unwrap();
    assert_eq!(pool.status.unwrap().available_ipv4, 256);
    running.stop().await;
}
