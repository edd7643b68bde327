use super::*;
use crate::testing::{advertisement, configured, inputs, ip, named_service, pool, service};
use serde_json::json;

#[test]
fn only_what_decides_is_kept() {
    let metadata =
        json!({ "labels": { "b": "2", "a": "1" }, "annotations": { "metallb.io/allow-shared-ip": "" } });
    let spec = json!({
        "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Cluster", "loadBalancerClass": "x/y",
        "ports": [{ "port": 80 }],
    });
    let facts = named_service("web", &["192.0.2.1", "2001:db8::1"], spec, metadata);
    let expected = ServiceFacts {
        is_load_balancer: true,
        is_local: true,
        has_sharing_annotation: true,
        class: Some("x/y".into()),
        addresses: Some([ip("192.0.2.1"), ip("2001:db8::1")].into()),
        labels: [("a", "1"), ("b", "2")].into_iter().collect(),
    };
    assert_eq!(facts, expected);
    assert_eq!(facts.labels(), [("a", "1"), ("b", "2")].map(|(k, v)| (k.to_owned(), v.to_owned())).into());
}

/// Contract 02 §2.2 rule 6, and §2.1: the policy for traffic of pods is never looked at.
#[test]
fn only_the_external_policy_local_asks_for_an_endpoint_on_the_node() {
    for (spec, is_local) in [
        (json!({ "externalTrafficPolicy": "Local" }), true),
        (json!({ "externalTrafficPolicy": "Cluster" }), false),
        (json!({ "externalTrafficPolicy": "Other" }), false),
        (json!({ "externalTrafficPolicy": "local" }), false),
        (json!({ "externalTrafficPolicy": "" }), false),
        (json!({}), false),
        (json!({ "internalTrafficPolicy": "Local" }), false),
        (json!({ "internalTrafficPolicy": "Local", "externalTrafficPolicy": "Cluster" }), false),
        (json!({ "internalTrafficPolicy": "Cluster", "externalTrafficPolicy": "Local" }), true),
    ] {
        assert_eq!(service(&["192.0.2.1"], spec.clone()).is_local, is_local, "{spec}");
    }
}

#[test]
fn of_a_service_that_is_no_load_balancer_nothing_is_kept() {
    let metadata = json!({ "labels": { "a": "1" } });
    let facts = named_service("web", &["192.0.2.1"], json!({ "type": "ClusterIP" }), metadata);
    assert_eq!(facts, ServiceFacts::default());
}

#[test]
fn an_entry_that_is_no_address_makes_all_unusable() {
    for (addresses, expected) in
        [(&["192.0.2.1"][..], Some(1)), (&[], Some(0)), (&["192.0.2.1", "somewhere"], None), (&[""], None)]
    {
        let facts = service(addresses, json!({}));
        assert_eq!(facts.addresses.map(|addresses| addresses.len()), expected, "{addresses:?}");
    }
}

#[test]
fn labels_are_looked_at_only_where_an_advertisement_selects_by_them() {
    let some = json!({ "serviceSelectors": [{ "matchLabels": { "app": "web" } }] });
    let advertisements = [advertisement("all", json!({})), advertisement("some", some)];
    let inputs = configured(inputs(), &[pool("pool", &["192.0.2.0/24"])], &advertisements);
    let pools = inputs.config.pool_of(&[ip("192.0.2.1")]).unwrap();
    for (labels, expected) in [(json!({ "app": "web" }), 2), (json!({ "app": "db" }), 1), (json!({}), 1)] {
        let facts = named_service("web", &["192.0.2.1"], json!({}), json!({ "labels": labels }));
        assert_eq!(facts.relevant(pools.l2_advertisements.iter().map(AsRef::as_ref)).len(), expected);
    }
}

#[test]
fn what_is_written_is_read_again() {
    for facts in [
        ServiceFacts::default(),
        service(&["192.0.2.1"], json!({ "externalTrafficPolicy": "Local" })),
        named_service("web", &["2001:db8::1"], json!({}), json!({ "labels": { "a": "1" } })),
        named_service("web", &[], json!({}), json!({ "labels": { "a": "", "b/c": "2", "d": "" } })),
    ] {
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<ServiceFacts>(&text).unwrap(), facts, "{text}");
    }
}

#[test]
fn labels_are_the_same_afterwards() {
    for (labels, expected) in [
        (&[][..], &[][..]),
        (&[("a", "")], &[("a", "")]),
        (&[("a", "1"), ("b", ""), ("c", "3")], &[("a", "1"), ("b", ""), ("c", "3")]),
        // The API server lets no such label pass.
        (&[("a\0", "1"), ("b", "\0"), ("c", "3")], &[("c", "3")]),
    ] {
        let text: LabelText = labels.iter().copied().collect();
        let read: Vec<(String, String)> = text.iter().collect();
        assert_eq!(read.iter().map(|(key, value)| (&**key, &**value)).collect::<Vec<_>>(), expected);
    }
}
