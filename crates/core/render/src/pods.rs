//! What keeps a pod from running, in one line for whoever waits for it.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

#[cfg(test)]
mod tests;

/// Waiting for these is no trouble yet.
const ON_THEIR_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// A pod that is not ready for so long without a reason of its own is in trouble.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// The first of these pods of one workload, by name, that something keeps from running, and what: `pod speaker-x on node n: cause`.
///
/// Pods that just start, or are on their way out, are nobody's trouble, and neither are those that failed and have a successor.
#[must_use]
pub fn stuck_pod(pods: &[Pod]) -> Option<String> {
    let has_successor = |pod: &Pod| pods.iter().any(|other| is_successor(other, pod));
    let cause = |pod: &Pod| match failed(pod) {
        Some(cause) => Some(cause).filter(|_| !has_successor(pod)),
        None => unscheduled(pod).or_else(|| waiting(pod)),
    };
    first(pods, cause)
}

/// The first of these pods that is not ready for long, for no reason that is known.
#[must_use]
pub fn unready_pod(pods: &[Pod], now: Timestamp) -> Option<String> {
    first(pods, |pod| if failed(pod).is_some() { None } else { unready(pod, now) })
}

/// The first pod, by name, that is in such trouble.
fn first(pods: &[Pod], cause: impl Fn(&Pod) -> Option<String>) -> Option<String> {
    let concerned = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none() && !is_ready(pod));
    concerned.filter_map(|pod| Some(told(pod, &cause(pod)?))).min()
}

/// Whether a pod was made later than another one, and in its stead: a DaemonSet has one on each node.
fn is_successor(pod: &Pod, failed: &Pod) -> bool {
    let has_its_place = !is_of_daemon_set(failed) || node(pod) == node(failed);
    has_its_place && created(pod) > created(failed)
}

fn is_of_daemon_set(pod: &Pod) -> bool {
    pod.metadata.owner_references.iter().flatten().any(|owner| owner.kind == "DaemonSet")
}

fn node(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref()
}

fn told(pod: &Pod, cause: &str) -> String {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let node = node(pod).map_or_else(String::new, |node| format!(" on node {node}"));
    format!("pod {name}{node}: {cause}")
}

fn created(pod: &Pod) -> Option<Timestamp> {
    pod.metadata.creation_timestamp.as_ref().map(|time| time.0)
}

fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|condition| condition.status == "True")
}

fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<&'a PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.as_deref()?;
    conditions.iter().find(|condition| condition.type_ == type_)
}

fn unscheduled(pod: &Pod) -> Option<String> {
    let condition = condition(pod, "PodScheduled").filter(|condition| condition.status == "False")?;
    Some(said(condition.reason.as_deref(), condition.message.as_deref()))
}

/// Evicted, or refused by the kubelet.
fn failed(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref().filter(|status| status.phase.as_deref() == Some("Failed"))?;
    Some(said(status.reason.as_deref().or(Some("Failed")), status.message.as_deref()))
}

fn waiting(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = [status.init_container_statuses.as_deref(), status.container_statuses.as_deref()];
    let mut containers = containers.into_iter().flatten().flatten().filter(|container| !container.ready);
    containers.find_map(trouble_of_container)
}

fn trouble_of_container(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().filter(|reason| !ON_THEIR_WAY.contains(reason))?;
    let text = said(Some(reason), waiting.message.as_deref());
    Some(format!("{text}{}", last_words(container)))
}

/// How the container ended the last time, which says more than that it is not started again yet.
fn last_words(container: &ContainerStatus) -> String {
    let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let Some(last) = last else { return String::new() };
    // That it was an error, the code says as well.
    let reason = last.reason.clone().filter(|reason| reason != "Error");
    let words = last.message.as_deref().and_then(cause_of_end);
    let words = [reason, words].into_iter().flatten().collect::<Vec<_>>().join(": ");
    format!("; it ended with code {} the last time: {words}", last.exit_code)
}

/// The line of a log that says why it ends, without what differs each time: as a rule the last one.
fn cause_of_end(log: &str) -> Option<String> {
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    let plain: Vec<&str> = lines().filter(|line| logged(line).is_none()).collect();
    if let Some(cause) = plain_cause(&plain) {
        return Some(cause.to_owned());
    }
    let line = lines().next_back()?;
    let Some(fields) = logged(line) else { return Some(line.to_owned()) };
    let words = ["msg", "error"].into_iter().filter_map(|key| fields.get(key)?.as_str());
    Some(words.collect::<Vec<_>>().join(": ")).filter(|words| !words.is_empty())
}

/// The fields of a line that went through the log.
fn logged(line: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(line).ok()
}

/// What the command line's reader or a panic says past the log: neither ends with the cause, but with advice.
fn plain_cause<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let refused = lines.iter().rev().find_map(|line| line.strip_prefix("error: "));
    let panicked = || lines.iter().skip_while(|line| !line.contains("panicked at")).nth(1).copied();
    refused.or_else(panicked)
}

/// Not ready for long, for no reason that is known: its node may be dead, its daemon may wait for something, or what it mounts
/// may not be there.
fn unready(pod: &Pod, now: Timestamp) -> Option<String> {
    let condition = condition(pod, "Ready").filter(|condition| condition.status == "False");
    // On a dead node nobody says anything of a pod that is new there.
    let changed = condition.and_then(|condition| condition.last_transition_time.as_ref()).map(|time| time.0);
    let since = changed.or_else(|| created(pod))?;
    if now.duration_since(since) < PATIENCE {
        return None;
    }
    let reason = condition.map(|condition| said(condition.reason.as_deref(), condition.message.as_deref()));
    let parts = [Some(format!("not ready since {since}")), on_its_way(pod), reason];
    Some(parts.into_iter().flatten().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": "))
}

/// What the first container that waits is waiting for.
fn on_its_way(pod: &Pod) -> Option<String> {
    let containers = pod.status.as_ref()?.container_statuses.iter().flatten();
    let mut waiting = containers.filter_map(|container| container.state.as_ref()?.waiting.as_ref());
    waiting.find_map(|waiting| waiting.reason.clone())
}

fn said(reason: Option<&str>, message: Option<&str>) -> String {
    let parts = [reason, message].into_iter().flatten().filter(|text| !text.is_empty());
    parts.collect::<Vec<_>>().join(": ")
}
