//! What becomes of one Service (contract 01 §4.2).
//!
//! Make before break: an address that is still allowed is given up only for one that is known to be had (D23).

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use metallb_config::service::{
    ClusterFamily, Families, FamilyError, FamilyPolicy, RequestError, families_of,
};
use metallb_config::{Config, Quoted, ServiceView};
use metallb_net::IpFamily;

use crate::book::Book;
use crate::choice::{choose, choose_second};
use crate::condition::{Condition, ConditionReason};
use crate::decision::{Assignment, Reason};
use crate::event::{Event, EventReason};
use crate::explain::{explain, explain_second, families_wanted, join};
use crate::refusal::{AllocationError, Refused};
use crate::wake::{Wake, hopes, hopes_of_second};

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
    pub(crate) condition: Option<Condition>,
    pub(crate) events: Vec<Event>,
    /// What may give it more, or something else, when others give up addresses or ports.
    pub(crate) hopes: Vec<Wake>,
}

impl Verdict {
    /// The Service has what it wants.
    fn content(assignment: Assignment, reason: Reason) -> Self {
        let condition = Some(Condition::content());
        Self { assignment, reason, condition, events: Vec::new(), hopes: Vec::new() }
    }

    /// The Service has less than it wants, and an event says so.
    fn short(assignment: Assignment, reason: Reason, condition: Condition, event: Event) -> Self {
        let (condition, events) = (Some(condition), vec![event]);
        Self { assignment, reason, condition, events, hopes: Vec::new() }
    }

    /// The Service has nothing.
    fn cleared(reason: Reason, condition: Option<Condition>) -> Self {
        let assignment = Assignment::default();
        Self { assignment, reason, condition, events: Vec::new(), hopes: Vec::new() }
    }

    /// This happened before what the verdict tells already.
    fn after(mut self, event: impl Into<Option<Event>>) -> Self {
        self.events.splice(0..0, event.into());
        self
    }

    fn hoping_for(mut self, hopes: Vec<Wake>) -> Self {
        self.hopes = hopes;
        self
    }
}

/// Decides; the book is not changed but for what it remembers of unusable addresses. Who can't keep what it has may take
/// back what it is about to leave.
pub(crate) fn decide(book: &mut Book, view: &ServiceView, current: &Current, leaving: &[IpAddr]) -> Verdict {
    if let Some(verdict) = entitled_to_nothing(book.config(), view) {
        return verdict;
    }
    match current {
        Current::Nothing => replace(book, view, leaving, Reason::Pending, None),
        Current::Malformed(addresses, error) => {
            let message =
                format!("Failed to retrieve LBIPs IPFamily for {:?}: {error}", view.key.to_string());
            let event = Event::new(EventReason::UnknownIngressFamily, message);
            replace(book, view, addresses, Reason::UnknownIngressFamily, Some(event))
        }
        Current::Contested(addresses, refused) => {
            replace(book, view, addresses, Reason::NotAllowed, Some(clear_assignment(view, refused)))
        }
        Current::Held(assignment) => look_again(book, view, assignment, leaving),
    }
}

fn entitled_to_nothing(config: &Config, view: &ServiceView) -> Option<Verdict> {
    let pending =
        |reason, message: &str| Some(Condition { allocated: false, reason, message: message.to_owned() });
    let (reason, condition) = if !view.is_load_balancer {
        (Reason::NotLoadBalancer, None)
    } else if config.pools.is_empty() && config.refused_pools.is_empty() {
        (Reason::NoConfig, pending(ConditionReason::NoPool, "there are no address pools"))
    } else if view.cluster_family == ClusterFamily::NoAddress {
        (
            Reason::NoClusterIps,
            pending(ConditionReason::NoClusterIps, "the Service has no cluster address yet"),
        )
    } else if view.family_policy == FamilyPolicy::RequireDualStack && view.cluster_ips.len() < 2 {
        let addresses = view.cluster_ips.join(" ");
        let message = format!("Service requires dual stack but not enough clusterips [{addresses}]");
        let condition = pending(ConditionReason::NotEnoughClusterIps, &message);
        let event = Event::new(EventReason::NotEnoughClusterIps, message);
        return Some(Verdict::cleared(Reason::NotEnoughClusterIps, condition).after(event));
    } else {
        return None;
    };
    Some(Verdict::cleared(reason, condition))
}

