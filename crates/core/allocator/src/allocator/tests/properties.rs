//! Random histories: changes of Services and pools, writes that land late or never, restarts.

use std::collections::BTreeSet;

use metallb_config::service::{ClusterFamily, Families, FamilyPolicy, families_of};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;
use super::layouts::{Layout, addition, layout};
use super::world::*;
use crate::decide::Current;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// A Service is created or rewritten, keeping its status.
    Put {
        service: usize,
        shape: Shape,
    },
    Delete {
        service: usize,
    },
    Configure {
        variant: usize,
    },
    /// Other pools.
    Lay {
        layout: Layout,
    },
    /// A pool gets more, if the pools were laid and nobody has it.
    Grow {
        addition: (usize, usize),
    },
    /// The allocator settles; its writes are under way.
    Settle,
    /// So many of the writes under way arrive at the API server.
    Land {
        count: usize,
    },
    /// The process ends; of the writes under way so many had arrived.
    Restart {
        count: usize,
    },
}

/// What a user may write into a Service.
#[derive(Clone, Debug)]
struct Shape {
    family: usize,
    request: usize,
    pool: usize,
    sharing: usize,
    port: u16,
    more: usize,
}

const FAMILIES: [(&[&str], &str); 6] = [
    (&["10.96.0.1"], "SingleStack"),
    (&["fd00::1"], "SingleStack"),
    (&["10.96.0.1", "fd00::1"], "PreferDualStack"),
    (&["10.96.0.1", "fd00::1"], "RequireDualStack"),
    (&["10.96.0.1"], "PreferDualStack"),
    (&["10.96.0.1"], "RequireDualStack"),
];
const REQUESTS: [Option<&str>; 7] =
    [None, None, None, Some("10.0.0.1"), Some("10.0.0.2,2001:db8::2"), Some("nonsense"), Some("10.9.9.9")];
const POOLS: [Option<&str>; 5] = [None, None, None, Some("b"), Some("nowhere")];
const SHARING: [Option<&str>; 4] = [None, None, Some("k"), Some("l")];
/// Type, traffic policy, selector, label, and a second port.
type More = (&'static str, &'static str, Option<&'static str>, &'static str, Option<u16>);
const MORE: [More; 7] = [
    ("LoadBalancer", "Cluster", None, "x", None),
    ("LoadBalancer", "Cluster", None, "y", None),
    ("LoadBalancer", "Cluster", None, "x", Some(81)),
    ("LoadBalancer", "Cluster", None, "y", Some(82)),
    ("LoadBalancer", "Local", Some("one"), "x", None),
    ("LoadBalancer", "Local", Some("two"), "x", None),
    ("ClusterIP", "Cluster", None, "x", None),
];

impl Shape {
    fn to_patch(&self) -> Value {
        let (cluster_ips, policy) = FAMILIES[self.family];
        let (kind, traffic, selector, label, second) = MORE[self.more];
        let mut ports = vec![json!({"port": self.port})];
        ports.extend(second.map(|port| json!({"port": port, "protocol": "UDP"})));
        json!({
            "metadata": {"annotations": {
                "metallb.io/loadBalancerIPs": REQUESTS[self.request],
                "metallb.io/address-pool": POOLS[self.pool],
                "metallb.io/allow-shared-ip": SHARING[self.sharing],
            }, "labels": {"tier": label}},
            "spec": {
                "type": kind, "clusterIPs": cluster_ips, "ipFamilyPolicy": policy, "ports": ports,
                "externalTrafficPolicy": traffic, "selector": {"app": selector},
            },
        })
    }
}

fn configurations() -> Vec<Vec<Value>> {
    let small = plain("a", &["10.0.0.0/30", "2001:db8::/126"]);
    let single = plain("b", &["10.0.1.0/31"]);
    let pinned =
        pool("a", json!({"addresses": ["10.0.0.0/30"], "serviceAllocation": {"namespaces": ["other"]}}));
    let broken = plain("b", &["10.0.1.0/99"]);
    vec![
        vec![small.clone(), single.clone()],
        vec![small.clone()],
        vec![plain("a", &["10.0.0.0/31"]), plain("b", &["10.0.0.2/31", "2001:db8::/127"])],
        vec![pinned, single.clone()],
        vec![small, broken],
        vec![
            pool("a", json!({"addresses": ["10.0.0.0/29"], "avoidBuggyIPs": true, "autoAssign": false})),
            single.clone(),
        ],
        vec![],
        vec![
            plain("a", &["10.0.2.0/32", "10.0.0.0/29", "2001:db8::/125"]),
            single,
            plain("nowhere", &["10.9.9.8/30"]),
        ],
        vec![
            selecting("a", &["10.0.0.0/31", "2001:db8::/127"], "x"),
            selecting("b", &["10.0.1.0/31"], "y"),
            plain("c", &["10.0.2.0/32", "2001:db8:1::/128"]),
        ],
    ]
}

