use k8s_openapi::api::core::v1::Event;
use kube::Api;
use kube::api::ListParams;
use metallb_operator::disposition::Disposition;
use metallb_testkit::Failure;

use crate::scenario::{NAMESPACE, Scenario};

/// Requests of the first pass: one list, twenty objects read and written, one status.
const REQUESTS: usize = 42;

/// One of each kind: refused for now, outrun, and the two ways of a broken connection.
const FAILURES: [Failure; 4] =
    [Failure::Status(503), Failure::Status(409), Failure::Unreachable, Failure::AnswerLost];

#[tokio::test]
async fn a_failure_of_any_request_is_overcome() {
    let reference = Scenario::with_resource();
    reference.passes_until_settled().await;
    for failure in FAILURES {
        for nth in 0..REQUESTS {
            let scenario = Scenario::with_resource();
            scenario.server.fail_nth(nth, failure);
            let report = scenario.pass().await;
            assert!(report.disposition.is_some(), "{failure:?} at {nth} went unnoticed");
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
    assert_eq!(scenario.told("metallb"), ["Available Available: ", "Upgradeable Upgradeable: "]);
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

#[tokio::test]
async fn failure_and_recovery_are_told_in_events_once() {
    let scenario = Scenario::settled().await;
    let broken = serde_json::json!({"bgpBackend": "bird"});
    scenario.put("metallb", &broken);
    scenario.pass().await;
    scenario.pass().await;
    scenario.put("metallb", &serde_json::json!({}));
    scenario.pass().await;
    let mut told = Vec::new();
    // Events travel in the background: each is counted, not repeated.
    for _ in 0..10_000 {
        told = events_of(&scenario).await;
        if told.len() == 2 && told.iter().any(|event| event.count == Some(2)) {
            break;
        }
        tokio::task::yield_now().await;
    }
    let mut told: Vec<_> = told.into_iter().map(|e| (e.type_.unwrap(), e.reason.unwrap(), e.count)).collect();
    told.sort();
    let event = |type_: &str, reason: &str, count| (type_.to_owned(), reason.to_owned(), Some(count));
    assert_eq!(told, [event("Normal", "Available", 2), event("Warning", "FailedToSyncMetalLBResources", 1)]);
}

async fn events_of(scenario: &Scenario) -> Vec<Event> {
    let events: Api<Event> = Api::namespaced(scenario.events.client(NAMESPACE), NAMESPACE);
    events.list(&ListParams::default()).await.unwrap().items
}
