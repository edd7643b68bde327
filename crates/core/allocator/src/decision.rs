//! What is to become of a Service.

use std::net::IpAddr;

use metallb_config::Quoted;
use metallb_config::service::{IngressEntry, ServiceKey, ServiceView};

use crate::condition::{Condition, ConditionReason};
use crate::event::Event;

/// What stands in the Service when the decision is carried out.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Assignment {
    /// The addresses, in the order of `status.loadBalancer.ingress`.
    pub addresses: Vec<IpAddr>,
    /// The pool they come from; None without addresses.
    pub pool: Option<String>,
}

impl Assignment {
    /// Whether the Service already says so. What others add to an entry, like `ipMode`, is no difference (D9).
    #[must_use]
    pub fn is_recorded_in(&self, view: &ServiceView) -> bool {
        let same = |(entry, address): (&IngressEntry, &IpAddr)| *entry == IngressEntry::Address(*address);
        view.ingress.len() == self.addresses.len()
            && view.ingress.iter().zip(&self.addresses).all(same)
            && view.recorded_pool == self.pool
    }
}

/// What is to stand in a Service: always written together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Record {
    /// The addresses.
    pub assignment: Assignment,
    /// The condition `metallb.io/Allocated`; None if there must be none.
    pub condition: Option<Condition>,
}

impl Record {
    /// Whether the Service already says all of it.
    #[must_use]
    pub fn is_recorded_in(&self, view: &ServiceView) -> bool {
        let condition = match (&self.condition, &view.recorded_condition) {
            (Some(condition), Some(recorded)) => condition.is(recorded),
            (None, None) => true,
            (None, Some(_)) | (Some(_), None) => false,
        };
        condition && self.assignment.is_recorded_in(view)
    }

    /// With the message that is left out while nobody reads it.
    pub(crate) fn complete(mut self) -> Self {
        let Self { assignment: Assignment { addresses, pool }, condition } = &mut self;
        if let Some(condition) =
            condition.as_mut().filter(|condition| condition.reason == ConditionReason::Allocated)
        {
            let from = pool.as_ref().map(|pool| format!(" from pool {pool}"));
            condition.message = format!("{}{}", Quoted(addresses), from.unwrap_or_default());
        }
        self
    }

    /// Whether the Service need not be written: it has its addresses, and its condition is not wrong. One that has all
    /// it wants need not say so, and whatever words say so will do: adopting a Service costs nothing.
    pub(crate) fn is_satisfied_by(&self, view: &ServiceView) -> bool {
        let condition = match (&self.condition, &view.recorded_condition) {
            (Some(condition), recorded) if condition.reason == ConditionReason::Allocated => {
                recorded.as_ref().is_none_or(|recorded| condition.agrees_with(recorded))
            }
            (Some(condition), Some(recorded)) => condition.is(recorded),
            (Some(_), None) => false,
            (None, recorded) => recorded.is_none(),
        };
        condition && self.assignment.is_recorded_in(view)
    }
}

/// What to do about one Service.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The Service.
    pub key: ServiceKey,
    /// Why.
    pub reason: Reason,
    /// What to write into the Service; None if it already stands there or is on its way.
    pub write: Option<Record>,
    /// What to tell the user, once the write is done.
    pub events: Vec<Event>,
}

/// Why a decision was taken: the `reason` of log lines.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Reason {
    /// The Service is of another type: nothing is held.
    NotLoadBalancer,
    /// There are no pools at all: nothing is held.
    NoConfig,
    /// The API server gave no cluster address: nothing is held.
    NoClusterIps,
    /// Dual stack is required and there is one cluster address: nothing is held.
    NotEnoughClusterIps,
    /// The recorded addresses can't be understood.
    UnknownIngressFamily,
    /// The cluster addresses can't be understood; what is held is kept.
    UnknownClusterFamily,
    /// The Service wants other families than it has.
    FamilyChanged,
    /// The recorded addresses are not allowed any more.
    NotAllowed,
    /// Another pool is asked for.
    DifferentPoolRequested,
    /// Other addresses are asked for.
    DifferentIpRequested,
    /// The request can't be understood; what is held is kept.
    InvalidRequest,
    /// An address of the second family is, or would be, added.
    AdditionalIp,
    /// The Service had nothing.
    Pending,
    /// What is held stays.
    Unchanged,
}

impl Reason {
    /// The stable name for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotLoadBalancer => "notLoadBalancer",
            Self::NoConfig => "noConfig",
            Self::NoClusterIps => "noClusterIPs",
            Self::NotEnoughClusterIps => "notEnoughClusterIPs",
            Self::UnknownIngressFamily => "nolbIPsIPFamily",
            Self::UnknownClusterFamily => "noclusterIPsIPFamily",
            Self::FamilyChanged => "familyChanged",
            Self::NotAllowed => "notAllowedByConfig",
            Self::DifferentPoolRequested => "differentPoolRequested",
            Self::DifferentIpRequested => "differentIPRequested",
            Self::InvalidRequest => "invalidRequest",
            Self::AdditionalIp => "tryAssignAdditionalIP",
            Self::Pending => "noAddress",
            Self::Unchanged => "unchanged",
        }
    }
}
