//! Whether the workloads run as asked, judged by their status alone.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, DeploymentCondition, DeploymentStatus};

#[cfg(test)]
mod tests;

/// Whether the workloads run as asked; the first shortcoming found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// Every pod wanted is there, current and ready. Zero speakers wanted is fine.
    Ready,
    /// Something is missing; the text says what.
    NotReady(String),
}

/// Judges the DaemonSet `speaker`, then the Deployment `controller`.
#[must_use]
pub fn readiness(speaker: Option<&DaemonSet>, controller: Option<&Deployment>) -> Readiness {
    let shortcoming = speaker_shortcoming(speaker).or_else(|| controller_shortcoming(controller));
    shortcoming.map_or(Readiness::Ready, Readiness::NotReady)
}

/// What is missing at the DaemonSet `speaker`.
#[must_use]
pub fn speaker_shortcoming(speaker: Option<&DaemonSet>) -> Option<String> {
    let Some(speaker) = speaker else { return Some("MetalLB speaker daemonset does not exist".to_owned()) };
    let status = speaker.status.clone().unwrap_or_default();
    if speaker.metadata.generation != status.observed_generation {
        return Some("MetalLB speaker daemonset status is out of date".to_owned());
    }
    let wanted = status.desired_number_scheduled;
    let counts = [
        (status.current_number_scheduled, "scheduled"),
        (status.updated_number_scheduled.unwrap_or_default(), "updated"),
        (status.number_ready, "ready"),
    ];
    let (count, what) = counts.into_iter().find(|&(count, _)| count != wanted)?;
    Some(format!("MetalLB speaker daemonset not ready: {count} of {wanted} speakers {what}"))
}

/// What is missing at the Deployment `controller`.
#[must_use]
pub fn controller_shortcoming(controller: Option<&Deployment>) -> Option<String> {
    let Some(controller) = controller else {
        return Some("MetalLB controller deployment does not exist".to_owned());
    };
    let status = controller.status.clone().unwrap_or_default();
    if controller.metadata.generation != status.observed_generation {
        return Some("MetalLB controller deployment status is out of date".to_owned());
    }
    let wanted = controller.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let shortcoming = too_few(wanted, &status).or_else(|| too_many(&status))?;
    let causes = causes(status.conditions.as_deref().unwrap_or_default());
    let is_paused = controller.spec.as_ref().is_some_and(|spec| spec.paused == Some(true));
    let paused = if is_paused { "; its rollout is paused: resume it" } else { "" };
    Some(format!("MetalLB controller deployment not ready: {shortcoming}{causes}{paused}"))
}

/// What is missing of the controllers wanted. None wanted is somebody's scaling by hand: Services would wait for addresses, and
/// the webhooks refuse every edit.
fn too_few(wanted: i32, status: &DeploymentStatus) -> Option<String> {
    if wanted == 0 {
        return Some("it is scaled to 0, nobody assigns addresses: scale it up".to_owned());
    }
    let counts = [
        (status.updated_replicas.unwrap_or_default(), "updated"),
        (status.ready_replicas.unwrap_or_default(), "ready"),
    ];
    let (count, what) = counts.into_iter().find(|&(count, _)| count < wanted)?;
    Some(format!("{count} of {wanted} controllers {what}"))
}

/// Old pods stay until new ones are ready: while there are some, the ready one may be the old one, and the updated one not ready.
fn too_many(status: &DeploymentStatus) -> Option<String> {
    let updated = status.updated_replicas.unwrap_or_default();
    let old = status.replicas.unwrap_or_default().saturating_sub(updated);
    (old > 0).then(|| format!("{updated} updated, {old} of before not replaced yet"))
}

/// What keeps the pods away, as far as the Deployment's conditions tell: `: cause; cause`, or nothing. A DaemonSet
/// has no such conditions.
fn causes(conditions: &[DeploymentCondition]) -> String {
    let tells = |condition: &&DeploymentCondition| {
        matches!(
            (condition.type_.as_str(), condition.status.as_str()),
            ("ReplicaFailure", "True") | ("Progressing", "False")
        )
    };
    let messages = conditions.iter().filter(tells).filter_map(|condition| condition.message.as_deref());
    let messages: Vec<&str> = messages.filter(|message| !message.is_empty()).collect();
    if messages.is_empty() { String::new() } else { format!(": {}", messages.join("; ")) }
}
