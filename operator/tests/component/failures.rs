use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Secret};
use kube::Api;
use kube::api::ListParams;
use kube::client::Body;
use metallb_api::MetalLB;
use metallb_operator::disposition::Disposition;
use metallb_testkit::Failure;
use serde_json::json;

use crate::scenario::{AVAILABLE, NAMESPACE, Scenario};

#[tokio::test]
async fn a_refused_object_is_named_and_does_not_keep_the_others_away() {
    let scenario = Scenario::with_resource();
    scenario.server.fail_next("create secrets", Failure::Status(403));
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Refused));
    let told = scenario.told("metallb");
    let cause = "could not apply (v1, Kind=Secret) metallb-system/metallb-memberlist: \
                 this test lets the request fail (403); MetalLB speaker daemonset status is out of date";
    assert_eq!(
        told,
        [format!("Degraded FailedToSyncMetalLBResources: FailedToSyncMetalLBResources: {cause}")]
    );
    assert!(scenario.speaker().is_some() && scenario.controller().is_some());
}

#[tokio::test]
async fn an_unreachable_server_is_not_asked_twenty_times() {
    let scenario = Scenario::with_resource();
    scenario.server.fail_next("get customresourcedefinitions", Failure::Unreachable);
    scenario.pass().await;
    assert_eq!(scenario.server.take_requests().len(), 3, "list, the definition, status");
}

#[tokio::test]
async fn a_conflict_is_told_as_progress_and_tried_again() {
    let scenario = Scenario::settled().await;
    scenario.server.fail_next("get configmaps", Failure::Status(409));
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Conflict));
    assert!(scenario.told("metallb")[0].starts_with("Progressing Progressing: could not apply"));
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn who_is_outrun_once_looks_again_without_a_word() {
    for write in ["apply configmaps", "create secrets"] {
        let scenario = Scenario::settled().await;
        scenario.server.remove::<ConfigMap>(Some(NAMESPACE), "metallb-excludel2");
        scenario.server.remove::<Secret>(Some(NAMESPACE), "metallb-memberlist");
        scenario.server.fail_next(write, Failure::Status(409));
        let report = scenario.pass().await;
        assert_eq!((report.disposition, report.changes.len()), (None, 2), "{write}: {:?}", report.problems);
        assert_eq!(scenario.told("metallb"), AVAILABLE, "{write}");
    }
}

#[tokio::test]
async fn a_refusal_is_not_hidden_by_a_conflict() {
    let scenario = Scenario::settled().await;
    scenario.server.fail_next("get configmaps", Failure::Status(409));
    scenario.server.fail_next("get secrets", Failure::Status(403));
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Refused));
    assert!(scenario.told("metallb")[0].starts_with("Degraded "), "{:?}", scenario.told("metallb"));
}

#[tokio::test]
async fn pods_are_not_replaced_before_the_file_is_written_that_they_read() {
    let scenario = Scenario::settled().await;
    let template = || scenario.speaker().unwrap().spec.unwrap().template;
    let before = template();
    scenario.put("metallb", &json!({"excludedInterfaces": ["^eth9$"], "logLevel": "debug"}));
    scenario.server.forbid("apply configmaps");
    let report = scenario.pass().await;
    assert_eq!(template(), before);
    assert_eq!(report.changes.len(), 1, "the controller reads no such file: {report:?}");
    let told = scenario.told("metallb");
    let named = "; (apps/v1, Kind=DaemonSet) metallb-system/speaker waits for ConfigMap metallb-excludel2";
    assert!(told[0].starts_with("Degraded ") && told[0].contains(named), "{told:?}");
    assert!(report.settling, "how the pods are is known all the same: {report:?}");
    scenario.server.allow("apply configmaps");
    assert_eq!(scenario.pass().await.changes.len(), 2);
    assert_ne!(template(), before);
}

#[tokio::test]
async fn pods_that_stay_as_they_are_wait_for_no_file() {
    let scenario = Scenario::settled().await;
    scenario.server.remove::<ConfigMap>(Some(NAMESPACE), "metallb-excludel2");
    scenario.server.forbid("apply configmaps");
    scenario.pass().await;
    let told = scenario.told("metallb");
    assert!(told[0].starts_with("Degraded ") && !told[0].contains("waits"), "{told:?}");
}

