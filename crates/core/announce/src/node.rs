//! A node, as far as announcing is concerned.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Node;
use metallb_api::names::LABEL_EXCLUDE_BALANCERS;
use serde::{Deserialize, Serialize};

/// A node, read once from the raw object. Readiness, cordon and taints are left out: they do not matter.
#[derive(Clone, Debug, Default, Eq, PartialEq, Deserialize, Serialize)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether the condition `NetworkUnavailable` is `True`.
    pub network_unavailable: bool,
}

impl NodeView {
    /// Reads a node.
    #[must_use]
    pub fn parse(node: &Node) -> Self {
        let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
        Self {
            name: node.metadata.name.clone().unwrap_or_default(),
            labels: node.metadata.labels.clone().unwrap_or_default(),
            network_unavailable: conditions
                .into_iter()
                .flatten()
                .any(|condition| condition.type_ == "NetworkUnavailable" && condition.status == "True"),
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
    fn only_the_network_condition_and_the_exclude_label_matter() {
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
}
