//! A cluster as others leave it: the original's operator, or plain manifests.

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{LocalObjectReference, Secret, Service, ServiceAccount};
use kube::api::{Api, Patch, PatchParams};
use metallb_testkit::{Failure, Verb};
use serde_json::{Value, json};

use crate::scenario::{AVAILABLE, NAMESPACE, Scenario};

/// Speakers as releases before server-side apply ran them, with a container nobody wants any more.
fn old_speaker(uid: Option<&str>) -> DaemonSet {
    let labels = json!({"app": "metallb", "component": "speaker"});
    let owner = uid.map(|uid| {
        json!([{"apiVersion": "metallb.io/v1beta1", "kind": "MetalLB", "name": "metallb", "uid": uid,
            "controller": true, "blockOwnerDeletion": true}])
    });
    let containers = json!([
        {"name": "speaker", "image": "quay.io/metallb/speaker:v0.13", "args": ["--port=7472"],
         "env": [{"name": "GONE", "value": "x"}]},
        {"name": "kube-rbac-proxy", "image": "proxy", "ports": [{"containerPort": 9120, "protocol": "TCP"}]},
    ]);
    let object = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "speaker", "namespace": NAMESPACE, "ownerReferences": owner,
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "containers": containers, "initContainers": [{"name": "cp-liveness", "image": "old"}],
            }},
        },
    });
    serde_json::from_value(object).unwrap()
}

/// A cluster in which `manager` made the speakers.
pub(crate) fn made_by(manager: &str) -> Scenario {
    let scenario = Scenario::with_resource();
    let uid = scenario.resource("metallb").metadata.uid.unwrap();
    let uid = (manager == "manager").then_some(uid.as_str());
    scenario.server.put_as(manager, &old_speaker(uid));
    scenario
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().map(|item| item["name"].as_str().unwrap()).collect()
}

fn assert_taken_over(scenario: &Scenario, what: &str) {
    let speaker = serde_json::to_value(scenario.speaker().unwrap()).unwrap();
    let pod = &speaker["spec"]["template"]["spec"];
    assert_eq!(names(&pod["containers"]), ["speaker"], "{what}");
    assert_eq!(names(&pod["initContainers"]), [""; 0], "{what}");
    assert!(!names(&pod["containers"][0]["env"]).contains(&"GONE"), "{what}");
    assert_eq!(pod["containers"][0]["image"], "example/speaker:1", "{what}");
    let last = &speaker["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"];
    assert!(last.is_null(), "{what}");
}

#[tokio::test]
async fn section_8_16_what_others_made_is_taken_over_and_loses_what_is_no_longer_wanted() {
    for manager in ["manager", "kubectl-client-side-apply", "kubectl-create", "helm"] {
        let scenario = made_by(manager);
        let uid = scenario.speaker().unwrap().metadata.uid;
        let report = scenario.pass().await;
        assert!(
            report.changes.contains(&"DaemonSet metallb-system/speaker taken over".to_owned()),
            "{manager}"
        );
        assert_taken_over(&scenario, manager);
        assert_eq!(scenario.speaker().unwrap().metadata.uid, uid, "{manager}: the object is the same");
        let requests = scenario.server.take_requests();
        assert!(requests.iter().all(|request| request.verb != Verb::Delete), "{manager}");
        scenario.run_workloads();
        scenario.pass().await;
        assert_eq!(scenario.told("metallb"), AVAILABLE, "{manager}");
        scenario.server.forbid_writes();
        scenario.pass().await;
        assert_eq!(scenario.server.forbidden_writes(), [""; 0], "{manager}: once is enough");
    }
}

