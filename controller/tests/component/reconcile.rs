//! The exact writes, and silence when nothing is to do.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Service};
use metallb_api::{ConfigurationState, IPAddressPool};
use metallb_controller::Leadership;
use metallb_telemetry::health::Health;
use metallb_testkit::{ApiServer, Failure};
use serde_json::json;

use crate::world::*;

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
    // Contract 01 §2.3 and §8.2: what the original's rights allow.
    for write in ["update services/status default/web", "update ipaddresspools/status metallb-system/p"] {
        assert_eq!(writes.iter().filter(|text| *text == write).count(), 1, "{writes:?}");
    }
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

#[tokio::test(start_paused = true)]
async fn a_gap_in_the_watches_is_bridged_by_a_list_and_costs_no_write() {
    let server = server(&["192.0.2.0/24"]);
    let running = start(&server);
    server.put(&service("a"));
    server.put(&service("b"));
    quiet().await;
    server.hold_watches(true);
    server.remove::<Service>(Some("default"), "a");
    server.put(&service("c"));
    server.compact();
    server.take_requests();
    server.hold_watches(false);
    quiet().await;
    assert_eq!(["b", "c"].map(|name| ip(&server, name).unwrap()), ["192.0.2.1", "192.0.2.0"]);
    assert_eq!(requests(&server, "services/status").len(), 1);
    running.stop().await;
}

/// §8.2, §4.9: counters are batched, a pool that is gone is ignored, and telling never holds up assigning.
#[tokio::test(start_paused = true)]
async fn pool_statuses_are_written_in_batches_and_hold_nothing_up() {
    let server = server(&["10.0.0.0/16"]);
    let running = start(&server);
    quiet().await;
    server.take_requests();
    for number in 0..1000 {
        server.put(&service(&format!("web-{number:04}")));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    quiet().await;
    let writes = requests(&server, "");
    let count = |what: &str| writes.iter().filter(|text| text.contains(what)).count();
    assert_eq!((count("services/status"), count("events")), (1000, 1000));
    assert!((1..=14).contains(&count("ipaddresspools/status")), "{}", count("ipaddresspools/status"));
    server.forbid("ipaddresspools/status");
    server.forbid("update ipaddresspools/status");
    server.put(&service("last"));
    quiet().await;
    assert!(ip(&server, "last").is_some());
    running.stop().await;
}

/// §8.1: the object is made anew when it is deleted, and belongs to the pod as soon as that can be read.
#[tokio::test(start_paused = true)]
async fn the_configuration_state_is_made_again_and_gets_its_owner_later() {
    let server = server(&["192.0.2.0/24"]);
    let running = start_with(&server, Leadership::always(), Health::default(), "controller-1");
    quiet().await;
    let owners = |server: &ApiServer| {
        let state: ConfigurationState = server.get(Some("metallb-system"), "controller").unwrap();
        let owners = state.metadata.owner_references.unwrap_or_default();
        owners.into_iter().map(|owner| owner.name).collect::<Vec<_>>()
    };
    assert_eq!(owners(&server), Vec::<String>::new());
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "controller-1", "namespace": "metallb-system"}});
    server.put(&object::<Pod>(pod));
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(owners(&server), ["controller-1"]);
    let state: ConfigurationState = server.get(Some("metallb-system"), "controller").unwrap();
    let owner = state.metadata.owner_references.unwrap().remove(0);
    assert_eq!((owner.api_version.as_str(), owner.kind.as_str(), owner.controller), ("v1", "Pod", None));
    server.remove::<ConfigurationState>(Some("metallb-system"), "controller");
    quiet().await;
    assert_eq!((owners(&server), condition(&server).0), (vec!["controller-1".to_owned()], "True".to_owned()));
    server.take_requests();
    quiet().await;
    assert_eq!(requests(&server, ""), Vec::<String>::new());
    running.stop().await;
}

/// The condition and the addresses are one write; a Service that waits says why, once.
#[tokio::test(start_paused = true)]
async fn a_pending_service_has_a_condition_and_others_conditions_stay() {
    let server = server(&["192.0.2.7/32"]);
    let running = start(&server);
    server.put(&service("a"));
    quiet().await;
    let mut waiting = service("b");
    let foreign = json!([{"type": "example.com/x", "status": "True", "reason": "r", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
    waiting.status = object(json!({"conditions": foreign}));
    server.put(&waiting);
    server.take_requests();
    quiet().await;
    assert_eq!(requests(&server, "services/status").len(), 1);
    let conditions = |name: &str| {
        let service: Service = server.get(Some("default"), name).unwrap();
        let conditions = service.status.unwrap().conditions.unwrap_or_default();
        conditions.into_iter().map(|c| format!("{} {} {}", c.type_, c.status, c.reason)).collect::<Vec<_>>()
    };
    assert_eq!(conditions("b"), ["example.com/x True r", "metallb.io/Allocated False PoolExhausted"]);
    assert_eq!(conditions("a"), ["metallb.io/Allocated True Allocated"]);
    server.remove::<Service>(Some("default"), "a");
    quiet().await;
    assert_eq!(conditions("b"), ["example.com/x True r", "metallb.io/Allocated True Allocated"]);
    running.stop().await;
}
