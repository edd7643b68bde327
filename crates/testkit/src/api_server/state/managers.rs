//! `managedFields`: who owns what after an apply, and after any other write.

use serde_json::{Value, json};

use crate::api_server::answer::Refusal;
use crate::api_server::fields::{self, Paths};
use crate::api_server::request::Request;

/// What one manager owns.
struct Entry {
    manager: String,
    operation: &'static str,
    api_version: Value,
    paths: Paths,
}

/// The object after `request` applied its content to `live`.
pub(super) fn apply(live: &Value, request: &Request) -> Result<Value, Refusal> {
    let config = &request.content;
    let mut entries = read(live);
    let wanted = fields::paths(config);
    let mut object = live.clone();
    fields::merge(&mut object, config);
    let manager = manager(request);
    let (mut ours, mut others) =
        entries.drain(..).partition::<Vec<Entry>, _>(|entry| entry.is(&manager, "Apply"));
    for entry in &mut others {
        let lost: Paths = entry.paths.iter().filter(|path| wanted.contains(*path)).cloned().collect();
        let lost: Paths =
            lost.into_iter().filter(|p| fields::get(live, p) != fields::get(&object, p)).collect();
        if !lost.is_empty() && request.parameter("force").as_deref() != Some("true") {
            return Err(Refusal::new(409, format!("Apply failed with a conflict with {:?}", entry.manager)));
        }
        entry.paths.retain(|path| !lost.contains(path));
    }
    let given_up = ours.pop().map(|entry| entry.paths).unwrap_or_default();
    for path in given_up.difference(&wanted) {
        let needed = |owned: &Paths| owned.iter().any(|other| other.starts_with(path));
        if !needed(&wanted) && !others.iter().any(|entry| needed(&entry.paths)) {
            fields::remove(&mut object, path);
        }
    }
    let api_version = config["apiVersion"].clone();
    others.push(Entry { manager, operation: "Apply", api_version, paths: wanted });
    write(&mut object, others);
    Ok(object)
}

/// `wanted` as it is stored when it replaces `live`: who changes a field owns it from then on, alone.
pub(super) fn update(live: &Value, mut wanted: Value, request: &Request) -> Value {
    let mut entries = read(live);
    let now = fields::paths(&wanted);
    let is_same = |path: &Vec<String>| fields::get(live, path) == fields::get(&wanted, path);
    let changed: Paths = now.iter().filter(|path| !is_same(path)).cloned().collect();
    for entry in &mut entries {
        entry.paths.retain(|path| is_same(path));
    }
    let manager = manager(request);
    match entries.iter_mut().find(|entry| entry.is(&manager, "Update")) {
        Some(entry) => entry.paths.extend(changed),
        None => entries.push(Entry {
            manager,
            operation: "Update",
            api_version: wanted["apiVersion"].clone(),
            paths: changed,
        }),
    }
    write(&mut wanted, entries);
    wanted
}

/// `live`, whose fields belong to whom a patch says that they do.
pub(super) fn as_told(live: &Value, wanted: &Value) -> Result<Value, Refusal> {
    let (mut told, wanted) = (live.clone(), &wanted["metadata"]);
    if live["metadata"]["managedFields"] != wanted["managedFields"] {
        if live["metadata"]["resourceVersion"] != wanted["resourceVersion"] {
            return Err(Refusal::new(409, "the object has been modified"));
        }
        told["metadata"]["managedFields"] = wanted["managedFields"].clone();
    }
    Ok(told)
}

impl Entry {
    fn is(&self, manager: &str, operation: &str) -> bool {
        self.manager == manager && self.operation == operation
    }
}

fn manager(request: &Request) -> String {
    request.manager.clone().unwrap_or_else(|| "unknown".to_owned())
}

fn read(object: &Value) -> Vec<Entry> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .map(|entry| Entry {
            manager: entry["manager"].as_str().unwrap_or_default().to_owned(),
            operation: if entry["operation"] == "Apply" { "Apply" } else { "Update" },
            api_version: entry["apiVersion"].clone(),
            paths: fields::from_tree(&entry["fieldsV1"]),
        })
        .collect()
}

fn write(object: &mut Value, entries: Vec<Entry>) {
    let owning = entries.into_iter().filter(|entry| !entry.paths.is_empty());
    let entries: Vec<Value> = owning
        .map(|entry| {
            json!({
                "manager": entry.manager, "operation": entry.operation, "apiVersion": entry.api_version,
                "fieldsType": "FieldsV1", "fieldsV1": fields::to_tree(&entry.paths),
            })
        })
        .collect();
    object["metadata"]["managedFields"] = Value::Array(entries);
}
