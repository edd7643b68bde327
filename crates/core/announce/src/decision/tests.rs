//! Contract 02 §2.1 (the gate), §2.2 (the election) and §2.4 (the interfaces), row by row.

use super::*;
use crate::node::NodeView;
use crate::testing::*;
use crate::world::{Inputs, Speakers};
use metallb_api::names;
use proptest::prelude::*;
use serde_json::json;

mod rows;

const V4: &str = "172.30.0.200";
const V6: &str = "fd00:30::200";

fn everywhere() -> Endpoints {
    endpoints_on(&["n1", "n2", "n3"])
}

fn skipped(inputs: Inputs, service: &ServiceFacts, endpoints: &Endpoints) -> SkipReason {
    match decide(&World::new(inputs), service, endpoints) {
        Verdict::Skip(reason) => reason,
        other => panic!("{other:?}"),
    }
}

/// Which nodes announce the Service; all nodes decide for themselves.
fn announcers(inputs: &Inputs, service: &ServiceFacts, endpoints: &Endpoints) -> Vec<String> {
    let announces = |world: &World| matches!(decide(world, service, endpoints), Verdict::Announce(_));
    seen_by_each(inputs).into_iter().filter(|(_, world)| announces(world)).map(|(me, _)| me).collect()
}

/// What the announcing node announces.
fn announcement(inputs: &Inputs, service: &ServiceFacts, endpoints: &Endpoints) -> Announcement {
    let verdicts = seen_by_each(inputs).into_iter().map(|(_, world)| decide(&world, service, endpoints));
    let mut announcements = verdicts.filter_map(|verdict| match verdict {
        Verdict::Announce(announcement) => Some(announcement),
        Verdict::Skip(_) | Verdict::Orphan(_) => None,
    });
    announcements.next().expect("nobody announces")
}

#[test]
fn each_row_of_the_gate_gives_its_reason() {
    let rows = [
        (service(&[V4], json!({ "type": "ClusterIP" })), SkipReason::NotLoadBalancer, "notLoadBalancer"),
        (
            service(&[V4], json!({ "loadBalancerClass": "x/y" })),
            SkipReason::OtherClass,
            "otherLoadBalancerClass",
        ),
        (service(&[], json!({})), SkipReason::NoIpAllocated, "noIPAllocated"),
        (service(&["somewhere"], json!({})), SkipReason::InvalidIp, "invalidIP"),
        (service(&[V4, ""], json!({})), SkipReason::InvalidIp, "invalidIP"),
    ];
    for (service, reason, code) in rows {
        assert_eq!(skipped(inputs(), &service, &everywhere()), reason);
        assert_eq!(reason.code(), code);
    }
}

#[test]
fn only_the_own_class_is_served_when_one_is_given() {
    let inputs = Inputs { class: "x/y".to_owned(), ..inputs() };
    assert_eq!(skipped(inputs.clone(), &service(&[V4], json!({})), &everywhere()), SkipReason::OtherClass);
    let ours = service(&[V4], json!({ "loadBalancerClass": "x/y" }));
    assert_eq!(announcers(&inputs, &ours, &everywhere()).len(), 1);
}

#[test]
fn addresses_outside_one_pool_belong_to_nobody() {
    let two_pools = configured(
        inputs(),
        &[pool("first", &["172.30.0.0/24"]), pool("second", &["fd00:30::/64"])],
        &[advertisement("all", json!({}))],
    );
    for (inputs, addresses) in [(inputs(), &["192.0.2.1"][..]), (two_pools, &[V4, V6])] {
        let orphan = addresses.iter().map(|text| ip(text)).collect();
        let verdict = decide(&World::new(inputs), &service(addresses, json!({})), &everywhere());
        assert_eq!(verdict, Verdict::Orphan(orphan));
    }
}

#[test]
fn rule_1_without_an_endpoint_that_can_serve_nobody_announces() {
    let reason = skipped(inputs(), &service(&[V4], json!({})), &Endpoints::default());
    assert_eq!((reason.code(), reason), ("notOwner", SkipReason::NoServingEndpoint));
}

