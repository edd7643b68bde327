//! Why what was applied does not run yet: what keeps its pods away.
//!
//! That is only asked while something is missing. Whether it can be told changes nothing else.

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use kube::{Api, Client};
use metallb_render::stuck_pod;

use crate::disposition::explain;

/// Label of the operands' pods.
const PODS: &str = "app=metallb";
/// Why there is no pod at all: a quota or an admission webhook refuses it, which a DaemonSet only tells in events.
const REFUSED_PODS: &str = "involvedObject.kind=DaemonSet,involvedObject.name=speaker,reason=FailedCreate";

/// What keeps pods away, in one line.
pub async fn obstacle(client: &Client, namespace: &str) -> Option<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    match pods.list(&ListParams::default().labels(PODS)).await {
        Ok(pods) => match stuck_pod(&pods.items) {
            Some(stuck) => Some(stuck),
            None if pods.items.iter().any(is_speaker) => None,
            None => refused_pods(client, namespace).await,
        },
        Err(error) => Some(format!("what keeps the pods can't be read: {}", explain(&error))),
    }
}

fn is_speaker(pod: &Pod) -> bool {
    let component = pod.metadata.labels.as_ref().and_then(|labels| labels.get("component"));
    component.is_some_and(|component| component == "speaker")
}

async fn refused_pods(client: &Client, namespace: &str) -> Option<String> {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    // Events are hints: without them the message says a little less.
    let listed = events.list(&ListParams::default().fields(REFUSED_PODS)).await.ok()?;
    let last = listed.items.into_iter().max_by_key(|event| event.last_timestamp.clone().map(|time| time.0));
    last?.message
}
