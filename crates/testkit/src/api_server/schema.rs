//! The little a server knows about structure when it merges: which lists have keys, which values are one piece.

use serde_json::{Map, Value};

/// How the elements of a list are told apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum List {
    /// By the values of these fields.
    Keyed(&'static [&'static str]),
    /// By their value.
    Set,
    /// Not at all: the list is one piece.
    Whole,
}

/// What kind of list the field `name` holds, given its elements.
pub(super) fn list(name: &str, items: &[Value]) -> List {
    match name {
        "containers" | "initContainers" | "env" | "volumes" | "webhooks"
            if items.iter().all(Value::is_object) =>
        {
            List::Keyed(&["name"])
        }
        "volumeMounts" => List::Keyed(&["mountPath"]),
        "ownerReferences" => List::Keyed(&["uid"]),
        "conditions" if items.iter().any(|item| item.get("type").is_some()) => List::Keyed(&["type"]),
        "ports" if items.iter().any(|item| item.get("containerPort").is_some()) => {
            List::Keyed(&["containerPort", "protocol"])
        }
        "finalizers" => List::Set,
        _ => List::Whole,
    }
}

/// Whether the map in the field `name` is one piece.
pub(super) fn is_whole(name: &str) -> bool {
    ["selector", "podSelector", "nodeSelector", "fieldRef", "roleRef", "secretKeyRef"].contains(&name)
}

/// The key of an element, as `managedFields` spells it.
pub(super) fn key(item: &Value, names: &[&str]) -> String {
    let key: Map<String, Value> =
        names.iter().filter_map(|name| Some(((*name).to_owned(), item.get(*name)?.clone()))).collect();
    format!("k:{}", Value::Object(key))
}

/// An element of a set, as `managedFields` spells it.
pub(super) fn value(item: &Value) -> String {
    format!("v:{item}")
}
