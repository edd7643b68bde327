use serde_json::json;

use super::*;

const US: &str = "metallb-operator";

fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap()
}

fn desired() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "controller", "namespace": "ns", "labels": {"app": "metallb"}},
        "spec": {
            "selector": {"matchLabels": {"app": "metallb"}},
            "template": {"spec": {
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "tolerations": [{"key": "k", "operator": "Exists", "value": ""}],
                "containers": [{
                    "name": "controller", "image": "example/controller:1", "args": ["--port=1", "--x"],
                    "env": [
                        {"name": "POD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
                        {"name": "TYPE", "value": "frr"},
                    ],
                    "ports": [{"containerPort": 1, "name": "metrics", "protocol": "TCP"}],
                    "resources": {"limits": {"cpu": "1000m"}},
                    "securityContext": {"readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false},
                }],
            }},
        },
    })
}

/// As a real API server answers: defaults filled in, fields of other managers beside ours.
fn live() -> Value {
    let ours = json!({
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {
            "f:selector": {},
            "f:template": {"f:spec": {
                "f:nodeSelector": {},
                "f:tolerations": {},
                "f:containers": {"k:{\"name\":\"controller\"}": {
                    ".": {}, "f:name": {}, "f:image": {}, "f:args": {},
                    "f:env": {
                        "k:{\"name\":\"POD\"}": {".": {}, "f:name": {}, "f:valueFrom": {"f:fieldRef": {}}},
                        "k:{\"name\":\"TYPE\"}": {".": {}, "f:name": {}, "f:value": {}},
                    },
                    "f:ports": {"k:{\"containerPort\":1,\"protocol\":\"TCP\"}":
                        {".": {}, "f:containerPort": {}, "f:name": {}, "f:protocol": {}}},
                    "f:resources": {"f:limits": {"f:cpu": {}}},
                    "f:securityContext": {"f:readOnlyRootFilesystem": {}, "f:allowPrivilegeEscalation": {}},
                }},
            }},
        },
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "controller", "namespace": "ns", "uid": "u", "generation": 1,
            "labels": {"app": "metallb", "theirs": "x"},
            "annotations": {"deployment.kubernetes.io/revision": "1"},
            "managedFields": [
                {"manager": US, "operation": "Apply", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": ours},
                {"manager": US, "operation": "Apply", "apiVersion": "apps/v1", "subresource": "status",
                    "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {}}},
                {"manager": "kcm", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:metadata": {"f:annotations": {}}}},
            ],
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "metallb"}},
            "template": {"spec": {
                "dnsPolicy": "ClusterFirst",
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "tolerations": [{"key": "k", "operator": "Exists"}],
                "containers": [
                    {"name": "injected", "image": "theirs"},
                    {
                        "name": "controller", "image": "example/controller:1", "args": ["--port=1", "--x"],
                        "imagePullPolicy": "IfNotPresent",
                        "env": [
                            {"name": "THEIRS", "value": "x"},
                            {"name": "POD", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
                            {"name": "TYPE", "value": "frr"},
                        ],
                        "ports": [{"containerPort": 1, "name": "metrics", "protocol": "TCP"}],
                        "resources": {"limits": {"cpu": "1"}},
                        "securityContext": {"readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false},
                    },
                ],
            }},
        },
        "status": {"replicas": 1},
    })
}

/// `live` with the value at a JSON pointer replaced; null removes it.
fn with(mut value: Value, pointer: &str, replacement: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(map) if replacement.is_null() => map.remove(name).map(drop).unwrap(),
        Value::Object(map) => drop(map.insert(name.to_owned(), replacement)),
        list => list[name.parse::<usize>().unwrap()] = replacement,
    }
    value
}

fn found(live: Value, desired: Value) -> Option<String> {
    difference(&object(live), &object(desired), US).map(|difference| difference.to_string())
}

const CONTAINER: &str = "/spec/template/spec/containers/1";
const WANTED: &str = "/spec/template/spec/containers/0";
const OUR_CONTAINER: &str =
    "/metadata/managedFields/0/fieldsV1/f:spec/f:template/f:spec/f:containers/k:{\"name\":\"controller\"}";

#[test]
fn defaults_and_the_fields_of_others_are_no_difference() {
    assert_eq!(found(live(), desired()), None);
}

#[test]
fn an_object_we_never_applied_differs_as_a_whole() {
    let never = Some("never applied before".to_owned());
    for (pointer, value) in [
        ("/metadata/managedFields/0/manager", json!("kubectl")),
        ("/metadata/managedFields/0/operation", json!("Update")),
        ("/metadata/managedFields/0/apiVersion", json!("apps/v1beta1")),
        ("/metadata/managedFields", json!([])),
    ] {
        assert_eq!(found(with(live(), pointer, value), desired()), never, "{pointer}");
    }
}

#[test]
fn a_changed_value_is_found_wherever_it_is() {
    let place = "spec.template.spec.containers[k:{\"name\":\"controller\"}]";
    for (pointer, value, path) in [
        ("/metadata/labels/app".to_owned(), json!("x"), "metadata.labels.app".to_owned()),
        (format!("{CONTAINER}/image"), json!("other"), format!("{place}.image")),
        (format!("{CONTAINER}/args"), json!(["--x", "--port=1"]), format!("{place}.args")),
        (format!("{CONTAINER}/args"), json!(["--port=1"]), format!("{place}.args")),
        (
            format!("{CONTAINER}/env/2/value"),
            json!("native"),
            format!("{place}.env[k:{{\"name\":\"TYPE\"}}].value"),
        ),
        (format!("{CONTAINER}/resources/limits/cpu"), json!("2"), format!("{place}.resources.limits.cpu")),
        (
            format!("{CONTAINER}/securityContext/allowPrivilegeEscalation"),
            Value::Null,
            format!("{place}.securityContext.allowPrivilegeEscalation"),
        ),
        (
            "/spec/template/spec/tolerations/0/operator".to_owned(),
            json!("Equal"),
            "spec.template.spec.tolerations.operator".to_owned(),
        ),
    ] {
        let expected = Some(format!("{path} has another value"));
        assert_eq!(found(with(live(), &pointer, value), desired()), expected, "{pointer}");
    }
}

#[test]
fn a_removed_element_is_found() {
    let gone = with(live(), &format!("{CONTAINER}/name"), json!("renamed"));
    let expected = "spec.template.spec.containers[k:{\"name\":\"controller\"}] has another value";
    assert_eq!(found(gone, desired()).as_deref(), Some(expected));
}

#[test]
fn a_field_somebody_took_over_is_taken_back() {
    let stolen = with(live(), &format!("{OUR_CONTAINER}/f:image"), Value::Null);
    let expected = "spec.template.spec.containers[k:{\"name\":\"controller\"}].image was not ours";
    assert_eq!(found(stolen, desired()).as_deref(), Some(expected));
}

#[test]
fn a_field_we_own_and_no_longer_want_is_found() {
    for (pointer, path) in [
        (format!("{WANTED}/args"), "spec.template.spec.containers[k:{\"name\":\"controller\"}].args"),
        ("/metadata/labels".to_owned(), "metadata.labels"),
    ] {
        let wanted = with(desired(), &pointer, Value::Null);
        assert_eq!(found(live(), wanted), Some(format!("{path} is no longer wanted")));
    }
}

#[test]
fn a_part_of_a_value_owned_as_a_whole_that_is_no_longer_wanted_is_found() {
    let more = with(live(), "/spec/template/spec/nodeSelector/role", json!("edge"));
    let expected = "spec.template.spec.nodeSelector.role is no longer wanted";
    assert_eq!(found(more, desired()).as_deref(), Some(expected));
}

#[test]
fn an_element_we_own_and_no_longer_want_is_found() {
    let variables = json!([{"name": "TYPE", "value": "frr"}]);
    let wanted = with(desired(), &format!("{WANTED}/env"), variables);
    let path = "spec.template.spec.containers[k:{\"name\":\"controller\"}].env[k:{\"name\":\"POD\"}]";
    assert_eq!(found(live(), wanted), Some(format!("{path} is no longer wanted")));
}

#[test]
fn an_element_we_want_and_do_not_own_is_found() {
    let port = |number: u16| json!({"containerPort": number, "protocol": "TCP"});
    let push = |object: &mut Value, pointer: &str, port: Value| {
        object.pointer_mut(pointer).unwrap().as_array_mut().unwrap().push(port);
    };
    let path = "spec.template.spec.containers[k:{\"name\":\"controller\"}].ports";
    for (there, found_as) in [(2, "was not ours"), (3, "has another value")] {
        let (mut live, mut wanted) = (live(), desired());
        push(&mut live, &format!("{CONTAINER}/ports"), port(there));
        push(&mut wanted, &format!("{WANTED}/ports"), port(2));
        assert_eq!(found(live, wanted), Some(format!("{path} {found_as}")), "port {there} is there");
    }
}

/// A port without a protocol may be one with: that there are fewer of ours than are wanted is seen all the same.
#[test]
fn an_element_that_may_be_another_of_ours_is_missed_when_it_is_not_there() {
    let ports = json!([{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]);
    let mut live =
        with(live(), &format!("{CONTAINER}/ports"), json!([{"containerPort": 53, "protocol": "UDP"}]));
    let owned = json!({"k:{\"containerPort\":53,\"protocol\":\"UDP\"}":
        {".": {}, "f:containerPort": {}, "f:protocol": {}}});
    live = with(live, &format!("{OUR_CONTAINER}/f:ports"), owned);
    let wanted = with(desired(), &format!("{WANTED}/ports"), ports);
    assert!(found(live, wanted).is_some_and(|found| found.contains("ports")));
}

#[test]
fn sets_are_compared_by_their_values() {
    let set = |values: Value| json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "x", "finalizers": values}});
    let mut live = set(json!(["ours", "theirs"]));
    live["metadata"]["managedFields"] = json!([{"manager": US, "operation": "Apply", "apiVersion": "v1",
        "fieldsV1": {"f:metadata": {"f:finalizers": {".": {}, "v:\"ours\"": {}}}}}]);
    assert_eq!(found(live.clone(), set(json!(["ours"]))), None);
    let unwanted = "metadata.finalizers[v:\"ours\"] is no longer wanted";
    assert_eq!(found(live, set(json!(["other"]))).as_deref(), Some(unwanted));
}

#[test]
fn blank_values_need_not_be_stored() {
    let mut wanted = desired();
    wanted["metadata"]["annotations"] = json!({});
    wanted["spec"]["template"]["spec"]["schedulerName"] = json!("");
    let mut live = live();
    live["metadata"].as_object_mut().unwrap().remove("annotations");
    assert_eq!(found(live, wanted), None);
}

#[test]
fn differences_never_show_values() {
    let changed = with(live(), &format!("{CONTAINER}/env/2/value"), json!("s3cr3t"));
    let text = found(changed, desired()).unwrap();
    assert!(!text.contains("s3cr3t") && !text.contains("frr"), "{text}");
}