/// The original's operator writes by the same name as ours, so that either takes away what only the other wants.
#[tokio::test]
async fn section_7_we_and_the_original_hand_the_speakers_over_to_and_fro() {
    let scenario = Scenario::with_resource();
    let uid = scenario.resource("metallb").metadata.uid.unwrap();
    let mut theirs = old_speaker(Some(&uid));
    theirs.metadata.annotations = None;
    let speakers = Api::<DaemonSet>::namespaced(scenario.server.client("original"), NAMESPACE);
    let original = PatchParams::apply("metallb-operator").force();
    let apply = async || speakers.patch("speaker", &original, &Patch::Apply(&theirs)).await.unwrap();
    let named = |speaker: &DaemonSet| {
        let pod = serde_json::to_value(speaker).unwrap()["spec"]["template"]["spec"].clone();
        let parts =
            [&pod["containers"], &pod["initContainers"], &pod["containers"][0]["env"], &pod["volumes"]];
        parts.map(|part| names(part).join(" "))
    };
    let first = apply().await;
    for round in ["at first", "once more"] {
        scenario.settle().await;
        assert_taken_over(&scenario, round);
        assert_eq!(scenario.speaker().unwrap().metadata.uid, first.metadata.uid, "{round}");
        assert_eq!(scenario.told("metallb"), AVAILABLE, "{round}");
        let back = named(&apply().await);
        assert_eq!(
            back,
            ["speaker kube-rbac-proxy", "cp-liveness", "GONE", ""],
            "{round}: nothing of ours stays"
        );
    }
}

/// An older release finds our owner there already, and so does not own that field.
#[tokio::test]
async fn section_7_what_comes_back_with_an_older_release_is_taken_over_again() {
    let scenario = made_by("manager");
    scenario.settle().await;
    let uid = scenario.resource("metallb").metadata.uid.unwrap();
    scenario.server.put_as("manager", &old_speaker(Some(&uid)));
    scenario.pass().await;
    assert_taken_over(&scenario, "once more");
    scenario.run_workloads();
    scenario.passes_until_settled().await;
    scenario.server.forbid_writes();
    scenario.pass().await;
    assert_eq!(scenario.server.forbidden_writes(), [""; 0], "once is enough");
}

#[tokio::test]
async fn who_owns_what_is_written_before_anything_else_and_changes_nothing() {
    let scenario = made_by("manager");
    let before = scenario.speaker().unwrap();
    scenario.server.cut_off_at_write(22, Failure::Unreachable);
    scenario.pass().await;
    let after = scenario.speaker().unwrap();
    assert!(scenario.server.is_cut_off());
    assert_eq!((before.spec, before.metadata.generation), (after.spec, after.metadata.generation));
    let managers = after.metadata.managed_fields.unwrap();
    let managers: Vec<_> = managers.iter().map(|entry| entry.manager.as_deref().unwrap()).collect();
    assert_eq!(managers, ["metallb-operator"]);
}

#[tokio::test]
async fn what_a_user_added_meanwhile_stays() {
    let scenario = made_by("kubectl-client-side-apply");
    let theirs = json!({"metadata": {"annotations": {"theirs": "x"}}});
    scenario.server.edit::<DaemonSet>(Some(NAMESPACE), "speaker", &theirs);
    scenario.pass().await;
    assert_taken_over(&scenario, "edited");
    assert_eq!(scenario.speaker().unwrap().metadata.annotations.unwrap()["theirs"], "x");
}

/// The webhook's Service as the original has it: before a server of its own, not the controller.
pub(crate) fn put_original_service(scenario: &Scenario) {
    let service = json!({"metadata": {"name": "metallb-webhook-service", "namespace": NAMESPACE},
        "spec": {"ports": [{"port": 443, "targetPort": 9443}], "selector": {"component": "webhook-server"}}});
    scenario.server.put_as("kubectl-client-side-apply", &serde_json::from_value::<Service>(service).unwrap());
}

#[tokio::test]
async fn webhooks_are_answered_by_whoever_did_until_our_controller_is_ready_to() {
    let scenario = Scenario::with_resource();
    put_original_service(&scenario);
    let selector = || {
        let service: Service = scenario.server.get(Some(NAMESPACE), "metallb-webhook-service").unwrap();
        service.spec.unwrap().selector.unwrap()["component"].clone()
    };
    for _ in 0..2 {
        assert!(scenario.pass().await.settling);
        assert_eq!(selector(), "webhook-server");
    }
    scenario.run_workloads();
    scenario.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &json!({"numberReady": 0}));
    let report = scenario.pass().await;
    assert_eq!(report.changes, ["Service metallb-system/metallb-webhook-service taken over"]);
    assert_eq!(selector(), "controller");
}