#[test]
fn rule_2_an_advertisement_counts_when_one_of_its_service_selectors_matches() {
    let selects = |labels: serde_json::Value| {
        let spec =
            json!({ "serviceSelectors": [{ "matchLabels": { "app": "db" } }, { "matchLabels": labels }] });
        configured(inputs(), &[pool("pool", &["172.30.0.0/24"])], &[advertisement("some", spec)])
    };
    let web = named_service("web", &[V4], json!({}), json!({ "labels": { "app": "web" } }));
    assert_eq!(announcers(&selects(json!({ "app": "web" })), &web, &everywhere()).len(), 1);
    let reason = skipped(selects(json!({ "app": "mail" })), &web, &everywhere());
    assert_eq!(reason, SkipReason::NoMatchingAdvertisement);
    assert_eq!(reason.code(), "noMatchingAdvertisement");
}

#[test]
fn rule_3_a_shared_address_and_service_selectors_exclude_each_other() {
    let spec = json!({ "serviceSelectors": [{ "matchLabels": { "app": "web" } }] });
    let advertisements = [advertisement("all", json!({})), advertisement("some", spec)];
    let inputs = configured(inputs(), &[pool("pool", &["172.30.0.0/24"])], &advertisements);
    for annotation in [names::ALLOW_SHARED_IP, names::ALLOW_SHARED_IP_DEPRECATED] {
        let metadata = json!({ "labels": { "app": "web" }, "annotations": { annotation: "" } });
        let sharing = named_service("web", &[V4], json!({}), metadata);
        let reason = skipped(inputs.clone(), &sharing, &everywhere());
        assert_eq!(reason, SkipReason::SharedIpWithServiceSelector);
        assert_eq!(reason.code(), "sharedIPWithServiceSelector");
        assert!(reason.is_alarming());
        // The advertisement with selectors is for other Services: no conflict.
        let other = named_service("web", &[V4], json!({}), json!({ "annotations": { annotation: "key" } }));
        assert_eq!(announcers(&inputs, &other, &everywhere()).len(), 1);
    }
}

#[test]
fn rule_4_a_node_no_advertisement_selects_stays_silent() {
    let spec = json!({ "nodeSelectors": [{ "matchLabels": { "kubernetes.io/hostname": "n2" } }] });
    let inputs = configured(inputs(), &[pool("pool", &["172.30.0.0/24"])], &[advertisement("n2", spec)]);
    let service = service(&[V4], json!({}));
    let reason = skipped(inputs.clone(), &service, &everywhere());
    assert_eq!((reason.code(), reason.owner()), ("noMatchingAdvertisement", Some("n2")));
    assert_eq!(announcers(&inputs, &service, &everywhere()), ["n2"]);
    let spec = json!({ "nodeSelectors": [{ "matchLabels": { "kubernetes.io/hostname": "nowhere" } }] });
    let inputs = configured(inputs, &[pool("pool", &["172.30.0.0/24"])], &[advertisement("none", spec)]);
    assert_eq!(skipped(inputs, &service, &everywhere()), SkipReason::NoMatchingAdvertisement);
}

#[test]
fn rule_5_speakers_conditions_and_labels_decide_who_is_a_candidate() {
    let service = service(&[V4], json!({}));
    let mut inputs = inputs();
    // n2 has no live speaker, n3's network is down: n1 is left.
    inputs.speakers = Speakers::On(names(&["n1", "n3"]));
    inputs.nodes.get_mut("n3").unwrap().network_unavailable = true;
    assert_eq!(announcers(&inputs, &service, &everywhere()), ["n1"]);
    // Any value of the exclude label counts, unless it is to be ignored.
    inputs.nodes.insert("n1".to_owned(), node("n1", &[(names::LABEL_EXCLUDE_BALANCERS, "false")]));
    assert_eq!(skipped(inputs.clone(), &service, &everywhere()), SkipReason::NoCandidate);
    inputs.ignore_exclude_label = true;
    assert_eq!(announcers(&inputs, &service, &everywhere()), ["n1"]);
    inputs.speakers = Speakers::On(BTreeSet::new());
    assert_eq!(skipped(inputs, &service, &everywhere()), SkipReason::NoCandidate, "no live speaker at all");
}

