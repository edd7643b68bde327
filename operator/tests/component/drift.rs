use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, RoleBinding};
use metallb_operator::disposition::Disposition;
use metallb_operator::operator::Report;
use metallb_testkit::Failure;
use serde_json::{Value, json};

use crate::scenario::{NAMESPACE, Scenario};

#[tokio::test]
async fn a_deleted_object_comes_back() {
    let scenario = Scenario::settled().await;
    let before = scenario.server.objects();
    scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    scenario.server.remove::<RoleBinding>(Some(NAMESPACE), "pod-lister");
    scenario.server.remove::<ClusterRole>(None, "metallb-system:speaker");
    let report = scenario.pass().await;
    let expected = [
        "ClusterRole metallb-system:speaker created",
        "RoleBinding metallb-system/pod-lister created",
        "DaemonSet metallb-system/speaker created",
    ];
    assert_eq!(report.changes, expected);
    assert_eq!(scenario.server.objects(), before);
}

/// Tokens of the pods that run are of the account that is gone, and good for nothing.
#[tokio::test]
async fn pods_of_a_deleted_account_are_replaced_and_no_others() {
    let scenario = Scenario::settled().await;
    let speaker = scenario.speaker();
    let account = |controller: Deployment| {
        controller.spec?.template.metadata?.annotations?.get("metallb.io/account").cloned()
    };
    let before = account(scenario.controller().unwrap());
    scenario.server.remove::<ServiceAccount>(Some(NAMESPACE), "controller");
    let report = scenario.pass().await;
    let created = scenario.server.get::<ServiceAccount>(Some(NAMESPACE), "controller").unwrap();
    let after = account(scenario.controller().unwrap());
    assert_eq!(after, created.metadata.uid);
    assert_ne!(after, before);
    let expected = [
        "ServiceAccount metallb-system/controller created",
        "Deployment metallb-system/controller changed: spec.template.metadata.annotations.metallb.io/account has another value",
    ];
    assert_eq!(report.changes, expected);
    assert_eq!(scenario.speaker(), speaker);
}

/// What is not known of an account is no reason to replace pods.
#[tokio::test]
async fn an_account_that_can_t_be_written_replaces_nobody() {
    let scenario = Scenario::settled().await;
    let before = scenario.controller();
    let edit = json!({"metadata": {"labels": {"app": "x"}}});
    scenario.server.edit::<ServiceAccount>(Some(NAMESPACE), "controller", &edit);
    scenario.server.deny("serviceaccounts");
    let report = scenario.pass().await;
    assert!(report.disposition.is_some());
    assert_eq!(scenario.controller(), before);
}

#[tokio::test]
async fn an_edited_field_of_ours_is_put_right_and_named() {
    let scenario = Scenario::settled().await;
    let image =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "controller", "image": "evil"}]}}}});
    scenario.server.edit::<Deployment>(Some(NAMESPACE), "controller", &image);
    scenario.server.edit::<ConfigMap>(
        Some(NAMESPACE),
        "metallb-excludel2",
        &json!({"data": {"excludel2.yaml": ""}}),
    );
    let report = scenario.pass().await;
    let named = |object: &str| report.changes.iter().any(|change| change.starts_with(object));
    assert!(
        named("Deployment metallb-system/controller changed: spec.template.spec."),
        "{:?}",
        report.changes
    );
    assert!(named("ConfigMap metallb-system/metallb-excludel2 changed: data"), "{:?}", report.changes);
    let controller = serde_json::to_value(scenario.controller().unwrap()).unwrap();
    let container = &controller["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "example/controller:1");
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await.changes, [""; 0], "one write was enough");
}

/// A field of the speakers that is not ours beside the one of ours it excludes.
pub(crate) const EXCLUDED: &str = "spec.template.spec.containers[0].env[0].valueFrom";

/// As `kubectl set env` does to a variable that comes from a field of the pod: applied beside it, ours is refused.
pub(crate) fn set_variable(scenario: &Scenario) {
    let mut speaker = scenario.speaker().unwrap();
    let template = &mut speaker.spec.as_mut().unwrap().template;
    let env = template.spec.as_mut().unwrap().containers[0].env.as_mut().unwrap();
    let variable = env.iter_mut().find(|variable| variable.value_from.is_some()).unwrap();
    (variable.value, variable.value_from) = (Some("x".to_owned()), None);
    scenario.server.put_as::<DaemonSet>("kubectl-set", &speaker);
}

#[tokio::test]
async fn what_excludes_our_fields_is_put_right() {
    // The controller of DaemonSets writes a status as soon as there is another template, and so may be quicker.
    for outrun in [false, true] {
        let scenario = Scenario::settled().await;
        let (before, repairs) = (scenario.speaker().unwrap().spec, scenario.operator.metrics.repairs.get());
        set_variable(&scenario);
        scenario.server.fail_next("apply daemonsets", Failure::Invalid(EXCLUDED));
        if outrun {
            scenario.server.fail_next("apply daemonsets", Failure::Status(409));
        }
        let report = scenario.pass().await;
        let expected = ["DaemonSet metallb-system/speaker changed: spec.template has another value"];
        assert_eq!(report.changes, expected);
        assert_eq!(report.problems, [""; 0]);
        assert_eq!(scenario.operator.metrics.repairs.get(), repairs + 1);
        assert_eq!(scenario.speaker().unwrap().spec, before);
        scenario.server.forbid_writes();
        assert_eq!(scenario.pass().await.changes, [""; 0]);
    }
}

