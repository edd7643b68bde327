//! What becomes of one Service (contract 01 §4.2).
//!
//! Make before break: an address that is still allowed is given up only for one that is known to be had (D23).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use metallb_config::service::{ClusterFamily, Families, FamilyError, FamilyPolicy, families_of};
use metallb_config::{Config, Quoted, ServiceView};

use crate::book::Book;
use crate::choice::{choose, choose_second};
use crate::decision::{Assignment, Reason};
use crate::event::{Event, EventReason};
use crate::refusal::{AllocationError, Refused};

/// What a Service has before the decision.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Current {
    /// Nothing is recorded.
    #[default]
    Nothing,
    /// It holds these, from the pool that was last found to have them.
    Held(Assignment),
    /// These are recorded, but others hold them and do not share.
    Contested(Vec<IpAddr>, Refused),
    /// What is recorded is neither one address nor one of each family; these are the addresses in it.
    Malformed(Vec<IpAddr>, FamilyError),
}

impl Current {
    /// Recorded addresses it can't keep as they are.
    pub(crate) fn given_up(&self) -> &[IpAddr] {
        match self {
            Self::Contested(addresses, _) | Self::Malformed(addresses, _) => addresses,
            Self::Nothing | Self::Held(_) => &[],
        }
    }

    /// The addresses it has.
    pub(crate) fn held(&self) -> &[IpAddr] {
        match self {
            Self::Held(assignment) => &assignment.addresses,
            Self::Nothing | Self::Contested(..) | Self::Malformed(..) => &[],
        }
    }
}

/// The outcome for one Service.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// What it has from now on.
    pub(crate) assignment: Assignment,
    pub(crate) reason: Reason,
    pub(crate) events: Vec<Event>,
    /// Whether it may get more, or something else, when others give up addresses or ports.
    pub(crate) waits: bool,
}

impl Verdict {
    fn new(assignment: Assignment, reason: Reason) -> Self {
        Self { assignment, reason, events: Vec::new(), waits: false }
    }

    fn cleared(reason: Reason) -> Self {
        Self::new(Assignment::default(), reason)
    }

    fn with(mut self, event: impl Into<Option<Event>>) -> Self {
        self.events.extend(event.into());
        self
    }

    fn waiting(mut self) -> Self {
        self.waits = true;
        self
    }
}

/// Decides; the book is not changed but for what it remembers of unusable addresses.
pub(crate) fn decide(book: &mut Book, view: &ServiceView, current: &Current) -> Verdict {
    if let Some(verdict) = entitled_to_nothing(book.config(), view) {
        return verdict;
    }
    match current {
        Current::Nothing => replace(book, view, &[], Reason::Pending, None),
        Current::Malformed(addresses, error) => {
            let message =
                format!("Failed to retrieve LBIPs IPFamily for {:?}: {error}", view.key.to_string());
            let event = Event::new(EventReason::UnknownIngressFamily, message);
            replace(book, view, addresses, Reason::UnknownIngressFamily, Some(event))
        }
        Current::Contested(addresses, refused) => {
            replace(book, view, addresses, Reason::NotAllowed, Some(clear_assignment(view, refused)))
        }
        Current::Held(assignment) => look_again(book, view, assignment),
    }
}

fn entitled_to_nothing(config: &Config, view: &ServiceView) -> Option<Verdict> {
    let reason = if !view.is_load_balancer {
        Reason::NotLoadBalancer
    } else if config.pools.is_empty() && config.refused_pools.is_empty() {
        Reason::NoConfig
    } else if view.cluster_family == ClusterFamily::NoAddress {
        Reason::NoClusterIps
    } else if view.family_policy == FamilyPolicy::RequireDualStack && view.cluster_ips.len() < 2 {
        let addresses = view.cluster_ips.join(" ");
        let message = format!("Service requires dual stack but not enough clusterips [{addresses}]");
        let event = Event::new(EventReason::NotEnoughClusterIps, message);
        return Some(Verdict::cleared(Reason::NotEnoughClusterIps).with(event));
    } else {
        return None;
    };
    Some(Verdict::cleared(reason))
}

/// The Service holds addresses: may it, and does it still want them?
fn look_again(book: &mut Book, view: &ServiceView, held: &Assignment) -> Verdict {
    let addresses = held.addresses.as_slice();
    let suits = match &view.cluster_family {
        ClusterFamily::Known(families) => suits(view, addresses, *families),
        ClusterFamily::NoAddress => false,
        ClusterFamily::Unknown(error) => {
            let event = unknown_cluster_family(view, error);
            return Verdict::new(held.clone(), Reason::UnknownClusterFamily).with(event);
        }
    };
    if !suits {
        return replace(book, view, addresses, Reason::FamilyChanged, None);
    }
    match book.admit(view, addresses).map(|pool| pool.name.clone()) {
        Ok(pool) => keep_or_move(book, view, Assignment { pool: Some(pool), ..held.clone() }),
        Err(refused) if is_excused(book.config(), held, &refused) => keep_or_move(book, view, held.clone()),
        Err(refused) => {
            replace(book, view, addresses, Reason::NotAllowed, Some(clear_assignment(view, &refused)))
        }
    }
}

