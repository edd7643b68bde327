//! Why what was applied does not run yet: what keeps its pods away.
//!
//! That is only asked while something is missing. Whether it can be told changes nothing else.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use kube::{Api, Client};
use metallb_render::stuck_pod;

use crate::definition::missing_definitions;
use crate::disposition::explain;

/// Label of the operands' pods.
const PODS: &str = "app=metallb";
/// Why a pod is not even made: a quota or an admission webhook refuses it, which a DaemonSet only tells in events.
const REFUSED_PODS: &str = "involvedObject.kind=DaemonSet,involvedObject.name=speaker,reason=FailedCreate";

/// What keeps pods away, in one line.
pub async fn obstacle(client: &Client, namespace: &str) -> Option<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    match pods.list(&ListParams::default().labels(PODS)).await {
        Ok(pods) => match stuck_pod(&pods.items) {
            Some(stuck) => Some(stuck),
            None => match missing_definitions(client).await {
                Some(missing) => Some(missing),
                None => refused_pods(client, namespace, newest_speaker(&pods.items)).await,
            },
        },
        Err(error) => Some(format!("what keeps the pods can't be read: {}", explain(&error))),
    }
}

/// When the last speaker was made.
fn newest_speaker(pods: &[Pod]) -> Option<Timestamp> {
    let is_speaker = |pod: &&Pod| {
        let component = pod.metadata.labels.as_ref().and_then(|labels| labels.get("component"));
        component.is_some_and(|component| component == "speaker")
    };
    let speakers = pods.iter().filter(is_speaker);
    speakers.filter_map(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0)).max()
}

/// The last refusal, unless a speaker was made since: then it is about others.
async fn refused_pods(client: &Client, namespace: &str, newest: Option<Timestamp>) -> Option<String> {
    let events: Api<Event> = Api::namespaced(client.clone(), namespace);
    // Events are hints: without them the message says a little less.
    let listed = events.list(&ListParams::default().fields(REFUSED_PODS)).await.ok()?;
    let at = |event: &Event| event.last_timestamp.as_ref().map(|time| time.0);
    let last = listed.items.into_iter().max_by_key(at)?;
    if newest.is_some_and(|newest| at(&last) <= Some(newest)) {
        return None;
    }
    last.message
}
