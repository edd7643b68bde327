use k8s_openapi::api::apps::v1::{DaemonSetStatus, DeploymentCondition, DeploymentSpec, DeploymentStatus};

use super::*;

/// A DaemonSet with three speakers wanted, all there.
fn speaker(change: impl FnOnce(&mut DaemonSetStatus)) -> DaemonSet {
    let mut status = DaemonSetStatus {
        observed_generation: Some(2),
        desired_number_scheduled: 3,
        current_number_scheduled: 3,
        number_ready: 3,
        updated_number_scheduled: Some(3),
        ..DaemonSetStatus::default()
    };
    change(&mut status);
    let mut speaker = DaemonSet { status: Some(status), ..DaemonSet::default() };
    speaker.metadata.generation = Some(2);
    speaker
}

fn controller(replicas: Option<i32>, change: impl FnOnce(&mut DeploymentStatus)) -> Deployment {
    let mut status = DeploymentStatus {
        observed_generation: Some(5),
        ready_replicas: Some(1),
        updated_replicas: Some(1),
        ..DeploymentStatus::default()
    };
    change(&mut status);
    let spec = DeploymentSpec { replicas, ..DeploymentSpec::default() };
    let mut controller = Deployment { spec: Some(spec), status: Some(status), ..Deployment::default() };
    controller.metadata.generation = Some(5);
    controller
}

fn not_ready(text: &str) -> Readiness {
    Readiness::NotReady(text.to_owned())
}

#[test]
fn all_pods_there_means_ready() {
    let (speaker, controller) = (speaker(|_| {}), controller(None, |_| {}));
    assert_eq!(readiness(Some(&speaker), Some(&controller)), Readiness::Ready);
}

#[test]
fn no_node_for_a_speaker_counts_as_ready() {
    let speaker = speaker(|status| {
        *status = DaemonSetStatus { observed_generation: Some(2), ..DaemonSetStatus::default() };
    });
    assert_eq!(readiness(Some(&speaker), Some(&controller(None, |_| {}))), Readiness::Ready);
}

#[test]
fn the_first_shortcoming_of_the_speakers_is_named() {
    let healthy = controller(None, |_| {});
    for (speaker, text) in [
        (speaker(|s| s.observed_generation = Some(1)), "MetalLB speaker daemonset status is out of date"),
        (speaker(|s| s.observed_generation = None), "MetalLB speaker daemonset status is out of date"),
        (
            speaker(|s| s.current_number_scheduled = 2),
            "MetalLB speaker daemonset not ready: 2 of 3 speakers scheduled",
        ),
        (speaker(|s| s.number_ready = 1), "MetalLB speaker daemonset not ready: 1 of 3 speakers ready"),
        (
            speaker(|s| s.updated_number_scheduled = None),
            "MetalLB speaker daemonset not ready: 0 of 3 speakers updated",
        ),
    ] {
        assert_eq!(readiness(Some(&speaker), Some(&healthy)), not_ready(text));
    }
    assert_eq!(readiness(None, Some(&healthy)), not_ready("MetalLB speaker daemonset does not exist"));
}

#[test]
fn the_first_shortcoming_of_the_controller_is_named() {
    let healthy = speaker(|_| {});
    for (controller, text) in [
        (
            controller(None, |s| s.observed_generation = Some(4)),
            "MetalLB controller deployment status is out of date",
        ),
        (
            controller(None, |s| s.ready_replicas = None),
            "MetalLB controller deployment not ready: 0 of 1 controllers ready",
        ),
        (
            controller(Some(2), |s| s.ready_replicas = Some(2)),
            "MetalLB controller deployment not ready: 1 of 2 controllers updated",
        ),
        (
            controller(None, |s| s.replicas = Some(2)),
            "MetalLB controller deployment not ready: 1 updated, 1 of before not replaced yet",
        ),
        (
            controller(None, |s| (s.replicas, s.ready_replicas) = (Some(2), Some(2))),
            "MetalLB controller deployment not ready: 1 updated, 1 of before not replaced yet",
        ),
        (
            controller(Some(0), |s| (s.ready_replicas, s.updated_replicas) = (None, None)),
            "MetalLB controller deployment not ready: it is scaled to 0, nobody assigns addresses: scale it up",
        ),
    ] {
        assert_eq!(readiness(Some(&healthy), Some(&controller)), not_ready(text));
    }
    assert_eq!(readiness(Some(&healthy), None), not_ready("MetalLB controller deployment does not exist"));
}

#[test]
fn what_keeps_the_controller_away_is_named_with_its_absence() {
    let condition = |type_: &str, status: &str, message: &str| DeploymentCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        message: Some(message.to_owned()),
        ..DeploymentCondition::default()
    };
    let symptom = "MetalLB controller deployment not ready: 0 of 1 controllers updated";
    let forbidden = "pods \"controller-\" is forbidden: no PriorityClass with name nope was found";
    for (conditions, text) in [
        (vec![condition("ReplicaFailure", "True", forbidden)], format!("{symptom}: {forbidden}")),
        (
            vec![
                condition("Progressing", "False", "timed out"),
                condition("ReplicaFailure", "True", forbidden),
            ],
            format!("{symptom}: timed out; {forbidden}"),
        ),
        (vec![condition("Progressing", "True", "on its way")], symptom.to_owned()),
        (vec![condition("ReplicaFailure", "False", "over")], symptom.to_owned()),
        (vec![condition("Available", "False", "no minimum availability")], symptom.to_owned()),
    ] {
        let controller = controller(None, |status| {
            status.updated_replicas = None;
            status.conditions = Some(conditions);
        });
        assert_eq!(readiness(Some(&speaker(|_| {})), Some(&controller)), not_ready(&text));
    }
}

#[test]
fn a_rollout_that_somebody_paused_is_told_while_something_is_missing() {
    let paused = |updated: i32| {
        let mut controller = controller(None, |status| status.updated_replicas = Some(updated));
        controller.spec.as_mut().unwrap().paused = Some(true);
        controller
    };
    let told = readiness(Some(&speaker(|_| {})), Some(&paused(0)));
    let text = "MetalLB controller deployment not ready: 0 of 1 controllers updated; its rollout is paused: resume it";
    assert_eq!(told, not_ready(text));
    assert_eq!(readiness(Some(&speaker(|_| {})), Some(&paused(1))), Readiness::Ready);
}
