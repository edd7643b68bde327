use http::Request;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Client;
use kube::client::Body;
use metallb_api::MetalLB;
use metallb_operator::disposition::Disposition;
use metallb_operator::operator::Report;
use serde_json::json;

use crate::scenario::{AVAILABLE, NAMESPACE, Scenario, lines};

#[tokio::test]
async fn a_new_resource_progresses_until_its_workloads_run() {
    let scenario = Scenario::with_resource();
    scenario.pass().await;
    let expected = ["Progressing Progressing: MetalLB speaker daemonset status is out of date"];
    assert_eq!(scenario.told("metallb"), expected);
    scenario.run_workloads();
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn section_1_6_an_edit_progresses_until_it_is_rolled_out() {
    let scenario = Scenario::settled().await;
    scenario.put("metallb", &json!({"logLevel": "debug"}));
    scenario.pass().await;
    let expected = ["Progressing Progressing: MetalLB speaker daemonset status is out of date"];
    assert_eq!(scenario.told("metallb"), expected);
    scenario.run_workloads();
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn a_speaker_that_fails_later_is_told_at_once() {
    let scenario = Scenario::settled().await;
    let status = json!({"numberReady": 2});
    scenario.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &status);
    scenario.pass().await;
    let expected = ["Progressing Progressing: MetalLB speaker daemonset not ready: 2 of 3 speakers ready"];
    assert_eq!(scenario.told("metallb"), expected);
    scenario.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &json!({"numberReady": 3}));
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn what_keeps_the_controller_away_is_told() {
    let scenario = Scenario::settled().await;
    let forbidden = "pods \"controller-\" is forbidden: no PriorityClass with name nope was found";
    let condition = json!({"type": "ReplicaFailure", "status": "True", "message": forbidden});
    let status = json!({"updatedReplicas": 0, "conditions": [condition]});
    scenario.server.set_status::<Deployment>(Some(NAMESPACE), "controller", &status);
    scenario.pass().await;
    let symptom = "MetalLB controller deployment not ready: 0 of 1 controllers updated";
    assert_eq!(scenario.told("metallb"), [format!("Progressing Progressing: {symptom}: {forbidden}")]);
}

#[tokio::test]
async fn that_no_node_fits_the_speakers_is_told() {
    let scenario = Scenario::settled().await;
    let nobody = json!({"desiredNumberScheduled": 0, "currentNumberScheduled": 0, "numberReady": 0,
        "updatedNumberScheduled": 0});
    scenario.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &nobody);
    scenario.pass().await;
    let told = scenario.told("metallb");
    assert!(
        told[0].starts_with(&format!("{}; no speaker runs: spec.nodeSelector", AVAILABLE[0])),
        "{told:?}"
    );
}

/// An evicted controller and a pod of somebody else have nothing to do with it.
#[tokio::test]
async fn of_the_pods_those_of_the_workload_are_told_that_falls_short() {
    let scenario = Scenario::settled().await;
    scenario.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &json!({"numberReady": 2}));
    let put = |name: &str, component: &str, status: serde_json::Value| {
        let labels = json!({"app": "metallb", "component": component});
        let pod = json!({"metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": {"nodeName": "n2", "containers": []}, "status": status});
        scenario.server.put::<Pod>(&serde_json::from_value(pod).unwrap());
    };
    put("controller-a", "controller", json!({"phase": "Failed", "reason": "Evicted"}));
    let unready = json!({"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    put("metallb-operator-webhook-server-a", "webhook-server", json!({"conditions": [unready]}));
    let symptom = "Progressing Progressing: MetalLB speaker daemonset not ready: 2 of 3 speakers ready";
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), [symptom]);
    put("speaker-a", "speaker", json!({"conditions": [unready]}));
    scenario.pass().await;
    let cause = "pod speaker-a on node n2: not ready since 2026-01-01T00:00:00Z";
    assert_eq!(scenario.told("metallb"), [format!("{symptom}: {cause}")]);
}

/// The pods run, wait for kinds that are not there, and only say so in their logs.
#[tokio::test]
async fn definitions_that_are_missing_are_told() {
    let scenario = Scenario::settled().await;
    let status = |ready: i32| json!({"readyReplicas": ready});
    scenario.server.set_status::<Deployment>(Some(NAMESPACE), "controller", &status(0));
    ["ipaddresspools", "bgppeers"].into_iter().for_each(|kind| scenario.server.forget_kind(kind));
    scenario.pass().await;
    let symptom = "MetalLB controller deployment not ready: 0 of 1 controllers ready";
    let cause = "bgppeers.metallb.io, ipaddresspools.metallb.io missing or of another release: apply bundle/crds of this release";
    assert_eq!(scenario.told("metallb"), [format!("Progressing Progressing: {symptom}: {cause}")]);
    ["ipaddresspools", "bgppeers"].into_iter().for_each(|kind| scenario.server.learn_kind(kind));
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), [format!("Progressing Progressing: {symptom}")]);
}

