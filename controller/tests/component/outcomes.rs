//! What the outcome of a look is counted, reported and told as (contract 01 §4.8, §4.9, §5, §6, §8.1).

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Namespace};
use metallb_api::{ConfigurationState, IPAddressPool};
use metallb_testkit::{ApiServer, Failure, Verb};
use serde_json::json;

use crate::world::*;

/// The value of a series without labels.
fn value(running: &Running, name: &str) -> i64 {
    let text = running.metrics.encode();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("metallb_k8s_client_{name} ")));
    line.unwrap().parse().unwrap()
}

/// config_stale, config_loaded, and status, reason and message of the condition.
fn outcome(server: &ApiServer, running: &Running) -> (i64, i64, [String; 3]) {
    let state: ConfigurationState = server.get(Some("metallb-system"), "controller").unwrap();
    let condition = state.status.unwrap().conditions.unwrap().remove(0);
    assert_eq!(condition.type_, "poolReconcilerValid");
    let said = [condition.status, condition.reason, condition.message];
    (value(running, "config_stale_bool"), value(running, "config_loaded_bool"), said)
}

/// §4.8, the rows of what a configuration comes to; D12.
#[tokio::test(start_paused = true)]
async fn each_outcome_of_a_configuration_shows_in_the_metrics_and_the_condition() {
    let server = server(&["192.0.2.0/24"]);
    let running = start(&server);
    quiet().await;
    let accepted = || (0, 1, ["True".to_owned(), "Reconciled".to_owned(), String::new()]);
    assert_eq!(outcome(&server, &running), accepted(), "accepted");
    let wrong = json!({"spec": {"addresses": ["192.0.2.0/240"]}});
    server.edit::<IPAddressPool>(Some("metallb-system"), "p", &wrong);
    quiet().await;
    let why = r#"configuration error: parsing address pool p: invalid CIDR "192.0.2.0/240" in pool "p": invalid CIDR "192.0.2.0/240""#;
    let refused = (1, 1, ["False".to_owned(), "ConfigurationError".to_owned(), why.to_owned()]);
    assert_eq!(outcome(&server, &running), refused, "parse error");
    assert_eq!(value(&running, "update_errors_total"), 0, "what is wrong in an object is no failed update");
    server.take_requests();
    quiet().await;
    assert_eq!(requests(&server, ""), Vec::<String>::new(), "no retry");
    let good = json!({"spec": {"addresses": ["192.0.2.0/24"]}});
    server.edit::<IPAddressPool>(Some("metallb-system"), "p", &good);
    quiet().await;
    assert_eq!(outcome(&server, &running), accepted(), "back to what was in force all the time");
    running.stop().await;
}

/// §4.8 "API list failure" without D12: who has not read the configuration has not accepted it.
#[tokio::test(start_paused = true)]
async fn a_configuration_that_could_not_be_listed_is_not_called_valid() {
    let server = server(&["192.0.2.0/24"]);
    server.fail_all(Some(Failure::Status(500)));
    let running = start(&server);
    quiet().await;
    assert_eq!((value(&running, "config_loaded_bool"), value(&running, "config_stale_bool")), (0, 0));
    assert!(server.get::<ConfigurationState>(Some("metallb-system"), "controller").is_none());
    server.fail_all(None);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(outcome(&server, &running).1, 1);
    running.stop().await;
}

/// §4.8 "condition patch fails".
#[tokio::test(start_paused = true)]
async fn a_condition_that_can_not_be_written_is_tried_again_and_holds_nothing_up() {
    let server = server(&["192.0.2.0/24"]);
    server.forbid("configurationstates/status");
    server.put(&service("web"));
    let running = start(&server);
    quiet().await;
    assert_eq!(ip(&server, "web").as_deref(), Some("192.0.2.0"));
    server.allow("configurationstates/status");
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(outcome(&server, &running).2[0], "True");
    running.stop().await;
}

/// §4.9, and the counters of §6.
#[tokio::test(start_paused = true)]
async fn looks_and_those_that_failed_are_counted() {
    let server = server(&["192.0.2.7/32"]);
    let running = start(&server);
    quiet().await;
    let counts = || (value(&running, "updates_total"), value(&running, "update_errors_total"));
    let (before, errors) = counts();
    assert!(before >= 1 && errors == 0, "the configuration: {before} {errors}");
    let mut inside = service("inside");
    inside.spec.as_mut().unwrap().type_ = Some("ClusterIP".to_owned());
    server.put(&inside);
    quiet().await;
    assert_eq!(counts(), (before + 1, 0), "a Service, and nothing comes of it");
    server.put(&service("a"));
    quiet().await;
    let (updates, errors) = counts();
    assert!(updates > before + 1 && errors == 0, "success: {updates} {errors}");
    server.put(&service("b"));
    quiet().await;
    assert_eq!(counts().1, 1, "nothing to be had, no retry");
    server.remove::<k8s_openapi::api::core::v1::Service>(Some("default"), "a");
    server.fail_nth(0, Failure::Status(500));
    quiet().await;
    assert_eq!((counts().1, ip(&server, "b").as_deref()), (2, Some("192.0.2.7")), "a write failed, again");
    running.stop().await;
}

