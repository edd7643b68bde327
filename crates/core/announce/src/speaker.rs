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
