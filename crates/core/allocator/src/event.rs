//! What the user is told about a Service (contract 01 §5).

use metallb_api::names;

/// An event about a Service.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Why.
    pub reason: EventReason,
    /// In words.
    pub message: String,
}

impl Event {
    pub(crate) fn new(reason: EventReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    pub(crate) fn deprecated(annotation: &str) -> Self {
        debug_assert!(annotation.starts_with(names::DEPRECATED_PREFIX));
        Self::new(
            EventReason::DeprecatedAnnotation,
            format!("Service uses deprecated annotation {annotation}"),
        )
    }
}

/// The reasons of events about Services.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum EventReason {
    /// Addresses were assigned.
    IpAllocated,
    /// The recorded addresses are not the Service's any more.
    ClearAssignment,
    /// No address of the second family could be added.
    AdditionalAssignFailed,
    /// What was asked for can't be had.
    AllocationFailed,
    /// The request for addresses can't be understood; the Service keeps what it has.
    LoadBalancerFailed,
    /// Dual stack is required and the cluster gave one address.
    NotEnoughClusterIps,
    /// The recorded addresses are neither one nor one of each family.
    UnknownIngressFamily,
    /// The families of the cluster addresses can't be told.
    UnknownClusterFamily,
    /// The Service uses an annotation by its old name.
    DeprecatedAnnotation,
}

impl EventReason {
    /// The reason as it stands in the event.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IpAllocated => "IPAllocated",
            Self::ClearAssignment => "ClearAssignment",
            Self::AdditionalAssignFailed => "AdditionalAssignFailed",
            Self::AllocationFailed => "AllocationFailed",
            Self::LoadBalancerFailed => "LoadBalancerFailed",
            Self::NotEnoughClusterIps => "not enough clusterips",
            Self::UnknownIngressFamily => "nolbIPsIPFamily",
            Self::UnknownClusterFamily => "noclusterIPsIPFamily",
            Self::DeprecatedAnnotation => "deprecatedAnnotation",
        }
    }

    /// Whether the event is a warning.
    #[must_use]
    pub fn is_warning(self) -> bool {
        match self {
            Self::IpAllocated | Self::ClearAssignment | Self::AdditionalAssignFailed => false,
            Self::AllocationFailed
            | Self::LoadBalancerFailed
            | Self::NotEnoughClusterIps
            | Self::UnknownIngressFamily
            | Self::UnknownClusterFamily
            | Self::DeprecatedAnnotation => true,
        }
    }

    /// Whether it tells of a state that lasts, and so is told once and not at every look.
    pub(crate) fn is_state(self) -> bool {
        match self {
            Self::AdditionalAssignFailed
            | Self::AllocationFailed
            | Self::LoadBalancerFailed
            | Self::NotEnoughClusterIps
            | Self::UnknownClusterFamily => true,
            Self::IpAllocated
            | Self::ClearAssignment
            | Self::UnknownIngressFamily
            | Self::DeprecatedAnnotation => false,
        }
    }
}
