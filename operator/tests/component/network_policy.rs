use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use metallb_operator::operator::Report;
use metallb_operator::watches::{Scope, follow};
use metallb_testkit::Failure;
use serde_json::{Value, json};

use crate::scenario::{AVAILABLE, NAMESPACE, Scenario};

const OPERATOR: &str = "metallb-operator-controller-manager";

const REMARK: &str = "the operator has no NetworkPolicy, and the controller's opens networkPolicy.apiPort, or what it did and 6443";

/// API servers that listen on these ports, as they tell it themselves.
fn put_api_servers(scenario: &Scenario, name: &str, ports: &[i32]) {
    let ports: Vec<Value> = ports.iter().map(|port| json!({"name": "https", "port": port})).collect();
    let slice = json!({
        "metadata": {"name": name, "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
        "addressType": "IPv4", "endpoints": [], "ports": ports,
    });
    scenario.server.put::<EndpointSlice>(&serde_json::from_value(slice).unwrap());
}

/// The ports this policy opens of others; `None` if there is no such policy.
fn opened(scenario: &Scenario, name: &str) -> Option<Vec<i32>> {
    let policy: NetworkPolicy = scenario.server.get(Some(NAMESPACE), name)?;
    let policy = serde_json::to_value(policy).unwrap();
    let ports = policy["spec"]["egress"][0]["ports"].as_array().unwrap().clone();
    Some(ports.iter().map(|port| i32::try_from(port["port"].as_i64().unwrap()).unwrap()).collect())
}

/// Of the controller and of the operator.
fn both(scenario: &Scenario) -> [Option<Vec<i32>>; 2] {
    ["controller", OPERATOR].map(|name| opened(scenario, name))
}

/// What the controller can't reach by most network plugins.
#[tokio::test]
async fn a_port_on_which_no_api_server_listens_is_told_whether_the_controller_runs_or_not() {
    let scenario = Scenario::settled().await;
    scenario.put("metallb", &json!({"networkPolicy": {"apiPort": 443}}));
    scenario.pass().await;
    let doubt =
        "networkPolicy.apiPort is 443, the API servers listen on 6443: the controller may not reach them";
    assert_eq!(scenario.told("metallb")[0], format!("{}; {doubt}", AVAILABLE[0]));
    scenario.server.set_status::<Deployment>(Some(NAMESPACE), "controller", &json!({"readyReplicas": 0}));
    scenario.pass().await;
    let symptom =
        "Progressing Progressing: MetalLB controller deployment not ready: 0 of 1 controllers ready";
    assert_eq!(scenario.told("metallb"), [format!("{symptom}: {doubt}")]);
    // Nor is it hidden by a speaker that does not run either, of whatever other cause.
    let generation = scenario.speaker().unwrap().metadata.generation;
    let two = json!({"observedGeneration": generation, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3,
        "currentNumberScheduled": 3, "numberReady": 2, "numberMisscheduled": 0});
    scenario.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &two);
    scenario.pass().await;
    let told = scenario.told("metallb");
    assert!(told[0].contains("2 of 3 speakers ready") && told[0].ends_with(doubt), "{told:?}");
    scenario.run_workloads();
    scenario.server.set_status::<Deployment>(Some(NAMESPACE), "controller", &json!({"readyReplicas": 0}));
    scenario.put("metallb", &json!({"networkPolicy": {"apiPort": 6443}}));
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), [symptom]);
}