/// The Service holds addresses: may it, and does it still want them?
fn look_again(book: &mut Book, view: &ServiceView, held: &Assignment, leaving: &[IpAddr]) -> Verdict {
    let addresses = held.addresses.as_slice();
    let suits = match &view.cluster_family {
        ClusterFamily::Known(families) => suits(view, addresses, *families),
        ClusterFamily::NoAddress => false,
        ClusterFamily::Unknown(error) => {
            return unknown_cluster_family(view, held, error);
        }
    };
    if !suits {
        return change_family(book, view, held);
    }
    match book.admit(view, addresses).map(|pool| pool.name.clone()) {
        Ok(pool) => keep_or_move(book, view, Assignment { pool: Some(pool), ..held.clone() }),
        Err(refused) if is_excused(book.config(), held, &refused) => keep_or_move(book, view, held.clone()),
        Err(refused) => {
            let old = [addresses, leaving].concat();
            replace(book, view, &old, Reason::NotAllowed, Some(clear_assignment(view, &refused)))
        }
    }
}

/// The Service wants other families than it has. What it may keep it keeps; that no pool contains it is no reason to
/// lose it while a pool is refused.
fn change_family(book: &mut Book, view: &ServiceView, held: &Assignment) -> Verdict {
    let (wanted, addresses) = (families_wanted(view), held.addresses.as_slice());
    let rest = addresses.iter().filter(|address| wanted.contains(&IpFamily::of(**address)));
    let rest = Assignment { addresses: rest.copied().collect(), pool: held.pool.clone() };
    let is_enough = !rest.addresses.is_empty()
        && families_of(&rest.addresses).map(ClusterFamily::Known).as_ref() == Ok(&view.cluster_family);
    match book.admit(view, &rest.addresses) {
        Err(refused) if is_enough && is_excused(book.config(), &rest, &refused) => {
            keep_or_move(book, view, rest)
        }
        Ok(_) | Err(_) => replace(book, view, addresses, Reason::FamilyChanged, None),
    }
}