/// The configuration that has all the first one has, and more.
const GROWN: usize = 7;

fn selecting(name: &str, addresses: &[&str], tier: &str) -> Value {
    let selector = json!({"matchLabels": {"tier": tier}});
    let allocation = json!({"priority": 3, "serviceSelectors": [selector]});
    pool(name, json!({"addresses": addresses, "serviceAllocation": allocation}))
}

fn shape() -> impl Strategy<Value = Shape> {
    let parts =
        (0..FAMILIES.len(), 0..REQUESTS.len(), 0..POOLS.len(), 0..SHARING.len(), 80u16..83, 0..MORE.len());
    parts.prop_map(|(family, request, pool, sharing, port, more)| Shape {
        family,
        request,
        pool,
        sharing,
        port,
        more,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..7, shape()).prop_map(|(service, shape)| Step::Put { service, shape }),
        2 => (0usize..7).prop_map(|service| Step::Delete { service }),
        2 => (0..configurations().len()).prop_map(|variant| Step::Configure { variant }),
        1 => layout().prop_map(|layout| Step::Lay { layout }),
        2 => addition().prop_map(|addition| Step::Grow { addition }),
        6 => Just(Step::Settle),
        5 => (1usize..5).prop_map(|count| Step::Land { count }),
        1 => (0usize..5).prop_map(|count| Step::Restart { count }),
    ]
}

/// A world in which writes take their time.
struct History {
    world: World,
    /// Writes under way, with the version of the Service each was decided on.
    under_way: Vec<(Value, Decision)>,
    /// The pools, if they were laid.
    layout: Option<Layout>,
}

