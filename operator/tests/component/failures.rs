use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use metallb_operator::disposition::Disposition;
use metallb_testkit::{Failure, Request};

use crate::scenario::{AVAILABLE, NAMESPACE, Scenario};

/// One of each kind: refused for now, and the two ways of a broken connection; a write may be outrun as well. For a
/// read it makes no difference how the connection breaks. After the first request of a verb they take turns.
fn failures_of(request: &Request, nth: usize, is_first: bool) -> Vec<Failure> {
    let all = [Failure::Status(503), Failure::Unreachable, Failure::AnswerLost, Failure::Status(409)];
    let count = if request.verb.writes() { 4 } else { 2 };
    match is_first {
        true => all[..count].to_vec(),
        // Reads and writes alternate.
        false => vec![all[(nth / 2) % count]],
    }
}

#[tokio::test]
async fn a_failure_of_any_request_is_overcome() {
    let reference = Scenario::with_resource();
    reference.pass().await;
    let requests = reference.server.take_requests();
    reference.passes_until_settled().await;
    let mut seen = BTreeSet::new();
    for (nth, request) in requests.iter().enumerate() {
        let is_first = seen.insert(format!("{:?}", request.verb));
        for failure in failures_of(request, nth, is_first) {
            let scenario = Scenario::with_resource();
            scenario.server.fail_nth(nth, failure);
            let report = scenario.pass().await;
            // What keeps pods away is only a hint.
            let is_hint = ["pods", "events"].contains(&request.resource.as_str());
            assert!(report.disposition.is_some() || is_hint, "{failure:?} at {request} went unnoticed");
            assert!(scenario.passes_until_settled().await <= 2, "{failure:?} at {nth}");
            assert_eq!(scenario.server.objects(), reference.server.objects(), "{failure:?} at {nth}");
            assert_eq!(scenario.told("metallb"), reference.told("metallb"), "{failure:?} at {nth}");
        }
    }
}

#[tokio::test]
async fn a_refused_object_is_named_and_does_not_keep_the_others_away() {
    let scenario = Scenario::with_resource();
    // The list, then read and write of three objects, then the read of the memberlist Secret: its creation.
    scenario.server.fail_nth(8, Failure::Status(403));
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Refused));
    let told = scenario.told("metallb");
    let cause = "could not apply (v1, Kind=Secret) metallb-system/metallb-memberlist: \
                 this test lets the request fail (403)";
    assert_eq!(
        told,
        [format!("Degraded FailedToSyncMetalLBResources: FailedToSyncMetalLBResources: {cause}")]
    );
    assert!(scenario.speaker().is_some() && scenario.controller().is_some());
}

#[tokio::test]
async fn an_unreachable_server_is_not_asked_twenty_times() {
    let scenario = Scenario::with_resource();
    scenario.server.fail_nth(1, Failure::Unreachable);
    scenario.pass().await;
    assert_eq!(scenario.server.take_requests().len(), 3, "list, the first object, status");
}

#[tokio::test]
async fn a_conflict_is_told_as_progress_and_tried_again() {
    let scenario = Scenario::settled().await;
    scenario.server.fail_nth(1, Failure::Status(409));
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Conflict));
    assert!(scenario.told("metallb")[0].starts_with("Progressing Progressing: could not apply"));
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn only_a_spec_that_makes_no_sense_waits_for_an_edit() {
    let scenario = Scenario::with_resource();
    scenario.server.fail_nth(2, Failure::Status(422));
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
    scenario.server.fail_nth(5, Failure::Status(401));
    assert_eq!(scenario.pass().await.disposition, Some(Disposition::CutOff));
}

#[tokio::test]
async fn nothing_is_cleared_away_because_the_resources_could_not_be_read() {
    let scenario = Scenario::settled().await;
    let before = scenario.server.objects();
    scenario.server.forget_kind("metallbs");
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::CutOff));
    assert_eq!(scenario.server.objects(), before);
    assert_eq!(scenario.writes(), [""; 0]);
}

/// Type, reason and count of the events, once there are so many; others are published in the background.
async fn told_in_events(scenario: &Scenario, expected: usize) -> Vec<(String, String, Option<i32>)> {
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

async fn events_of(scenario: &Scenario) -> Vec<Event> {
    let events: Api<Event> = Api::namespaced(scenario.events.client(NAMESPACE), NAMESPACE);
    events.list(&ListParams::default()).await.unwrap().items
}