#[tokio::test]
async fn a_repair_that_comes_too_late_is_made_by_the_next_pass() {
    let scenario = Scenario::settled().await;
    let before = scenario.speaker().unwrap().spec;
    set_variable(&scenario);
    for _ in 0..2 {
        scenario.server.fail_next("apply daemonsets", Failure::Invalid(EXCLUDED));
    }
    scenario.server.fail_next("json-patch daemonsets", Failure::Status(409));
    assert_eq!(scenario.pass().await.disposition, Some(Disposition::Conflict));
    assert_eq!(scenario.pass().await.disposition, None);
    assert_eq!(scenario.speaker().unwrap().spec, before);
}

/// What keeps a repair from being finished is told, and not what the repair has overcome.
#[tokio::test]
async fn what_stops_a_repair_is_told_for_what_it_is() {
    let scenario = Scenario::settled().await;
    let before = scenario.speaker().unwrap().spec;
    set_variable(&scenario);
    scenario.server.fail_next("apply daemonsets", Failure::Invalid(EXCLUDED));
    scenario.server.fail_next("apply daemonsets", Failure::Status(500));
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Transient), "{report:?}");
    scenario.pass().await;
    assert_eq!(scenario.speaker().unwrap().spec, before);
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await.changes, [""; 0]);
}

/// Beside what may be unavailable at most, ours, what must be available at least is refused; so is a surge.
#[tokio::test]
async fn what_excludes_our_fields_elsewhere_than_in_templates_is_put_right() {
    let scenario = Scenario::settled().await;
    scenario.put("metallb", &json!({"controllerReplicas": 2, "speakerMaxUnavailable": 2}));
    scenario.settle().await;
    let budget = |scenario: &Scenario| {
        scenario.server.get::<PodDisruptionBudget>(Some(NAMESPACE), "controller").unwrap().spec
    };
    let (speaker, before) = (scenario.speaker().unwrap().spec, budget(&scenario));
    let edit = json!({"spec": {"minAvailable": 1, "maxUnavailable": null}});
    scenario.server.edit::<PodDisruptionBudget>(Some(NAMESPACE), "controller", &edit);
    let surge = json!({"spec": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}});
    scenario.server.edit::<DaemonSet>(Some(NAMESPACE), "speaker", &surge);
    scenario.server.fail_next("apply poddisruptionbudgets", Failure::Invalid("spec"));
    let field = "spec.updateStrategy.rollingUpdate.maxSurge";
    scenario.server.fail_next("apply daemonsets", Failure::Invalid(field));
    let changes = scenario.pass().await.changes;
    let named = |change: &str| changes.iter().any(|made| made == change);
    assert!(
        named("PodDisruptionBudget metallb-system/controller changed: spec has another value"),
        "{changes:?}"
    );
    assert!(
        named("DaemonSet metallb-system/speaker changed: spec.updateStrategy has another value"),
        "{changes:?}"
    );
    assert_eq!((scenario.speaker().unwrap().spec, budget(&scenario)), (speaker, before));
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await.changes, [""; 0]);
}

/// What is refused whatever others wrote is told in the API server's words, and what others wrote is still there: a policy names no
/// field, and a selector is none of what may be written whole.
#[tokio::test]
async fn what_is_refused_for_another_reason_costs_others_nothing() {
    let elsewhere = ["spec.selector", "spec.templates", "metadata.labels"].map(Failure::Invalid);
    for refusal in elsewhere.into_iter().chain([Failure::Status(422)]) {
        let scenario = Scenario::settled().await;
        set_variable(&scenario);
        let before = scenario.speaker();
        scenario.server.fail_next("apply daemonsets", refusal);
        scenario.server.take_requests();
        let report = scenario.pass().await;
        let writes = scenario.writes();
        assert!(!writes.iter().any(|write| write.starts_with("json-patch daemonsets")), "{writes:?}");
        assert_eq!(report.disposition, Some(Disposition::Refused), "{report:?}");
        assert_eq!(scenario.speaker(), before);
    }
}

#[tokio::test]
async fn a_workload_that_is_refused_as_a_whole_stays_as_it_is() {
    let scenario = Scenario::settled().await;
    set_variable(&scenario);
    let before = scenario.speaker();
    scenario.server.fail_next("apply daemonsets", Failure::Invalid(EXCLUDED));
    scenario.server.fail_next("json-patch daemonsets", Failure::Status(422));
    scenario.server.take_requests();
    let report = scenario.pass().await;
    let writes = scenario.writes();
    assert!(writes.iter().any(|write| write.starts_with("json-patch daemonsets")), "{writes:?}");
    assert_eq!(report.disposition, Some(Disposition::Refused), "{report:?}");
    assert!(report.problems.iter().any(|problem| problem.contains(EXCLUDED)), "{report:?}");
    assert_eq!(scenario.speaker(), before);
}

