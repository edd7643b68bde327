//! What no election brings about in a test: a process that was stopped in between. And what the owner logs.

use metallb_testkit::ApiServer;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::*;
use crate::leadership::Tenure;
use crate::logged::Log;

fn put_service(server: &ApiServer, name: &str) {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "LoadBalancer", "clusterIPs": ["10.96.0.1"], "ports": [{"port": 80, "protocol": "TCP"}]},
    });
    server.put::<Service>(&serde_json::from_value(service).unwrap());
}

/// A server with one pool.
fn server(addresses: &str) -> ApiServer {
    let server = ApiServer::default();
    let pool = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": {"name": "p", "namespace": "metallb-system"}, "spec": {"addresses": [addresses]},
    });
    server.put::<IPAddressPool>(&serde_json::from_value(pool).unwrap());
    server
}

fn start(server: &ApiServer, leadership: Leadership) -> (Shutdown, JoinHandle<()>) {
    let options = Options { namespace: "metallb-system".to_owned(), ..Options::default() };
    let (metrics, shutdown) = (Metrics::default(), Shutdown::default());
    let client = server.client("metallb-system");
    let controller = Controller::start(client, &options, leadership, &metrics, &Health::default()).unwrap();
    let task = tokio::spawn(controller.run(shutdown.clone()));
    (shutdown, task)
}

fn is_assigned(server: &ApiServer, name: &str) -> bool {
    let service: Service = server.get(Some("default"), name).unwrap();
    service
        .status
        .is_some_and(|status| status.load_balancer.is_some_and(|balancer| balancer.ingress.is_some()))
}

/// A renewal that comes too late, but before the election has noticed: the term is the same, and what came in
/// between was not looked at.
#[tokio::test(start_paused = true)]
async fn a_leader_whose_office_was_in_doubt_for_a_moment_looks_at_what_came_meanwhile() {
    let server = server("192.0.2.0/24");
    let (tenure, leadership) = crate::leadership::until();
    let until = |seconds| Tenure::Until(Instant::now() + Duration::from_secs(seconds), 1);
    tenure.send_replace(until(600));
    let (shutdown, task) = start(&server, leadership);
    put_service(&server, "before");
    // The loop turns by itself every five seconds: the doubt falls between two turns.
    sleep(Duration::from_secs(7)).await;
    assert!(is_assigned(&server, "before"));
    tenure.send_replace(until(0));
    put_service(&server, "meanwhile");
    sleep(Duration::from_secs(1)).await;
    assert!(!is_assigned(&server, "meanwhile"));
    tenure.send_replace(until(600));
    sleep(TURN).await;
    assert!(is_assigned(&server, "meanwhile"));
    shutdown.request();
    task.await.unwrap();
}

/// Contract 01 §4.2 step 1 and §4.10, column log.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_deleted_is_logged_when_that_frees_an_address() {
    let (log, _guard) = Log::begin();
    let server = server("192.0.2.7/32");
    let (shutdown, task) = start(&server, Leadership::always());
    for name in ["holds", "waits"] {
        put_service(&server, name);
        sleep(Duration::from_secs(7)).await;
    }
    assert!(is_assigned(&server, "holds") && !is_assigned(&server, "waits"));
    for name in ["waits", "holds"] {
        server.remove::<Service>(Some("default"), name);
        sleep(Duration::from_secs(7)).await;
    }
    let deleted = log.lines(("event", "serviceDeleted"), &["level", "service"]);
    assert_eq!(deleted, ["info default/holds"]);
    shutdown.request();
    task.await.unwrap();
}
