//! Rows of contract 01 §3.2 and §3.3 for pools.

use std::collections::BTreeSet;
use std::sync::Arc;

use metallb_api::{IPAddressPool, L2Advertisement};
use serde_json::{Value, json};

use super::*;
use crate::raw::{Labels, Namespace, Node};
use crate::service;

mod backends;
mod bad_pools;
mod bgp_advertisements;
mod communities;
mod l2;
mod objects;
mod peers;
mod properties;

fn pool(name: &str, spec: Value) -> Arc<IPAddressPool> {
    labelled_pool(name, json!({}), spec)
}

fn labelled_pool(name: &str, labels: Value, spec: Value) -> Arc<IPAddressPool> {
    let object = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
        "metadata": {"name": name, "labels": labels}, "spec": spec,
    });
    Arc::new(serde_json::from_value(object).unwrap())
}

fn plain(name: &str, addresses: &[&str]) -> Arc<IPAddressPool> {
    pool(name, json!({"addresses": addresses}))
}

fn advertisement(name: &str, spec: Value) -> Arc<L2Advertisement> {
    let object = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement", "metadata": {"name": name}, "spec": spec,
    });
    Arc::new(serde_json::from_value(object).unwrap())
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn parse_pools(pools: Vec<Arc<IPAddressPool>>, previous: &Config) -> Parsed {
    parse(&RawConfig { pools, ..RawConfig::default() }, previous)
}

fn messages(parsed: &Parsed) -> Vec<String> {
    parsed.refusals.iter().map(Refusal::to_string).collect()
}

fn names(parsed: &Parsed) -> Vec<&str> {
    parsed.config.pools.keys().map(String::as_str).collect()
}

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

