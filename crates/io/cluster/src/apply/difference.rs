//! Would applying this object change anything?
//!
//! The answer is in the object itself: its `managedFields` list, path by path, what each manager owns. An object is
//! current when what we own is exactly what we want, with the values we want. Whatever others own, or the API server
//! filled in by default, is none of our business.
//!
//! The order of elements that have a key (containers, ports, variables) is not compared: applying doesn't change it.

use kube::api::DynamicObject;
use serde_json::{Map, Value};

use super::quantity::same_quantity;

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;

type Object = Map<String, Value>;

/// Where an object is not as it should be. Never holds values: they may be secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Difference {
    /// We have never applied this object, or in another version of its API.
    NotApplied,
    /// Another value than ours stands here, or none.
    Value(String),
    /// Nobody but others owns this.
    NotOurs(String),
    /// We own this and no longer want it.
    Unwanted(String),
    /// One of the two objects can't be read.
    Unreadable,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotApplied => f.write_str("never applied before"),
            Self::Value(path) => write!(f, "{path} has another value"),
            Self::NotOurs(path) => write!(f, "{path} was not ours"),
            Self::Unwanted(path) => write!(f, "{path} is no longer wanted"),
            Self::Unreadable => f.write_str("unreadable"),
        }
    }
}

/// The first difference between `live` and what applying `desired` as `manager` would leave; `None` if there is none.
#[must_use]
pub fn difference(live: &DynamicObject, desired: &DynamicObject, manager: &str) -> Option<Difference> {
    let Some(owned) = owned_fields(live, desired, manager) else { return Some(Difference::NotApplied) };
    let (Some(live), Some(desired)) = (body(live), body(desired)) else {
        return Some(Difference::Unreadable);
    };
    members(&Path::Root, &desired, &live, owned).err()
}

/// What `manager` owns by applying, as a tree of paths.
fn owned_fields<'a>(live: &'a DynamicObject, desired: &DynamicObject, manager: &str) -> Option<&'a Object> {
    let version = desired.types.as_ref().map(|types| types.api_version.as_str());
    let entries = live.metadata.managed_fields.iter().flatten();
    let mut ours = entries.filter(|entry| {
        entry.manager.as_deref() == Some(manager)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
            && entry.api_version.as_deref() == version
    });
    ours.next()?.fields_v1.as_ref()?.0.as_object()
}

/// The object without what identifies it: nobody owns that.
fn body(object: &DynamicObject) -> Option<Object> {
    let Value::Object(mut body) = serde_json::to_value(object).ok()? else { return None };
    body.retain(|key, _| key != "apiVersion" && key != "kind");
    if let Some(Value::Object(metadata)) = body.get_mut("metadata") {
        metadata.retain(|key, _| key != "name" && key != "namespace");
    }
    Some(body)
}

/// The way to a value, kept on the stack: it is only written out when there is a difference to report.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, &'a str),
}

impl Path<'_> {
    fn text(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Member(Self::Root, name) => (*name).to_owned(),
            Self::Member(parent, name) => format!("{}.{name}", parent.text()),
            Self::Item(parent, key) => format!("{}[{key}]", parent.text()),
        }
    }

    /// Amounts of resources can be written in several ways; the API server picks one.
    fn is_amount(&self) -> bool {
        matches!(self, Self::Member(Self::Member(_, "limits" | "requests"), _))
    }
}

fn compare(path: &Path<'_>, desired: &Value, live: &Value, owned: &Object) -> Result<(), Difference> {
    match (desired, live) {
        // No path below this one: it is owned as a whole.
        _ if owned.is_empty() => whole(path, desired, live),
        (Value::Object(desired), Value::Object(live)) => members(path, desired, live, owned),
        (Value::Array(desired), Value::Array(live)) => items(path, desired, live, owned),
        _ => Err(Difference::Value(path.text())),
    }
}

fn members(path: &Path<'_>, desired: &Object, live: &Object, owned: &Object) -> Result<(), Difference> {
    for (name, wanted) in desired {
        let here = Path::Member(path, name);
        match (live.get(name), owned.get(&format!("f:{name}"))) {
            (Some(live), Some(Value::Object(owned))) => compare(&here, wanted, live, owned)?,
            (None, _) if is_blank(wanted) => {}
            (None, _) => return Err(Difference::Value(here.text())),
            (Some(_), _) => return Err(Difference::NotOurs(here.text())),
        }
    }
    let unwanted =
        owned.keys().filter_map(|key| key.strip_prefix("f:")).find(|name| !desired.contains_key(*name));
    unwanted.map_or(Ok(()), |name| Err(Difference::Unwanted(Path::Member(path, name).text())))
}

