use serde_json::{Value, json};

use super::*;

fn pod(name: &str, node: Option<&str>, status: &Value) -> Pod {
    let object =
        json!({"metadata": {"name": name}, "spec": {"nodeName": node, "containers": []}, "status": status});
    serde_json::from_value(object).unwrap()
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
