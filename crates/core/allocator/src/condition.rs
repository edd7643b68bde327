//! The condition `metallb.io/Allocated`: in one sentence whether a Service has what it wants, and why not.

use metallb_config::service::RecordedCondition;

use crate::refusal::{AllocationError, Refused};

/// The most bytes a message may have. A Service has room for 1.5 MB, its readers have not.
pub(crate) const LONGEST_MESSAGE: usize = 1024;

/// What the condition `metallb.io/Allocated` of a Service says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Condition {
    /// Its status: whether the Service has addresses.
    pub allocated: bool,
    /// Why; `Allocated` if nothing is missing.
    pub reason: ConditionReason,
    /// What is wrong, then a line for each pool considered. At most 1024 bytes.
    pub message: String,
}

impl Condition {
    /// Of a Service that has what it wants. What it has is [said](crate::Record) when it is written, which is seldom.
    pub(crate) fn content() -> Self {
        Self { allocated: true, reason: ConditionReason::Allocated, message: String::new() }
    }

    /// Whether it is just what is recorded.
    pub(crate) fn is(&self, recorded: &RecordedCondition) -> bool {
        self.agrees_with(recorded) && self.message == recorded.message
    }

    /// Whether what is recorded says the same in other words.
    pub(crate) fn agrees_with(&self, recorded: &RecordedCondition) -> bool {
        recorded.status == Some(self.allocated) && self.reason.as_str() == recorded.reason
    }
}

/// The reasons of the condition `metallb.io/Allocated`. Any but `Allocated` may come with either status: a Service that
/// asks for something else keeps what it has until that can be had.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ConditionReason {
    /// The Service has what it wants.
    Allocated,
    /// Pools that could serve it have no free address.
    PoolExhausted,
    /// Pools that could serve it have no addresses of a family it needs.
    PoolLacksFamily,
    /// No pool may serve it: there is none, or none assigns automatically to such a Service.
    NoPool,
    /// The pool it asks for does not exist.
    UnknownPool,
    /// The pool it asks for, or whose address it asks for, is pinned to other Services.
    PoolNotCompatible,
    /// It asks for an address that is in no pool, or for addresses that are in no pool together.
    NotAllowed,
    /// The address it asks for is in use and not shared with it.
    AddressInUse,
    /// A port of it is in use on the shared address it asks for.
    PortInUse,
    /// It asks for an address and for a pool that does not have it.
    PoolMismatch,
    /// It asks for addresses of other families than it has cluster addresses.
    FamilyMismatch,
    /// What it asks for can't be understood.
    InvalidRequest,
    /// Its cluster addresses are not those of a Service that can be balanced.
    InvalidClusterIps,
    /// It has no cluster address.
    NoClusterIps,
    /// It requires both families and has one cluster address.
    NotEnoughClusterIps,
}

impl ConditionReason {
    /// Every reason, for the documents.
    pub const ALL: [Self; 15] = [
        Self::Allocated,
        Self::PoolExhausted,
        Self::PoolLacksFamily,
        Self::NoPool,
        Self::UnknownPool,
        Self::PoolNotCompatible,
        Self::NotAllowed,
        Self::AddressInUse,
        Self::PortInUse,
        Self::PoolMismatch,
        Self::FamilyMismatch,
        Self::InvalidRequest,
        Self::InvalidClusterIps,
        Self::NoClusterIps,
        Self::NotEnoughClusterIps,
    ];

    /// The reason as it stands in the condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allocated => "Allocated",
            Self::PoolExhausted => "PoolExhausted",
            Self::PoolLacksFamily => "PoolLacksFamily",
            Self::NoPool => "NoPool",
            Self::UnknownPool => "UnknownPool",
            Self::PoolNotCompatible => "PoolNotCompatible",
            Self::NotAllowed => "NotAllowed",
            Self::AddressInUse => "AddressInUse",
            Self::PortInUse => "PortInUse",
            Self::PoolMismatch => "PoolMismatch",
            Self::FamilyMismatch => "FamilyMismatch",
            Self::InvalidRequest => "InvalidRequest",
            Self::InvalidClusterIps => "InvalidClusterIPs",
            Self::NoClusterIps => "NoClusterIPs",
            Self::NotEnoughClusterIps => "NotEnoughClusterIPs",
        }
    }
}

impl From<&AllocationError> for ConditionReason {
    fn from(error: &AllocationError) -> Self {
        match error {
            AllocationError::Request(_) | AllocationError::Family(_) => Self::InvalidRequest,
            AllocationError::Cluster(_) => Self::InvalidClusterIps,
            AllocationError::Refused(Refused::NotInConfig { .. }) => Self::NotAllowed,
            AllocationError::Refused(Refused::NotCompatible { .. }) => Self::PoolNotCompatible,
            AllocationError::Refused(Refused::InUse { .. }) => Self::AddressInUse,
            AllocationError::Refused(Refused::PortInUse { .. }) => Self::PortInUse,
            AllocationError::FamilyMismatch { .. } => Self::FamilyMismatch,
            AllocationError::PoolMismatch { .. } => Self::PoolMismatch,
            AllocationError::UnknownPool { .. } => Self::UnknownPool,
            AllocationError::PoolFull { .. } => Self::PoolExhausted,
            AllocationError::PoolLacksFamily { .. } => Self::PoolLacksFamily,
            AllocationError::NothingAvailable => Self::NoPool,
        }
    }
}