#[test]
fn rule_5_one_that_comes_and_goes_takes_part_only_where_nobody_else_does() {
    let local = service(&[V4], json!({ "externalTrafficPolicy": "Local" }));
    let ranked = |alive: &[&str], reluctant: &[&str]| Inputs {
        speakers: Speakers::Ranked { alive: names(alive), reluctant: names(reluctant) },
        ..inputs()
    };
    for (alive, reluctant, endpoints, expected) in [
        (&["n2", "n3"][..], &["n1"][..], &["n1"][..], &["n1"][..]),
        (&["n2", "n3"], &["n1"], &["n1", "n2"], &["n2"]),
        // Nobody is preferred: the election among all of them, as the original has it.
        (&["n3"], &["n1", "n2"], &["n1", "n2"], &["n1"]),
        (&["n3"], &["n1"], &["n2"], &[]),
    ] {
        let announcers = announcers(&ranked(alive, reluctant), &local, &endpoints_on(endpoints));
        assert_eq!(announcers, expected, "{alive:?} {reluctant:?} {endpoints:?}");
    }
    // What rules somebody out rules it out for good.
    let mut inputs = ranked(&["n2"], &["n1"]);
    inputs.nodes.get_mut("n1").unwrap().network_unavailable = true;
    assert_eq!(announcers(&inputs, &local, &endpoints_on(&["n1"])), Vec::<String>::new());
}

#[test]
fn rule_5_without_membership_every_known_node_counts() {
    let mut inputs = Inputs { speakers: Speakers::EveryNode, ..inputs() };
    inputs.nodes.retain(|name, _| name == "n2");
    let inputs = configured(inputs, &[pool("pool", &["172.30.0.0/24"])], &[advertisement("all", json!({}))]);
    assert_eq!(announcers(&inputs, &service(&[V4], json!({})), &everywhere()), ["n2"]);
}

#[test]
fn rule_9_a_node_that_seems_down_counts_less_without_membership_and_all_the_same_with_it() {
    let web = service(&[V4], json!({}));
    let local = service(&[V4], json!({ "externalTrafficPolicy": "Local" }));
    let owner = announcers(&inputs(), &web, &everywhere()).remove(0);
    let mut ring = inputs();
    ring.nodes.get_mut(&owner).unwrap().seems_down = true;
    assert_eq!(announcers(&ring, &web, &everywhere()), [owner.as_str()]);
    let mut unwatched = Inputs { speakers: Speakers::EveryNode, ..ring };
    let heir = announcers(&unwatched, &web, &everywhere());
    assert!(heir.len() == 1 && heir[0] != owner, "{heir:?}");
    // Where it has the only endpoint, or all seem down, it is better than nobody.
    assert_eq!(announcers(&unwatched, &local, &endpoints_on(&[&owner])), [owner.as_str()]);
    unwatched.nodes.values_mut().for_each(|node| node.seems_down = true);
    assert_eq!(announcers(&unwatched, &web, &everywhere()), [owner.as_str()]);
}

#[test]
fn rule_6_under_the_local_policy_only_nodes_with_an_endpoint_take_part() {
    let local = service(&[V4], json!({ "externalTrafficPolicy": "Local" }));
    for node in ["n1", "n2", "n3"] {
        assert_eq!(announcers(&inputs(), &local, &endpoints_on(&[node])), [node]);
    }
    let nowhere_known = Endpoints { any: true, ..Endpoints::default() };
    assert_eq!(skipped(inputs(), &local, &nowhere_known), SkipReason::NoCandidate);
    let cluster = service(&[V4], json!({ "externalTrafficPolicy": "Cluster" }));
    assert_eq!(announcers(&inputs(), &cluster, &nowhere_known).len(), 1);
}

#[test]
fn rule_8_the_loser_names_the_owner() {
    let service = service(&["172.30.0.1"], json!({}));
    let owner = announcers(&inputs(), &service, &everywhere());
    let losers = seen_by_each(&inputs()).into_iter().filter(|(me, _)| !owner.contains(me));
    for (_, world) in losers {
        let expected = Verdict::Skip(SkipReason::OtherNode { owner: owner[0].clone() });
        assert_eq!(decide(&world, &service, &everywhere()), expected);
    }
}

#[test]
fn rule_8_scores_of_all_advertisements_add_up_and_come_before_the_hash() {
    let prefer = |node: &str, weight: u8| json!({ "weight": weight, "preference": { "matchLabels": { "kubernetes.io/hostname": node } } });
    let advertisements = [
        advertisement("a", json!({ "preferredNodeSelectors": [prefer("n1", 60)] })),
        advertisement("b", json!({ "preferredNodeSelectors": [prefer("n3", 40)] })),
        advertisement("c", json!({ "preferredNodeSelectors": [prefer("n3", 30)] })),
    ];
    let inputs = configured(inputs(), &[pool("pool", &["172.30.0.0/24"])], &advertisements);
    for last in 1..50 {
        let service = service(&[&format!("172.30.0.{last}")], json!({}));
        assert_eq!(announcers(&inputs, &service, &everywhere()), ["n3"], "70 beats 60 for .{last}");
    }
}

