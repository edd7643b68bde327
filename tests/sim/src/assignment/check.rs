//! What must hold at every moment, whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metallb_config::service::{ClusterFamily, Families, FamilyPolicy, families_of};
use metallb_config::{Config, ServiceView};

use super::Successor;
use super::controller::{Controller, Decided, Flight};
use super::server::Server;

/// Two Services and the address they both have.
type Pair = (String, String, IpAddr);

/// Looks for violations, and knows what users brought about themselves.
pub(super) struct Watchdog {
    seed: u64,
    successor: Successor,
    /// Pairs that a user's edit parted, or that the late write of another controller made.
    excused: BTreeSet<Pair>,
    /// What happened, for whoever has to understand a failure.
    trace: Vec<String>,
}

impl Watchdog {
    pub(super) fn new(seed: u64, successor: Successor) -> Self {
        Self { seed, successor, excused: BTreeSet::new(), trace: Vec::new() }
    }

    pub(super) fn note(&mut self, what: String) {
        self.trace.push(what);
    }

    pub(super) fn fail(&self, what: &str) {
        panic!("seed {} ({:?}): {what}\n{}", self.seed, self.successor, self.trace.join("\n"));
    }

    /// A user edited this Service: what it shares now against the rules is the user's doing, also with another whose
    /// write was decided before and arrives later.
    pub(super) fn excuse(&mut self, server: &Server, under_way: &[Flight], name: &str) {
        let parted = conflicts(server, under_way).into_iter();
        self.excused.extend(parted.filter(|(one, other, _)| one == name || other == name));
    }

    /// The controller decided before it heard of an edit that parts two Services.
    pub(super) fn excuse_unheard(&mut self, server: &Server, under_way: &[Flight], controller: &Controller) {
        let seen: BTreeMap<String, ServiceView> =
            controller.known().map(|view| (view.key.name.to_string(), view)).collect();
        let unheard = |(one, other, _): &Pair| match (seen.get(one), seen.get(other)) {
            (Some(one), Some(other)) => may_share(one, other),
            _ => false,
        };
        self.excused.extend(conflicts(server, under_way).into_iter().filter(unheard));
    }

    /// No address stands in two Services that may not share it. Late writes may bring that about, if nobody waits for
    /// them: then it has to be set right, which is seen at rest.
    pub(super) fn check(&mut self, server: &Server, under_way: &[Flight]) {
        let possible = conflicts(server, under_way);
        self.excused.retain(|pair| possible.contains(pair));
        let now = conflicts(server, &[]);
        let strict = self.successor == Successor::WaitsForLateWrites;
        if let Some(pair) = now.iter().find(|pair| strict && !self.excused.contains(*pair)) {
            self.fail(&format!("an address twice: {pair:?}"));
        }
    }

    /// An address that is recorded is changed or taken away only for a reason that the contract lists.
    pub(super) fn check_reason(&self, decided: &Decided, controller: &Controller) {
        let Decided { had, seen, decision } = decided;
        let Some(record) = &decision.write else { return };
        let new = record.assignment.addresses.as_slice();
        let keeps = had.is_empty() || new == had;
        if !keeps && !may_change(seen, had, new, controller) {
            self.fail(&format!("{} went from {had:?} to {new:?}: {:?}", seen.key, decision.reason));
        }
    }

    /// Nothing is to do: nobody shares unasked, all that is held is recorded, the counters are those of a census.
    pub(super) fn check_rest(&self, server: &Server, controller: &Controller) {
        if let Some(pair) = conflicts(server, &[]).first() {
            self.fail(&format!("an address twice at rest: {pair:?}"));
        }
        let mut used = BTreeSet::new();
        for view in server.views() {
            let (recorded, held) = (view.recorded_ips(), controller.allocator.held(&view.key));
            if recorded != held {
                self.fail(&format!("{} records {recorded:?} and holds {held:?}", view.key));
            }
            used.extend(recorded);
        }
        for (name, usage) in controller.allocator.usage() {
            let of_pool = |address: &&IpAddr| {
                controller.config.pool_of_one(**address).is_some_and(|pool| pool.name == name)
            };
            let (v4, v6): (Vec<&IpAddr>, Vec<_>) = used.iter().filter(of_pool).partition(|ip| ip.is_ipv4());
            if (usage.ipv4_in_use, usage.ipv6_in_use) != (v4.len() as i64, v6.len() as i64) {
                self.fail(&format!("pool {name} counts {usage:?}, and there are {v4:?} and {v6:?}"));
            }
        }
    }
}

