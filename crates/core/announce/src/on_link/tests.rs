//! Who wins for the sake of a subnet, and what is said of those that do not.

use serde_json::{Value, json};

use super::*;
use crate::decision::{Verdict, decide};
use crate::endpoints::Endpoints;
use crate::outlook::outlook;
use crate::service::ServiceFacts;
use crate::testing::*;
use crate::world::{Inputs, Speakers};

const V4: &str = "172.30.0.200";
const V6: &str = "fd00:30::200";
/// What each of the three nodes says, if anything.
type Says<'a> = [Option<&'a [&'a str]>; 3];
const LAN: Option<&[&str]> = Some(&["172.30.0.0/24", "fd00:30::/64"]);
const OTHER: Option<&[&str]> = Some(&["10.0.0.0/8"]);

fn told(says: Says<'_>) -> Subnets {
    let prefixes = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let says = ["n1", "n2", "n3"].into_iter().zip(says);
    let map = says.filter_map(|(node, texts)| Some((node.to_owned(), prefixes(texts?))));
    Subnets::told(Arc::new(map.collect()))
}

fn cluster(specs: &[Value], says: Says<'_>) -> Inputs {
    let ads: Vec<_> =
        specs.iter().enumerate().map(|(i, spec)| advertisement(&format!("ad{i}"), spec.clone())).collect();
    let inputs = Inputs { subnets: Some(told(says)), ..inputs() };
    configured(inputs, &[pool("pool", &["172.30.0.0/24", "fd00:30::/64"])], &ads)
}

fn prefer() -> Value {
    json!({ "subnets": "Prefer" })
}

fn everywhere() -> Endpoints {
    endpoints_on(&["n1", "n2", "n3"])
}

/// The nodes that announce the address, each deciding for itself.
fn announcers(inputs: &Inputs, service: &ServiceFacts, endpoints: &Endpoints) -> Vec<String> {
    let announces = |world: &World| matches!(decide(world, service, endpoints), Verdict::Announce(_));
    seen_by_each(inputs).into_iter().filter(|(_, world)| announces(world)).map(|(me, _)| me).collect()
}

/// The winner without the rule, and the two others.
fn by_rank() -> [usize; 3] {
    let winner = announcers(&cluster(&[json!({})], [None; 3]), &service(&[V4], json!({})), &everywhere());
    let winner: usize = winner[0].trim_start_matches('n').parse::<usize>().unwrap() - 1;
    [winner, (winner + 1) % 3, (winner + 2) % 3]
}

fn name(index: usize) -> String {
    format!("n{}", index + 1)
}

#[test]
fn a_node_outside_the_subnet_wins_only_where_no_candidate_is_in_it() {
    let [first, second, third] = by_rank();
    let says = |pairs: [(usize, Option<&'static [&'static str]>); 3]| {
        let mut all = [None; 3];
        pairs.into_iter().for_each(|(node, what)| all[node] = what);
        all
    };
    for (what, says, winners) in [
        ("all in it", says([(first, LAN), (second, LAN), (third, LAN)]), &[first][..]),
        ("the first is not", says([(first, OTHER), (second, LAN), (third, LAN)]), &[second, third]),
        ("one is", says([(first, OTHER), (second, OTHER), (third, LAN)]), &[third]),
        ("nobody is", says([(first, OTHER), (second, OTHER), (third, OTHER)]), &[first]),
        ("no interface at all", says([(first, Some(&[])), (second, LAN), (third, OTHER)]), &[second]),
        ("one that says nothing counts", says([(first, None), (second, LAN), (third, LAN)]), &[first]),
        ("also alone", says([(first, OTHER), (second, OTHER), (third, None)]), &[third]),
        ("nobody says anything", [None; 3], &[first]),
    ] {
        let found = announcers(&cluster(&[prefer()], says), &service(&[V4], json!({})), &everywhere());
        assert_eq!(found.len(), 1, "{what}: {found:?}");
        assert!(winners.iter().any(|winner| found[0] == name(*winner)), "{what}: {found:?}");
    }
}