#[tokio::test]
async fn what_went_wrong_hides_neither_what_was_done_nor_how_the_pods_are() {
    let mut scenario = Scenario::with_resource();
    scenario.restart_with(&[("DEPLOY_SERVICEMONITORS", "true")]);
    scenario.server.forget_kind("servicemonitors");
    let report = scenario.pass().await;
    assert!(report.settling && report.changes.len() > 20, "{report:?}");
    // It may be so for good: no reason to ask every five seconds.
    assert_eq!(report.disposition, Some(Disposition::Refused));
    let told = scenario.told("metallb");
    let ends = "is its CRD installed? (404); MetalLB speaker daemonset status is out of date";
    assert!(told[0].starts_with("Degraded ") && told[0].ends_with(ends), "{told:?}");
    assert_eq!(told_in_events(&scenario, 2).await[0].1, "Installed");
    scenario.run_workloads();
    scenario.pass().await;
    let ready = |scenario: &Scenario| {
        let gauge = scenario.operator.metrics.ready.with_label_values(&["speaker"]);
        gauge.get()
    };
    assert_eq!(ready(&scenario), 1);
    scenario.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &json!({"numberReady": 0}));
    scenario.server.remove::<ConfigMap>(Some(NAMESPACE), "metallb-excludel2");
    let report = scenario.pass().await;
    assert_eq!((ready(&scenario), report.settling), (0, true));
    assert_eq!(report.changes, ["ConfigMap metallb-system/metallb-excludel2 created"]);
}

#[tokio::test]
async fn a_kind_that_is_not_there_keeps_nothing_from_being_cleared_away() {
    let mut scenario = Scenario::settled().await;
    scenario.restart_with(&[("DEPLOY_SERVICEMONITORS", "true"), ("DISABLE_NETWORK_POLICIES", "true")]);
    scenario.server.forget_kind("servicemonitors");
    let report = scenario.pass().await;
    assert!(
        report.changes.contains(&"NetworkPolicy metallb-system/controller deleted".to_owned()),
        "{report:?}"
    );
}

#[tokio::test]
async fn what_was_cleared_away_is_told_although_something_resisted() {
    let mut scenario = Scenario::settled().await;
    scenario.restart_with(&[("DEPLOY_SERVICEMONITORS", "true")]);
    scenario.settle().await;
    scenario.restart_with(&[]);
    scenario.server.forbid("delete servicemonitors metallb-system/controller-monitor");
    let report = scenario.pass().await;
    assert!(
        report.changes.contains(&"ServiceMonitor metallb-system/speaker-monitor deleted".to_owned()),
        "{report:?}"
    );
}

#[tokio::test]
async fn nothing_is_shown_of_workloads_of_which_nothing_is_known() {
    let scenario = Scenario::settled().await;
    scenario.server.remove::<metallb_api::MetalLB>(Some(NAMESPACE), "metallb");
    scenario.pass().await;
    for workload in ["speaker", "controller"] {
        let removed = scenario.operator.metrics.ready.remove_label_values(&[workload]);
        assert!(removed.is_err(), "there was none of {workload}");
    }
}

#[tokio::test]
async fn an_answer_that_can_not_be_read_is_the_trouble_of_that_object_alone() {
    let mut scenario = Scenario::with_resource();
    let behind = scenario.server.client(NAMESPACE);
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let behind = behind.clone();
        async move {
            match request.uri().path().ends_with("/configmaps/metallb-excludel2") {
                true => Ok(http::Response::new(Body::from(b"junk".to_vec()))),
                false => behind.send(request).await,
            }
        }
    });
    scenario.operator.client = kube::Client::new(service, NAMESPACE);
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Transient), "{report:?}");
    assert!(scenario.told("metallb")[0].contains("metallb-excludel2"), "{:?}", scenario.told("metallb"));
    assert!(scenario.speaker().is_some(), "the objects after it are applied");
}

#[tokio::test]
async fn only_a_spec_that_makes_no_sense_waits_for_an_edit() {
    let scenario = Scenario::with_resource();
    scenario.server.fail_next("get validatingwebhookconfigurations", Failure::Status(422));
    assert_eq!(scenario.pass().await.disposition, Some(Disposition::Refused));
    scenario.put("metallb", &serde_json::json!({"bgpBackend": "bird"}));
    assert_eq!(scenario.pass().await.disposition, Some(Disposition::Invalid));
}

#[tokio::test]
async fn who_may_do_nothing_at_all_is_cut_off() {
    let scenario = Scenario::with_resource();
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await.disposition, Some(Disposition::CutOff));
    let scenario = Scenario::with_resource();
    scenario.server.fail_next("get configmaps", Failure::Status(401));
    assert_eq!(scenario.pass().await.disposition, Some(Disposition::CutOff));
}

