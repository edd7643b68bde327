use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{ConversionError, KEPT_V1BETA1, KEPT_V1BETA2, convert};

const OLD: &str = "metallb.io/v1beta1";
const NEW: &str = "metallb.io/v1beta2";

fn peer(version: &str, spec: Value) -> Value {
    let metadata = json!({ "name": "p", "annotations": { "mine": "kept" }, "labels": { "a": "b" } });
    json!({ "apiVersion": version, "kind": "BGPPeer", "metadata": metadata, "spec": spec, "status": {} })
}

/// A v1beta2 peer as v1beta1, edited there, and back.
fn edited_in_v1beta1(spec: Value, edit: impl FnOnce(&mut Map<String, Value>)) -> Value {
    let mut older = convert(peer(NEW, spec), OLD).unwrap();
    edit(older["spec"].as_object_mut().unwrap());
    let back = convert(older, NEW).unwrap();
    assert!(back["metadata"]["annotations"].get(KEPT_V1BETA2).is_none(), "{back}");
    back["spec"].clone()
}

#[test]
fn shared_fields_and_metadata_are_the_same_in_both_versions() {
    let spec = json!({
        "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "sourceAddress": "192.0.2.2", "peerPort": 180,
        "holdTime": "9s", "keepaliveTime": "3s", "routerID": "192.0.2.3", "password": "p", "bfdProfile": "b",
        "nodeSelectors": [{ "matchLabels": { "a": "b" } }, {}], "ebgpMultiHop": true, "unheardOf": { "x": [1] },
    });
    assert_eq!(convert(peer(OLD, spec.clone()), NEW).unwrap(), peer(NEW, spec.clone()));
    assert_eq!(convert(peer(NEW, spec.clone()), OLD).unwrap(), peer(OLD, spec));
}

#[test]
fn d13_a_timer_that_is_unset_stays_unset_and_one_of_zero_stays_zero() {
    let base = json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1" });
    for timers in
        [json!({}), json!({ "holdTime": "0s", "keepaliveTime": "0s" }), json!({ "holdTime": "90s" })]
    {
        let mut spec = base.clone();
        spec.as_object_mut().unwrap().extend(timers.as_object().unwrap().clone());
        assert_eq!(convert(peer(OLD, spec.clone()), NEW).unwrap()["spec"], spec);
        assert_eq!(convert(peer(NEW, spec.clone()), OLD).unwrap()["spec"], spec);
    }
}

#[test]
fn what_v1beta1_demands_is_there_and_what_it_does_not_know_is_kept_aside() {
    let newer = json!({
        "myASN": 1, "dynamicASN": "external", "interface": "eth0",
        "nodeSelectors": [{ "matchExpressions": [{ "key": "k", "operator": "Exists" }] }],
    });
    let older = convert(peer(NEW, newer), OLD).unwrap();
    assert_eq!(
        older["spec"],
        json!({
            "myASN": 1, "peerASN": 0, "peerAddress": "",
            "nodeSelectors": [{ "matchExpressions": [{ "key": "k", "operator": "Exists", "values": [] }] }],
        })
    );
    let kept = older["metadata"]["annotations"][KEPT_V1BETA2].as_str().unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(kept).unwrap(),
        json!({
            "dynamicASN": "external", "interface": "eth0", "peerASN": null, "peerAddress": null,
            "nodeSelectors": [{ "matchExpressions": [{ "key": "k", "operator": "Exists" }] }],
        })
    );
    assert_eq!(older["metadata"]["annotations"]["mine"], "kept");
}

#[test]
fn fields_edited_in_v1beta1_win_over_what_is_kept() {
    let exists = json!([{ "matchExpressions": [{ "key": "k", "operator": "Exists" }] }]);
    // spec in v1beta2, edit in v1beta1, spec in v1beta2 afterwards
    let table = [
        (json!({ "dynamicASN": "internal" }), json!({ "peerASN": 5 }), json!({ "peerASN": 5 })),
        (json!({ "dynamicASN": "internal", "peerASN": 0 }), json!({ "peerASN": 5 }), json!({ "peerASN": 5 })),
        (
            json!({ "interface": "eth0" }),
            json!({ "peerAddress": "192.0.2.1" }),
            json!({ "peerAddress": "192.0.2.1" }),
        ),
        (
            json!({ "passwordSecret": { "name": "s" } }),
            json!({ "password": "p" }),
            json!({ "password": "p" }),
        ),
        (
            json!({ "nodeSelectors": exists }),
            json!({ "nodeSelectors": [{}] }),
            json!({ "nodeSelectors": [{}] }),
        ),
        // Edits elsewhere leave what is kept alone.
        (
            json!({ "vrf": "v", "nodeSelectors": exists, "dynamicASN": "external" }),
            json!({ "holdTime": "9s" }),
            json!({ "vrf": "v", "nodeSelectors": exists, "dynamicASN": "external", "holdTime": "9s" }),
        ),
    ];
    for (before, edit, after) in table {
        let with_asn = |spec: &Value| {
            let mut spec = spec.clone();
            spec["myASN"] = 1.into();
            spec
        };
        let found = edited_in_v1beta1(with_asn(&before), |spec| {
            spec.extend(edit.as_object().unwrap().clone());
        });
        assert_eq!(found, with_asn(&after), "{before} {edit}");
    }
}