#[tokio::test]
async fn a_refused_spec_degrades_and_leaves_running_what_runs() {
    for (spec, cause) in [
        (
            json!({"bgpBackend": "bird", "logLevel": "debug"}),
            "invalid BGP Backend, must be one of native, frr, frr-k8s, frr-k8s-external",
        ),
        // What a definition of an older release lets through.
        (json!({"livenessPeriod": 5}), "livenessPeriod 5 is out of bounds: give 20 to 10000"),
    ] {
        let scenario = Scenario::settled().await;
        let before = scenario.speaker();
        scenario.put("metallb", &spec);
        scenario.server.take_requests();
        scenario.pass().await;
        let expected =
            format!("Degraded FailedToSyncMetalLBResources: FailedToSyncMetalLBResources: {cause}");
        assert_eq!(scenario.told("metallb"), [expected]);
        assert_eq!(scenario.writes(), ["merge-patch metallbs/status metallb-system/metallb"]);
        assert_eq!(scenario.speaker(), before);
        scenario.put("metallb", &json!({}));
        scenario.pass().await;
        assert_eq!(scenario.told("metallb"), AVAILABLE);
    }
}

#[tokio::test]
async fn a_spec_of_another_release_degrades_with_the_field_in_the_message() {
    let scenario = Scenario::settled().await;
    let edit = json!({"spec": {"logLevel": "verbose"}});
    scenario.server.edit::<MetalLB>(Some(NAMESPACE), "metallb", &edit);
    scenario.pass().await;
    assert!(scenario.speaker().is_some(), "what runs goes on running");
    // The typed view can't read it either: look at the condition as it was sent.
    let requests = scenario.server.take_requests();
    let written = requests.iter().find(|request| request.subresource.as_deref() == Some("status")).unwrap();
    let message = written.content["status"]["conditions"][3]["message"].as_str().unwrap();
    assert!(message.contains("the spec can't be read") && message.contains("verbose"), "{message}");
}

#[tokio::test]
async fn a_wrong_name_is_told_on_that_resource_and_the_right_one_works() {
    let scenario = Scenario::settled().await;
    scenario.put("other", &json!({"logLevel": "debug"}));
    scenario.put("a-third", &json!({}));
    let report = scenario.pass().await;
    let logged =
        ["a-third", "other"].map(|name| format!("MetalLB {name}: MetalLB resource name must be 'metallb'"));
    assert_eq!(report.problems, logged);
    assert_eq!(report.disposition, None, "trying again would change nothing");
    for name in ["other", "a-third"] {
        let expected =
            format!("Degraded IncorrectMetalLBResourceName: Incorrect MetalLB resource name: {name}");
        assert_eq!(scenario.told(name), [expected]);
    }
    assert_eq!(scenario.told("metallb"), AVAILABLE);
    let expected =
        ["a-third", "other"].map(|name| format!("merge-patch metallbs/status metallb-system/{name}"));
    assert_eq!(scenario.writes(), expected);
    scenario.server.forbid_writes();
    scenario.pass().await;
    for name in ["other", "a-third"] {
        scenario.server.remove::<MetalLB>(Some(NAMESPACE), name);
    }
    assert_eq!(scenario.pass().await, Report::default(), "nor does it matter that they go");
    assert_eq!(scenario.server.forbidden_writes(), [""; 0]);
    assert!(scenario.speaker().is_some() && scenario.controller().is_some());
}

#[tokio::test]
async fn section_1_5_a_resource_of_another_namespace_is_none_of_ours() {
    let scenario = Scenario::settled().await;
    let elsewhere = json!({"apiVersion": "metallb.io/v1beta1", "kind": "MetalLB",
        "metadata": {"name": "metallb", "namespace": "elsewhere"}, "spec": {"logLevel": "debug"}});
    scenario.server.put::<MetalLB>(&serde_json::from_value(elsewhere).unwrap());
    assert_eq!(scenario.pass().await, Report::default());
    let mut asked = lines(&scenario.server.take_requests());
    asked.retain(|request| request.contains("elsewhere"));
    // Only whether a controller or an operator runs there.
    assert_eq!(asked, ["list deployments elsewhere/"; 2]);
    let theirs: MetalLB = scenario.server.get(Some("elsewhere"), "metallb").unwrap();
    assert!(theirs.status.is_none());
}