#[tokio::test]
async fn section_8_13_the_ports_of_the_api_server_are_those_it_listens_on() {
    let mut scenario = Scenario::with_resource();
    scenario.restart_with(&[("KUBERNETES_SERVICE_HOST", "10.96.0.1"), ("KUBERNETES_SERVICE_PORT", "443")]);
    put_api_servers(&scenario, "kubernetes", &[16443]);
    let others = json!({"metadata": {"name": "another", "namespace": "default"}, "addressType": "IPv4",
        "endpoints": [], "ports": [{"port": 8080}]});
    scenario.server.put::<EndpointSlice>(&serde_json::from_value(others).unwrap());
    scenario.settle().await;
    let found = Some(vec![6443, 16443]);
    assert_eq!(both(&scenario), [found.clone(), found.clone()]);
    scenario.put("metallb", &json!({"networkPolicy": {"apiPort": 7443}}));
    scenario.settle().await;
    assert_eq!(both(&scenario), [Some(vec![7443]), Some(vec![6443, 7443, 16443])]);
    scenario.put("metallb", &json!({}));
    scenario.settle().await;
    assert_eq!(both(&scenario), [found.clone(), found]);
    // Another API server comes, which listens elsewhere.
    put_api_servers(&scenario, "kubernetes-ipv6", &[26443]);
    let report = scenario.pass().await;
    let changed = |name: &str| format!("NetworkPolicy {NAMESPACE}/{name} changed");
    assert_eq!(report.changes.len(), 2, "{report:?}");
    assert!(report.changes[0].starts_with(&changed("controller")), "{report:?}");
    assert!(report.changes[1].starts_with(&changed(OPERATOR)), "{report:?}");
    assert_eq!(scenario.operator.metrics.repairs.get(), 0, "nobody had broken anything");
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_comes_with_another_port_wakes_the_operator() {
    let scenario = Scenario::settled().await;
    let operator = &scenario.operator;
    let scope =
        Scope { namespace: NAMESPACE, platform: operator.platform, monitors: operator.environment.monitors };
    let (mut watches, _resources) = follow(&operator.client, &scope);
    let quiet = std::time::Duration::from_secs(60);
    while tokio::time::timeout(quiet, watches.changed()).await.is_ok() {}
    put_api_servers(&scenario, "kubernetes", &[16443]);
    tokio::time::timeout(quiet, watches.changed()).await.unwrap();
}

#[tokio::test]
async fn who_may_not_read_the_ports_is_not_shut_in_and_says_so() {
    let scenario = Scenario::settled().await;
    assert_eq!(both(&scenario), [Some(vec![6443]), Some(vec![6443])]);
    for (spec, of_controller) in [(json!({}), 6443), (json!({"networkPolicy": {"apiPort": 7443}}), 7443)] {
        scenario.server.forbid("list endpointslices");
        scenario.put("metallb", &spec);
        scenario.settle().await;
        assert_eq!(both(&scenario), [Some(vec![of_controller]), None], "{spec}");
        let told = scenario.told("metallb");
        assert!(told[0].starts_with("Available ") && told[0].ends_with(REMARK), "{told:?}");
        assert!(told[0].contains("could not read the ports of the API server: "), "{told:?}");
        scenario.server.allow("list endpointslices");
    }
    scenario.put("metallb", &json!({}));
    scenario.settle().await;
    assert_eq!(both(&scenario), [Some(vec![6443]), Some(vec![6443])]);
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

/// Somebody deletes the slice, and an API server writes it anew after some seconds; on some clusters none ever does.
#[tokio::test]
async fn where_no_api_server_says_where_it_listens_no_policy_is_narrowed() {
    for is_removed in [true, false] {
        let scenario = Scenario::with_resource();
        put_api_servers(&scenario, "kubernetes", &[16443]);
        scenario.settle().await;
        let found = Some(vec![6443, 16443]);
        assert_eq!(both(&scenario), [found.clone(), found.clone()]);
        match is_removed {
            true => scenario.server.remove::<EndpointSlice>(Some("default"), "kubernetes"),
            false => put_api_servers(&scenario, "kubernetes", &[]),
        }
        scenario.settle().await;
        assert_eq!(both(&scenario), [found.clone(), None]);
        let told = scenario.told("metallb");
        let why = "no EndpointSlice of Service default/kubernetes names a port of the API server";
        assert!(told[0].ends_with(&format!("{why}; {REMARK}")), "{told:?}");
        // What somebody else makes of it is put right as far as that is known.
        for egress in [json!([]), json!([{"ports": [{"port": 7443}]}])] {
            let narrowed = json!({"spec": {"ingress": [], "egress": egress}});
            scenario.server.edit::<NetworkPolicy>(Some(NAMESPACE), "controller", &narrowed);
            scenario.settle().await;
            assert!(opened(&scenario, "controller").unwrap().contains(&6443), "{egress}");
            let policy: NetworkPolicy = scenario.server.get(Some(NAMESPACE), "controller").unwrap();
            assert_eq!(policy.spec.unwrap().ingress.unwrap().len(), 1, "the webhooks are reached");
        }
        // Where there is no policy yet, the controller gets one.
        scenario.server.remove::<NetworkPolicy>(Some(NAMESPACE), "controller");
        scenario.settle().await;
        assert_eq!(both(&scenario), [Some(vec![6443]), None]);
        put_api_servers(&scenario, "kubernetes", &[16443]);
        scenario.settle().await;
        assert_eq!(both(&scenario), [found.clone(), found]);
        assert_eq!(scenario.told("metallb"), AVAILABLE);
    }
}

#[tokio::test]
async fn an_api_server_that_does_not_answer_for_once_takes_no_policy_back() {
    let mut scenario = Scenario::with_resource();
    scenario.restart_with(&[]);
    put_api_servers(&scenario, "kubernetes", &[16443]);
    scenario.settle().await;
    scenario.pass().await;
    let requests = scenario.server.take_requests();
    let nth = requests.iter().position(|request| request.resource == "endpointslices").unwrap();
    scenario.server.fail_nth(nth, Failure::Status(503));
    let report = scenario.pass().await;
    assert_eq!((report.changes.len(), report.problems.len()), (0, 1), "{report:?}");
    assert!(report.problems[0].contains("could not read the ports of the API server: "), "{report:?}");
    assert_eq!(both(&scenario), [Some(vec![6443, 16443]), Some(vec![6443, 16443])]);
}

#[tokio::test]
async fn a_policy_that_somebody_narrows_or_deletes_is_put_right() {
    let scenario = Scenario::settled().await;
    let narrowed = json!({"spec": {"egress": []}});
    scenario.server.edit::<NetworkPolicy>(Some(NAMESPACE), OPERATOR, &narrowed);
    scenario.pass().await;
    assert_eq!(opened(&scenario, OPERATOR), Some(vec![6443]));
    scenario.server.remove::<NetworkPolicy>(Some(NAMESPACE), OPERATOR);
    let report = scenario.pass().await;
    assert_eq!(report.changes, [format!("NetworkPolicy {NAMESPACE}/{OPERATOR} created")]);
}

/// Under the original's `default-deny` the operator would be shut out for good if this one went.
#[tokio::test]
async fn the_originals_own_policy_is_left_alone() {
    let scenario = Scenario::empty();
    let theirs = json!({"metadata": {"name": "operator", "namespace": NAMESPACE}, "spec": {
        "podSelector": {"matchLabels": {"control-plane": "controller-manager"}},
        "egress": [{"ports": [{"port": 6443, "protocol": "TCP"}]}], "policyTypes": ["Egress"]}});
    scenario.server.put::<NetworkPolicy>(&serde_json::from_value(theirs).unwrap());
    let before: Option<NetworkPolicy> = scenario.server.get(Some(NAMESPACE), "operator");
    scenario.put("metallb", &json!({}));
    scenario.settle().await;
    scenario.put("metallb", &json!({"networkPolicy": {"enabled": false}}));
    scenario.settle().await;
    scenario.server.remove::<metallb_api::MetalLB>(Some(NAMESPACE), "metallb");
    scenario.pass().await;
    assert_eq!(scenario.objects(), ["NetworkPolicy metallb-system/operator"]);
    assert_eq!(scenario.server.get(Some(NAMESPACE), "operator"), before);
}
