//! Taking over an object that somebody else has made.
//!
//! Server-side apply removes only what its own manager applied before. What others wrote (an older release by plain updates, Helm,
//! `kubectl apply`) would stay in the object for ever: a container no longer wanted beside the new ones. So before the
//! first apply, what those managers own is made ours, in `managedFields` alone; the apply that follows then removes what is not wanted.
//! The object itself is the same throughout.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use kube::api::DynamicObject;
use serde_json::{Map, Value};

/// A way in which an object may have been made before us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Predecessor {
    /// Its field manager.
    pub manager: &'static str,
    /// `Update` or `Apply`.
    pub operation: &'static str,
    /// A field that only the maker of an object owns, for managers whose name is also that of others: a JSON pointer
    /// into the tree of fields. Empty where the name says enough.
    pub mark: &'static str,
}

impl Predecessor {
    fn wrote(&self, entry: &ManagedFieldsEntry) -> bool {
        entry.manager.as_deref() == Some(self.manager)
            && entry.operation.as_deref() == Some(self.operation)
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
            && entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer(self.mark).is_some())
    }
}

/// Of a webhook. It belongs to who makes the certificates, whoever wrote it: were it ours, it would go with what we don't want.
const WHOM_TO_TRUST: &str = "f:caBundle";

/// What the object's `managedFields` are to be, if somebody of `predecessors` made it: theirs and ours in one, as ours.
#[must_use]
pub fn inherited(
    live: &DynamicObject,
    manager: &str,
    predecessors: &[Predecessor],
) -> Option<Vec<ManagedFieldsEntry>> {
    let entries = live.metadata.managed_fields.as_deref().unwrap_or_default();
    let version = live.types.as_ref().map(|types| types.api_version.as_str());
    let is_theirs = |entry: &&ManagedFieldsEntry| {
        entry.api_version.as_deref() == version && predecessors.iter().any(|one| one.wrote(entry))
    };
    let is_ours = |entry: &&ManagedFieldsEntry| {
        entry.api_version.as_deref() == version
            && entry.manager.as_deref() == Some(manager)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    };
    let heir = entries.iter().find(is_theirs)?;
    let mut tree = Map::new();
    let made_one = entries.iter().filter(|entry| is_theirs(entry) || is_ours(entry));
    made_one.filter_map(fields).for_each(|fields| unite(&mut tree, fields));
    leave_out(&mut tree, WHOM_TO_TRUST);
    let ours = ManagedFieldsEntry {
        manager: Some(manager.to_owned()),
        operation: Some("Apply".to_owned()),
        fields_v1: Some(FieldsV1(Value::Object(tree))),
        ..heir.clone()
    };
    let others = entries.iter().filter(|entry| !is_theirs(entry) && !is_ours(entry));
    Some(others.cloned().chain([ours]).collect())
}

/// Forgets this field, wherever it is.
fn leave_out(tree: &mut Map<String, Value>, field: &str) {
    tree.remove(field);
    tree.values_mut().filter_map(Value::as_object_mut).for_each(|below| leave_out(below, field));
}

fn fields(entry: &ManagedFieldsEntry) -> Option<&Map<String, Value>> {
    entry.fields_v1.as_ref()?.0.as_object()
}

/// All paths of both trees.
fn unite(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (name, below) in from {
        match (into.get_mut(name), below) {
            (Some(Value::Object(into)), Value::Object(from)) => unite(into, from),
            _ => drop(into.insert(name.clone(), below.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OLD: [Predecessor; 2] = [
        Predecessor { manager: "helm", operation: "Update", mark: "" },
        Predecessor { manager: "manager", operation: "Update", mark: "/f:metadata/f:ownerReferences" },
    ];

    fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
            "time": "2026-01-01T00:00:00Z", "fieldsV1": fields})
    }

    fn found(entries: &[Value]) -> Option<Value> {
        let live = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "controller", "managedFields": entries}});
        let inherited = inherited(&serde_json::from_value(live).unwrap(), "us", &OLD)?;
        Some(serde_json::to_value(inherited).unwrap())
    }

    #[test]
    fn what_a_predecessor_owns_becomes_ours_beside_what_we_own() {
        let theirs = entry("helm", "Update", &json!({"f:spec": {"f:a": {}, "f:b": {".": {}, "f:c": {}}}}));
        let ours = entry("us", "Apply", &json!({"f:spec": {"f:b": {"f:d": {}}}}));
        let other = entry("kubectl-edit", "Update", &json!({"f:spec": {"f:e": {}}}));
        let both =
            entry("us", "Apply", &json!({"f:spec": {"f:a": {}, "f:b": {".": {}, "f:c": {}, "f:d": {}}}}));
        assert_eq!(found(&[theirs.clone(), ours, other.clone()]), Some(json!([other, both])));
        let alone = entry("us", "Apply", &theirs["fieldsV1"]);
        assert_eq!(found(&[theirs]), Some(json!([alone])), "never applied before");
    }

    #[test]
    fn others_keep_what_they_own() {
        let fields = json!({"f:spec": {}});
        let mut of_status = entry("helm", "Update", &fields);
        of_status["subresource"] = json!("status");
        let mut of_another_version = entry("helm", "Update", &fields);
        of_another_version["apiVersion"] = json!("apps/v1beta1");
        for other in [
            entry("kubectl-edit", "Update", &fields),
            entry("helm", "Apply", &fields),
            entry("us", "Update", &fields),
            entry("manager", "Update", &fields),
            of_status,
            of_another_version,
        ] {
            assert_eq!(found(std::slice::from_ref(&other)), None, "{other}");
        }
    }

    #[test]
    fn whom_to_trust_is_nobodys() {
        let webhook = |config: &Value| json!({"f:webhooks": {r#"k:{"name":"w"}"#: {".": {}, "f:clientConfig": config}}});
        let made = webhook(&json!({"f:caBundle": {}, "f:service": {"f:name": {}}}));
        let kept = webhook(&json!({"f:service": {"f:name": {}}}));
        assert_eq!(found(&[entry("helm", "Update", &made)]), Some(json!([entry("us", "Apply", &kept)])));
    }

    #[test]
    fn a_common_name_is_only_known_by_its_mark() {
        let made = json!({"f:metadata": {"f:ownerReferences": {".": {}}}, "f:spec": {}});
        assert!(found(&[entry("manager", "Update", &made)]).is_some());
    }
}
