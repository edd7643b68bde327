//! Objects as they were at some time, to be compared with what becomes of them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use metallb_e2e::Cluster;
use metallb_e2e::cluster::text;
use serde_json::{Map, Value, json};

/// Says who else made an object; what that means is told where it matters.
const OWNED_BY: &str = "metallb.io/owned-by";

/// Objects by kind and name.
#[derive(Clone, Debug)]
pub(crate) struct Record(BTreeMap<String, Value>);

impl Record {
    /// Those of a manifest's objects that are there.
    pub(crate) fn of(cluster: &Cluster, manifest: &str) -> Result<Self> {
        let get = ["get", "--ignore-not-found", "--output=json", "--show-managed-fields", "--filename=-"];
        let list: Value = serde_json::from_str(&cluster.bed.feed(&get, manifest)?.stdout)
            .context("what is there is no JSON")?;
        let objects = metallb_e2e::cluster::items(&list).iter();
        Ok(Self(objects.map(|object| (name(object), object.clone())).collect()))
    }

    /// All but these.
    pub(crate) fn without(mut self, names: &[&str]) -> Self {
        self.0.retain(|name, _| !names.contains(&name.as_str()));
        self
    }

    /// One of them; null if it was not there.
    pub(crate) fn object(&self, name: &str) -> &Value {
        self.0.get(name).unwrap_or(&Value::Null)
    }

    /// Which object each is.
    pub(crate) fn uids(&self) -> BTreeMap<String, String> {
        self.0.iter().map(|(name, object)| (name.clone(), text(&object["metadata"]["uid"]))).collect()
    }

    /// How often each was written, but for what Kubernetes says about workloads.
    pub(crate) fn versions(&self) -> BTreeMap<String, String> {
        let version = |name: &str, object: &Value| {
            let is_reported_on = ["Deployment/", "DaemonSet/"].iter().any(|kind| name.starts_with(kind));
            let field = if is_reported_on { "generation" } else { "resourceVersion" };
            object["metadata"][field].to_string()
        };
        // Leases are renewed all the time.
        let written = self.0.iter().filter(|(name, _)| !name.starts_with("Lease/"));
        written.map(|(name, object)| (name.clone(), version(name, object))).collect()
    }

    /// The objects that are in another version than then.
    pub(crate) fn versions_other_than(&self, then: &BTreeMap<String, String>) -> Vec<String> {
        let now = self.versions();
        now.into_iter()
            .filter(|(name, version)| then.get(name) != Some(version))
            .map(|(name, _)| name)
            .collect()
    }

    /// Where an object is not in `later` as it is here, and what is missing there: contents, owners and addresses.
    pub(crate) fn differences(&self, later: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (name, object) in &self.0 {
            compare(&format!("{name} "), &essence(object), &essence(later.object(name)), &mut found);
        }
        found
    }
}

fn name(object: &Value) -> String {
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn essence(object: &Value) -> Value {
    let Some(fields) = object.as_object() else { return Value::Null };
    let mut essence: Map<String, Value> = fields.clone();
    let metadata = &object["metadata"];
    let owners = json!({"owners": metadata["ownerReferences"], "owned-by": metadata["labels"][OWNED_BY]});
    essence.insert("metadata".to_owned(), owners);
    essence.insert("status".to_owned(), object["status"]["loadBalancer"].clone());
    Value::Object(essence)
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    let below = |name: &str| match path.ends_with(' ') {
        true => format!("{path}{name}"),
        false => format!("{path}.{name}"),
    };
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            let of = |fields: &Map<String, Value>, name| fields.get(name).cloned().unwrap_or_default();
            names
                .into_iter()
                .for_each(|name| compare(&below(name), &of(before, name), &of(after, name), found));
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(&below(&index.to_string()), before, after, found);
            }
        }
        _ if before == after => {}
        _ => found.push(path.to_owned()),
    }
}

/// Who owns a part of what an object asks for.
pub(crate) fn owners_of_spec(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let of_spec = entries.filter(|entry| !entry["fieldsV1"]["f:spec"].is_null());
    of_spec.map(|entry| text(&entry["manager"])).collect()
}
