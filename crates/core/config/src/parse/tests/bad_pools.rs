//! Pools that make no sense, and what they refer to going away.

use super::objects::{error, errors};
use super::*;

#[test]
fn entries_that_make_no_sense_are_refused() {
    let prefix = |entry: &str| format!("invalid CIDR {entry:?}");
    let start = |entry: &str, start: &str| format!("invalid IP range {entry:?}: invalid start IP {start:?}");
    let end = |entry: &str, end: &str| format!("invalid IP range {entry:?}: invalid end IP {end:?}");
    let mixed = |entry: &str, a: &str, b: &str| {
        format!("invalid IP range {entry:?}: start IP {a:?} and end IP {b:?} are of different IP families")
    };
    let table = [
        ("empty", "", prefix("")),
        ("a bare address", "10.0.0.1", prefix("10.0.0.1")),
        ("leading blank", " 10.0.0.0/24", prefix(" 10.0.0.0/24")),
        ("trailing blank", "10.0.0.0/24 ", prefix("10.0.0.0/24 ")),
        ("IPv4 length", "10.0.0.0/33", prefix("10.0.0.0/33")),
        ("IPv6 length", "2001:db8::/129", prefix("2001:db8::/129")),
        ("signed length", "10.0.0.0/+8", prefix("10.0.0.0/+8")),
        ("leading zeros", "010.0.0.0/8", prefix("010.0.0.0/8")),
        ("a zone", "fe80::%eth0/64", prefix("fe80::%eth0/64")),
        // D16.
        ("mixed families", "10.0.0.1-2001:db8::1", mixed("10.0.0.1-2001:db8::1", "10.0.0.1", "2001:db8::1")),
        ("mixed families", "2001:db8::1-10.0.0.1", mixed("2001:db8::1-10.0.0.1", "2001:db8::1", "10.0.0.1")),
        (
            "reversed",
            "2001:db8::9-2001:db8::1",
            r#"invalid IP range "2001:db8::9-2001:db8::1": start IP "2001:db8::9" is after the end IP "2001:db8::1""#.to_owned(),
        ),
        ("no start", "-10.0.0.1", start("-10.0.0.1", "")),
        ("no end", "10.0.0.1-", end("10.0.0.1-", "")),
        ("three ends", "10.0.0.1-10.0.0.2-10.0.0.3", end("10.0.0.1-10.0.0.2-10.0.0.3", "10.0.0.2-10.0.0.3")),
        ("a range of prefixes", "10.0.0.0/24-10.0.1.0/24", start("10.0.0.0/24-10.0.1.0/24", "10.0.0.0/24")),
    ];
    for (row, entry, detail) in table {
        let parsed = parse_pools(vec![plain("p", &["10.9.0.0/24", entry])], &Config::default());
        let text = format!("parsing address pool p: invalid CIDR {entry:?} in pool \"p\": {detail}");
        assert_eq!(errors(&parsed), [error("p", &text)], "{row}");
    }
}

#[test]
fn entries_that_make_sense_are_taken_however_large() {
    let table = [
        ("0.0.0.0/0", "0.0.0.0-255.255.255.255"),
        ("::/0", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("10.0.0.7/24", "10.0.0.0-10.0.0.255"),
        (" 10.0.0.1 - 10.0.0.1\t", "10.0.0.1-10.0.0.1"),
        ("::ffff:1.2.3.0/120", "1.2.3.0-1.2.3.255"),
        ("::ffff:1.2.3.4-1.2.3.9", "1.2.3.4-1.2.3.9"),
        ("0.0.0.0-255.255.255.255", "0.0.0.0-255.255.255.255"),
    ];
    for (entry, range) in table {
        let parsed = parse_pools(vec![plain("p", &[entry])], &Config::default());
        assert_eq!(errors(&parsed), [], "{entry}");
        assert_eq!(parsed.config.pools["p"].ranges[0].to_string(), range);
    }
}

/// Labels and namespaces that vanish: the pool stays, and is pinned to fewer.
#[test]
fn a_pool_follows_the_namespaces_and_their_labels() {
    let spec = json!({
        "addresses": ["10.0.0.0/24"],
        "serviceAllocation": {"namespaces": ["named"], "namespaceSelectors": [{"matchLabels": {"team": "blue"}}]},
    });
    let with = |namespaces: &[(&str, &str)]| RawConfig {
        pools: vec![pool("p", spec.clone())],
        namespaces: namespaces
            .iter()
            .map(|(name, team)| Namespace { name: (*name).into(), labels: labels(&[("team", team)]) })
            .collect(),
        ..RawConfig::default()
    };
    let mut config = Config::default();
    let table = [
        (vec![("shop", "blue")], set(&["named", "shop"])),
        (vec![("shop", "")], set(&["named"])),
        (vec![("shop", "blue"), ("bar", "blue")], set(&["bar", "named", "shop"])),
        (vec![], set(&["named"])),
    ];
    for (namespaces, expected) in table {
        let parsed = parse(&with(&namespaces), &config);
        assert_eq!(errors(&parsed), []);
        config = parsed.config;
        let allocation = config.pools["p"].allocation.as_ref().unwrap();
        assert_eq!(allocation.namespaces, Some(expected));
    }
}

/// Labels that vanish from a pool take its advertisements with them, and from a node its announcing.
#[test]
fn advertisements_follow_the_labels_of_pools_and_nodes() {
    let spec = json!({
        "ipAddressPoolSelectors": [{"matchLabels": {"team": "blue"}}],
        "nodeSelectors": [{"matchLabels": {"rack": "1"}}],
    });
    let with = |pool_labels: Value, node_labels: &[(&str, &str)]| RawConfig {
        pools: vec![labelled_pool("p", pool_labels, json!({"addresses": ["10.0.0.0/24"]}))],
        l2_advertisements: vec![advertisement("ad", spec.clone())],
        nodes: vec![Node { name: "n1".into(), labels: labels(node_labels) }],
        ..RawConfig::default()
    };
    let blue = json!({"team": "blue"});
    let before = parse(&with(blue.clone(), &[("rack", "1")]), &Config::default()).config;
    assert_eq!(before.pools["p"].l2_advertisements[0].nodes, set(&["n1"]));
    let unlabelled = parse(&with(json!({}), &[("rack", "1")]), &before).config;
    assert!(unlabelled.pools["p"].l2_advertisements.is_empty());
    let elsewhere = parse(&with(blue, &[]), &unlabelled).config;
    assert!(elsewhere.pools["p"].l2_advertisements[0].nodes.is_empty());
}
