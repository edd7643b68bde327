use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::*;

fn pod(name: &str, node: Option<&str>, status: &Value) -> Pod {
    let object =
        json!({"metadata": {"name": name}, "spec": {"nodeName": node, "containers": []}, "status": status});
    serde_json::from_value(object).unwrap()
}

fn second_of_2026(second: i64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
}

fn waiting(reason: &str, message: Option<&str>) -> Value {
    json!({"containerStatuses": [{"name": "speaker", "ready": false, "restartCount": 0, "image": "i", "imageID": "",
        "state": {"waiting": {"reason": reason, "message": message}}}]})
}

#[test]
fn each_trouble_is_told_with_pod_node_and_cause() {
    let mut crashed = waiting("CrashLoopBackOff", Some("back-off 10s restarting failed container"));
    crashed["containerStatuses"][0]["lastState"] =
        json!({"terminated": {"exitCode": 2, "reason": "Error", "message": "no such flag\n"}});
    let mut spoke = waiting("CrashLoopBackOff", None);
    let log = "{\"ts\":\"2026-01-01T00:00:00Z\",\"level\":\"info\",\"msg\":\"speaker starts\"}\n\
               {\"ts\":\"2026-01-01T00:00:00Z\",\"level\":\"error\",\"msg\":\"failed\",\"error\":\"reading /x: no such file\"}\n";
    spoke["containerStatuses"][0]["lastState"] =
        json!({"terminated": {"exitCode": 1, "reason": "Error", "message": log}});
    let mut killed = waiting("CrashLoopBackOff", None);
    killed["containerStatuses"][0]["lastState"] =
        json!({"terminated": {"exitCode": 137, "reason": "OOMKilled", "message": "words\n"}});
    let unschedulable = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
        "reason": "Unschedulable", "message": "0/3 nodes are available"}]});
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"});
    for (node, status, told) in [
        (
            Some("n1"),
            waiting("ImagePullBackOff", Some("Back-off pulling image \"x\"")),
            "pod p on node n1: ImagePullBackOff: Back-off pulling image \"x\"",
        ),
        (
            Some("n1"),
            crashed,
            "pod p on node n1: CrashLoopBackOff: back-off 10s restarting failed container; \
             it ended with code 2 the last time: no such flag",
        ),
        (
            Some("n1"),
            spoke,
            "pod p on node n1: CrashLoopBackOff; it ended with code 1 the last time: failed: reading /x: no such file",
        ),
        (
            Some("n1"),
            killed,
            "pod p on node n1: CrashLoopBackOff; it ended with code 137 the last time: OOMKilled: words",
        ),
        (None, unschedulable, "pod p: Unschedulable: 0/3 nodes are available"),
        (Some("n2"), evicted, "pod p on node n2: Evicted: The node was low on memory"),
        (
            Some("n3"),
            waiting("CreateContainerConfigError", Some("secret \"metallb-memberlist\" not found")),
            "pod p on node n3: CreateContainerConfigError: secret \"metallb-memberlist\" not found",
        ),
    ] {
        assert_eq!(stuck_pod(&[pod("p", node, &status)]).as_deref(), Some(told));
    }
}

#[test]
fn of_the_last_words_those_are_told_that_say_why() {
    let flag = "error: unexpected argument '--x' found\n\nUsage: speaker [OPTIONS]\n\n\
                For more information, try '--help'.\n";
    let panic = "\nthread 'main' (7) panicked at a.rs:1:2:\nboom\nnote: run with `RUST_BACKTRACE=1` \
                 environment variable to display a backtrace\n";
    let logged = "{\"level\":\"info\",\"msg\":\"speaker panicked at work\"}\n";
    for (log, told) in [
        (flag.to_owned(), "unexpected argument '--x' found"),
        (panic.to_owned(), "boom"),
        // The log is written by a thread of its own, so that a line of it may come last.
        (format!("{logged}{panic}{logged}"), "boom"),
        (logged.to_owned(), "speaker panicked at work"),
        (format!("warning\n{logged}"), "speaker panicked at work"),
        (format!("{logged}Killed\n \n"), "Killed"),
        ("thread 'main' panicked at a.rs:1:2:\n".to_owned(), "thread 'main' panicked at a.rs:1:2:"),
    ] {
        let mut crashed = waiting("CrashLoopBackOff", None);
        crashed["containerStatuses"][0]["lastState"] =
            json!({"terminated": {"exitCode": 2, "reason": "Error", "message": log}});
        let expected = format!("pod p: CrashLoopBackOff; it ended with code 2 the last time: {told}");
        assert_eq!(stuck_pod(&[pod("p", None, &crashed)]), Some(expected));
    }
}

