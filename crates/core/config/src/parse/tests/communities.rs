//! Contract 01 §3.2, rows Community.

use metallb_api::Community;

use super::objects::*;
use super::*;
use crate::RawConfig;

fn community(name: &str, year: u32, aliases: &[(&str, &str)]) -> Arc<Community> {
    let aliases: Vec<Value> =
        aliases.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    created("Community", name, Some(year), json!({"communities": aliases}))
}

/// What an advertisement with this alias gets.
fn resolved(communities: Vec<Arc<Community>>, alias: &str) -> (Parsed, Vec<String>) {
    let raw = RawConfig {
        communities,
        pools: vec![plain("p", &["10.0.0.0/24"])],
        bgp_advertisements: vec![object("BGPAdvertisement", "ad", json!({"communities": [alias]}))],
        ..frr()
    };
    let parsed = fresh(&raw);
    let attached = parsed.config.pools["p"].bgp_advertisements.iter();
    let found = attached.flat_map(|ad| ad.communities.iter().map(ToString::to_string)).collect();
    (parsed, found)
}

#[test]
fn a_wrong_community_is_refused_with_the_contract_s_text() {
    let table = [
        (vec![("x", "1")], r#"parsing community "x": invalid community format: 1"#),
        (
            vec![("x", "1:70000")],
            r#"parsing community "x": invalid community value: invalid section "70000" of community "1:70000", err: strconv.ParseUint: parsing "70000": value out of range"#,
        ),
        (
            vec![("x", "a:1:2:3")],
            r#"parsing community "x": invalid community value: invalid marker for large community, expected community to be of format large:<uint32>:<uint32>:<uint32> but got "a:1:2:3" instead"#,
        ),
        (vec![("x", "1:1"), ("x", "1:1")], r#"duplicate definition of community "x""#),
        (vec![("old", "1:1")], r#"duplicate definition of community "old""#),
    ];
    for (aliases, text) in table {
        let communities =
            vec![community("bad", 2021, &aliases), community("good", 2020, &[("old", "65000:7")])];
        let (parsed, found) = resolved(communities, "old");
        assert_eq!(errors(&parsed), [error("bad", text)]);
        assert_eq!(parsed.refusals[0].to_string(), format!("parsing Community bad: {text}"));
        assert_eq!(found, ["65000:7"], "{text}: the good object is in force");
    }
}

#[test]
fn aliases_stand_for_legacy_and_large_communities_and_values_need_none() {
    let communities = || vec![community("c", 2020, &[("legacy", "65000:7"), ("large", "large:1:2:3")])];
    for (alias, expected) in
        [("legacy", "65000:7"), ("large", "1:2:3"), ("1:2", "1:2"), ("large:9:9:9", "9:9:9")]
    {
        let (parsed, found) = resolved(communities(), alias);
        assert_eq!((errors(&parsed), found), (vec![], vec![expected.to_owned()]));
    }
}

#[test]
fn a_community_that_goes_wrong_stays_at_its_last_good_version() {
    let raw = |value: &str| RawConfig {
        communities: vec![community("c", 2020, &[("x", value)])],
        pools: vec![plain("p", &["10.0.0.0/24"])],
        bgp_advertisements: vec![object("BGPAdvertisement", "ad", json!({"communities": ["x"]}))],
        ..frr()
    };
    let before = fresh(&raw("1:1")).config;
    let after = parse(&raw("nonsense"), &before);
    assert_eq!((after.refusals.len(), after.config), (1, before));
}

/// Two objects of one name exist in no cluster.
#[test]
fn a_repeated_community_object_is_refused() {
    let communities = vec![community("c", 2020, &[("x", "1:1")]), community("c", 2021, &[("y", "1:1")])];
    let parsed = fresh(&RawConfig { communities, ..frr() });
    assert_eq!(errors(&parsed), [error("c", r#"duplicate definition of community object "c""#)]);
}
