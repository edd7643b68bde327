//! Which fields the versions of a peer share, and how each shows the other's.

use serde_json::{Map, Value, json};

use crate::BGPPeerSpec;

type Fields = Map<String, Value>;

/// Fields v1beta1 does not have.
const NEW: [&str; 9] = [
    "localASN",
    "dynamicASN",
    "interface",
    "connectTime",
    "passwordSecret",
    "enableGracefulRestart",
    "vrf",
    "disableMP",
    "dualStackAddressFamily",
];

/// New fields with the older one each replaces: whoever sets the older one in v1beta1 has given up the new one.
const REPLACED: [(&str, &str); 3] =
    [("dynamicASN", "peerASN"), ("interface", "peerAddress"), ("passwordSecret", "password")];

const SELECTORS: &str = "nodeSelectors";
const PORT: &str = "peerPort";
/// What an unset port means, written into v1beta2 objects by the API server.
const DEFAULT_PORT: i64 = 179;

/// Makes a v1beta2 spec one of v1beta1. What v1beta1 can't say comes back; null stands for a field that was absent.
pub(super) fn to_v1beta1(spec: &mut Fields) -> Fields {
    let mut unsaid = Fields::new();
    for field in NEW {
        unsaid.extend(spec.remove(field).map(|value| (field.to_owned(), value)));
    }
    for (new, older) in REPLACED {
        if unsaid.contains_key(new) && !is_set(spec.get(older)) {
            unsaid.insert(older.to_owned(), spec.get(older).cloned().unwrap_or_default());
        }
    }
    for field in ["peerASN", "peerAddress", SELECTORS] {
        let value = spec.get(field).cloned().unwrap_or_default();
        let shown = shown_in_v1beta1(field, &value);
        if shown.as_ref() != spec.get(field) {
            unsaid.insert(field.to_owned(), value);
            spec.extend(shown.map(|shown| (field.to_owned(), shown)));
        }
    }
    unsaid
}

/// Makes a v1beta1 spec one of v1beta2. What v1beta2 can't say comes back: a port of 0.
pub(super) fn to_v1beta2(spec: &mut Fields) -> Fields {
    let unset = spec.get(PORT).and_then(Value::as_i64) == Some(0);
    let port = if unset { spec.remove(PORT) } else { None };
    port.map(|port| (PORT.to_owned(), port)).into_iter().collect()
}

/// Gives a spec, now of v1beta1, its port of 0 back, unless somebody has chosen a port meanwhile.
pub(super) fn restore_v1beta1(spec: &mut Fields, kept: &Fields) {
    let chosen = spec.get(PORT).is_some_and(|port| port.as_i64() != Some(DEFAULT_PORT));
    if kept.get(PORT).and_then(Value::as_i64) == Some(0) && !chosen {
        spec.insert(PORT.to_owned(), 0.into());
    }
}

/// Gives a spec, now of v1beta2, the fields back that are kept for it and that nobody has edited meanwhile.
pub(super) fn restore_v1beta2(spec: &mut Fields, kept: &Fields) {
    if !readable(kept) {
        return;
    }
    let given_up = |new: &str| {
        let older = REPLACED.iter().find(|(field, _)| *field == new).map(|(_, older)| *older);
        older.is_some_and(|older| kept.contains_key(older) && is_set(spec.get(older)))
    };
    let new: Vec<&str> = NEW.into_iter().filter(|new| !given_up(new)).collect();
    for field in new {
        spec.extend(kept.get(field).map(|value| (field.to_owned(), value.clone())));
    }
    for field in ["peerASN", "peerAddress", "password", SELECTORS] {
        let Some(value) = kept.get(field) else { continue };
        if shown_in_v1beta1(field, value).as_ref() == spec.get(field) {
            set(spec, field, value);
        }
    }
}

fn set(spec: &mut Fields, field: &str, value: &Value) {
    if value.is_null() {
        spec.remove(field);
    } else {
        spec.insert(field.to_owned(), value.clone());
    }
}

/// Whether the field says anything: absent, empty and 0 do not.
fn is_set(value: Option<&Value>) -> bool {
    value.is_some_and(|value| *value != json!("") && *value != json!(0) && !value.is_null())
}

/// How v1beta1 shows a field both versions have: it demands some that may be absent in v1beta2.
fn shown_in_v1beta1(field: &str, value: &Value) -> Option<Value> {
    match (field, value) {
        ("peerASN", Value::Null) => Some(0.into()),
        ("peerAddress", Value::Null) => Some("".into()),
        (_, Value::Null) => None,
        (SELECTORS, selectors) => Some(with_values(selectors.clone())),
        (_, value) => Some(value.clone()),
    }
}

/// Every expression gets `values`, which v1beta1 demands and `Exists` has no use for.
fn with_values(mut selectors: Value) -> Value {
    let selectors_of = selectors.as_array_mut().into_iter().flatten();
    let expressions = selectors_of
        .filter_map(|selector| selector.get_mut("matchExpressions")?.as_array_mut())
        .flatten()
        .filter_map(Value::as_object_mut);
    for expression in expressions {
        expression.entry("values").or_insert_with(|| json!([]));
    }
    selectors
}

/// Whether the fields kept have the types of v1beta2. The schema does not guard an annotation, and a value of a wrong
/// type must not get into the store.
fn readable(kept: &Fields) -> bool {
    let mut spec = kept.clone();
    spec.insert("myASN".to_owned(), 0.into());
    serde_json::from_value::<BGPPeerSpec>(Value::Object(spec)).is_ok()
}