#[tokio::test]
async fn nothing_is_cleared_away_because_the_resources_could_not_be_read() {
    let scenario = Scenario::settled().await;
    let before = scenario.objects();
    scenario.server.forget_kind("metallbs");
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::CutOff));
    assert_eq!(scenario.objects(), before);
    assert_eq!(scenario.writes(), [""; 0]);
}

/// Type, reason and count of the events, once there are so many; others are published in the background.
pub(crate) async fn told_in_events(
    scenario: &Scenario,
    expected: usize,
) -> Vec<(String, String, Option<i32>)> {
    let mut told = Vec::new();
    for _ in 0..10_000 {
        told = events_of(scenario).await;
        let count: i32 = told.iter().filter_map(|event| event.count).sum();
        if usize::try_from(count).unwrap() >= expected {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut told: Vec<_> = told.into_iter().map(|e| (e.type_.unwrap(), e.reason.unwrap(), e.count)).collect();
    told.sort();
    told
}

#[tokio::test]
async fn what_becomes_of_a_resource_is_told_in_events_once() {
    let scenario = Scenario::settled().await;
    scenario.put("metallb", &serde_json::json!({"bgpBackend": "bird"}));
    scenario.pass().await;
    scenario.pass().await;
    scenario.put("metallb", &serde_json::json!({}));
    scenario.pass().await;
    scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    scenario.pass().await;
    scenario.pass().await;
    let event = |type_: &str, reason: &str, count| (type_.to_owned(), reason.to_owned(), Some(count));
    let expected = [
        event("Normal", "Available", 2),
        event("Normal", "Installed", 1),
        event("Normal", "Repaired", 1),
        event("Warning", "FailedToSyncMetalLBResources", 1),
    ];
    assert_eq!(told_in_events(&scenario, 5).await, expected);
}

#[tokio::test]
async fn what_a_new_operator_or_an_edit_changes_is_told_as_such() {
    let mut scenario = Scenario::settled().await;
    scenario.restart_with(&[("METRICS_PORT", "9999")]);
    scenario.pass().await;
    scenario.put("metallb", &serde_json::json!({"logLevel": "debug"}));
    scenario.pass().await;
    let told = told_in_events(&scenario, 4).await;
    let reasons: Vec<&str> = told.iter().map(|(_, reason, _)| reason.as_str()).collect();
    assert_eq!(reasons, ["Available", "Installed", "Updated", "Upgraded"]);
}

#[tokio::test]
async fn a_rollout_behind_another_trouble_is_told_once() {
    let mut scenario = Scenario::settled().await;
    scenario.restart_with(&[("DEPLOY_SERVICEMONITORS", "true")]);
    scenario.server.forget_kind("servicemonitors");
    for updated in [3, 1, 2, 3] {
        let status = json!({"updatedNumberScheduled": updated, "numberReady": updated});
        scenario.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &status);
        scenario.pass().await;
        let told = scenario.told("metallb").remove(0);
        let behind = format!("; MetalLB speaker daemonset not ready: {updated} of 3 speakers updated");
        assert_eq!(told.ends_with(&behind), updated < 3, "{told}");
    }
    let event = |type_: &str, reason: &str| (type_.to_owned(), reason.to_owned(), Some(1));
    let expected = [
        event("Normal", "Available"),
        event("Normal", "Installed"),
        event("Normal", "Upgraded"),
        event("Warning", "FailedToSyncMetalLBResources"),
    ];
    assert_eq!(told_in_events(&scenario, 4).await, expected);
}

#[tokio::test]
async fn what_is_cleared_away_after_the_resource_is_told_once() {
    let scenario = Scenario::settled().await;
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    scenario.pass().await;
    scenario.pass().await;
    assert_eq!(told_in_events(&scenario, 3).await[2], ("Normal".to_owned(), "Removed".to_owned(), Some(1)));
    let all = events_of(&scenario).await;
    let removed = all.iter().find(|event| event.reason.as_deref() == Some("Removed")).unwrap();
    let about = &removed.involved_object;
    assert_eq!((about.kind.as_deref(), about.name.as_deref()), (Some("MetalLB"), Some("metallb")));
    assert_eq!((about.namespace.as_deref(), about.uid.as_deref()), (Some(NAMESPACE), None));
    let message = removed.message.as_deref().unwrap();
    assert!(
        message.starts_with("ValidatingWebhookConfiguration metallb-webhook-configuration deleted; ")
            && message.ends_with("; and 2 more"),
        "{message}"
    );
}

async fn events_of(scenario: &Scenario) -> Vec<Event> {
    let events: Api<Event> = Api::namespaced(scenario.events.client(NAMESPACE), NAMESPACE);
    events.list(&ListParams::default()).await.unwrap().items
}