/// The elements of a list, which are owned one by one: by key (`k:`) or, in a set, by value (`v:`).
fn items(path: &Path<'_>, desired: &[Value], live: &[Value], owned: &Object) -> Result<(), Difference> {
    let mut ours = Vec::new();
    for (key, owned) in owned {
        if key == "." {
            continue;
        }
        let here = Path::Item(path, key);
        let (Some(selector), Some(owned)) = (Selector::parse(key), owned.as_object()) else {
            return whole(path, &Value::Array(desired.to_vec()), &Value::Array(live.to_vec()));
        };
        let Some(wanted) = desired.iter().find(|item| selector.may_mean(item)) else {
            return Err(Difference::Unwanted(here.text()));
        };
        let Some(live) = live.iter().find(|item| selector.means(item)) else {
            return Err(Difference::Value(here.text()));
        };
        compare(&here, wanted, live, owned)?;
        ours.push(selector);
    }
    if ours.len() == desired.len() {
        return Ok(());
    }
    let other = desired.iter().find(|wanted| !ours.iter().any(|selector| selector.may_mean(wanted)));
    let is_like_it = |item: &Value| match (ours.first(), other) {
        (Some(Selector::Key(key)), Some(wanted)) => key.keys().all(|name| item.get(name) == wanted.get(name)),
        (_, other) => Some(item) == other,
    };
    // Where each may be one of ours, two of them are the same to us.
    let is_there = other.is_none() || live.iter().any(is_like_it);
    Err(if is_there { Difference::NotOurs(path.text()) } else { Difference::Value(path.text()) })
}

/// What identifies an element of a list.
enum Selector {
    Key(Object),
    Value(Value),
}

impl Selector {
    fn parse(text: &str) -> Option<Self> {
        if let Some(key) = text.strip_prefix("k:") {
            return Some(Self::Key(serde_json::from_str(key).ok()?));
        }
        Some(Self::Value(serde_json::from_str(text.strip_prefix("v:")?).ok()?))
    }

    /// Whether this is the element in the live object.
    fn means(&self, item: &Value) -> bool {
        match self {
            Self::Key(key) => key.iter().all(|(name, value)| item.get(name) == Some(value)),
            Self::Value(value) => item == value,
        }
    }

    /// Whether this is the element in the desired object, which may leave parts of the key to their defaults.
    fn may_mean(&self, item: &Value) -> bool {
        match self {
            Self::Key(key) => {
                key.iter().all(|(name, value)| item.get(name).is_none_or(|given| given == value))
            }
            Self::Value(value) => item == value,
        }
    }
}

/// A value owned as a whole. What is in it and not wanted was wanted once: nobody else could have added it without
/// becoming its owner. All that may differ is what the API server drops because it says nothing, or writes in its own
/// way.
fn whole(path: &Path<'_>, desired: &Value, live: &Value) -> Result<(), Difference> {
    let same = match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => return whole_members(path, desired, live),
        (Value::Array(desired), Value::Array(live)) => {
            for (wanted, live) in desired.iter().zip(live) {
                whole(path, wanted, live)?;
            }
            desired.len() == live.len()
        }
        (Value::String(desired), Value::String(live)) if path.is_amount() => same_quantity(desired, live),
        _ => desired == live,
    };
    if same { Ok(()) } else { Err(Difference::Value(path.text())) }
}

fn whole_members(path: &Path<'_>, desired: &Object, live: &Object) -> Result<(), Difference> {
    for (name, wanted) in desired {
        let here = Path::Member(path, name);
        match live.get(name) {
            Some(live) => whole(&here, wanted, live)?,
            None if says_nothing(wanted) => {}
            None => return Err(Difference::Value(here.text())),
        }
    }
    let unwanted = live.keys().find(|name| !desired.contains_key(*name));
    unwanted.map_or(Ok(()), |name| Err(Difference::Unwanted(Path::Member(path, name).text())))
}

/// Empty texts, lists and maps are not stored.
fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Within a value owned as a whole, `false` and 0 may be dropped as well.
fn says_nothing(value: &Value) -> bool {
    is_blank(value) || *value == Value::Bool(false) || value.as_i64() == Some(0)
}