/// Whether what is held is not admitted only because the pool it is from is refused at the moment. A pool that was
/// deleted or shrunk is no excuse, whatever else is refused.
fn is_excused(config: &Config, held: &Assignment, refused: &Refused) -> bool {
    match (refused, &held.pool) {
        (Refused::NotInConfig { .. } | Refused::NotCompatible { .. }, Some(pool)) => {
            config.refused_pools.contains(pool)
        }
        // It may be from a refused one.
        (Refused::NotInConfig { .. }, None) => !config.refused_pools.is_empty(),
        (Refused::NotCompatible { .. }, None) | (Refused::InUse { .. } | Refused::PortInUse { .. }, _) => {
            false
        }
    }
}

/// Whether the Service may keep addresses of these families (contract 01 §2.4).
fn suits(view: &ServiceView, held: &[IpAddr], wanted: Families) -> bool {
    let prefers_both = wanted == Families::Both && view.family_policy == FamilyPolicy::PreferDualStack;
    prefers_both || families_of(held) == Ok(wanted)
}

/// What is held is allowed. It stays, unless something else is asked for and can be had.
fn keep_or_move(book: &mut Book, view: &ServiceView, kept: Assignment) -> Verdict {
    let requested = match &view.requested_ips {
        Ok(requested) => requested,
        Err(error) => {
            let message = format!("invalid requested loadbalancer IPs: {error}");
            let event = Event::new(EventReason::LoadBalancerFailed, message);
            return Verdict::new(kept, Reason::InvalidRequest).with(event);
        }
    };
    let reason = if view.requested_pool.is_some() && view.requested_pool != kept.pool {
        Reason::DifferentPoolRequested
    } else if !requested.is_empty() && as_set(requested) != as_set(&kept.addresses) {
        Reason::DifferentIpRequested
    } else if requested.is_empty() {
        return keep_or_add(book, view, kept);
    } else {
        return Verdict::new(kept, Reason::Unchanged);
    };
    match choose(book, view, &[]) {
        Ok(chosen) => Verdict::new(chosen, reason).announced(),
        Err(error) => Verdict::new(kept, reason).with(allocation_failed(view, &error)).waiting(),
    }
}

/// Nothing is asked for in particular: a Service that prefers both families may lack one.
fn keep_or_add(book: &mut Book, view: &ServiceView, mut kept: Assignment) -> Verdict {
    let dual = view.cluster_family == ClusterFamily::Known(Families::Both);
    let config = Arc::clone(book.config());
    // Without a pool of ours the address is a refused pool's: nothing is known of the other family there.
    let pool = kept.pool.as_ref().and_then(|name| config.pools.get(name));
    let (Some(pool), [have]) = (pool, kept.addresses.as_slice()) else {
        return Verdict::new(kept, Reason::Unchanged);
    };
    if !dual || view.family_policy != FamilyPolicy::PreferDualStack {
        return Verdict::new(kept, Reason::Unchanged);
    }
    match choose_second(book, view, pool, *have) {
        Ok(second) => {
            kept.addresses.push(second);
            let event = Event::new(
                EventReason::IpAllocated,
                format!("Assigned additional IP {:?}", second.to_string()),
            );
            Verdict::new(kept, Reason::AdditionalIp).with(event)
        }
        Err(error) => {
            let message = format!("cannot assign additional IP in PreferDualStack: {error}");
            let event = Event::new(EventReason::AdditionalAssignFailed, message);
            Verdict::new(kept, Reason::AdditionalIp).with(event).waiting()
        }
    }
}

/// What was recorded is given up: something else, or nothing. `event` says so if the user must know.
fn replace(
    book: &mut Book,
    view: &ServiceView,
    old: &[IpAddr],
    reason: Reason,
    event: Option<Event>,
) -> Verdict {
    match choose(book, view, old) {
        Ok(chosen) => Verdict::new(chosen, reason).with(event).announced(),
        Err(error) => Verdict::cleared(reason).with(event).with(allocation_failed(view, &error)).waiting(),
    }
}

impl Verdict {
    fn announced(self) -> Self {
        let message = format!("Assigned IP {}", Quoted(&self.assignment.addresses));
        self.with(Event::new(EventReason::IpAllocated, message))
    }
}

fn allocation_failed(view: &ServiceView, error: &AllocationError) -> Event {
    let message = format!("Failed to allocate IP for {:?}: {error}", view.key.to_string());
    Event::new(EventReason::AllocationFailed, message)
}

fn clear_assignment(view: &ServiceView, refused: &Refused) -> Event {
    let key = view.key.to_string();
    let message = format!(
        "current IP for {key:?} not allowed by config, will attempt for new IP assignment: {refused}"
    );
    Event::new(EventReason::ClearAssignment, message)
}

fn unknown_cluster_family(view: &ServiceView, error: &FamilyError) -> Event {
    let (key, address) = (view.key.to_string(), view.cluster_ips.first().map_or("", String::as_str));
    let message = format!("Failed to retrieve ClusterIPs IPFamily for {key:?} {address}: {error}");
    Event::new(EventReason::UnknownClusterFamily, message)
}

fn as_set(addresses: &[IpAddr]) -> BTreeSet<IpAddr> {
    addresses.iter().copied().collect()
}