/// Contract 01 §3.2, rows IPAddressPool and "any selector".
#[test]
fn a_wrong_pool_is_refused_with_the_contract_s_text() {
    let twice = json!([{"matchLabels": {"a": "b"}}, {"matchLabels": {"a": "b"}}]);
    let bad = json!([{"matchExpressions": [{"key": "a", "operator": "Like"}]}]);
    let repeated = json!([{"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "x"]}]}]);
    let pinned = |allocation: Value| json!({"addresses": ["10.0.0.0/24"], "serviceAllocation": allocation});
    let table = [
        (json!({"addresses": []}), "parsing address pool p: pool has no prefixes defined"),
        (
            json!({"addresses": ["10.0.0.0"]}),
            r#"parsing address pool p: invalid CIDR "10.0.0.0" in pool "p": invalid CIDR "10.0.0.0""#,
        ),
        (
            json!({"addresses": ["10.0.0.9-10.0.0.1"]}),
            r#"parsing address pool p: invalid CIDR "10.0.0.9-10.0.0.1" in pool "p": invalid IP range "10.0.0.9-10.0.0.1": start IP "10.0.0.9" is after the end IP "10.0.0.1""#,
        ),
        (
            json!({"addresses": ["x-10.0.0.1"]}),
            r#"parsing address pool p: invalid CIDR "x-10.0.0.1" in pool "p": invalid IP range "x-10.0.0.1": invalid start IP "x""#,
        ),
        (
            json!({"addresses": ["10.0.0.1-x"]}),
            r#"parsing address pool p: invalid CIDR "10.0.0.1-x" in pool "p": invalid IP range "10.0.0.1-x": invalid end IP "x""#,
        ),
        (
            pinned(json!({"namespaces": ["a", "a"]})),
            "parsing address pool p: duplicate definition in namespaces field",
        ),
        (
            pinned(json!({"namespaceSelectors": twice})),
            r#"parsing address pool p: duplicate definition of namespaceSelectors "a=b""#,
        ),
        (
            pinned(json!({"serviceSelectors": twice})),
            r#"parsing address pool p: duplicate definition of serviceSelectors "a=b""#,
        ),
        (
            pinned(json!({"namespaceSelectors": bad})),
            "parsing address pool p: \"Like\" is not a valid label selector operator: use In, NotIn, Exists or DoesNotExist\n\
             invalid namespace label selector \"a like ()\" in ip pool p",
        ),
        (
            pinned(json!({"serviceSelectors": bad})),
            "parsing address pool p: \"Like\" is not a valid label selector operator: use In, NotIn, Exists or DoesNotExist\n\
             invalid service label selector \"a like ()\" in ip pool p",
        ),
        (
            pinned(json!({"serviceSelectors": repeated})),
            "parsing address pool p: duplicate definition of match expression value in label selector \"a in (x,x)\"\n\
             invalid service label selector \"a in (x,x)\" in ip pool p",
        ),
    ];
    for (spec, message) in table {
        let parsed = parse_pools(vec![pool("p", spec), plain("good", &["10.1.0.0/24"])], &Config::default());
        assert_eq!(messages(&parsed), [message]);
        assert_eq!(parsed.refusals[0].name, "p");
        assert_eq!(names(&parsed), ["good"], "the good pool is in force");
        assert_eq!(parsed.config.refused_pools.len(), 1);
    }
}

/// Contract 01 §3.2, rows "empty name" and "name twice".
#[test]
fn nameless_and_repeated_pools_are_refused() {
    let pools = vec![plain("", &["10.0.0.0/24"]), plain("a", &["10.1.0.0/24"]), plain("a", &["10.2.0.0/24"])];
    let parsed = parse_pools(pools, &Config::default());
    assert_eq!(
        messages(&parsed),
        ["parsing address pool : missing pool name", r#"duplicate definition of pool "a""#]
    );
    assert_eq!(parsed.config.pools["a"].ranges[0].to_string(), "10.1.0.0-10.1.0.255");
}

/// Contract 01 §3.2, row "CIDR overlap", and §3.3 rule 2.
#[test]
fn overlapping_addresses_are_refused_naming_both_prefixes() {
    let table: &[(&[&str], &[&str], &str)] = &[
        (
            &["10.0.0.0/24"],
            &["10.0.0.0/24"],
            r#"CIDR "10.0.0.0/24" in pool "b" overlaps with already defined CIDR "10.0.0.0/24""#,
        ),
        (
            &["10.0.0.0/16"],
            &["10.0.9.0/24"],
            r#"CIDR "10.0.9.0/24" in pool "b" overlaps with already defined CIDR "10.0.0.0/16""#,
        ),
        (
            &["10.0.9.0/24"],
            &["10.0.0.0/16"],
            r#"CIDR "10.0.0.0/16" in pool "b" overlaps with already defined CIDR "10.0.9.0/24""#,
        ),
        (
            &["10.0.0.1-10.0.0.6"],
            &["10.0.0.5-10.0.0.9"],
            r#"CIDR "10.0.0.5/32" in pool "b" overlaps with already defined CIDR "10.0.0.4/31""#,
        ),
        (
            &["10.1.0.0/24"],
            &["10.2.0.0/24", "10.2.0.0/25"],
            r#"CIDR "10.2.0.0/25" in pool "b" overlaps with already defined CIDR "10.2.0.0/24""#,
        ),
        (
            &["2001:db8::/64"],
            &["::/0"],
            r#"CIDR "::/0" in pool "b" overlaps with already defined CIDR "2001:db8::/64""#,
        ),
        (
            &["1.2.3.0/24"],
            &["::ffff:1.2.3.0/120"],
            r#"CIDR "1.2.3.0/24" in pool "b" overlaps with already defined CIDR "1.2.3.0/24""#,
        ),
    ];
    for (first, second, message) in table {
        // Given in the wrong order: of the same age, names decide (D10).
        let parsed = parse_pools(vec![plain("b", second), plain("a", first)], &Config::default());
        assert_eq!(messages(&parsed), [*message]);
        assert_eq!(names(&parsed), ["a"]);
    }
}

#[test]
fn a_pool_that_goes_wrong_stays_at_its_last_good_version() {
    let before = parse_pools(vec![plain("a", &["10.0.0.0/24"])], &Config::default());
    assert!(before.config.refused_pools.is_empty());
    let wrong =
        parse_pools(vec![plain("a", &["10.0.0.0/240"]), plain("b", &["10.1.0.0/24"])], &before.config);
    assert_eq!(names(&wrong), ["a", "b"]);
    assert_eq!(wrong.config.pools["a"], before.config.pools["a"]);
    assert_eq!(wrong.config.refused_pools, set(&["a"]));
    let still_wrong = parse_pools(vec![plain("a", &[])], &wrong.config);
    assert_eq!(still_wrong.config.pools["a"], before.config.pools["a"]);
    let mended = parse_pools(vec![plain("a", &["10.0.0.0/25"])], &still_wrong.config);
    assert!(mended.refusals.is_empty() && mended.config.refused_pools.is_empty());
    assert_eq!(mended.config.pools["a"].ranges[0].to_string(), "10.0.0.0-10.0.0.127");
}

/// A pool created in this year.
fn aged(name: &str, year: u32, addresses: &[&str]) -> Arc<IPAddressPool> {
    let mut object = (*plain(name, addresses)).clone();
    object.metadata.creation_timestamp =
        Some(serde_json::from_value(json!(format!("{year}-01-01T00:00:00Z"))).unwrap());
    Arc::new(object)
}

#[test]
fn the_older_of_two_pools_that_overlap_wins_whatever_their_names_and_in_every_process() {
    let narrow: &[&str] = &["10.0.0.0/24"];
    // (pools, in force, refused)
    let table = [
        ([aged("z", 2020, narrow), aged("a", 2021, &["10.0.0.0/16"])], "z", "a"),
        ([aged("a", 2020, narrow), aged("z", 2021, &["10.0.0.0/16"])], "a", "z"),
        ([aged("z", 2020, narrow), plain("a", &["10.0.0.0/16"])], "z", "a"),
        ([aged("z", 2020, narrow), aged("a", 2020, narrow)], "a", "z"),
        ([plain("z", narrow), plain("a", narrow)], "a", "z"),
    ];
    for (pools, wins, loses) in table {
        let empty = Config::default();
        let one = |index: usize| parse_pools(vec![Arc::clone(&pools[index])], &empty).config;
        // A process that has just started, and processes that have seen one of them alone before.
        for previous in [Config::default(), one(0), one(1)] {
            let parsed = parse_pools(pools.to_vec(), &previous);
            assert_eq!(names(&parsed), [wins]);
            assert_eq!(parsed.config.refused_pools, set(&[loses]));
            assert_eq!(parsed.config, parse_pools(pools.to_vec(), &Config::default()).config);
        }
    }
}

#[test]
fn a_pool_edited_into_an_older_one_stays_at_its_last_good_version() {
    let old = || aged("z", 2020, &["10.0.0.0/24"]);
    let before = parse_pools(vec![old(), aged("a", 2021, &["10.1.0.0/24"])], &Config::default());
    let after = parse_pools(vec![old(), aged("a", 2021, &["10.0.0.0/15"])], &before.config);
    assert_eq!(after.config.pools, before.config.pools);
    assert_eq!(after.config.refused_pools, set(&["a"]));
}

#[test]
fn a_last_good_version_takes_nothing_from_a_valid_pool() {
    let before = parse_pools(vec![aged("p", 2020, &["10.0.0.0/24"])], &Config::default());
    let pools = vec![aged("p", 2020, &["nonsense"]), aged("q", 2021, &["10.0.0.0/25"])];
    let after = parse_pools(pools.clone(), &before.config);
    assert_eq!(names(&after), ["q"]);
    assert_eq!(after.config, parse_pools(pools, &Config::default()).config);
}

#[test]
fn a_newcomer_comes_into_force_when_the_older_pool_is_gone() {
    let newcomer = || aged("a", 2021, &["10.0.0.0/16"]);
    let before = parse_pools(vec![newcomer(), aged("z", 2020, &["10.0.0.0/24"])], &Config::default());
    let after = parse_pools(vec![newcomer()], &before.config);
    assert_eq!(names(&after), ["a"]);
    assert!(after.refusals.is_empty());
}

#[test]
fn two_pools_may_swap_their_addresses_in_one_change() {
    let before =
        parse_pools(vec![plain("a", &["10.0.0.0/24"]), plain("b", &["10.1.0.0/24"])], &Config::default());
    let after = parse_pools(vec![plain("a", &["10.1.0.0/24"]), plain("b", &["10.0.0.0/24"])], &before.config);
    assert_eq!(messages(&after), Vec::<String>::new());
    assert_eq!(after.config.pools["a"].ranges, before.config.pools["b"].ranges);
}

#[test]
fn a_change_into_an_older_pool_is_refused_and_others_may_take_what_it_meant_to_leave() {
    let c = || aged("c", 2020, &["10.2.0.0/24"]);
    let before = parse_pools(
        vec![plain("a", &["10.0.0.0/24"]), plain("b", &["10.1.0.0/24"]), c()],
        &Config::default(),
    );
    // b cannot go where c is; a takes what b meant to leave, as it would in a process that has just started.
    let pools = vec![plain("a", &["10.1.0.0/24"]), plain("b", &["10.2.0.0/24"]), c()];
    let after = parse_pools(pools.clone(), &before.config);
    assert_eq!(names(&after), ["a", "c"]);
    assert_eq!(after.config.refused_pools, set(&["b"]));
    assert_eq!(after.config, parse_pools(pools, &Config::default()).config);
}

#[test]
fn the_order_of_the_objects_does_not_matter() {
    let pools = [plain("a", &["10.0.0.0/24"]), plain("b", &["10.0.0.0/23"]), plain("c", &["10.1.0.0/24"])];
    let forward = parse_pools(pools.to_vec(), &Config::default());
    let backward = parse_pools(pools.iter().rev().cloned().collect(), &Config::default());
    assert_eq!(forward.config, backward.config);
    assert_eq!(forward.refusals, backward.refusals);
}

#[test]
fn metadata_and_status_do_not_make_a_configuration_different() {
    let before = parse_pools(vec![plain("a", &["10.0.0.0/24"])], &Config::default());
    let mut object = (*plain("a", &["10.0.0.0/24"])).clone();
    object.metadata.resource_version = Some("7".into());
    object.status = Some(metallb_api::IPAddressPoolStatus { assigned_ipv4: 3, ..Default::default() });
    assert_eq!(parse_pools(vec![Arc::new(object)], &before.config).config, before.config);
}

/// Contract 01 §1.1 and §3.3 rule 12; D2.
#[test]
fn pinning_restricts_by_namespace_and_by_labels() {
    // (serviceAllocation, admits web in ns "shop" (team=blue), admits web in "other")
    let table = [
        (json!({}), true, true),
        (json!({"priority": 3}), true, true),
        (json!({"namespaces": ["shop"]}), true, false),
        (json!({"namespaces": ["gone"]}), false, false),
        (json!({"namespaceSelectors": [{"matchLabels": {"team": "blue"}}]}), true, false),
        (json!({"namespaceSelectors": [{"matchLabels": {"team": "none"}}]}), false, false),
        (
            json!({"namespaces": ["other"], "namespaceSelectors": [{"matchLabels": {"team": "blue"}}]}),
            true,
            true,
        ),
        (json!({"serviceSelectors": [{"matchLabels": {"app": "web"}}]}), true, true),
        (
            json!({"serviceSelectors": [{"matchLabels": {"app": "db"}}, {"matchLabels": {"app": "web"}}]}),
            true,
            true,
        ),
        (json!({"serviceSelectors": [{"matchLabels": {"app": "db"}}]}), false, false),
        (json!({"namespaces": ["shop"], "serviceSelectors": [{"matchLabels": {"app": "web"}}]}), true, false),
        (
            json!({"namespaceSelectors": [{"matchLabels": {"team": "none"}}], "serviceSelectors": [{"matchLabels": {"app": "web"}}]}),
            false,
            false,
        ),
    ];
    for (allocation, in_shop, in_other) in table {
        let raw = RawConfig {
            pools: vec![pool("p", json!({"addresses": ["10.0.0.0/24"], "serviceAllocation": allocation}))],
            namespaces: vec![
                Namespace { name: "shop".into(), labels: labels(&[("team", "blue")]) },
                Namespace { name: "other".into(), labels: Labels::new() },
            ],
            ..RawConfig::default()
        };
        let config = parse(&raw, &Config::default()).config;
        for (namespace, expected) in [("shop", in_shop), ("other", in_other)] {
            let service =
                json!({"metadata": {"name": "web", "namespace": namespace, "labels": {"app": "web"}}});
            let view = service::parse(&serde_json::from_value(service).unwrap());
            assert_eq!(config.pools["p"].admits(&view), expected, "{allocation} {namespace}");
        }
    }
}

#[test]
fn only_positive_priorities_count() {
    let priority = |value: i64| {
        let spec = json!({"addresses": ["10.0.0.0/24"], "serviceAllocation": {"priority": value}});
        let config = parse_pools(vec![pool("p", spec)], &Config::default()).config;
        config.pools["p"].allocation.as_ref().unwrap().priority.map(u64::from)
    };
    assert_eq!([priority(7), priority(0), priority(-4)], [Some(7), None, None]);
}

#[test]
fn an_address_belongs_to_the_pool_that_has_it_and_does_not_avoid_it() {
    let pools = vec![
        plain("a", &["10.0.0.0/24", "2001:db8::/120"]),
        pool("b", json!({"addresses": ["10.0.1.0-10.0.1.255"], "avoidBuggyIPs": true})),
    ];
    let config = parse_pools(pools, &Config::default()).config;
    let table: &[(&[&str], Option<&str>)] = &[
        (&["10.0.0.0"], Some("a")),
        (&["::ffff:10.0.0.7"], Some("a")),
        (&["10.0.0.255", "2001:db8::ff"], Some("a")),
        (&["10.0.1.1"], Some("b")),
        (&["10.0.1.0"], None),
        (&["10.0.1.255"], None),
        (&["10.0.1.1", "2001:db8::1"], None),
        (&["9.255.255.255"], None),
        (&["10.0.2.0"], None),
        (&["::"], None),
        (&["2001:db8::100"], None),
        (&[], None),
    ];
    for (addresses, expected) in table {
        let parsed: Vec<_> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(config.pool_of(&parsed).map(|pool| pool.name.as_str()), *expected, "{addresses:?}");
    }
}
