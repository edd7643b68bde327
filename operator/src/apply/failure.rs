//! Objects that are not as prepared, and why.

use crate::disposition::{Disposition, explain, is_out_of_reach};
use crate::others::Foreign;

/// Some objects are not as prepared. The others are.
#[derive(Debug, thiserror::Error)]
#[error("{}", list(.failures))]
pub struct ApplyError {
    pub(super) failures: Vec<Failure>,
    /// Whether not a single object is as prepared.
    pub(super) is_total: bool,
}

/// One object that is not as prepared.
#[derive(Debug)]
pub(super) struct Failure {
    /// Kind, namespace and name.
    pub(super) object: String,
    pub(super) cause: Cause,
    /// Whether nothing else depends on it.
    pub(super) is_optional: bool,
}

#[derive(Debug)]
pub(super) enum Cause {
    Api(kube::Error),
    Foreign(Foreign),
    /// It must not come before another object, which is not as prepared.
    Waits {
        kind: &'static str,
        name: String,
    },
}

impl Cause {
    /// Whether somebody was quicker.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(kube::Error::Api(status)) if status.code == 409)
    }
}

impl From<kube::Error> for Cause {
    fn from(error: kube::Error) -> Self {
        Self::Api(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.cause {
            Cause::Api(cause) => write!(f, "could not apply {}: {}", self.object, explain(cause)),
            Cause::Foreign(foreign) => foreign.fmt(f),
            Cause::Waits { kind, name } => write!(f, "{} waits for {kind} {name}", self.object),
        }
    }
}

fn list(failures: &[Failure]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl ApplyError {
    /// The most pressing of all failures; who may do nothing at all is cut off. Conflicts count if there is nothing
    /// else: being quicker does not help against a refusal.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        if self.is_total && self.failures.iter().all(Failure::is_forbidden) {
            return Disposition::CutOff;
        }
        let all: Vec<Disposition> = self.failures.iter().filter_map(Failure::disposition).collect();
        let other = all.iter().copied().filter(|one| *one != Disposition::Conflict).max();
        other.or(all.first().copied()).unwrap_or(Disposition::Transient)
    }

    /// Whether what is no longer wanted may go all the same: all that is missing is what a cluster may do without, for want
    /// of its kind, or what somebody else has, who may keep it for ever, and what waits for that.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        let is_harmless = |failure: &Failure| match &failure.cause {
            Cause::Api(_) => failure.lacks_kind(),
            // What it waits for is among the failures.
            Cause::Foreign(_) | Cause::Waits { .. } => true,
        };
        self.failures.iter().all(is_harmless)
    }
}

impl Failure {
    fn has_code(&self, code: u16) -> bool {
        matches!(&self.cause, Cause::Api(kube::Error::Api(status)) if status.code == code)
    }

    /// Whether it is of a kind that the cluster may do without, and does.
    fn lacks_kind(&self) -> bool {
        self.is_optional && self.has_code(404)
    }

    fn is_forbidden(&self) -> bool {
        self.has_code(403) || matches!(self.cause, Cause::Waits { .. })
    }

    /// What it means for the next pass; none if another failure does.
    fn disposition(&self) -> Option<Disposition> {
        match &self.cause {
            // Its kind is not followed before it is there, and may never be.
            Cause::Api(_) if self.lacks_kind() => Some(Disposition::Refused),
            Cause::Api(cause) => Some(Disposition::of(cause)),
            Cause::Foreign(_) => Some(Disposition::Refused),
            Cause::Waits { .. } => None,
        }
    }

    /// Whether trying the next object makes no sense.
    pub(super) fn is_final(&self) -> bool {
        match &self.cause {
            Cause::Api(cause) => is_out_of_reach(cause),
            Cause::Foreign(_) | Cause::Waits { .. } => false,
        }
    }
}