impl History {
    fn new() -> Self {
        Self { world: World::new(&configurations()[0]), under_way: Vec::new(), layout: None }
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Put { service, shape } => drop(self.world.put(&name(*service), shape.to_patch())),
            Step::Delete { service } => drop(self.world.delete(&name(*service))),
            Step::Configure { variant } => {
                self.layout = None;
                self.world.configure(&configurations()[*variant]);
            }
            Step::Lay { layout } => {
                self.world.configure(&layout.pools());
                self.layout = Some(layout.clone());
            }
            Step::Grow { addition } => {
                if let Some(layout) = &mut self.layout {
                    layout.grow(*addition);
                    self.world.configure(&layout.pools());
                }
            }
            Step::Settle => self.settle(),
            Step::Land { count } => self.land(*count),
            Step::Restart { count } => {
                self.land(*count);
                self.under_way.clear();
                self.world.restart();
            }
        }
    }

    fn settle(&mut self) {
        let (before, pools) = (self.held(), self.pools());
        let conflicts = self.conflicts_recorded();
        let decisions = self.world.allocator.settle();
        assert_eq!(self.world.allocator.settle(), [], "a second look decides nothing");
        self.world.allocator.all_dirty = true;
        assert_eq!(self.world.allocator.settle(), [], "a look at everybody decides nothing");
        self.check_book();
        self.check_holders();
        self.check_usage();
        self.check_changes(&before, &pools);
        for decision in decisions.into_iter().filter(|decision| decision.write.is_some()) {
            self.check_nobody_has(&decision, &conflicts);
            self.under_way.push((self.world.raw(&decision.key).clone(), decision));
        }
    }

    /// A write succeeds only on the version it was decided on, as at the API server.
    fn land(&mut self, count: usize) {
        for _ in 0..count.min(self.under_way.len()) {
            let (version, decision) = self.under_way.remove(0);
            if self.world.has(&decision.key, &version) {
                self.world.write(&decision);
            } else {
                self.world.allocator.write_lost(&decision.key);
            }
        }
    }

    fn come_to_rest(&mut self) {
        for _ in 0..20 {
            self.settle();
            if self.under_way.is_empty() {
                return;
            }
            self.land(usize::MAX);
        }
        panic!("does not come to rest: {:?}", self.under_way);
    }

    /// Held addresses; of a Service not settled since it changed, the recorded ones.
    fn held(&self) -> BTreeMap<ServiceKey, Vec<IpAddr>> {
        let addresses = |key: &ServiceKey| {
            let news = self.world.allocator.unadopted.contains(key);
            if news { self.world.view(key).recorded_ips() } else { self.world.allocator.held(key).to_vec() }
        };
        self.world.keys().into_iter().map(|key| (key.clone(), addresses(&key))).collect()
    }

    /// The pools of what is held.
    fn pools(&self) -> BTreeMap<ServiceKey, Option<String>> {
        let pool = |known: &Known| match &known.current {
            Current::Held(assignment) => assignment.pool.clone(),
            _ => known.view.recorded_pool.clone(),
        };
        self.world.allocator.known.iter().map(|(key, known)| (key.clone(), pool(known))).collect()
    }

    fn check_holders(&self) {
        for first in self.world.keys() {
            for second in self.world.keys().into_iter().filter(|second| *second > first) {
                let (one, other) = (self.world.view(&first), self.world.view(&second));
                let common = |address: &IpAddr| self.world.allocator.held(&second).contains(address);
                if self.world.allocator.held(&first).iter().any(common) {
                    assert!(may_share(&one, &other), "{first} and {second} share unasked");
                }
            }
        }
    }

    /// What was kept in step is what it would be if it were made anew.
    fn check_book(&self) {
        let allocator = &self.world.allocator;
        let mut fresh = Book::new(allocator.book.config().clone(), allocator.options.unknown_pool);
        allocator.known.values().for_each(|known| known.claim(&mut fresh));
        assert_eq!(allocator.book.entries(), fresh.entries());
    }

    fn check_usage(&self) {
        let held: BTreeSet<IpAddr> =
            self.world.keys().iter().flat_map(|key| self.world.allocator.claims(key)).collect();
        for (name, usage) in self.world.allocator.usage() {
            let of_pool = |address: &&IpAddr| {
                self.world.config().pool_of(&[**address]).is_some_and(|pool| pool.name == name)
            };
            let (v4, v6): (Vec<&IpAddr>, Vec<_>) =
                held.iter().filter(of_pool).partition(|address| address.is_ipv4());
            assert_eq!((usage.ipv4_in_use, usage.ipv6_in_use), (v4.len() as i64, v6.len() as i64), "{name}");
            assert!(usage.ipv4_available() >= 0 && usage.ipv6_available() >= 0);
        }
    }

    /// An address changes only for a reason the contract lists.
    fn check_changes(
        &self,
        before: &BTreeMap<ServiceKey, Vec<IpAddr>>,
        pools: &BTreeMap<ServiceKey, Option<String>>,
    ) {
        for (key, old) in before.iter().filter(|(_, old)| !old.is_empty()) {
            let new = self.world.allocator.held(key);
            let view = self.world.view(key);
            if new != old.as_slice() {
                let pool = pools.get(key).and_then(Option::as_deref);
                assert!(self.may_change(&view, old, pool, new), "{key} went from {old:?} to {new:?}");
            }
        }
    }

    fn may_change(&self, view: &ServiceView, old: &[IpAddr], from: Option<&str>, new: &[IpAddr]) -> bool {
        let config = self.world.config();
        let prefers = view.family_policy == FamilyPolicy::PreferDualStack;
        let both = view.cluster_family == ClusterFamily::Known(Families::Both);
        let pool = config.pool_of(old);
        let entitled_to_nothing = !view.is_load_balancer
            || config.pools.is_empty() && config.refused_pools.is_empty()
            || view.family_policy == FamilyPolicy::RequireDualStack && !both;
        let family_changed = families_of(old).map(ClusterFamily::Known).as_ref() != Ok(&view.cluster_family)
            && !(prefers && both);
        let from_refused = from.is_some_and(|name| config.refused_pools.contains(name))
            || pool.is_none() && !config.refused_pools.is_empty();
        let not_allowed = !from_refused && pool.is_none_or(|pool| !pool.admits(view));
        let asked = |request: &[IpAddr]| !request.is_empty() && request == new;
        let other_request = view.requested_ips.as_deref().is_ok_and(asked);
        let other_pool = view.requested_pool.is_some()
            && view.requested_pool.as_ref() == config.pool_of(new).map(|pool| &pool.name)
            && view.requested_pool.as_ref() != pool.map(|pool| &pool.name);
        let second_added = prefers && both && new.starts_with(old) && new.len() == 2;
        let in_use = self.world.keys().iter().filter(|key| **key != view.key).any(|key| {
            let common = self.world.allocator.claims(key).iter().any(|address| old.contains(address));
            common && !may_share(&self.world.view(key), view)
        });
        entitled_to_nothing
            || family_changed
            || not_allowed
            || other_request
            || other_pool
            || second_added
            || in_use
    }

    /// Addresses that stand, or are under way, in Services that may not share them before anything is decided: a
    /// user's edit parted them.
    fn conflicts_recorded(&self) -> BTreeSet<IpAddr> {
        let claims: Vec<(ServiceView, Vec<IpAddr>)> =
            self.world.keys().iter().map(|key| self.visible(key)).collect();
        let mut conflicts = BTreeSet::new();
        for (index, (one, ips)) in claims.iter().enumerate() {
            for (other, others) in claims.iter().skip(index + 1).filter(|(other, _)| !may_share(one, other)) {
                assert_ne!(one.key, other.key);
                conflicts.extend(ips.iter().filter(|ip| others.contains(ip)));
            }
        }
        conflicts
    }

    /// A Service with what is recorded in it or on its way to it.
    fn visible(&self, key: &ServiceKey) -> (ServiceView, Vec<IpAddr>) {
        let mut ips = self.world.view(key).recorded_ips();
        let arriving =
            |(version, decision): &&(Value, Decision)| decision.key == *key && self.world.has(key, version);
        for (_, decision) in self.under_way.iter().filter(arriving) {
            ips.extend(decision.write.iter().flat_map(|write| write.assignment.addresses.iter().copied()));
        }
        (self.world.view(key), ips)
    }

    /// What is written into one Service does not stand in another that would not share it.
    fn check_nobody_has(&self, decision: &Decision, conflicts: &BTreeSet<IpAddr>) {
        let view = self.world.view(&decision.key);
        let written = decision.write.iter().flat_map(|write| &write.assignment.addresses);
        for address in written.filter(|address| !conflicts.contains(address)) {
            for other in
                self.world.keys().iter().filter(|key| **key != decision.key).map(|key| self.world.view(key))
            {
                let clash = other.recorded_ips().contains(address) && !may_share(&view, &other);
                assert!(!clash, "{address} for {} still stands in {}", decision.key, other.key);
            }
        }
    }
}

