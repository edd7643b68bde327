//! The Lease as the election sees it: client-go's `LeaderElectionRecord`.

use std::time::Duration;

/// What a Lease says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record {
    /// `spec.holderIdentity`; empty when it was released.
    pub holder: String,
    /// `spec.leaseDurationSeconds`: how long others respect it after its last change.
    pub respected: Duration,
    /// `spec.acquireTime`, in microseconds since 1970 by the holder's clock. Only ever copied.
    pub acquired: Option<i64>,
    /// `spec.leaseTransitions`.
    pub transitions: i32,
}

/// One version of a Lease that somebody read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Observed {
    /// Its `resourceVersion`.
    pub version: String,
    /// What it says.
    pub record: Record,
}

impl Observed {
    /// Whether this is an older version than `other`. Versions of one object grow (KEP-5504).
    pub(crate) fn is_older_than(&self, other: &Self) -> bool {
        let number = |observed: &Self| observed.version.parse::<u64>().ok();
        number(self).zip(number(other)).is_some_and(|(mine, theirs)| mine < theirs)
    }
}

/// What is to be written into the Lease; `spec.renewTime` is the moment of writing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    /// The version it replaces; None makes the Lease.
    pub over: Option<String>,
    /// `spec.holderIdentity`; empty to release it.
    pub holder: String,
    /// `spec.leaseDurationSeconds`.
    pub respected: Duration,
    /// `spec.acquireTime`; None is the moment of writing.
    pub acquired: Option<i64>,
    /// `spec.leaseTransitions`.
    pub transitions: i32,
}
