use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::serde::Serialize;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::Resource;
use metallb_operator::disposition::Disposition;
use metallb_operator::operator::Report;
use serde_json::{Value, json};

use crate::scenario::{AVAILABLE, NAMESPACE, SERVICE_MONITORS, Scenario};

/// Puts an object there as the original's operator left it: owned by the resource.
fn leave<K>(scenario: &Scenario, name: &str, content: Value)
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned,
{
    let mut object = content;
    let uid = scenario.resource("metallb").metadata.uid.unwrap();
    let owner = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "MetalLB", "name": "metallb", "uid": uid,
        "controller": true, "blockOwnerDeletion": true,
    });
    let is_of_cluster = K::kind(&()) == "ValidatingWebhookConfiguration";
    let namespace = (!is_of_cluster).then_some(NAMESPACE);
    object["metadata"] = json!({"name": name, "namespace": namespace, "ownerReferences": [owner]});
    scenario.server.put::<K>(&serde_json::from_value(object).unwrap());
}

fn workload() -> Value {
    json!({"spec": {
        "selector": {"matchLabels": {"app": "frr-k8s"}},
        "template": {"metadata": {"labels": {"app": "frr-k8s"}}, "spec": {"containers": [{"name": "frr"}]}},
    }})
}

fn frr_k8s_webhooks(namespace: &str) -> Value {
    let service = json!({"name": "frr-k8s-webhook-service", "namespace": namespace});
    json!({"webhooks": [{
        "name": "frrconfigurationsvalidationwebhook.metallb.io", "admissionReviewVersions": ["v1"],
        "sideEffects": "None", "clientConfig": {"service": service},
    }]})
}

const FRR_K8S_WEBHOOKS: &str = "frr-k8s-validating-webhook-configuration";

/// The webhook of frr-k8s as the original leaves it, asking a Service in this namespace. Its owner is of another day, which no
/// garbage collector honours.
pub(crate) fn put_orphaned_frr_k8s_webhooks(scenario: &Scenario, namespace: &str) {
    let mut object = frr_k8s_webhooks(namespace);
    let owner = json!({"apiVersion": "metallb.io/v1beta1", "kind": "MetalLB", "name": "metallb",
        "uid": "of-another-day", "controller": true});
    object["metadata"] = json!({"name": FRR_K8S_WEBHOOKS, "ownerReferences": [owner]});
    scenario.server.put::<ValidatingWebhookConfiguration>(&serde_json::from_value(object).unwrap());
}

#[tokio::test]
async fn section_8_4_a_switch_turned_off_takes_back_what_it_brought() {
    let mut scenario = Scenario::settled().await;
    let plain = scenario.objects();
    for variables in [&[SERVICE_MONITORS], &[("DEPLOY_PODMONITORS", "true")]] {
        scenario.restart_with(variables);
        scenario.settle().await;
        assert!(scenario.objects().len() >= plain.len() + 4, "{variables:?}");
        scenario.restart_with(&[]);
        scenario.pass().await;
        assert_eq!(scenario.objects(), plain, "{variables:?}");
    }
    scenario.restart_with(&[("DISABLE_NETWORK_POLICIES", "true")]);
    let report = scenario.pass().await;
    let expected = ["controller", "metallb-operator-controller-manager"]
        .map(|name| format!("NetworkPolicy metallb-system/{name} deleted"));
    assert_eq!(report.changes, expected);
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());
}

