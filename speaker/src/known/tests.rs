use super::*;
use crate::testing::{node, pod, pool, service, slice};
use serde::Serialize;
use serde_json::{from_value, json, to_value};

fn read<T: Held>(object: impl Serialize) -> T {
    T::read(&to_value(object).unwrap()).unwrap()
}

#[test]
fn an_event_names_the_service_with_its_uid_and_version() {
    let mut object = service("web", "192.0.2.1");
    object.metadata.resource_version = Some("7".to_owned());
    let key = ServiceKey::of(&object);
    let expected: ObjectReference = from_value(json!({
        "apiVersion": "v1", "kind": "Service", "namespace": "default", "name": "web", "uid": "uid-of-web",
        "resourceVersion": "7",
    }))
    .unwrap();
    assert_eq!(read::<KnownService>(object).reference(&key), expected);
}

#[test]
fn slices_and_services_are_read_as_the_rules_see_them() {
    let object = slice("web", "n1", true);
    assert_eq!(*read::<KnownSlice>(object.clone()).view, SliceView::parse(&object));
    let object = service("web", "192.0.2.1");
    assert_eq!(*read::<KnownService>(object.clone()).facts, ServiceFacts::of(&service::parse(&object)));
}

#[test]
fn a_node_that_only_reports_is_no_news() {
    let known = read::<KnownNode>(node("n1"));
    let with = |change: fn(&mut Node)| {
        let mut object = node("n1");
        change(&mut object);
        read::<KnownNode>(object)
    };
    let reports = with(|node| {
        node.metadata.resource_version = Some("8".to_owned());
        node.status = from_value(json!({ "conditions": [{ "type": "Ready", "status": "True" }] })).unwrap();
    });
    assert!(reports.is_same(&known));
    let relabelled = with(|node| drop(node.metadata.labels.take()));
    assert!(!relabelled.is_same(&known));
}

#[test]
fn a_pool_that_only_counts_is_no_news() {
    let object = pool("pool", &["192.0.2.0/24"]);
    let known = read::<KnownPool>(object.clone());
    let mut counted = to_value(&object).unwrap();
    let counts = json!({ "assignedIPv4": 7, "assignedIPv6": 0, "availableIPv4": 249, "availableIPv6": 0 });
    counted["status"] = counts;
    counted["metadata"]["resourceVersion"] = json!("8");
    assert!(read::<KnownPool>(&counted).is_same(&known));
    for (field, value) in [
        ("spec", json!({ "addresses": ["192.0.2.7/32"] })),
        ("metadata", json!({ "name": "pool", "namespace": "metallb-system", "labels": { "a": "b" } })),
    ] {
        let mut changed = counted.clone();
        changed[field] = value;
        assert!(!read::<KnownPool>(&changed).is_same(&known), "{field}");
    }
}

#[test]
fn of_a_pod_its_address_counts() {
    let mut object = pod("n1", true);
    assert_eq!(&*read::<KnownPod>(object.clone()).address, "");
    object.status.as_mut().unwrap().pod_ip = Some("192.0.2.7".to_owned());
    let known = read::<KnownPod>(object.clone());
    assert_eq!(&*known.address, "192.0.2.7");
    object.metadata.labels = None;
    assert!(read::<KnownPod>(object).is_same(&known));
}

#[test]
fn what_a_service_says_of_its_announcement_is_read_beside_other_conditions() {
    let condition = |kind: &str, status: &str| json!({ "type": kind, "status": status, "reason": "r", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z" });
    let said = |conditions: serde_json::Value| {
        let mut object = service("web", "192.0.2.1");
        object.status.as_mut().unwrap().conditions = from_value(conditions).unwrap();
        read::<KnownService>(object).said
    };
    assert_eq!(said(json!(null)), None);
    assert_eq!(said(json!([condition("metallb.io/Allocated", "True")])), None);
    let both = json!([condition("metallb.io/Allocated", "True"), condition("metallb.io/Announced", "False")]);
    let (found, since) = said(both).unwrap();
    assert_eq!(found, Said::read("False", "r", "m"));
    assert_ne!(found, Said::read("False", "r", "n"));
    assert_ne!(found, Said::read("True", "r", "m"));
    assert_eq!(to_value(since).unwrap(), "2026-01-01T00:00:00Z");
}