#[test]
fn the_rule_counts_where_an_advertisement_of_the_service_says_so_and_all_speakers_are_ours() {
    let [first, second, third] = by_rank();
    let mut says = [LAN; 3];
    says[first] = OTHER;
    says[third] = OTHER;
    let for_db = json!({ "subnets": "Prefer", "serviceSelectors": [{ "matchLabels": { "app": "db" } }] });
    for (specs, winner) in [
        (vec![json!({})], first),
        (vec![json!({ "subnets": "Ignore" })], first),
        (vec![prefer()], second),
        // Of several the strictest counts.
        (vec![json!({}), prefer()], second),
        // It is for other Services.
        (vec![json!({}), for_db], first),
    ] {
        let inputs = cluster(&specs, says);
        let found = announcers(&inputs, &service(&[V4], json!({})), &everywhere());
        assert_eq!(found, [name(winner)], "{specs:?}");
        let foreign = Inputs { subnets: None, ..inputs };
        assert_eq!(announcers(&foreign, &service(&[V4], json!({})), &everywhere()), [name(first)]);
    }
}

#[test]
fn only_candidates_matter_and_the_rule_comes_before_preferred_nodes() {
    let [first, second, third] = by_rank();
    let mut says = [OTHER; 3];
    says[second] = LAN;
    let local = service(&[V4], json!({ "externalTrafficPolicy": "Local" }));
    let without = [name(first), name(third)];
    let endpoints = endpoints_on(&without.each_ref().map(String::as_str));
    let found = announcers(&cluster(&[prefer()], says), &local, &endpoints);
    assert_eq!(found, [name(first)], "who is in the subnet has no endpoint");
    let preference = json!({ "matchLabels": { "kubernetes.io/hostname": name(first) } });
    let scored = json!({ "subnets": "Prefer", "preferredNodeSelectors": [{ "weight": 100, "preference": preference }] });
    let found = announcers(&cluster(&[scored], says), &service(&[V4], json!({})), &everywhere());
    assert_eq!(found, [name(second)]);
    let mut alive = cluster(&[prefer()], says);
    alive.speakers = Speakers::On(names(&without.each_ref().map(String::as_str)));
    assert_eq!(announcers(&alive, &service(&[V4], json!({})), &everywhere()), [name(first)], "it is dead");
}

#[test]
fn the_first_address_of_a_service_decides_for_all() {
    let [first, second, _] = by_rank();
    let mut says = [Some(&["fd00:30::/64"][..]); 3];
    says[second] = Some(&["172.30.0.0/16"]);
    let inputs = cluster(&[prefer()], says);
    let both = service(&[V4, V6], json!({}));
    assert_eq!(announcers(&inputs, &both, &everywhere()), [name(second)]);
    assert_ne!(announcers(&inputs, &service(&[V6, V4], json!({})), &everywhere()), [name(second)]);
    // A Service that shares the address has the same owner, whatever else it has.
    assert_eq!(announcers(&inputs, &service(&[V4], json!({})), &everywhere()), [name(second)]);
    assert_ne!(first, second);
}

#[test]
fn the_owner_says_that_it_was_chosen_so_whoever_else_is_there() {
    let [_, second, third] = by_rank();
    let line = |inputs: &Inputs| {
        let service = service(&[V4], json!({}));
        let said = seen_by_each(inputs).into_iter().find_map(|(me, world)| {
            let verdict = decide(&world, &service, &everywhere());
            let is_owner = matches!(verdict, Verdict::Announce(_));
            is_owner.then(|| outlook(&world, &service, &everywhere(), &verdict).condition(&me))
        });
        let message = said.flatten().unwrap().message;
        message.split_once('\n').map(|(_, rest)| rest.to_owned())
    };
    let mut says = [OTHER; 3];
    says[second] = LAN;
    let expected = format!(
        "node {} has an interface in the subnet of {V4}: those without are left out (subnets: Prefer)",
        name(second)
    );
    let all = cluster(&[prefer()], says);
    assert_eq!(line(&all), Some(expected.clone()));
    let fewer = Inputs { speakers: Speakers::On(names(&[&name(second), &name(third)])), ..all.clone() };
    assert_eq!(line(&fewer), Some(expected.clone()), "another node is down: no Service need be told");
    let alone = Inputs { speakers: Speakers::On(names(&[&name(second)])), ..all };
    assert_eq!(line(&alone), Some(expected));
    let has_line = |says| line(&cluster(&[prefer()], says)).is_some_and(|line| line.contains("left out"));
    assert!(!has_line([OTHER; 3]), "nobody is in it");
    assert!(!has_line([None; 3]), "nobody has said so");
    assert_eq!(line(&cluster(&[json!({})], says)), None, "it does not count");
}

#[test]
fn subnets_are_asked_for_while_an_advertisement_in_force_does() {
    let asks = |spec| World::new(cluster(&[json!({}), spec], [None; 3])).asks_for_subnets();
    assert!(asks(prefer()));
    assert!(!asks(json!({ "subnets": "Ignore" })) && !asks(json!({ "spread": "Bounded" })));
}
