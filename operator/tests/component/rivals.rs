//! A MetalLB in another namespace: of two one goes on, and the other says why it does not.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use metallb_api::MetalLB;
use metallb_operator::disposition::Disposition;
use metallb_testkit::Request;
use serde_json::json;

use crate::failures::told_in_events;
use crate::others::put_webhooks;
use crate::scenario::{AVAILABLE, NAMESPACE, Scenario};

pub(crate) const OPERATOR: &str = "metallb-operator-controller-manager";

/// A resource of another namespace that says this of itself.
pub(crate) fn put_elsewhere(scenario: &Scenario, name: &str, says: &str) {
    let resource = json!({"metadata": {"name": name, "namespace": "another"}, "spec": {}});
    scenario.server.put::<MetalLB>(&serde_json::from_value(resource).unwrap());
    let condition = json!({"type": says, "status": "True", "reason": "x", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    scenario.server.set_status::<MetalLB>(Some("another"), name, &json!({"conditions": [condition]}));
}

/// A Deployment that is to have so many pods and has them; they need not be ready.
pub(crate) fn man(scenario: &Scenario, namespace: &str, name: &str, pods: u8) {
    man_for(scenario, namespace, name, pods, "");
}

/// One that serves this class of Services.
pub(crate) fn man_for(scenario: &Scenario, namespace: &str, name: &str, pods: u8, class: &str) {
    let args: &[String] = if class.is_empty() { &[] } else { &[format!("--lb-class={class}")] };
    let object = json!({"metadata": {"name": name, "namespace": namespace, "labels": {"app": "metallb"}}, "spec": {
        "replicas": pods, "selector": {}, "template": {"spec": {"containers": [{"name": name, "args": args}]}}}});
    scenario.server.put::<Deployment>(&serde_json::from_value(object).unwrap());
    let deployment: Deployment = scenario.server.get(Some(namespace), name).unwrap();
    let status = json!({"replicas": pods, "updatedReplicas": pods, "observedGeneration": deployment.metadata.generation});
    scenario.server.set_status::<Deployment>(Some(namespace), name, &status);
}

#[tokio::test]
async fn a_metallb_whose_own_operator_runs_it_elsewhere_is_not_joined() {
    for (is_older, says, name, pods, is_kept, why) in [
        (false, "Available", "metallb", &["controller", OPERATOR][..], true, "it runs"),
        (false, "Degraded", "metallb", &["controller"], true, "so it does in trouble, or left alone"),
        (true, "Available", "metallb", &[], false, "what it says is old: nothing runs there"),
        (true, "Available", "metallb", &["scaled to none"], false, "nor is anything about to"),
        (false, "Progressing", "metallb", &[OPERATOR], false, "both begin, it is younger"),
        (true, "Progressing", "metallb", &[OPERATOR], true, "both begin, it is older"),
        (true, "Degraded", "metallb", &[OPERATOR], false, "it can't begin"),
        (true, "Available", "other", &["controller", OPERATOR], false, "nobody acts upon that name"),
    ] {
        let scenario = Scenario::empty();
        if is_older {
            put_elsewhere(&scenario, name, says);
        }
        scenario.put("metallb", &json!({}));
        put_elsewhere(&scenario, name, says);
        match pods {
            ["scaled to none"] => {
                ["controller", OPERATOR].iter().for_each(|it| man(&scenario, "another", it, 0))
            }
            pods => pods.iter().for_each(|it| man(&scenario, "another", it, 1)),
        }
        let report = scenario.pass().await;
        let kept = ["merge-patch metallbs/status metallb-system/metallb"];
        let writes = scenario.writes();
        assert_eq!(writes == kept, is_kept, "{why}: {writes:?}");
        assert_eq!(report.disposition, is_kept.then_some(Disposition::Refused), "{why}: {report:?}");
        let told = scenario.told("metallb");
        let named =
            "another MetalLB is installed: MetalLB another/metallb, whose controller or operator is there; ";
        assert_eq!(told[0].contains(named), is_kept, "{why}: {told:?}");
    }
}

#[tokio::test]
async fn who_runs_already_stays_whoever_comes_later() {
    let scenario = Scenario::empty();
    put_elsewhere(&scenario, "metallb", "Available");
    scenario.put("metallb", &json!({}));
    scenario.settle().await;
    man(&scenario, "another", OPERATOR, 1);
    scenario.server.forbid_writes();
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE, "though the other is older");
    assert_eq!(scenario.server.forbidden_writes(), [""; 0]);
}

#[tokio::test]
async fn of_two_that_start_at_once_one_goes_on() {
    for first in ["metallb-system", "another"] {
        let mut scenario = Scenario::with_resource();
        let elsewhere = json!({"metadata": {"name": "metallb", "namespace": "another"}, "spec": {}});
        scenario.server.put::<MetalLB>(&serde_json::from_value(elsewhere).unwrap());
        for namespace in [NAMESPACE, "another"] {
            man(&scenario, namespace, OPERATOR, 1);
        }
        scenario.server.take_requests();
        let second = if first == NAMESPACE { "another" } else { NAMESPACE };
        for namespace in [first, second].repeat(4) {
            scenario.operator.environment.namespace = namespace.to_owned();
            scenario.pass().await;
        }
        assert_eq!(
            who_wrote(&scenario),
            [NAMESPACE.to_owned()].into(),
            "{first} is asked first, the older one goes on"
        );
    }
}

/// The namespaces in which something was written.
fn who_wrote(scenario: &Scenario) -> BTreeSet<String> {
    let requests = scenario.server.take_requests();
    let is_write = |request: &Request| request.verb.writes() && request.subresource.is_none();
    requests.into_iter().filter(is_write).filter_map(|request| request.namespace).collect()
}

#[tokio::test]
async fn of_two_that_run_the_one_whose_webhooks_are_asked_goes_on_and_tells_of_the_other() {
    let mut scenario = Scenario::empty();
    put_elsewhere(&scenario, "metallb", "Available");
    scenario.put("metallb", &json!({}));
    for namespace in [NAMESPACE, "another"] {
        let object = json!({"metadata": {"name": namespace}});
        scenario.server.put::<Namespace>(&serde_json::from_value(object).unwrap());
    }
    scenario.settle().await;
    ["controller", OPERATOR].iter().for_each(|name| man(&scenario, "another", name, 1));
    scenario.put("metallb", &json!({"logLevel": "debug"}));
    for namespace in ["another", NAMESPACE].repeat(3) {
        scenario.operator.environment.namespace = namespace.to_owned();
        scenario.pass().await;
    }
    assert_eq!(who_wrote(&scenario), [NAMESPACE.to_owned()].into(), "though the other is older");
    scenario.run_workloads();
    scenario.pass().await;
    let remark =
        "MetalLB another/metallb runs as well: two of them give away the same addresses, so delete one";
    assert_eq!(scenario.told("metallb")[0], format!("{}; {remark}", AVAILABLE[0]));
    let theirs: MetalLB = scenario.server.get(Some("another"), "metallb").unwrap();
    let told = serde_json::to_value(theirs.status).unwrap().to_string();
    assert!(told.contains("it belongs to the MetalLB in namespace metallb-system"), "{told}");
    for _ in 0..2 {
        scenario.pass().await;
    }
    let told = told_in_events(&scenario, 3).await;
    let warnings: Vec<_> = told.iter().filter(|(_, reason, _)| reason == "AnotherMetalLB").collect();
    assert_eq!(warnings, [&("Warning".to_owned(), "AnotherMetalLB".to_owned(), Some(1))], "once: {told:?}");
    scenario.server.remove::<MetalLB>(Some("another"), "metallb");
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn webhooks_that_ask_our_service_are_ours_though_the_original_made_them() {
    let scenario = Scenario::empty();
    put_elsewhere(&scenario, "metallb", "Available");
    scenario.put("metallb", &json!({}));
    ["controller", OPERATOR].iter().for_each(|name| man(&scenario, "another", name, 1));
    put_webhooks(&scenario, &json!({}), NAMESPACE);
    man(&scenario, NAMESPACE, "controller", 1);
    scenario.settle().await;
    let told = scenario.told("metallb");
    assert!(told[0].starts_with(AVAILABLE[0]) && told[0].contains("runs as well"), "{told:?}");
}

#[tokio::test]
async fn only_a_metallb_that_serves_the_same_services_is_in_the_way() {
    for (theirs, ours, is_kept) in
        [("", "", true), ("x/y", "x/y", true), ("x/y", "", false), ("", "x/y", false), ("x/y", "x/z", false)]
    {
        let scenario = Scenario::empty();
        put_elsewhere(&scenario, "metallb", "Available");
        let class = json!({"spec": {"loadBalancerClass": theirs}});
        scenario.server.edit::<MetalLB>(Some("another"), "metallb", &class);
        scenario.put("metallb", &json!({"loadBalancerClass": ours}));
        ["controller", OPERATOR].iter().for_each(|name| man_for(&scenario, "another", name, 1, theirs));
        let report = scenario.pass().await;
        let expected = is_kept.then_some(Disposition::Refused);
        assert_eq!(report.disposition, expected, "{theirs:?} {ours:?}: {report:?}");
        if !is_kept {
            scenario.settle().await;
            assert_eq!(scenario.told("metallb"), AVAILABLE);
        }
    }
}

/// What the original tells of its resource is without a generation.
fn put_original(scenario: &Scenario, class: &str) {
    let spec = json!({"loadBalancerClass": class});
    let resource = json!({"metadata": {"name": "metallb", "namespace": "another"}, "spec": spec});
    scenario.server.put::<MetalLB>(&serde_json::from_value(resource).unwrap());
    let condition = json!({"type": "Available", "status": "True", "reason": "Available", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    scenario.server.set_status::<MetalLB>(Some("another"), "metallb", &json!({"conditions": [condition]}));
}

#[track_caller]
fn assert_only_told(scenario: &Scenario, words: &str) {
    assert_eq!(scenario.writes(), ["merge-patch metallbs/status metallb-system/metallb"]);
    let told = scenario.told("metallb");
    assert!(told[0].contains(words), "{told:?}");
}

const ANOTHER: &str = "another MetalLB is installed: MetalLB another/metallb";

#[tokio::test]
async fn a_class_that_another_one_serves_is_not_taken_up() {
    let scenario = Scenario::empty();
    scenario.put("metallb", &json!({"loadBalancerClass": "x/y"}));
    scenario.settle().await;
    put_original(&scenario, "");
    ["controller", OPERATOR].iter().for_each(|name| man(&scenario, "another", name, 1));
    scenario.settle().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE, "each serves its own");
    scenario.writes();
    scenario.put("metallb", &json!({}));
    scenario.pass().await;
    assert_only_told(&scenario, "loadBalancerClass \"\": MetalLB another/metallb serves it; ");
    scenario.put("metallb", &json!({"loadBalancerClass": "x/y"}));
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn who_waits_for_another_one_waits_until_its_controller_serves_another_class() {
    let scenario = Scenario::empty();
    put_original(&scenario, "x/y");
    scenario.put("metallb", &json!({}));
    ["controller", OPERATOR].iter().for_each(|name| man(&scenario, "another", name, 1));
    scenario.pass().await;
    assert_only_told(&scenario, ANOTHER);
    man_for(&scenario, "another", "controller", 1, "x/y");
    scenario.settle().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn webhooks_that_were_left_behind_are_no_reason_to_begin_beside_the_original() {
    let scenario = Scenario::empty();
    put_original(&scenario, "");
    scenario.put("metallb", &json!({}));
    put_webhooks(&scenario, &json!({"metallb.io/owned-by": NAMESPACE}), NAMESPACE);
    ["controller", OPERATOR].iter().for_each(|name| man(&scenario, "another", name, 1));
    scenario.pass().await;
    assert_only_told(&scenario, ANOTHER);
}
