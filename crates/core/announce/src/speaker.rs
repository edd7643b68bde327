//! A speaker's pod, as evidence that its node can announce.

use k8s_openapi::api::core::v1::Pod;

/// A pod of the speaker DaemonSet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SpeakerPod {
    /// The node it runs on; empty while it waits for one.
    pub node: String,
    /// Whether it is Ready and stays: one that is being deleted no longer counts.
    pub is_live: bool,
}

impl SpeakerPod {
    /// Reads a pod.
    #[must_use]
    pub fn parse(pod: &Pod) -> Self {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        let is_ready = conditions.into_iter().flatten().any(|c| c.type_ == "Ready" && c.status == "True");
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
        let is_live = is_ready && pod.metadata.deletion_timestamp.is_none() && !node.is_empty();
        Self { node, is_live }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(metadata: Value, node: Value, ready: &str) -> SpeakerPod {
        let object = json!({
            "metadata": metadata,
            "spec": { "nodeName": node, "containers": [] },
            "status": { "conditions": [{ "type": "Initialized", "status": "True" }, { "type": "Ready", "status": ready }] },
        });
        SpeakerPod::parse(&serde_json::from_value(object).unwrap())
    }

    #[test]
    fn a_pod_counts_while_it_is_ready_on_a_node_and_not_being_deleted() {
        let live = pod(json!({}), json!("n1"), "True");
        assert_eq!(live, SpeakerPod { node: "n1".to_owned(), is_live: true });
        assert!(!pod(json!({}), json!("n1"), "False").is_live);
        assert!(!pod(json!({}), json!(null), "True").is_live);
        let ending = json!({ "deletionTimestamp": "2026-01-01T00:00:00Z" });
        assert!(!pod(ending, json!("n1"), "True").is_live);
        assert!(!SpeakerPod::parse(&Pod::default()).is_live);
    }
}