#[test]
fn rule_8_the_first_address_decides_for_all() {
    let first = announcers(&inputs(), &service(&[V6], json!({})), &everywhere());
    assert_eq!(announcers(&inputs(), &service(&[V6, V4], json!({})), &everywhere()), first);
    let addresses = announcement(&inputs(), &service(&[V6, V4], json!({})), &everywhere()).addresses;
    assert_eq!(addresses, [ip(V6), ip(V4)], "in the order of the status");
}

#[test]
fn interfaces_are_the_union_of_what_the_advertisements_for_this_node_name() {
    let only_n1 = json!([{ "matchLabels": { "kubernetes.io/hostname": "n1" } }]);
    let only_n2 = json!([{ "matchLabels": { "kubernetes.io/hostname": "n2" } }]);
    let eth0 = advertisement("a", json!({ "interfaces": ["eth0"], "nodeSelectors": only_n1 }));
    let others = advertisement("b", json!({ "interfaces": ["eth1", "eth9"], "nodeSelectors": only_n1 }));
    let n2_all = advertisement("c", json!({ "nodeSelectors": only_n2 }));
    let all = advertisement("d", json!({}));
    let named = |list: &[&str]| Interfaces::Only(names(list));
    let mut alone = inputs();
    alone.speakers = Speakers::On(names(&["n1"]));
    for (advertisements, expected) in [
        (vec![eth0.clone()], named(&["eth0"])),
        (vec![eth0.clone(), others.clone()], named(&["eth0", "eth1", "eth9"])),
        (vec![eth0.clone(), n2_all], named(&["eth0"])),
        (vec![eth0, all], Interfaces::All),
    ] {
        let inputs = configured(alone.clone(), &[pool("pool", &["172.30.0.0/24"])], &advertisements);
        assert_eq!(announcement(&inputs, &service(&[V4], json!({})), &everywhere()).interfaces, expected);
    }
}

#[test]
fn a_winner_without_any_of_the_interfaces_announces_nothing_and_nobody_takes_its_place() {
    let advertisements = [advertisement("a", json!({ "interfaces": ["eth7"] }))];
    let inputs = configured(inputs(), &[pool("pool", &["172.30.0.0/24"])], &advertisements);
    let service = service(&[V4], json!({}));
    assert_eq!(announcers(&inputs, &service, &everywhere()), Vec::<String>::new());
    let missing = SkipReason::NoSuchInterface { addresses: vec![ip(V4)] };
    let verdicts =
        seen_by_each(&inputs).into_iter().map(|(_, world)| decide(&world, &service, &everywhere()));
    assert_eq!(verdicts.filter(|verdict| *verdict == Verdict::Skip(missing.clone())).count(), 1);
    assert_eq!(missing.code(), "announceFailed");
}

#[test]
fn addresses_outside_the_subnets_of_the_interfaces_are_named() {
    let pools = [pool("pool", &["172.30.0.0/24", "192.0.2.0/24", "10.9.0.0/16", "fd00:30::/64"])];
    let on_eth0 = configured(inputs(), &pools, &[advertisement("a", json!({ "interfaces": ["eth0"] }))]);
    let anywhere = configured(inputs(), &pools, &[advertisement("a", json!({}))]);
    for (inputs, address, is_off) in [
        (&anywhere, V4, false),
        (&anywhere, V6, false),
        (&anywhere, "192.0.2.1", true),
        (&anywhere, "10.9.0.1", false),
        (&on_eth0, "10.9.0.1", true),
    ] {
        let announcement = announcement(inputs, &service(&[address], json!({})), &everywhere());
        assert_eq!(!announcement.off_subnet.is_empty(), is_off, "{address}");
    }
}

#[test]
fn the_contest_changes_with_the_candidates_and_with_nothing_else() {
    let of = |inputs: &Inputs, service: &ServiceFacts| announcement(inputs, service, &everywhere()).contest;
    let web = service(&[V4], json!({}));
    let before = of(&inputs(), &web);
    assert_eq!(of(&inputs(), &named_service("other", &["172.30.0.9"], json!({}), json!({}))), before);
    let fewer = Inputs { speakers: Speakers::On(names(&["n1", "n2"])), ..inputs() };
    assert_ne!(of(&fewer, &web), before);
}