#[test]
fn a_field_removed_in_v1beta1_is_not_resurrected() {
    let before = json!({
        "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "vrf": "v",
        "nodeSelectors": [{ "matchExpressions": [{ "key": "k", "operator": "Exists" }] }],
    });
    let found = edited_in_v1beta1(before, |spec| drop(spec.remove("nodeSelectors")));
    assert_eq!(found, json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "vrf": "v" }));
}

#[test]
fn a_password_beside_a_secret_is_no_edit() {
    let both = json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "password": "p",
        "passwordSecret": { "name": "s" } });
    let older = convert(peer(NEW, both.clone()), OLD).unwrap();
    assert!(!older["metadata"].to_string().contains("\"p\\\""), "no password is kept in an annotation");
    assert_eq!(convert(older, NEW).unwrap()["spec"], both);
}

#[test]
fn a_port_of_zero_is_what_v1beta2_leaves_to_its_default() {
    let older = json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1", "peerPort": 0 });
    let mut newer = convert(peer(OLD, older.clone()), NEW).unwrap();
    assert_eq!(newer["spec"].get("peerPort"), None);
    assert_eq!(newer["metadata"]["annotations"][KEPT_V1BETA1], r#"{"peerPort":0}"#);
    newer["spec"]["peerPort"] = 179.into(); // the API server
    assert_eq!(convert(newer.clone(), OLD).unwrap(), peer(OLD, older));
    newer["spec"]["peerPort"] = 1179.into(); // the user
    let back = convert(newer, OLD).unwrap();
    assert_eq!(back["spec"]["peerPort"], 1179);
    assert_eq!(back["metadata"]["annotations"], json!({ "mine": "kept" }));
}

#[test]
fn what_is_kept_but_can_not_be_read_is_dropped() {
    let spec = json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1" });
    let garbage = [
        json!("no JSON"),
        json!("[]"),
        json!(7),
        json!(r#"{"vrf": 7}"#),
        json!(r#"{"myASN": 9, "unheardOf": 1}"#),
        json!(r#"{"peerPort": 9, "holdTime": "1s"}"#),
    ];
    for kept in garbage {
        let mut older = peer(OLD, spec.clone());
        older["metadata"]["annotations"][KEPT_V1BETA2] = kept.clone();
        assert_eq!(convert(older, NEW).unwrap(), peer(NEW, spec.clone()), "{kept}");
    }
}

#[test]
fn what_was_kept_for_the_version_the_object_has_already_is_dropped() {
    let spec = json!({ "myASN": 1, "peerASN": 2, "peerAddress": "192.0.2.1" });
    let mut renamed = peer(NEW, spec.clone());
    renamed["metadata"]["annotations"][KEPT_V1BETA2] = json!(r#"{"vrf":"stale"}"#);
    assert_eq!(convert(renamed, OLD).unwrap(), peer(OLD, spec));
}

#[test]
fn an_object_without_metadata_or_spec_is_converted_all_the_same() {
    let bare = |version: &str| json!({ "apiVersion": version, "kind": "BGPPeer" });
    assert_eq!(convert(bare(NEW), OLD).unwrap(), bare(OLD));
    let mut odd = bare(OLD);
    odd["spec"] = json!(7);
    odd["metadata"] = json!("x");
    assert_eq!(convert(odd, NEW).unwrap()["spec"], json!(7));
}

#[test]
fn versions_and_kinds_that_can_not_be_converted_are_named() {
    let unknown = |version: &str| ConversionError::UnknownVersion { version: version.to_owned() };
    let table = [
        (peer(OLD, json!({})), "metallb.io/v1", unknown("metallb.io/v1")),
        (peer(OLD, json!({})), "v1beta2", unknown("v1beta2")),
        (peer("metallb.io/v1", json!({})), NEW, unknown("metallb.io/v1")),
        (json!({ "kind": "BGPPeer" }), NEW, unknown("")),
        (peer(OLD, json!({})), OLD, ConversionError::SameVersion { version: OLD }),
        (peer(NEW, json!({})), NEW, ConversionError::SameVersion { version: NEW }),
        (
            json!({ "apiVersion": OLD, "kind": "Community" }),
            NEW,
            ConversionError::OtherKind { kind: "Community".to_owned() },
        ),
        (json!([]), NEW, ConversionError::OtherKind { kind: String::new() }),
    ];
    for (object, desired, expected) in table {
        assert_eq!(convert(object, desired), Err(expected));
    }
}

fn text() -> impl Strategy<Value = Value> {
    "[a-z0-9:.]{0,6}".prop_map(Value::from)
}

fn expression(values: impl Strategy<Value = Option<Value>>) -> impl Strategy<Value = Value> {
    (text(), values).prop_map(|(key, values)| {
        let mut expression = json!({ "key": key, "operator": "In" });
        expression.as_object_mut().unwrap().extend(values.map(|values| ("values".to_owned(), values)));
        expression
    })
}

fn selectors(values: impl Strategy<Value = Option<Value>>) -> impl Strategy<Value = Value> {
    let labels = option::of(text().prop_map(|value| json!({ "l": value })));
    let expressions = option::of(vec(expression(values), 0..3).prop_map(Value::from));
    let selector = (labels, expressions)
        .prop_map(|(labels, expressions)| spec([("matchLabels", labels), ("matchExpressions", expressions)]));
    vec(selector, 0..3).prop_map(Value::from)
}

fn spec<'a>(fields: impl IntoIterator<Item = (&'a str, Option<Value>)>) -> Value {
    fields
        .into_iter()
        .filter_map(|(field, value)| Some((field.to_owned(), value?)))
        .collect::<Map<_, _>>()
        .into()
}

/// Fields of the names, each there or not.
fn fields<S: Strategy<Value = Value>>(
    names: &'static [&'static str],
    value: impl Fn() -> S,
) -> impl Strategy<Value = Vec<(&'static str, Option<Value>)>> {
    vec(option::of(value()), names.len()).prop_map(move |values| names.iter().copied().zip(values).collect())
}

fn number() -> impl Strategy<Value = Value> {
    prop_oneof![Just(0), 1..4_294_967_296_i64].prop_map(Value::from)
}

fn values() -> impl Strategy<Value = Value> {
    vec(text(), 1..3).prop_map(Value::from)
}

fn older() -> impl Strategy<Value = Value> {
    let required = (number(), number(), text());
    let texts = fields(
        &["sourceAddress", "holdTime", "keepaliveTime", "routerID", "password", "bfdProfile", "unheardOf"],
        text,
    );
    let port = option::of((0..16385).prop_map(Value::from));
    let multi_hop = option::of(any::<bool>().prop_map(Value::from));
    let selectors = option::of(selectors(values().prop_map(Some)));
    (required, texts, port, multi_hop, selectors).prop_map(
        |((my_asn, peer_asn, address), mut fields, port, multi_hop, selectors)| {
            fields.extend([
                ("myASN", Some(my_asn)),
                ("peerASN", Some(peer_asn)),
                ("peerAddress", Some(address)),
                ("peerPort", port),
                ("ebgpMultiHop", multi_hop),
                ("nodeSelectors", selectors),
            ]);
            peer(OLD, spec(fields))
        },
    )
}

fn newer() -> impl Strategy<Value = Value> {
    let texts = fields(
        &[
            "peerAddress",
            "interface",
            "sourceAddress",
            "holdTime",
            "keepaliveTime",
            "connectTime",
            "routerID",
            "password",
            "bfdProfile",
            "vrf",
            "dynamicASN",
            "unheardOf",
        ],
        text,
    );
    let numbers = fields(&["peerASN", "localASN"], number);
    let flags =
        fields(&["enableGracefulRestart", "ebgpMultiHop", "disableMP", "dualStackAddressFamily"], || {
            any::<bool>().prop_map(Value::from)
        });
    let port = option::of((1..16385).prop_map(Value::from));
    let values = option::of(vec(text(), 0..3).prop_map(Value::from));
    let rest = (port, option::of(selectors(values)), option::of(text()));
    (texts, numbers, flags, rest).prop_map(|(mut fields, numbers, flags, (port, selectors, secret))| {
        fields.extend(numbers);
        fields.extend(flags);
        fields.extend([
            ("myASN", Some(1.into())),
            ("peerPort", port),
            ("nodeSelectors", selectors),
            ("passwordSecret", secret.map(|name| json!({ "name": name }))),
        ]);
        peer(NEW, spec(fields))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn d13_v1beta2_survives_the_way_through_v1beta1(object in newer()) {
        let back = convert(convert(object.clone(), OLD).unwrap(), NEW).unwrap();
        prop_assert_eq!(back, object);
    }

    #[test]
    fn d13_v1beta1_survives_the_way_through_v1beta2(object in older()) {
        let back = convert(convert(object.clone(), NEW).unwrap(), OLD).unwrap();
        prop_assert_eq!(back, object);
    }

    #[test]
    fn every_v1beta2_object_becomes_one_v1beta1_can_read(object in newer()) {
        let older = convert(object, OLD).unwrap();
        prop_assert!(serde_json::from_value::<crate::bgp_peer_v1beta1::BGPPeer>(older).is_ok());
    }
}
