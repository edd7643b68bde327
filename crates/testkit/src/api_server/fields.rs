//! Who owns what: the paths of an object, and merging by them, as server-side apply does.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::schema::{self, List};

/// The way to a field, spelled as in `managedFields`: `f:name`, `k:{"key":"value"}`, `v:"value"`.
pub(super) type Path = Vec<String>;
pub(super) type Paths = BTreeSet<Path>;

/// What nobody owns: it identifies the object or belongs to the server.
const OF_THE_SERVER: [&str; 8] = [
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "managedFields",
];

/// Every path of an object that can be owned.
pub(super) fn paths(object: &Value) -> Paths {
    let mut found = Paths::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        match name.as_str() {
            "apiVersion" | "kind" | "status" => {}
            "metadata" => {
                let members = value.as_object().into_iter().flatten();
                for (name, value) in members.filter(|(name, _)| !OF_THE_SERVER.contains(&name.as_str())) {
                    collect(name, value, &vec!["f:metadata".to_owned()], &mut found);
                }
            }
            name => collect(name, value, &Vec::new(), &mut found),
        }
    }
    found
}

fn collect(name: &str, value: &Value, parent: &Path, found: &mut Paths) {
    let here = below(parent, format!("f:{name}"));
    match value {
        Value::Object(members) if !members.is_empty() && !schema::is_whole(name) => {
            collect_members(members, &here, found);
        }
        Value::Array(items) => match schema::list(name, items) {
            List::Keyed(keys) => {
                for item in items {
                    let here = below(&here, schema::key(item, keys));
                    collect_members(item.as_object().unwrap_or(&Map::new()), &here, found);
                    found.insert(here);
                }
            }
            List::Set => found.extend(items.iter().map(|item| below(&here, schema::value(item)))),
            List::Whole => drop(found.insert(here)),
        },
        _ => drop(found.insert(here)),
    }
}

fn collect_members(members: &Map<String, Value>, here: &Path, found: &mut Paths) {
    for (name, value) in members {
        collect(name, value, here, found);
    }
}

fn below(parent: &Path, element: String) -> Path {
    let mut path = parent.clone();
    path.push(element);
    path
}

/// The paths as the tree that stands in `managedFields`.
pub(super) fn to_tree(paths: &Paths) -> Value {
    let mut root = Map::new();
    for path in paths {
        plant(&mut root, path);
    }
    Value::Object(root)
}

fn plant(node: &mut Map<String, Value>, path: &[String]) {
    let Some((element, rest)) = path.split_first() else { return };
    let child = node.entry(element.clone()).or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(child) = child else { return };
    // An element of a list is owned itself, beside what is in it.
    if rest.is_empty() && element.starts_with("k:") {
        child.insert(".".to_owned(), Value::Object(Map::new()));
    }
    plant(child, rest);
}

/// The paths of a tree.
pub(super) fn from_tree(tree: &Value) -> Paths {
    let mut found = Paths::new();
    walk(tree, &Path::new(), &mut found);
    found
}

fn walk(node: &Value, here: &Path, found: &mut Paths) {
    let members = node.as_object().into_iter().flatten().filter(|(element, _)| *element != ".");
    let mut is_leaf = true;
    for (element, child) in members {
        is_leaf = false;
        walk(child, &below(here, element.clone()), found);
    }
    if (is_leaf || node.get(".").is_some()) && !here.is_empty() {
        found.insert(here.clone());
    }
}

/// The value at a path.
pub(super) fn get<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, element| match element.strip_prefix("f:") {
        Some(name) => value.get(name),
        None => value.as_array()?.iter().find(|item| is_item(item, element)),
    })
}

fn is_item(item: &Value, element: &str) -> bool {
    if let Some(key) = element.strip_prefix("k:") {
        let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
        return key.iter().all(|(name, value)| item.get(name) == Some(value));
    }
    element.strip_prefix("v:").and_then(|value| serde_json::from_str::<Value>(value).ok()).as_ref()
        == Some(item)
}

/// Removes the value at a path, if it is there.
pub(super) fn remove(object: &mut Value, path: &[String]) {
    let Some((last, way)) = path.split_last() else { return };
    let parent = way.iter().try_fold(object, |value, element| match element.strip_prefix("f:") {
        Some(name) => value.get_mut(name),
        None => value.as_array_mut()?.iter_mut().find(|item| is_item(item, element)),
    });
    match (parent, last.strip_prefix("f:")) {
        (Some(Value::Object(members)), Some(name)) => drop(members.remove(name)),
        (Some(Value::Array(items)), None) => items.retain(|item| !is_item(item, last)),
        _ => {}
    }
}

/// Lays `config` over `live`: what `config` does not name stays.
pub(super) fn merge(live: &mut Value, config: &Value) {
    merge_field("", live, config);
}

fn merge_field(name: &str, live: &mut Value, config: &Value) {
    match (live, config) {
        (Value::Object(live), Value::Object(config)) if !schema::is_whole(name) => {
            for (name, value) in config {
                merge_field(name, live.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(live), Value::Array(config)) => match schema::list(name, config) {
            List::Keyed(keys) => config.iter().for_each(|item| merge_item(live, item, keys)),
            List::Set => {
                let new: Vec<Value> = config.iter().filter(|item| !live.contains(item)).cloned().collect();
                live.extend(new);
            }
            List::Whole => live.clone_from(config),
        },
        (live, config) => live.clone_from(config),
    }
}

fn merge_item(live: &mut Vec<Value>, item: &Value, keys: &[&str]) {
    let key = schema::key(item, keys);
    match live.iter_mut().find(|candidate| schema::key(candidate, keys) == key) {
        Some(found) => merge_field("", found, item),
        None => live.push(item.clone()),
    }
}