/// Whether what is held is not admitted only because a pool is refused at the moment: the refused version may be the
/// one that has it. A pinning that changed is an excuse only in the pool itself that is refused.
fn is_excused(config: &Config, held: &Assignment, refused: &Refused) -> bool {
    match (refused, &held.pool) {
        (Refused::NotInConfig { .. }, _) => !config.refused_pools.is_empty(),
        (Refused::NotCompatible { .. }, Some(pool)) => config.refused_pools.contains(pool),
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
///
/// Two Services that ask for each other's address therefore both keep what they have, and their conditions say that the
/// address is in use: neither can give up its own before it has the other's.
fn keep_or_move(book: &mut Book, view: &ServiceView, kept: Assignment) -> Verdict {
    let requested = match &view.requested_ips {
        Ok(requested) => requested,
        Err(error) => return invalid_request(kept, error),
    };
    let pool = book.requested_pool(view);
    let reason = if pool.is_some() && pool != kept.pool.as_deref() {
        Reason::DifferentPoolRequested
    } else if !requested.is_empty() && as_set(requested) != as_set(&kept.addresses) {
        Reason::DifferentIpRequested
    } else if requested.is_empty() {
        return keep_or_add(book, view, kept);
    } else {
        return Verdict::content(kept, Reason::Unchanged);
    };
    match choose(book, view, &[]) {
        Ok(chosen) => assigned(book, view, chosen, reason),
        Err(error) => {
            let (condition, hopes) = (explain(book, view, &error, true), hopes(book, view, &[]));
            Verdict::short(kept, reason, condition, allocation_failed(view, &error)).hoping_for(hopes)
        }
    }
}

/// Nothing is asked for in particular: a Service that prefers both families may lack one.
fn keep_or_add(book: &mut Book, view: &ServiceView, mut kept: Assignment) -> Verdict {
    match second(book, view, &kept) {
        None => Verdict::content(kept, Reason::Unchanged),
        Some(Ok(address)) => {
            kept.addresses.push(address);
            let message = format!("Assigned additional IP {:?}", address.to_string());
            let event = Event::new(EventReason::IpAllocated, message);
            Verdict::content(kept, Reason::AdditionalIp).after(event)
        }
        Some(Err(lack)) => lack.verdict(kept, Reason::AdditionalIp),
    }
}

/// No second address for a Service that prefers both families.
struct Lack {
    event: Event,
    condition: Condition,
    hopes: Vec<Wake>,
}

impl Lack {
    fn verdict(self, kept: Assignment, reason: Reason) -> Verdict {
        Verdict::short(kept, reason, self.condition, self.event).hoping_for(self.hopes)
    }
}

/// The address of the missing family. None if none is missing.
fn second(book: &mut Book, view: &ServiceView, kept: &Assignment) -> Option<Result<IpAddr, Lack>> {
    let dual = view.cluster_family == ClusterFamily::Known(Families::Both);
    let config = Arc::clone(book.config());
    let [have] = kept.addresses.as_slice() else { return None };
    // Where no pool of ours has the address, it is a refused one's: nothing is known of the other family there.
    let pool = config.pool_of_one(*have).filter(|pool| pool.admits(view))?;
    if !dual || view.family_policy != FamilyPolicy::PreferDualStack {
        return None;
    }
    let family = IpFamily::of(*have).other();
    Some(choose_second(book, view, pool, family).map_err(|error| {
        let message = format!("cannot assign additional IP in PreferDualStack: {error}");
        let condition = explain_second(book, view, pool, family, &error);
        let event = Event::new(EventReason::AdditionalAssignFailed, message);
        Lack { event, condition, hopes: hopes_of_second(view, pool, family) }
    }))
}

/// What it had is given up: something else, or nothing. `event` says so if the user must know.
fn replace(
    book: &mut Book,
    view: &ServiceView,
    old: &[IpAddr],
    reason: Reason,
    event: Option<Event>,
) -> Verdict {
    match choose(book, view, old) {
        Ok(chosen) => assigned(book, view, chosen, reason).after(event),
        Err(error) => {
            let (condition, hopes) = (explain(book, view, &error, false), hopes(book, view, old));
            let failed = allocation_failed(view, &error);
            let verdict = Verdict::cleared(reason, Some(condition)).after(failed).after(event);
            verdict.hoping_for(hopes)
        }
    }
}

/// The Service gets this. If it lacks the second family, that is told at once: one write, one condition.
fn assigned(book: &mut Book, view: &ServiceView, chosen: Assignment, reason: Reason) -> Verdict {
    let message = format!("Assigned IP {}", Quoted(&chosen.addresses));
    let event = Event::new(EventReason::IpAllocated, message);
    let verdict = match second(book, view, &chosen) {
        Some(Err(lack)) => lack.verdict(chosen, reason),
        // What is available now was so when the choice was made.
        Some(Ok(_)) | None => Verdict::content(chosen, reason),
    };
    verdict.after(event)
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

fn invalid_request(kept: Assignment, error: &RequestError) -> Verdict {
    let message = format!("invalid requested loadbalancer IPs: {error}");
    let (reason, text) = (ConditionReason::InvalidRequest, join(&message, &[]));
    let condition = Condition { allocated: true, reason, message: text };
    Verdict::short(
        kept,
        Reason::InvalidRequest,
        condition,
        Event::new(EventReason::LoadBalancerFailed, message),
    )
}

fn unknown_cluster_family(view: &ServiceView, held: &Assignment, error: &FamilyError) -> Verdict {
    let (key, address) = (view.key.to_string(), view.cluster_ips.first().map_or("", String::as_str));
    let message = format!("Failed to retrieve ClusterIPs IPFamily for {key:?} {address}: {error}");
    let (reason, text) = (ConditionReason::InvalidClusterIps, join(&message, &[]));
    let condition = Condition { allocated: true, reason, message: text };
    let event = Event::new(EventReason::UnknownClusterFamily, message);
    Verdict::short(held.clone(), Reason::UnknownClusterFamily, condition, event)
}

fn as_set(addresses: &[IpAddr]) -> BTreeSet<IpAddr> {
    addresses.iter().copied().collect()
}
