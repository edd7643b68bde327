//! Why what was applied does not run yet: what keeps its pods away.
//!
//! That is only asked while something is missing. Whether it can be told changes nothing else.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::api::ListParams;
use kube::{Api, Client};
use metallb_render::{stuck_pod, unready_pod};

use crate::definition::missing_definitions;
use crate::disposition::explain;

/// The workload that can't say what keeps its pods.
const SPEAKER: &str = "speaker";
/// Why a pod is not even made: a quota or an admission webhook refuses it, which a DaemonSet only tells in events.
const REFUSED_PODS: &str = "involvedObject.kind=DaemonSet,involvedObject.name=speaker,reason=FailedCreate";

/// What keeps pods of a workload (`speaker` or `controller`) away, in one line.
pub async fn obstacle(client: &Client, namespace: &str, workload: &str) -> Option<String> {
    let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let pods =
        match api.list(&ListParams::default().labels(&format!("app=metallb,component={workload}"))).await {
            Ok(pods) => pods.items,
            Err(error) => return Some(format!("what keeps the pods can't be read: {}", explain(&error))),
        };
    if let Some(stuck) = stuck_pod(&pods) {
        return Some(stuck);
    }
    // Of the other one its Deployment tells.
    if workload == SPEAKER
        && let Some(refused) = refused_pods(client, namespace, newest(&pods)).await
    {
        return Some(refused);
    }
    match missing_definitions(client).await {
        Some(missing) => Some(missing),
        None => unready_pod(&pods, Timestamp::now()),
    }
}

/// When the last one was made.
fn newest(pods: &[Pod]) -> Option<Timestamp> {
    pods.iter().filter_map(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0)).max()
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