#[tokio::test]
async fn section_1_8_leftovers_of_the_original_go_once_our_pods_run() {
    let scenario = Scenario::with_resource();
    leave::<ConfigMap>(&scenario, "frr-startup", json!({}));
    leave::<DaemonSet>(&scenario, "frr-k8s", workload());
    leave::<Deployment>(&scenario, "statuscleaner", workload());
    leave::<ValidatingWebhookConfiguration>(&scenario, FRR_K8S_WEBHOOKS, frr_k8s_webhooks(NAMESPACE));
    scenario.pass().await;
    let left = |scenario: &Scenario| {
        let mut objects = scenario.objects();
        objects.retain(|name| name.contains("frr") || name.contains("statuscleaner"));
        objects
    };
    // Nobody waits for the webhook; what a pod of theirs would mount stays as long as they may be made.
    let waiting = [
        "ConfigMap metallb-system/frr-startup",
        "DaemonSet metallb-system/frr-k8s",
        "Deployment metallb-system/statuscleaner",
    ];
    assert_eq!(left(&scenario), waiting);
    scenario.run_workloads();
    scenario.pass().await;
    assert_eq!(left(&scenario), [""; 0]);
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn the_original_webhook_of_frr_k8s_goes_with_a_removed_resource_too_unless_it_asks_elsewhere() {
    for (namespace, left) in [(NAMESPACE, 0), ("another", 1)] {
        let scenario = Scenario::with_resource();
        put_orphaned_frr_k8s_webhooks(&scenario, namespace);
        scenario.pass().await;
        assert_eq!(scenario.objects().iter().filter(|object| object.contains("frr-k8s")).count(), left);
    }
}

#[tokio::test]
async fn the_speakers_key_outlives_the_time_in_which_it_is_not_used() {
    let scenario = Scenario::settled().await;
    let key = || scenario.server.get::<Secret>(Some(NAMESPACE), "metallb-memberlist").unwrap().data;
    let before = key();
    for spec in [json!({"memberlistEnabled": false}), json!({})] {
        scenario.put("metallb", &spec);
        scenario.settle().await;
        assert_eq!(key(), before, "{spec}");
    }
}

#[tokio::test]
async fn a_copy_with_our_label_and_another_name_is_its_makers() {
    let scenario = Scenario::settled().await;
    let copy = json!({"metadata": {"name": "copy", "labels": {"metallb.io/owned-by": NAMESPACE}}});
    scenario.server.put::<ClusterRole>(&serde_json::from_value(copy).unwrap());
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn what_belongs_to_others_stays() {
    let scenario = Scenario::settled().await;
    let theirs =
        json!({"metadata": {"name": "theirs", "namespace": NAMESPACE, "labels": {"app": "metallb"}}});
    scenario.server.put::<ConfigMap>(&serde_json::from_value(theirs.clone()).unwrap());
    scenario.server.put::<NetworkPolicy>(&serde_json::from_value(theirs).unwrap());
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());
}

#[tokio::test]
async fn nothing_is_deleted_while_something_could_not_be_applied() {
    let mut scenario = Scenario::settled().await;
    scenario.restart_with(&[("DISABLE_NETWORK_POLICIES", "true"), ("METRICS_PORT", "9999")]);
    scenario.server.forbid("apply daemonsets");
    scenario.pass().await;
    assert!(scenario.objects().contains(&"NetworkPolicy metallb-system/controller".to_owned()));
    scenario.server.allow("apply daemonsets");
    scenario.pass().await;
    assert!(!scenario.objects().contains(&"NetworkPolicy metallb-system/controller".to_owned()));
}

#[tokio::test]
async fn what_somebody_else_has_keeps_nothing_from_being_cleared_away() {
    let mut scenario = Scenario::settled().await;
    scenario.restart_with(&[("DEPLOY_PODMONITORS", "true")]);
    let role = json!({"metadata": {"name": "metrics-reader"}});
    scenario.server.put::<ClusterRole>(&serde_json::from_value(role).unwrap());
    leave::<ConfigMap>(&scenario, "frr-startup", json!({}));
    let report = scenario.pass().await;
    assert!(
        report.changes.contains(&"ConfigMap metallb-system/frr-startup deleted".to_owned()),
        "{report:?}"
    );
    let told = scenario.told("metallb");
    assert!(told[0].contains("ClusterRole metrics-reader is not ours: "), "{told:?}");
    assert!(told[0].contains("metrics-reader waits for ClusterRole metrics-reader"), "{told:?}");
}

#[tokio::test]
async fn a_leftover_that_resists_is_named_and_keeps_no_other() {
    let mut scenario = Scenario::settled().await;
    scenario.restart_with(&[SERVICE_MONITORS]);
    scenario.settle().await;
    scenario.restart_with(&[]);
    scenario.server.forbid("delete servicemonitors metallb-system/controller-monitor");
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Refused));
    let cause = "could not delete (monitoring.coreos.com/v1, Kind=ServiceMonitor) metallb-system/controller-monitor: ";
    let told = scenario.told("metallb");
    assert!(told[0].contains(cause), "{told:?}");
    let monitors = scenario.objects().into_iter().filter(|name| name.contains("monitor"));
    assert_eq!(monitors.collect::<Vec<_>>(), ["ServiceMonitor metallb-system/controller-monitor"]);
}

#[tokio::test]
async fn a_missing_optional_kind_is_named_and_does_not_keep_the_rest() {
    let mut scenario = Scenario::with_resource();
    scenario.restart_with(&[SERVICE_MONITORS]);
    scenario.server.forget_kind("servicemonitors");
    scenario.settle().await;
    let told = scenario.told("metallb");
    let cause = "could not apply (monitoring.coreos.com/v1, Kind=ServiceMonitor) metallb-system/controller-monitor: \
                 the API server does not know this kind: is its CRD installed? (404)";
    assert!(told[0].starts_with("Degraded") && told[0].contains(cause), "{told:?}");
    assert!(scenario.speaker().is_some() && scenario.controller().is_some());
    scenario.server.learn_kind("servicemonitors");
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}