/// Addresses that stand, or may yet come to stand, in two Services that may not share.
fn conflicts(server: &Server, under_way: &[Flight]) -> BTreeSet<Pair> {
    let with_addresses = |view| (view, addresses(server, under_way, view));
    let views: Vec<(&ServiceView, Vec<IpAddr>)> = server.views().map(with_addresses).collect();
    let mut pairs = BTreeSet::new();
    for (index, (one, ours)) in views.iter().enumerate() {
        for (other, theirs) in views.iter().skip(index + 1).filter(|(other, _)| !may_share(one, other)) {
            let common = ours.iter().filter(|address| theirs.contains(address));
            pairs.extend(
                common.map(|address| (one.key.name.to_string(), other.key.name.to_string(), *address)),
            );
        }
    }
    pairs
}

/// What is recorded in a Service, and what will be when the writes under way arrive.
fn addresses(server: &Server, under_way: &[Flight], view: &ServiceView) -> Vec<IpAddr> {
    let ours =
        under_way.iter().filter(|flight| flight.decision.key == view.key && server.would_accept(flight));
    let arriving = ours.flat_map(|flight| flight.record.assignment.addresses.iter().copied());
    view.recorded_ips().into_iter().chain(arriving).collect()
}

fn may_share(one: &ServiceView, other: &ServiceView) -> bool {
    one.sharing_key.may_share(&other.sharing_key) && !one.ports.iter().any(|port| other.ports.contains(port))
}

fn may_change(view: &ServiceView, old: &[IpAddr], new: &[IpAddr], controller: &Controller) -> bool {
    let config = &controller.config;
    let both = view.cluster_family == ClusterFamily::Known(Families::Both);
    let prefers = both && view.family_policy == FamilyPolicy::PreferDualStack;
    let suits = families_of(old).map(ClusterFamily::Known).as_ref() == Ok(&view.cluster_family);
    let added = prefers && new.starts_with(old);
    let requested = view.requested_ips.as_deref().is_ok_and(|ips| !ips.is_empty() && ips == new);
    !is_entitled(view, config)
        || !(suits || prefers)
        || !is_allowed(view, old, config)
        || added
        || requested
        || moves_to_its_pool(view, old, new, config)
        || controller.is_contested(view, old)
}

fn is_entitled(view: &ServiceView, config: &Config) -> bool {
    let both = view.cluster_family == ClusterFamily::Known(Families::Both);
    let pools = !config.pools.is_empty() || !config.refused_pools.is_empty();
    view.is_load_balancer && pools && (both || view.family_policy != FamilyPolicy::RequireDualStack)
}

fn is_allowed(view: &ServiceView, old: &[IpAddr], config: &Config) -> bool {
    // What is decided and not yet seen in the Service is from another pool than the recorded one.
    let recorded = view.recorded_pool.as_ref().filter(|_| view.recorded_ips() == old);
    let refused = recorded.is_some_and(|pool| config.refused_pools.contains(pool));
    // While any is refused, that no pool contains an address is no reason.
    let excused = !config.refused_pools.is_empty();
    refused || config.pool_of(old).map_or(excused, |pool| pool.admits(view))
}

fn moves_to_its_pool(view: &ServiceView, old: &[IpAddr], new: &[IpAddr], config: &Config) -> bool {
    let pool = |addresses: &[IpAddr]| config.pool_of(addresses).map(|pool| pool.name.clone());
    view.requested_pool.is_some() && pool(new) == view.requested_pool && pool(old) != view.requested_pool
}

impl Controller {
    /// Whether another Service that would not share has one of the addresses, as far as the controller knows.
    fn is_contested(&self, view: &ServiceView, addresses: &[IpAddr]) -> bool {
        let others = self.known().filter(|other| other.key != view.key && !may_share(view, other));
        let mut theirs = others.flat_map(|other| {
            let held = self.allocator.held(&other.key).to_vec();
            held.into_iter().chain(other.recorded_ips()).collect::<Vec<_>>()
        });
        theirs.any(|address| addresses.contains(&address))
    }
}