/// §5: where events are, whom they are about and who tells them.
#[tokio::test(start_paused = true)]
async fn events_are_told_by_the_controller_about_the_service_in_its_namespace() {
    let server = server(&["192.0.2.7/32"]);
    let running = start(&server);
    server.put(&service("a"));
    quiet().await;
    server.put(&service("b"));
    quiet().await;
    let names = server
        .objects()
        .into_iter()
        .filter_map(|name| name.strip_prefix("Event default/").map(str::to_owned));
    let mut told: Vec<[String; 4]> = names
        .map(|name| {
            let event: Event = server.get(Some("default"), &name).unwrap();
            let about = event.involved_object;
            assert_eq!(event.source.unwrap().component.as_deref(), Some("metallb-controller"));
            assert_eq!(about.namespace.as_deref(), Some("default"));
            [about.kind.unwrap(), about.name.unwrap(), event.type_.unwrap(), event.reason.unwrap()]
        })
        .collect();
    told.sort();
    let expected =
        [["Service", "a", "Normal", "IPAllocated"], ["Service", "b", "Warning", "AllocationFailed"]];
    assert_eq!(told, expected.map(|row| row.map(str::to_owned)));
    running.stop().await;
}

/// §8.1: name and labels.
#[tokio::test(start_paused = true)]
async fn the_configuration_state_says_whose_it_is() {
    let server = server(&["192.0.2.0/24"]);
    let running = start(&server);
    quiet().await;
    let state: ConfigurationState = server.get(Some("metallb-system"), "controller").unwrap();
    let labels = state.metadata.labels.unwrap();
    assert_eq!(
        labels.into_iter().collect::<Vec<_>>(),
        [("metallb.io/component-type".to_owned(), "controller".to_owned())]
    );
    let mut writes = server.take_requests();
    writes.retain(|request| request.verb.writes() && request.resource == "configurationstates");
    assert!(writes.iter().any(|write| write.subresource.as_deref() == Some("status")), "{writes:?}");
    for write in &writes {
        assert_eq!((write.verb, write.manager.as_deref()), (Verb::Apply, Some("poolReconciler")));
    }
    running.stop().await;
}

/// §3.4 and §4.7 (a): namespaces that come, and labels they get, are news for the pools pinned to them.
#[tokio::test(start_paused = true)]
async fn a_service_gets_its_address_when_its_namespace_gets_the_label_a_pool_is_pinned_to() {
    let server = server(&[]);
    let mut pinned = pool("p", &["192.0.2.0/24"]);
    let selectors = json!({"namespaceSelectors": [{"matchLabels": {"team": "blue"}}]});
    pinned.spec.service_allocation = object(selectors);
    server.put(&pinned);
    server.put(&service("web"));
    let running = start(&server);
    quiet().await;
    assert_eq!(ip(&server, "web"), None);
    server.edit::<Namespace>(None, "default", &json!({"metadata": {"labels": {"team": "blue"}}}));
    quiet().await;
    assert_eq!(ip(&server, "web").as_deref(), Some("192.0.2.0"));
    server.edit::<Namespace>(None, "default", &json!({"metadata": {"labels": {"team": "red"}}}));
    quiet().await;
    assert_eq!(ip(&server, "web"), None);
    server.remove::<Namespace>(None, "default");
    quiet().await;
    let blue = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default", "labels": {"team": "blue"}}});
    server.put(&object::<Namespace>(blue));
    quiet().await;
    assert_eq!(ip(&server, "web").as_deref(), Some("192.0.2.0"));
    running.stop().await;
}

/// §8.2 and §6: a pool that comes has a status at once; one that goes takes its series with it and is left alone.
#[tokio::test(start_paused = true)]
async fn a_new_pool_gets_its_status_and_of_one_that_is_gone_nothing_is_left() {
    let server = server(&["192.0.2.0/24"]);
    let running = start(&server);
    quiet().await;
    server.put(&pool("q", &["198.51.100.0/31", "2001:db8::/126"]));
    quiet().await;
    let status = server.get::<IPAddressPool>(Some("metallb-system"), "q").unwrap().status.unwrap();
    let counts = [status.assigned_ipv4, status.assigned_ipv6, status.available_ipv4, status.available_ipv6];
    assert_eq!(counts, [0, 0, 2, 4]);
    assert!(running.metrics.encode().contains(r#"metallb_allocator_addresses_total{pool="q"} 6"#));
    server.take_requests();
    server.remove::<IPAddressPool>(Some("metallb-system"), "q");
    quiet().await;
    assert_eq!(requests(&server, ""), Vec::<String>::new());
    let metrics = running.metrics.encode();
    assert!(metrics.contains(r#"pool="p""#) && !metrics.contains(r#"pool="q""#), "{metrics}");
    running.stop().await;
}

/// §3.1 and §7.2, caches: what the controller follows, and where.
#[tokio::test(start_paused = true)]
async fn nothing_is_followed_but_what_addresses_depend_on_and_in_metallb_s_namespace_where_it_is_metallb_s() {
    let server = server(&["192.0.2.0/24"]);
    let running = start(&server);
    quiet().await;
    let requests = server.take_requests().into_iter().filter(|request| !request.verb.writes());
    let mut followed: Vec<_> = requests.map(|read| (read.resource, read.namespace)).collect();
    followed.sort();
    followed.dedup();
    let here = || Some("metallb-system".to_owned());
    let expected = [
        ("communities", here()),
        ("configurationstates", here()),
        ("ipaddresspools", here()),
        ("namespaces", None),
        ("services", None),
    ];
    assert_eq!(followed, expected.map(|(resource, namespace)| (resource.to_owned(), namespace)));
    running.stop().await;
}