prop_compose! {
    /// A cluster of up to eight nodes in any state, with advertisements that select and prefer some of them.
    fn any_cluster()(
        states in proptest::collection::vec((any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()), 1..8),
        select_labelled: bool,
        weights in proptest::collection::vec(1u8..=100, 0..3),
    ) -> Inputs {
        let name = |index: usize| format!("n{}", index + 1);
        let label = |on: bool, key: &'static str| on.then_some((key, "x"));
        let nodes = states.iter().enumerate().map(|(index, (excluded, labelled, unavailable, _))| {
            let labels: Vec<_> =
                [label(*excluded, names::LABEL_EXCLUDE_BALANCERS), label(*labelled, "zone")].into_iter().flatten().collect();
            (name(index), NodeView { network_unavailable: *unavailable, ..node(&name(index), &labels) })
        });
        let live = states.iter().enumerate().filter(|(_, (.., live))| *live).map(|(index, _)| name(index));
        let base = Inputs { nodes: nodes.collect(), speakers: Speakers::On(live.collect()), ..inputs() };
        let in_zone = json!([{ "matchLabels": { "zone": "x" } }]);
        let preferred: Vec<_> = weights
            .iter()
            .map(|weight| json!({ "weight": weight, "preference": { "matchLabels": { "zone": "x" } } }))
            .collect();
        let selectors = if select_labelled { in_zone } else { json!([]) };
        let spec = json!({ "nodeSelectors": selectors, "preferredNodeSelectors": preferred });
        let advertisements = [advertisement("some", spec)];
        configured(base, &[pool("pool", &["172.30.0.0/24", "fd00:30::/64"])], &advertisements)
    }
}

#[test]
fn of_the_advertisements_that_select_this_node_the_shortest_interval_counts() {
    let only = |node: &str, interval: &str| {
        let selector = json!([{ "matchLabels": { "kubernetes.io/hostname": node } }]);
        json!({ "refreshInterval": interval, "nodeSelectors": selector })
    };
    let (seconds, service) = (std::time::Duration::from_secs, service(&[V4], json!({})));
    for (specs, expected) in [
        (vec![json!({})], Some(seconds(300))),
        (vec![json!({ "refreshInterval": "0s" })], None),
        (vec![json!({ "refreshInterval": "0s" }), json!({ "refreshInterval": "1h" })], Some(seconds(3600))),
        (
            vec![json!({}), json!({ "refreshInterval": "30s" }), json!({ "refreshInterval": "1m" })],
            Some(seconds(30)),
        ),
        (vec![json!({}), only("n1", "20s"), only("n2", "10s")], Some(seconds(20))),
    ] {
        let mut inputs = inputs();
        inputs.speakers = Speakers::On(names(&["n1"]));
        let ads: Vec<_> = specs
            .iter()
            .enumerate()
            .map(|(i, spec)| advertisement(&format!("ad{i}"), spec.clone()))
            .collect();
        let inputs = configured(inputs, &[pool("pool", &["172.30.0.0/24"])], &ads);
        assert_eq!(announcement(&inputs, &service, &everywhere()).refresh, expected, "{specs:?}");
    }
}

proptest! {
    /// All nodes elect alike, and whenever there is a candidate exactly one of them announces.
    #[test]
    fn every_node_elects_the_same_single_owner(
        inputs in any_cluster(), last: u8, is_v6: bool, is_local: bool,
        endpoint_nodes in proptest::collection::btree_set(1usize..8, 0..8),
    ) {
        let address = if is_v6 { format!("fd00:30::{last:x}") } else { format!("172.30.0.{last}") };
        let policy = if is_local { "Local" } else { "Cluster" };
        let service = service(&[&address], json!({ "externalTrafficPolicy": policy }));
        let nodes = endpoint_nodes.iter().map(|index| format!("n{index}")).collect();
        let endpoints = Endpoints { any: !endpoint_nodes.is_empty(), nodes };
        let announcers = announcers(&inputs, &service, &endpoints);
        let mut named_owners = BTreeSet::new();
        let mut some_candidate = false;
        for (me, world) in seen_by_each(&inputs) {
            match decide(&world, &service, &endpoints) {
                Verdict::Announce(_) => { named_owners.insert(me); some_candidate = true; }
                Verdict::Skip(SkipReason::OtherNode { owner }) => { named_owners.insert(owner); some_candidate = true; }
                Verdict::Skip(_) => {}
                Verdict::Orphan(_) => prop_assert!(false, "the address is in the pool"),
            }
        }
        prop_assert_eq!(announcers.len(), usize::from(some_candidate));
        prop_assert_eq!(named_owners.len(), usize::from(some_candidate));
    }
}
