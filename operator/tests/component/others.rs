//! What belongs to somebody else: another MetalLB, or a user who chose the same name.

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use metallb_api::MetalLB;
use metallb_operator::disposition::Disposition;
use metallb_testkit::{Failure, Request};
use serde_json::{Value, json};

use crate::scenario::{AVAILABLE, NAMESPACE, Scenario};

pub(crate) const POD_MONITORS: (&str, &str) = ("DEPLOY_PODMONITORS", "true");

/// A cluster with this namespace beside ours.
pub(crate) fn beside(namespace: &str) -> Scenario {
    let scenario = Scenario::with_resource();
    let object = json!({"metadata": {"name": namespace}});
    scenario.server.put::<Namespace>(&serde_json::from_value(object).unwrap());
    scenario
}

pub(crate) fn put_role(scenario: &Scenario, name: &str, labels: &Value) {
    let rules = json!([{"nonResourceURLs": ["/metrics", "/theirs"], "verbs": ["get"]}]);
    let role = json!({"metadata": {"name": name, "labels": labels}, "rules": rules});
    scenario.server.put::<ClusterRole>(&serde_json::from_value(role).unwrap());
}

pub(crate) fn put_binding(scenario: &Scenario, name: &str, labels: &Value, subjects: &Value) {
    let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
    let binding =
        json!({"metadata": {"name": name, "labels": labels}, "roleRef": role, "subjects": subjects});
    scenario.server.put::<ClusterRoleBinding>(&serde_json::from_value(binding).unwrap());
}

pub(crate) fn account(name: &str, namespace: &str) -> Value {
    json!([{"kind": "ServiceAccount", "name": name, "namespace": namespace}])
}

fn webhooks(namespace: &str) -> Value {
    json!([{
        "name": "ipaddresspoolvalidationwebhook.metallb.io", "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "clientConfig": {"service": {"name": "metallb-webhook-service", "namespace": namespace}},
    }])
}

pub(crate) fn put_webhooks(scenario: &Scenario, labels: &Value, namespace: &str) {
    let object = json!({"metadata": {"name": "metallb-webhook-configuration", "labels": labels},
        "webhooks": webhooks(namespace)});
    scenario.server.put::<ValidatingWebhookConfiguration>(&serde_json::from_value(object).unwrap());
}

/// Every object outside of namespaces that was there before.
fn theirs(scenario: &Scenario) -> (Vec<Option<ClusterRole>>, Vec<Option<ClusterRoleBinding>>) {
    let names = ["metallb-system:controller", "metrics-reader"];
    (
        names.map(|name| scenario.server.get(None, name)).into(),
        names.map(|name| scenario.server.get(None, name)).into(),
    )
}

#[tokio::test]
async fn what_somebody_else_has_under_our_names_stays_his_is_named_and_keeps_nothing_else() {
    let none = json!({});
    let of_another = json!({"metallb.io/owned-by": "another"});
    let controller = "metallb-system:controller";
    let group = json!([{"kind": "Group", "name": "monitoring"}]);
    for (name, labels, subjects, whose) in [
        (
            controller,
            &none,
            account("controller", "another"),
            "it grants rights to ServiceAccount another/controller",
        ),
        (
            controller,
            &of_another,
            account("controller", "another"),
            "it belongs to the MetalLB in namespace another",
        ),
        (
            "metrics-reader",
            &none,
            account("prometheus", "another"),
            "it grants rights to ServiceAccount another/prometheus",
        ),
        ("metrics-reader", &none, group, "it grants rights to Group monitoring"),
        (
            "metrics-reader",
            &none,
            // One left over does not open it for the others.
            json!([account("prometheus", "gone")[0], account("prometheus", "another")[0]]),
            "it grants rights to ServiceAccount another/prometheus",
        ),
    ] {
        let mut scenario = beside("another");
        scenario.restart_with(&[POD_MONITORS]);
        put_role(&scenario, name, labels);
        put_binding(&scenario, name, labels, &subjects);
        let before = theirs(&scenario);
        let report = scenario.pass().await;
        assert_eq!(report.disposition, Some(Disposition::Refused), "{name}");
        let advice =
            "delete it if nobody needs it, or label it metallb.io/owned-by=metallb-system to hand it over";
        let told = scenario.told("metallb");
        for kind in ["ClusterRole", "ClusterRoleBinding"] {
            let expected = format!("{kind} {name} is not ours: {whose}; {advice}");
            assert!(told[0].contains(&expected), "{expected}: {told:?}");
        }
        assert!(scenario.controller().is_some() && scenario.speaker().is_some());
        scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
        scenario.pass().await;
        assert_eq!(theirs(&scenario), before, "{name}: nor does it go with our resource");
    }
}

