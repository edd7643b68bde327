//! Wrong and unreadable objects: refused by name, and nobody else suffers.

use k8s_openapi::api::core::v1::Service;
use metallb_api::{Community, ConfigurationState, IPAddressPool};
use metallb_testkit::ApiServer;
use serde_json::json;

use crate::world::*;

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
async fn a_pool_that_can_not_be_read_is_refused_by_name_and_takes_nobody_s_address() {
    let server = server(&["192.0.2.0/24"]);
    server.put(&pool("q", &["198.51.100.0/24"]));
    let mut wanted = service("kept");
    wanted.metadata.annotations = Some([("metallb.io/address-pool".to_owned(), "q".to_owned())].into());
    server.put(&wanted);
    let first = start(&server);
    quiet().await;
    assert_eq!(ip(&server, "kept").as_deref(), Some("198.51.100.0"));
    server.edit::<IPAddressPool>(Some("metallb-system"), "q", &json!({"spec": {"addresses": 7}}));
    server.put(&service("web"));
    quiet().await;
    first.stop().await;
    let second = start(&server);
    quiet().await;
    assert_eq!(["kept", "web"].map(|name| ip(&server, name).unwrap()), ["198.51.100.0", "192.0.2.0"]);
    let condition = condition(&server);
    assert_eq!(condition.0, "False");
    assert!(condition.1.contains("parsing address pool q: invalid type: integer `7`"), "{condition:?}");
    assert!(events(&server).iter().any(|event| event.starts_with("q ConfigurationError")));
    let metrics = second.metrics.encode();
    for line in [
        "metallb_k8s_client_config_stale_bool 1",
        r#"metallb_k8s_client_config_refused_bool{kind="IPAddressPool",name="q"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line}");
    }
    let good = json!({"spec": {"addresses": ["198.51.100.0/24"]}});
    server.edit::<IPAddressPool>(Some("metallb-system"), "q", &good);
    quiet().await;
    assert_eq!(self::condition(&server).0, "True");
    assert!(!second.metrics.encode().contains("config_refused_bool{"));
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_can_not_be_read_does_not_stop_the_others() {
    let server = server(&["192.0.2.0/24"]);
    server.put(&service("odd"));
    let recorded = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.0"}, {"ip": 7}]}});
    server.set_status::<Service>(Some("default"), "odd", &recorded);
    server.edit::<Service>(Some("default"), "odd", &json!({"spec": {"ports": "none"}}));
    let running = start(&server);
    server.put(&service("web"));
    quiet().await;
    assert_eq!(ip(&server, "web").as_deref(), Some("192.0.2.1"), "the other address has an owner");
    let told =
        "odd UnreadableService: Service can't be read and is left as it is, its addresses stay its own: ";
    assert!(events(&server).iter().any(|event| event.starts_with(told)), "{:?}", events(&server));
    server.remove::<Service>(Some("default"), "odd");
    server.put(&service("next"));
    quiet().await;
    assert_eq!(ip(&server, "next").as_deref(), Some("192.0.2.0"), "it is gone");
    running.stop().await;
}

/// §3.1: the controller reads communities as well.
#[tokio::test(start_paused = true)]
async fn a_wrong_community_is_refused_by_name_on_the_object_and_in_the_metrics() {
    let server = server(&["192.0.2.0/24"]);
    let community = |value: &str| {
        object::<Community>(json!({
            "apiVersion": "metallb.io/v1beta1", "kind": "Community",
            "metadata": {"name": "names", "namespace": "metallb-system"},
            "spec": {"communities": [{"name": "x", "value": value}]},
        }))
    };
    server.put(&community("nonsense"));
    let running = start(&server);
    quiet().await;
    assert_eq!(condition(&server).0, "False");
    assert!(events(&server)[0].starts_with("names ConfigurationError"), "{:?}", events(&server));
    let refused = r#"metallb_k8s_client_config_refused_bool{kind="Community",name="names"} 1"#;
    assert!(running.metrics.encode().contains(refused));
    server.put(&community("65000:1"));
    quiet().await;
    assert_eq!(condition(&server), ("True".to_owned(), String::new()));
    running.stop().await;
}
