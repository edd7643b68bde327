//! The four conditions of a `MetalLB` resource.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

#[cfg(test)]
mod tests;

/// Why a resource is not (yet) as it should be. The names are valid as `reason` of a condition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// The workloads are on their way.
    Progressing,
    /// What the resource asks for could not be brought about.
    FailedToSyncMetalLBResources,
    /// The resource bears the wrong name.
    IncorrectMetalLBResourceName,
}

impl Reason {
    /// Every reason, for the documents.
    pub const ALL: [Self; 3] =
        [Self::Progressing, Self::FailedToSyncMetalLBResources, Self::IncorrectMetalLBResourceName];

    /// The reason as conditions and events spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Progressing => "Progressing",
            Self::FailedToSyncMetalLBResources => "FailedToSyncMetalLBResources",
            Self::IncorrectMetalLBResourceName => "IncorrectMetalLBResourceName",
        }
    }
}

/// How it stands with a resource.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum State {
    /// What it asks for runs.
    Available {
        /// What is worth knowing all the same; often nothing.
        message: String,
    },
    /// What it asks for is applied but does not run yet.
    Progressing {
        /// Its kind.
        reason: Reason,
        /// What is missing.
        message: String,
    },
    /// What it asks for cannot be done.
    Degraded {
        /// Its kind.
        reason: Reason,
        /// What is wrong, and where.
        message: String,
        /// What keeps pods away beside that, if something does.
        pods: Option<String>,
    },
}

/// The types, in the order in which they are always written.
const TYPES: [&str; 4] = ["Available", "Upgradeable", "Progressing", "Degraded"];

/// Characters in a message at most, as the type `Condition` of Kubernetes has it.
const LONGEST_MESSAGE: usize = 32_768;

/// The conditions that tell `state`, seen at `generation`.
///
/// A condition that keeps its status keeps the time of its last transition; equal input gives equal output, so that
/// nothing needs to be written when nothing changed.
#[must_use]
pub fn conditions(
    state: &State,
    generation: Option<i64>,
    previous: &[Condition],
    now: &Time,
) -> Vec<Condition> {
    TYPES
        .into_iter()
        .map(|type_| {
            let told = state.tells(type_);
            let status = if told.is_some() { "True" } else { "False" };
            let (reason, message) = told.unwrap_or((type_, "".into()));
            let before =
                previous.iter().find(|condition| condition.type_ == type_ && condition.status == status);
            Condition {
                type_: type_.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                message: limited(&message),
                observed_generation: generation,
                last_transition_time: before.map_or_else(|| now.clone(), |c| c.last_transition_time.clone()),
            }
        })
        .collect()
}

/// As much of a message as the schema lets a condition have: one that is too long would be refused with all the others.
fn limited(message: &str) -> String {
    if message.chars().count() <= LONGEST_MESSAGE {
        return message.to_owned();
    }
    message.chars().take(LONGEST_MESSAGE.saturating_sub(1)).chain(['…']).collect()
}

impl State {
    /// Reason and message of a condition that is True; `None` when it is False.
    fn tells(&self, type_: &'static str) -> Option<(&'static str, Cow<'_, str>)> {
        match (self, type_) {
            (Self::Available { message }, "Available") => Some((type_, message.into())),
            (Self::Available { .. }, "Upgradeable") => Some((type_, "".into())),
            (Self::Progressing { reason, message }, "Progressing")
            | (Self::Degraded { reason, message, pods: None }, "Degraded") => {
                Some((reason.as_str(), message.into()))
            }
            (Self::Degraded { reason, message, pods: Some(pods) }, "Degraded") => {
                Some((reason.as_str(), format!("{message}; {pods}").into()))
            }
            _ => None,
        }
    }
}
