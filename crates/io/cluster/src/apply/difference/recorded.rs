//! Against a real API server: what was applied, and what Kubernetes 1.34 made of it.
//!
//! `recorded.json` holds one pair a line, taken with `kubectl apply --server-side -o json --show-managed-fields`.

use serde_json::json;

use super::*;

fn pairs() -> Vec<(Value, DynamicObject)> {
    let recorded: Vec<Value> = serde_json::from_str(include_str!("recorded.json")).unwrap();
    let live = |pair: &Value| serde_json::from_value(pair["live"].clone()).unwrap();
    recorded.iter().map(|pair| (pair["desired"].clone(), live(pair))).collect()
}

fn found(live: &DynamicObject, desired: &Value) -> Option<Difference> {
    difference(live, &serde_json::from_value(desired.clone()).unwrap(), "metallb-operator")
}

/// JSON pointers of all values that hold no others.
fn leaves(value: &Value, here: &str) -> Vec<String> {
    let below = |name: &str, child: &Value| {
        leaves(child, &format!("{here}/{}", name.replace('~', "~0").replace('/', "~1")))
    };
    match value {
        Value::Object(members) if !members.is_empty() => {
            members.iter().flat_map(|(n, v)| below(n, v)).collect()
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().flat_map(|(i, v)| below(&i.to_string(), v)).collect()
        }
        _ => vec![here.to_owned()],
    }
}

fn other(value: &Value) -> Value {
    match value {
        Value::Bool(flag) => json!(!flag),
        Value::Number(number) => json!(number.as_i64().unwrap() + 1),
        Value::String(text) => json!(format!("{text}x")),
        composite => panic!("{composite} is no leaf"),
    }
}

#[test]
fn what_was_applied_is_current() {
    for (desired, live) in pairs() {
        assert_eq!(found(&live, &desired), None, "{} {}", desired["kind"], desired["metadata"]["name"]);
    }
}

#[test]
fn a_change_of_any_field_is_a_difference() {
    let identity = ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace"];
    let mut tried = 0;
    for (desired, live) in pairs() {
        for leaf in leaves(&desired, "").into_iter().filter(|leaf| !identity.contains(&leaf.as_str())) {
            let mut changed = desired.clone();
            let value = changed.pointer_mut(&leaf).unwrap();
            if value.is_object() || value.is_array() {
                continue;
            }
            *value = other(value);
            assert!(found(&live, &changed).is_some(), "{} {leaf}", desired["kind"]);
            tried += 1;
        }
    }
    assert!(tried > 300, "{tried}");
}

#[test]
fn a_field_no_longer_wanted_is_a_difference() {
    for (desired, live) in pairs().into_iter().filter(|(desired, _)| desired["spec"].is_object()) {
        for leaf in leaves(&desired["spec"], "/spec") {
            let (parent, name) = leaf.rsplit_once('/').unwrap();
            let mut changed = desired.clone();
            if let Some(Value::Object(members)) = changed.pointer_mut(parent) {
                members.remove(&name.replace("~1", "/"));
                assert!(found(&live, &changed).is_some(), "{} {leaf}", desired["kind"]);
            }
        }
    }
}