#[tokio::test]
async fn section_1_6_the_list_of_conditions_is_replaced_as_a_whole() {
    let scenario = Scenario::settled().await;
    let mut status = serde_json::to_value(scenario.resource("metallb").status.unwrap()).unwrap();
    let fifth = json!({"type": "Theirs", "status": "True", "reason": "Theirs", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    status["conditions"].as_array_mut().unwrap().insert(1, fifth);
    scenario.server.set_status::<MetalLB>(Some(NAMESPACE), "metallb", &status);
    scenario.pass().await;
    // Which looks at the types of all conditions, and their order.
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn a_transition_time_moves_only_on_a_transition() {
    let scenario = Scenario::settled().await;
    let long_ago = "2020-01-01T00:00:00Z";
    let mut status = serde_json::to_value(scenario.resource("metallb").status.unwrap()).unwrap();
    for condition in status["conditions"].as_array_mut().unwrap() {
        condition["lastTransitionTime"] = json!(long_ago);
    }
    scenario.server.set_status::<MetalLB>(Some(NAMESPACE), "metallb", &status);
    scenario.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &json!({"numberReady": 0}));
    scenario.pass().await;
    let told = serde_json::to_value(scenario.resource("metallb").status).unwrap();
    let kept = |index: usize| told["conditions"][index]["lastTransitionTime"] == long_ago;
    assert_eq!([kept(0), kept(1), kept(2), kept(3)], [false, false, false, true], "Degraded stays False");
}

/// As by `kubectl replace --force` while a pass is under way.
#[tokio::test]
async fn what_is_told_of_a_resource_is_not_told_by_another_one_that_came_in_its_place() {
    let mut scenario = Scenario::settled().await;
    let direct = scenario.operator.client.clone();
    let (behind, server) = (direct.clone(), scenario.server.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        if request.uri().path().ends_with("/metallbs/metallb/status") {
            server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
            let another = json!({"metadata": {"name": "metallb", "namespace": NAMESPACE}, "spec": {}});
            server.put::<MetalLB>(&serde_json::from_value(another).unwrap());
        }
        let behind = behind.clone();
        async move { behind.send(request).await }
    });
    scenario.operator.client = Client::new(service, NAMESPACE);
    scenario.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &json!({"numberReady": 2}));
    assert_eq!(scenario.pass().await.disposition, Some(Disposition::Conflict), "it is looked at anew");
    assert!(scenario.resource("metallb").status.is_none());
    scenario.operator.client = direct;
    scenario.settle().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn what_of_the_tls_variables_has_no_effect_is_told_beside_available() {
    let mut scenario = Scenario::with_resource();
    scenario.operator.environment.tls_remarks = vec!["one".to_owned(), "two".to_owned()];
    scenario.settle().await;
    assert_eq!(scenario.told("metallb")[0], format!("{}; one; two", AVAILABLE[0]));
}

#[tokio::test]
async fn a_rollout_tells_how_far_it_is_and_what_keeps_a_pod() {
    let scenario = Scenario::settled().await;
    let status = json!({"updatedNumberScheduled": 2, "numberReady": 2});
    scenario.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &status);
    let waiting = json!({"reason": "ImagePullBackOff", "message": "Back-off pulling image \"x\""});
    let pod = json!({
        "metadata": {"name": "speaker-x", "namespace": NAMESPACE, "labels": {"app": "metallb", "component": "speaker"}},
        "spec": {"nodeName": "n1", "containers": []},
        "status": {"containerStatuses": [{"name": "speaker", "ready": false, "restartCount": 0, "image": "x",
            "imageID": "", "state": {"waiting": waiting}}]},
    });
    scenario.server.put::<Pod>(&serde_json::from_value(pod).unwrap());
    let report = scenario.pass().await;
    assert!(report.settling && report.problems.is_empty());
    let expected = "Progressing Progressing: MetalLB speaker daemonset not ready: 2 of 3 speakers updated: \
                    pod speaker-x on node n1: ImagePullBackOff: Back-off pulling image \"x\"";
    assert_eq!(scenario.told("metallb"), [expected]);
}

#[tokio::test]
async fn what_refuses_the_speakers_pods_is_told_from_the_events() {
    let scenario = Scenario::settled().await;
    scenario.server.set_status::<DaemonSet>(
        Some(NAMESPACE),
        "speaker",
        &json!({"currentNumberScheduled": 0}),
    );
    let put_event = |name: &str, at: &str, message: &str| {
        let event = json!({
            "metadata": {"name": name, "namespace": NAMESPACE}, "reason": "FailedCreate", "message": message,
            "involvedObject": {"kind": "DaemonSet", "name": "speaker"},
            "lastTimestamp": format!("2026-01-01T{at}Z"),
        });
        scenario.server.put::<Event>(&serde_json::from_value(event).unwrap());
    };
    put_event("old", "00:00:01", "exceeded quota: old");
    let expected = "Progressing Progressing: MetalLB speaker daemonset not ready: 0 of 3 speakers scheduled";
    // Others may run since before; one that was made since then, some minutes after midnight here, shows that it is over.
    for (has_pod, at, is_told) in
        [(false, "12:00:00", true), (true, "12:00:00", true), (true, "00:00:02", false)]
    {
        if has_pod {
            let labels = json!({"app": "metallb", "component": "speaker"});
            let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
            let metadata = json!({"name": "speaker-x", "namespace": NAMESPACE, "labels": labels});
            let pod = json!({"metadata": metadata, "status": ready});
            scenario.server.put::<Pod>(&serde_json::from_value(pod).unwrap());
        }
        put_event("new", at, "exceeded quota: pods=0");
        scenario.pass().await;
        let why = if is_told { ": exceeded quota: pods=0" } else { "" };
        assert_eq!(scenario.told("metallb"), [format!("{expected}{why}")], "{has_pod} {at}");
    }
}