#[test]
fn pods_that_start_run_or_leave_are_no_trouble() {
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    let mut leaving = pod("c", None, &waiting("ImagePullBackOff", None));
    leaving.metadata.deletion_timestamp =
        Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    let calm = [pod("a", None, &waiting("ContainerCreating", None)), pod("b", None, &ready), leaving];
    assert_eq!(stuck_pod(&calm), None);
}

#[test]
fn the_first_by_name_is_told() {
    let stuck = |name| pod(name, None, &waiting("ErrImagePull", None));
    assert_eq!(stuck_pod(&[stuck("b"), stuck("a")]).as_deref(), Some("pod a: ErrImagePull"));
}

fn at(mut pod: Pod, second: i64) -> Pod {
    pod.metadata.creation_timestamp = Some(Time(second_of_2026(second)));
    pod
}

/// A ReplicaSet has made another one, and leaves it where it is.
#[test]
fn a_pod_that_was_evicted_is_told_until_there_is_another() {
    let evicted = at(pod("a", None, &json!({"phase": "Failed", "reason": "Evicted"})), 1);
    let starting = at(pod("b", None, &waiting("ContainerCreating", None)), 2);
    let stuck = at(pod("b", None, &waiting("ErrImagePull", None)), 2);
    let older = at(starting.clone(), 0);
    let alone = "pod a: Evicted";
    assert_eq!(stuck_pod(std::slice::from_ref(&evicted)).as_deref(), Some(alone));
    assert_eq!(stuck_pod(&[evicted.clone(), older]).as_deref(), Some(alone));
    assert_eq!(stuck_pod(&[evicted.clone(), starting]), None);
    assert_eq!(stuck_pod(&[evicted, stuck]).as_deref(), Some("pod b: ErrImagePull"));
}

/// A DaemonSet makes none for minutes where its pods were refused again and again.
#[test]
fn a_speaker_that_failed_is_told_though_another_node_has_a_newer_one() {
    let speaker = |name: &str, node: &str, status: &Value, second: i64| {
        let mut speaker = at(pod(name, Some(node), status), second);
        let owner = json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "speaker", "uid": "u"}]);
        speaker.metadata.owner_references = Some(serde_json::from_value(owner).unwrap());
        speaker
    };
    let rejected = speaker("a", "n1", &json!({"phase": "Failed", "reason": "OutOfmemory"}), 1);
    let ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
    for (node, told) in [("n2", Some("pod a on node n1: OutOfmemory")), ("n1", None)] {
        let pods = [rejected.clone(), speaker("b", node, &ready, 2)];
        assert_eq!(stuck_pod(&pods).as_deref(), told, "{node}");
    }
}

#[test]
fn a_pod_that_is_not_ready_for_long_is_told_with_its_node() {
    let since = "2026-01-01T00:00:00Z";
    let unready = |reason: Option<&str>, message: Option<&str>| json!({"type": "Ready", "status": "False", "reason": reason, "message": message, "lastTransitionTime": since});
    let speaker = "containers with unready status: [speaker]";
    let running = json!({"conditions": [unready(Some("ContainersNotReady"), Some(speaker))],
        "containerStatuses": [{"name": "speaker", "ready": false, "restartCount": 0, "image": "i", "imageID": "",
            "state": {"running": {}}}]});
    let mut creating = waiting("ContainerCreating", None);
    creating["conditions"] = json!([unready(Some("ContainersNotReady"), Some(speaker))]);
    // Nobody on a dead node says that its containers are not ready.
    let dead = json!({"conditions": [unready(None, None)],
        "containerStatuses": [{"name": "speaker", "ready": true, "restartCount": 0, "image": "i", "imageID": "",
            "state": {"running": {}}}]});
    let begin = format!("pod p on node n1: not ready since {since}");
    // And of one that was put there since, nobody has said anything.
    let new = json!({"conditions": [{"type": "PodScheduled", "status": "True"}]});
    for (status, told) in [
        (new, begin.clone()),
        (running, format!("{begin}: ContainersNotReady: {speaker}")),
        (creating, format!("{begin}: ContainerCreating: ContainersNotReady: {speaker}")),
        (dead, begin.clone()),
    ] {
        let mut pod = pod("p", Some("n1"), &status);
        pod.metadata.creation_timestamp = Some(Time(second_of_2026(0)));
        assert_eq!(stuck_pod(&[pod.clone()]), None, "nothing is known");
        let at = |second: i64| unready_pod(&[pod.clone()], second_of_2026(second));
        assert_eq!(at(29), None);
        assert_eq!(at(30), Some(told));
    }
}
