//! The comparison notices each kind of difference, and none where there is none.

use serde_json::{Value, json};

use super::definitions;

/// A definition whose spec holds one field, `x`, of this schema.
fn with_field(schema: &Value) -> Value {
    json!({ "spec": {
        "group": "example.io",
        "names": { "kind": "Thing", "plural": "things" },
        "scope": "Namespaced",
        "versions": [{
            "name": "v1",
            "served": true,
            "storage": true,
            "subresources": { "status": {} },
            "additionalPrinterColumns": [{ "name": "X", "type": "string", "jsonPath": ".x" }],
            "schema": { "openAPIV3Schema": { "type": "object", "properties": { "x": schema } } },
        }],
    }})
}

fn compare(upstream: &Value, ours: &Value) -> Vec<String> {
    definitions(&with_field(upstream), &with_field(ours))
}

#[test]
fn what_is_wider_or_only_said_otherwise_is_no_difference() {
    let table = [
        (json!({"type": "string", "description": "a"}), json!({"type": "string", "description": "b"})),
        (json!({"type": "integer", "minimum": 1}), json!({"type": "integer", "minimum": 1.0})),
        (json!({"type": "integer", "minimum": 1}), json!({"type": "integer", "minimum": 0})),
        (json!({"type": "integer", "maximum": 9}), json!({"type": "integer"})),
        (json!({"type": "string", "enum": ["a"]}), json!({"type": "string", "enum": ["b", "a"]})),
        (json!({"type": "string", "enum": ["a"]}), json!({"type": "string"})),
        (json!({"type": "object", "required": ["a", "b"]}), json!({"type": "object", "required": ["b"]})),
        (json!({"type": "object"}), json!({"type": "object", "properties": {"new": {"type": "string"}}})),
        (json!({"type": "string"}), json!({"type": "string", "nullable": true})),
    ];
    for (upstream, ours) in table {
        assert_eq!(compare(&upstream, &ours), Vec::<String>::new(), "{upstream} {ours}");
    }
}

#[test]
fn what_is_narrower_or_treated_otherwise_is_found() {
    let table = [
        (json!({"type": "string"}), json!({"type": "integer"})),
        (json!({}), json!({"type": "integer"})),
        (json!({"type": "integer"}), json!({"type": "integer", "format": "int32"})),
        (json!({"type": "integer"}), json!({"type": "integer", "minimum": 1})),
        (json!({"type": "integer", "minimum": 1}), json!({"type": "integer", "minimum": 2})),
        (json!({"type": "integer"}), json!({"type": "integer", "maximum": 9})),
        (json!({"type": "string", "maxLength": 9}), json!({"type": "string", "maxLength": 8})),
        (json!({"type": "string"}), json!({"type": "string", "enum": ["a"]})),
        (json!({"type": "string", "enum": ["a", "b"]}), json!({"type": "string", "enum": ["a"]})),
        (json!({"type": "string"}), json!({"type": "string", "pattern": "a"})),
        (json!({"type": "string", "pattern": "a"}), json!({"type": "string", "pattern": "b"})),
        (json!({"type": "boolean", "default": true}), json!({"type": "boolean", "default": false})),
        (json!({"type": "boolean"}), json!({"type": "boolean", "default": false})),
        (json!({"type": "string", "nullable": true}), json!({"type": "string"})),
        (json!({"type": "object"}), json!({"type": "object", "required": ["a"]})),
        (json!({"properties": {"a": {"type": "string"}}}), json!({"properties": {}})),
        (json!({"properties": {"a": {"type": "string"}}}), json!({"properties": {"a": {"type": "integer"}}})),
        (json!({"items": {"type": "string"}}), json!({"items": {"type": "integer"}})),
        (json!({"items": {"type": "string"}}), json!({})),
        (
            json!({"additionalProperties": {"type": "string"}}),
            json!({"additionalProperties": {"type": "integer"}}),
        ),
        (json!({"x-kubernetes-list-type": "atomic"}), json!({})),
        (json!({"x-kubernetes-map-type": "atomic"}), json!({"x-kubernetes-map-type": "granular"})),
        (json!({"x-kubernetes-list-map-keys": ["a"]}), json!({"x-kubernetes-list-map-keys": ["b"]})),
        (json!({"x-kubernetes-int-or-string": true}), json!({})),
        (json!({}), json!({"x-kubernetes-validations": [{"rule": "self == oldSelf"}]})),
        (json!({"x-kubernetes-validations": [{"rule": "self == oldSelf"}]}), json!({})),
        (json!({"anyOf": [{"type": "integer"}]}), json!({"anyOf": [{"type": "string"}]})),
        (json!({"unheard-of": 1}), json!({"unheard-of": 1})),
    ];
    for (upstream, ours) in table {
        assert_eq!(compare(&upstream, &ours).len(), 1, "{upstream} {ours}: {:?}", compare(&upstream, &ours));
    }
}

#[test]
fn a_difference_is_found_at_any_depth_and_its_place_is_named() {
    let nest = |schema| json!({"properties": {"a": {"items": {"additionalProperties": schema}}}});
    let found = compare(&nest(json!({"type": "string"})), &nest(json!({"type": "integer"})));
    assert_eq!(found, [r#".x.a/items/additionalProperties/type: upstream "string", ours "integer""#]);
}

#[test]
fn differences_of_the_definition_itself_are_found() {
    let upstream = with_field(&json!({"type": "string"}));
    let table = [
        ("/spec/group", json!("other.io")),
        ("/spec/scope", json!("Cluster")),
        ("/spec/names/kind", json!("Other")),
        ("/spec/names/plural", json!("others")),
        ("/spec/versions", json!([])),
        ("/spec/versions/0/name", json!("v2")),
        ("/spec/versions/0/served", json!(false)),
        ("/spec/versions/0/storage", json!(false)),
        ("/spec/versions/0/deprecated", json!(true)),
        ("/spec/versions/0/deprecationWarning", json!("use v2")),
        ("/spec/versions/0/subresources", json!({})),
        ("/spec/versions/0/additionalPrinterColumns/0/jsonPath", json!(".y")),
        ("/spec/versions/0/additionalPrinterColumns/0/name", json!("Y")),
    ];
    for (place, value) in table {
        let mut ours = upstream.clone();
        set(&mut ours, place, value);
        assert_eq!(definitions(&upstream, &ours).len(), 1, "{place}");
    }
}

fn set(within: &mut Value, place: &str, value: Value) {
    let (parent, field) = place.rsplit_once('/').unwrap();
    within.pointer_mut(parent).unwrap()[field] = value;
}