/// As policies do that mirror registries.
#[tokio::test]
async fn what_is_taken_back_on_the_way_is_no_change() {
    let scenario = Scenario::settled().await;
    scenario.server.default_fields(|object| {
        if object["kind"] == "Deployment" {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("mirror/controller:1");
        }
    });
    // Whatever is written next is mirrored.
    scenario.server.edit::<Deployment>(
        Some(NAMESPACE),
        "controller",
        &json!({"metadata": {"labels": {"x": "y"}}}),
    );
    // At first the field is ours again.
    scenario.pass().await;
    let before = scenario.operator.metrics.repairs.get();
    assert_eq!(scenario.pass().await.changes, [""; 0]);
    assert_eq!(scenario.operator.metrics.repairs.get(), before);
}

#[tokio::test]
async fn what_others_add_is_left_alone() {
    let scenario = Scenario::settled().await;
    let theirs = json!({"metadata": {"annotations": {"theirs": "x"}}, "spec": {"replicas": 2}});
    scenario.server.edit::<Deployment>(Some(NAMESPACE), "controller", &theirs);
    scenario.server.edit::<Secret>(
        Some(NAMESPACE),
        "metallb-webhook-cert",
        &json!({"data": {"tls.crt": "eA=="}}),
    );
    scenario.server.take_requests();
    let report = scenario.pass().await;
    assert_eq!(report.changes, [""; 0]);
    assert_eq!(
        scenario.writes(),
        ["merge-patch metallbs/status metallb-system/metallb"],
        "1 of 2 controllers"
    );
    let certificate: Value =
        serde_json::to_value(scenario.server.get::<Secret>(Some(NAMESPACE), "metallb-webhook-cert")).unwrap();
    assert_eq!(certificate["data"]["tls.crt"], "eA==");
}

/// What is left alone by the name of who writes it: an autoscaler, the Deployment's controller, the API server.
#[tokio::test]
async fn section_2_10_replicas_revisions_and_cluster_addresses_are_others() {
    let scenario = Scenario::settled().await;
    let mut controller = scenario.controller().unwrap();
    controller.spec.as_mut().unwrap().replicas = Some(3);
    scenario.server.put_as::<Deployment>("horizontal-pod-autoscaler", &controller);
    let revision = json!({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "7"}}});
    scenario.server.edit::<Deployment>(Some(NAMESPACE), "controller", &revision);
    let addresses =
        json!({"spec": {"clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9"], "type": "ClusterIP"}});
    scenario.server.edit::<Service>(Some(NAMESPACE), "metallb-webhook-service", &addresses);
    assert_eq!(scenario.pass().await.changes, [""; 0]);
    let controller = scenario.controller().unwrap();
    assert_eq!(controller.spec.unwrap().replicas, Some(3));
    assert_eq!(controller.metadata.annotations.unwrap()["deployment.kubernetes.io/revision"], "7");
    let service: Service = scenario.server.get(Some(NAMESPACE), "metallb-webhook-service").unwrap();
    assert_eq!(service.spec.unwrap().cluster_ip.as_deref(), Some("10.96.0.9"));
}

#[tokio::test]
async fn a_field_somebody_took_over_with_our_value_is_taken_back_once() {
    let scenario = Scenario::settled().await;
    let labels = |value: &str| json!({"metadata": {"labels": {"component": value}}});
    scenario.server.edit::<DaemonSet>(Some(NAMESPACE), "speaker", &labels("x"));
    scenario.server.edit::<DaemonSet>(Some(NAMESPACE), "speaker", &labels("speaker"));
    let expected = ["DaemonSet metallb-system/speaker changed: metadata.labels.component was not ours"];
    assert_eq!(scenario.pass().await.changes, expected);
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());
}

#[tokio::test]
async fn what_is_repaired_and_what_runs_is_counted() {
    let scenario = Scenario::settled().await;
    let metrics = &scenario.operator.metrics;
    let ready = |workload: &str| metrics.ready.with_label_values(&[workload]).get();
    assert_eq!(
        (metrics.repairs.get(), ready("speaker"), ready("controller")),
        (0, 1, 1),
        "an installation is none"
    );
    scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    scenario.server.remove::<RoleBinding>(Some(NAMESPACE), "pod-lister");
    scenario.pass().await;
    assert_eq!((metrics.repairs.get(), ready("speaker"), ready("controller")), (2, 0, 1));
}

#[tokio::test]
async fn a_fresh_leader_that_finds_something_missing_repairs_it_and_what_it_was_started_for_is_no_repair() {
    let lost: (&[(&str, &str)], u64) = (&[], 1);
    for (variables, repairs) in
        [lost, (&[("METRICS_PORT", "9999")], 0), (&[("DEPLOY_SERVICEMONITORS", "true")], 0)]
    {
        let mut scenario = Scenario::settled().await;
        scenario.restart_with(variables);
        if repairs > 0 {
            scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
        }
        assert!(!scenario.pass().await.changes.is_empty(), "{variables:?}");
        assert_eq!(scenario.operator.metrics.repairs.get(), repairs, "{variables:?}");
    }
}