#[tokio::test]
async fn a_role_of_which_nothing_says_whose_it_is_is_handed_over_by_its_label() {
    let mut scenario = Scenario::with_resource();
    scenario.restart_with(&[POD_MONITORS]);
    put_role(&scenario, "metrics-reader", &json!({}));
    let role = || scenario.server.get::<ClusterRole>(None, "metrics-reader");
    let before = role();
    for _ in 0..3 {
        scenario.pass().await;
    }
    assert_eq!(role(), before);
    // Made, it would be the proof that the role is ours.
    assert_eq!(scenario.server.get::<ClusterRoleBinding>(None, "metrics-reader"), None);
    let told = scenario.told("metallb");
    assert!(told[0].contains("metrics-reader waits for ClusterRole metrics-reader"), "{told:?}");
    assert!(scenario.controller().is_some() && scenario.speaker().is_some(), "all else is there");
    assert!(
        told[0].contains("ClusterRole metrics-reader is not ours: nothing says that MetalLB made it"),
        "{told:?}"
    );
    put_role(&scenario, "metrics-reader", &json!({"metallb.io/owned-by": NAMESPACE}));
    scenario.settle().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn what_the_original_left_for_our_namespace_or_for_one_that_is_gone_is_taken_over() {
    for (subjects, namespace, labels) in [
        (account("controller", NAMESPACE), NAMESPACE, json!({})),
        (account("controller", "gone"), "gone", json!({})),
        (account("controller", "gone"), "gone", json!({"metallb.io/owned-by": "gone"})),
    ] {
        let scenario = Scenario::with_resource();
        put_role(&scenario, "metallb-system:controller", &labels);
        put_binding(&scenario, "metallb-system:controller", &labels, &subjects);
        put_webhooks(&scenario, &labels, namespace);
        scenario.settle().await;
        assert_eq!(scenario.told("metallb"), AVAILABLE, "{namespace} {labels}");
        let binding: ClusterRoleBinding = scenario.server.get(None, "metallb-system:controller").unwrap();
        assert_eq!(binding.subjects.unwrap()[0].namespace.as_deref(), Some(NAMESPACE));
    }
}

#[tokio::test]
async fn nothing_is_applied_where_another_metallb_answers_the_webhooks() {
    for labels in [json!({}), json!({"metallb.io/owned-by": "another"})] {
        let scenario = beside("another");
        put_webhooks(&scenario, &labels, "another");
        let report = scenario.pass().await;
        assert_eq!(report.disposition, Some(Disposition::Refused));
        assert_eq!(scenario.writes(), ["merge-patch metallbs/status metallb-system/metallb"]);
        let told = scenario.told("metallb");
        let named = "another MetalLB is installed: ValidatingWebhookConfiguration metallb-webhook-configuration is not ours: ";
        assert!(told[0].contains(named) && told[0].contains("another"), "{told:?}");
        assert!(!told[0].contains("hand it over"), "that would leave two: {told:?}");
        scenario.server.remove::<ValidatingWebhookConfiguration>(None, "metallb-webhook-configuration");
        scenario.settle().await;
        assert_eq!(scenario.told("metallb"), AVAILABLE);
    }
}

/// A workload as the chart makes it.
fn of_chart(name: &str) -> Value {
    let labels = json!({"app.kubernetes.io/name": "metallb", "app.kubernetes.io/instance": "metallb"});
    json!({"metadata": {"name": name, "namespace": NAMESPACE, "labels": labels}, "spec": {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "metallb"}]}},
    }})
}

#[tokio::test]
async fn an_installation_by_helm_is_neither_joined_nor_touched_and_the_steps_are_told() {
    for (kind, name) in [("DaemonSet", "metallb-speaker"), ("Deployment", "metallb-controller")] {
        let scenario = Scenario::with_resource();
        match kind {
            "DaemonSet" => scenario.server.put::<DaemonSet>(&serde_json::from_value(of_chart(name)).unwrap()),
            _ => scenario.server.put::<Deployment>(&serde_json::from_value(of_chart(name)).unwrap()),
        }
        scenario.pass().await;
        let told = scenario.told("metallb");
        let named = format!("MetalLB was installed by Helm: {kind} metallb-system/{name}; ");
        assert!(told[0].contains(&named) && told[0].contains("docs/operator.md"), "{told:?}");
        assert_eq!(scenario.writes(), ["merge-patch metallbs/status metallb-system/metallb"]);
        match kind {
            "DaemonSet" => scenario.server.remove::<DaemonSet>(Some(NAMESPACE), name),
            _ => scenario.server.remove::<Deployment>(Some(NAMESPACE), name),
        }
        scenario.settle().await;
        assert_eq!(scenario.told("metallb"), AVAILABLE);
    }
}

#[tokio::test]
async fn the_label_of_the_chart_on_what_is_ours_makes_no_chart_of_it() {
    let scenario = Scenario::with_resource();
    scenario.settle().await;
    let mut speaker = scenario.speaker().unwrap();
    let labels = speaker.metadata.labels.get_or_insert_default();
    labels.insert("app.kubernetes.io/name".to_owned(), "metallb".to_owned());
    scenario.server.put::<DaemonSet>(&speaker);
    scenario.settle().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn a_role_of_somebody_else_is_not_taken_because_it_could_not_be_looked_at_once() {
    let unlabelled = || {
        let mut scenario = Scenario::with_resource();
        scenario.restart_with(&[POD_MONITORS]);
        put_role(&scenario, "metrics-reader", &json!({}));
        scenario
    };
    let reference = unlabelled();
    reference.pass().await;
    let reads = reference.server.take_requests();
    let about_roles =
        |request: &Request| request.resource.starts_with("clusterrole") && !request.verb.writes();
    let reads: Vec<usize> =
        reads.iter().enumerate().filter(|(_, read)| about_roles(read)).map(|(nth, _)| nth).collect();
    assert!(reads.len() > 2);
    for nth in reads {
        let scenario = unlabelled();
        let before = scenario.server.get::<ClusterRole>(None, "metrics-reader");
        scenario.server.fail_nth(nth, Failure::Status(500));
        for _ in 0..3 {
            scenario.pass().await;
        }
        assert_eq!(scenario.server.get::<ClusterRole>(None, "metrics-reader"), before, "{nth}");
        assert_eq!(scenario.server.get::<ClusterRoleBinding>(None, "metrics-reader"), None, "{nth}");
    }
}