#[tokio::test]
async fn a_selector_that_somebody_edits_is_put_right_once_the_controller_runs() {
    let scenario = Scenario::settled().await;
    put_original_service(&scenario);
    assert_eq!(scenario.pass().await.changes.len(), 1);
    scenario.server.forbid_writes();
    scenario.pass().await;
    assert_eq!(scenario.server.forbidden_writes(), [""; 0]);
}

/// The key as the original's controller makes it, with that controller's Deployment as its owner.
#[tokio::test]
async fn section_7_the_speakers_key_of_before_stays() {
    let scenario = made_by("manager");
    let name = "metallb-memberlist";
    let key = json!({"metadata": {"name": name, "namespace": NAMESPACE}, "data": {"secretkey": "c2VjcmV0"}});
    scenario.server.put_as::<Secret>("controller", &serde_json::from_value(key).unwrap());
    let before: Secret = scenario.server.get(Some(NAMESPACE), name).unwrap();
    scenario.settle().await;
    let after: Secret = scenario.server.get(Some(NAMESPACE), name).unwrap();
    assert_eq!((after.metadata.uid, after.data), (before.metadata.uid, before.data));
}

#[tokio::test]
async fn a_certificate_that_somebody_applies_stays() {
    for manager in ["kubectl-client-side-apply", "helm", "manager"] {
        let scenario = Scenario::settled().await;
        let name = "metallb-webhook-cert";
        let mut secret: Secret = scenario.server.get(Some(NAMESPACE), name).unwrap();
        let theirs = Some([("tls.crt".to_owned(), ByteString(b"theirs".to_vec()))].into());
        secret.data.clone_from(&theirs);
        scenario.server.put_as(manager, &secret);
        scenario.passes_until_settled().await;
        let after: Secret = scenario.server.get(Some(NAMESPACE), name).unwrap();
        assert_eq!(after.data, theirs, "{manager}");
    }
}

#[tokio::test]
async fn the_key_that_the_originals_controller_made_is_kept_as_its_own_and_ours() {
    let scenario = Scenario::with_resource();
    let owner =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "controller", "uid": "of-theirs"}]);
    let secret = json!({"metadata": {"name": "metallb-memberlist", "namespace": NAMESPACE, "ownerReferences": owner},
        "data": {"secretkey": "eA=="}});
    scenario.server.put_as::<Secret>("controller", &serde_json::from_value(secret).unwrap());
    scenario.settle().await;
    let after: Secret = scenario.server.get(Some(NAMESPACE), "metallb-memberlist").unwrap();
    assert_eq!(after.data.unwrap()["secretkey"], ByteString(b"x".to_vec()));
    let owners: Vec<String> = after.metadata.owner_references.unwrap().into_iter().map(|it| it.uid).collect();
    assert_eq!(owners, ["of-theirs".to_owned(), scenario.resource("metallb").metadata.uid.unwrap()]);
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn what_somebody_adds_to_an_account_stays() {
    for manager in ["kubectl-client-side-apply", "helm", "manager"] {
        let scenario = Scenario::settled().await;
        let mut account: ServiceAccount = scenario.server.get(Some(NAMESPACE), "speaker").unwrap();
        let theirs = Some(vec![LocalObjectReference { name: "registry".to_owned() }]);
        account.image_pull_secrets.clone_from(&theirs);
        scenario.server.put_as(manager, &account);
        scenario.passes_until_settled().await;
        let after: ServiceAccount = scenario.server.get(Some(NAMESPACE), "speaker").unwrap();
        assert_eq!(after.image_pull_secrets, theirs, "{manager}");
    }
}

#[tokio::test]
async fn a_program_that_just_happens_to_be_called_manager_keeps_its_fields() {
    let scenario = Scenario::settled().await;
    let mut controller = scenario.controller().unwrap();
    controller.metadata.annotations.get_or_insert_default().insert("theirs".to_owned(), "x".to_owned());
    scenario.server.put_as::<Deployment>("manager", &controller);
    scenario.server.take_requests();
    scenario.pass().await;
    assert_eq!(scenario.controller().unwrap().metadata.annotations.unwrap()["theirs"], "x");
    let patched = scenario.server.take_requests();
    assert!(patched.iter().all(|request| request.verb != Verb::JsonPatch));
}
