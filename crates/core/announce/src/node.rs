//! A node, as far as announcing is concerned.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use metallb_api::names::LABEL_EXCLUDE_BALANCERS;
use serde::{Deserialize, Serialize};

/// The taint of a node whose machine is gone for certain, put there by whoever made sure of it.
const TAINT_OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// A node, read once from the raw object. Cordon and other taints are left out: they do not matter.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether the condition `NetworkUnavailable` is `True`.
    pub network_unavailable: bool,
    /// Whether the cluster has given it up: it is tainted out of service, or its condition `Ready` is there and not `True`.
    /// Matters only where speakers do not watch each other.
    #[serde(default)]
    pub seems_down: bool,
}

impl NodeView {
    /// Reads a node.
    #[must_use]
    pub fn parse(node: &Node) -> Self {
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let is = |kind: &str, expected: fn(&str) -> bool| {
            conditions.clone().any(|condition| condition.type_ == kind && expected(&condition.status))
        };
        let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
        Self {
            name: node.metadata.name.clone().unwrap_or_default(),
            labels: node.metadata.labels.clone().unwrap_or_default(),
            network_unavailable: is("NetworkUnavailable", |status| status == "True"),
            seems_down: is("Ready", |status| status != "True")
                || taints.into_iter().any(|taint| taint.key == TAINT_OUT_OF_SERVICE),
        }
    }

    /// Whether the node is labelled to stay out; the label's value does not matter.
    #[must_use]
    pub fn is_excluded(&self) -> bool {
        self.labels.contains_key(LABEL_EXCLUDE_BALANCERS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_network_condition_and_the_exclude_label_decide() {
        for (conditions, labels, unavailable, excluded) in [
            (json!([]), json!({}), false, false),
            (json!([{ "type": "Ready", "status": "False" }]), json!({}), false, false),
            (json!([{ "type": "NetworkUnavailable", "status": "False" }]), json!({}), false, false),
            (json!([{ "type": "NetworkUnavailable", "status": "Unknown" }]), json!({}), false, false),
            (json!([{ "type": "NetworkUnavailable", "status": "True" }]), json!({}), true, false),
            (json!([]), json!({ LABEL_EXCLUDE_BALANCERS: "" }), false, true),
            (json!([]), json!({ LABEL_EXCLUDE_BALANCERS: "false" }), false, true),
        ] {
            let object = json!({
                "metadata": { "name": "n1", "labels": labels },
                "spec": { "unschedulable": true, "taints": [{ "key": "a", "effect": "NoExecute" }] },
                "status": { "conditions": conditions },
            });
            let view = NodeView::parse(&serde_json::from_value(object).unwrap());
            assert_eq!(
                (view.network_unavailable, view.is_excluded()),
                (unavailable, excluded),
                "{conditions} {labels}"
            );
        }
    }

    #[test]
    fn a_node_seems_down_when_it_is_not_ready_or_out_of_service() {
        let ready = |status: &str| json!([{ "type": "Ready", "status": status }]);
        let taint = |key: &str| json!([{ "key": key, "effect": "NoExecute", "value": "nodeshutdown" }]);
        for (conditions, taints, expected) in [
            (json!([]), json!([]), false),
            (ready("True"), json!([]), false),
            (ready("False"), json!([]), true),
            (ready("Unknown"), json!([]), true),
            (json!([{ "type": "DiskPressure", "status": "Unknown" }]), json!([]), false),
            (ready("True"), taint("node.kubernetes.io/out-of-service"), true),
            (ready("True"), taint("node.kubernetes.io/unschedulable"), false),
        ] {
            let object = json!({
                "metadata": { "name": "n1" }, "spec": { "taints": taints }, "status": { "conditions": conditions },
            });
            let view = NodeView::parse(&serde_json::from_value(object).unwrap());
            assert_eq!(view.seems_down, expected, "{conditions} {taints}");
        }
    }
}