fn may_share(one: &ServiceView, other: &ServiceView) -> bool {
    one.sharing_key.may_share(&other.sharing_key) && !one.ports.iter().any(|port| other.ports.contains(port))
}

fn name(service: usize) -> String {
    format!("s{service}")
}

/// Histories of 30 steps on average: `METALLB_PROPERTY_CASES` of them, of its own accord a million steps in release code.
fn cases() -> u32 {
    let asked = std::env::var("METALLB_PROPERTY_CASES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(if cfg!(debug_assertions) { 400 } else { 35_000 })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_history_leads_to_two_holders_or_a_change_without_reason(steps in prop::collection::vec(step(), 1..60)) {
        let mut history = History::new();
        steps.iter().for_each(|step| history.take(step));
        history.come_to_rest();
        let (writes, held) = (history.world.writes, history.held());
        history.world.restart();
        history.come_to_rest();
        prop_assert_eq!(history.world.writes, writes, "a restart writes nothing");
        prop_assert_eq!(history.held(), held);
    }

    /// Who is not looked at when pools grow would have got nothing else.
    #[test]
    fn a_look_at_everybody_finds_nothing_that_growth_left_out(before in prop::collection::vec(step(), 0..40)) {
        let mut history = History::new();
        before.iter().for_each(|step| history.take(step));
        history.take(&Step::Configure { variant: 0 });
        history.settle();
        history.take(&Step::Configure { variant: GROWN });
        history.settle();
        let held = history.held();
        history.world.allocator.all_dirty = true;
        history.settle();
        prop_assert_eq!(history.held(), held);
    }

    /// Whatever was recorded before: Services that change, come and go, and pools that change, in one batch.
    #[test]
    fn the_order_in_which_changes_are_told_does_not_matter(
        before in prop::collection::vec(step(), 0..20),
        batch in prop::collection::vec(step(), 2..14),
    ) {
        let mut last: BTreeMap<Option<usize>, Step> = BTreeMap::new();
        for step in batch {
            match step {
                Step::Put { service, .. } | Step::Delete { service } => drop(last.insert(Some(service), step)),
                Step::Configure { .. } | Step::Lay { .. } => drop(last.insert(None, step)),
                Step::Grow { .. } | Step::Settle | Step::Land { .. } | Step::Restart { .. } => {}
            }
        }
        let run = |reverse: bool| {
            let mut history = History::new();
            before.iter().for_each(|step| history.take(step));
            history.come_to_rest();
            let mut order: Vec<&Step> = last.values().collect();
            if reverse {
                order.reverse();
            }
            order.into_iter().for_each(|step| history.take(step));
            history.settle();
            history.held()
        };
        prop_assert_eq!(run(false), run(true));
    }
}
