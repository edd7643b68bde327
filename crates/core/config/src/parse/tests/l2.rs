//! Rows of contract 01 §3.2 and §3.3 for layer 2 advertisements, and contract 02 §2.3.

use std::time::Duration;

use super::*;
use crate::config::{Interfaces, OnLink, Preempt, Spread};

/// Three nodes, one pool "p" that everything is attached to.
fn parse_advertisements(l2_advertisements: Vec<Arc<L2Advertisement>>) -> Parsed {
    let node = |name: &str, zone: &str| Node {
        name: name.into(),
        labels: labels(&[("zone", zone), ("name", name)]),
    };
    let raw = RawConfig {
        pools: vec![labelled_pool("p", json!({"team": "blue"}), json!({"addresses": ["10.0.0.0/24"]}))],
        l2_advertisements,
        nodes: vec![node("n1", "a"), node("n2", "a"), node("n3", "b")],
        ..RawConfig::default()
    };
    parse(&raw, &Config::default())
}

/// Contract 01 §3.2, rows L2Advertisement.
#[test]
fn a_wrong_advertisement_is_refused_with_the_contract_s_text() {
    let twice = json!([{"matchLabels": {"a": "b"}}, {"matchLabels": {"a": "b"}}]);
    let bad = json!([{"matchExpressions": [{"key": "a", "operator": "In"}]}]);
    let reason = r#"label selector key "a": operator In needs at least one value"#;
    let table = [
        (
            json!({"ipAddressPools": ["p", "q", "p"]}),
            r#"duplicate definition of ipAddressPools "p""#.to_owned(),
        ),
        (
            json!({"ipAddressPoolSelectors": twice}),
            r#"duplicate definition of ipAddressPoolSelectors "a=b""#.to_owned(),
        ),
        (json!({"nodeSelectors": twice}), r#"duplicate definition of nodeSelectors "a=b""#.to_owned()),
        (json!({"serviceSelectors": twice}), r#"duplicate definition of serviceSelectors "a=b""#.to_owned()),
        (json!({"nodeSelectors": bad}), format!("{reason}\nfailed to parse node selector for ad")),
        (json!({"serviceSelectors": bad}), format!("{reason}\nfailed to parse service selector for ad")),
        (
            json!({"preferredNodeSelectors": [{"weight": 1, "preference": bad[0]}]}),
            format!(
                "{reason}\ninvalid preferred node selector \"a in ()\"\nfailed to parse preferred node selectors for ad"
            ),
        ),
    ];
    for (spec, message) in table {
        let parsed = parse_advertisements(vec![advertisement("ad", spec), advertisement("good", json!({}))]);
        let texts: Vec<String> = parsed.refusals.iter().map(|refusal| refusal.error.to_string()).collect();
        assert_eq!(texts, std::slice::from_ref(&message));
        assert_eq!(messages(&parsed), [format!("parsing L2Advertisement ad: {message}")]);
        assert_eq!(parsed.config.pools["p"].l2_advertisements.len(), 1, "the good one is in force");
        assert!(parsed.config.refused_pools.is_empty());
    }
}

#[test]
fn an_advertisement_that_goes_wrong_stays_at_its_last_good_version() {
    let before = parse_advertisements(vec![advertisement("ad", json!({"interfaces": ["eth1"]}))]);
    let raw = RawConfig {
        pools: vec![plain("p", &["10.0.0.0/24"])],
        l2_advertisements: vec![advertisement("ad", json!({"ipAddressPools": ["p", "p"]}))],
        ..RawConfig::default()
    };
    let after = parse(&raw, &before.config);
    assert_eq!(after.refusals.len(), 1);
    assert_eq!(after.config.pools["p"].l2_advertisements[0].interfaces, Interfaces::Only(set(&["eth1"])));
}

/// Contract 01 §3.3 rules 5 and 8, contract 02 §2.3.
#[test]
fn an_advertisement_is_attached_to_the_pools_it_names_or_selects() {
    let table = [
        (json!({}), true),
        (json!({"ipAddressPools": []}), true),
        (json!({"ipAddressPools": ["p"]}), true),
        (json!({"ipAddressPools": ["unknown"]}), false),
        (json!({"ipAddressPoolSelectors": [{"matchLabels": {"team": "blue"}}]}), true),
        (json!({"ipAddressPoolSelectors": [{"matchLabels": {"team": "red"}}]}), false),
        (
            json!({"ipAddressPools": ["unknown"], "ipAddressPoolSelectors": [{"matchLabels": {"team": "blue"}}]}),
            true,
        ),
        (
            json!({"ipAddressPools": ["p"], "ipAddressPoolSelectors": [{"matchLabels": {"team": "blue"}}]}),
            true,
        ),
    ];
    for (spec, attached) in table {
        let parsed = parse_advertisements(vec![advertisement("ad", spec.clone())]);
        assert_eq!(parsed.config.pools["p"].l2_advertisements.len(), usize::from(attached), "{spec}");
    }
}

/// Contract 01 §3.3 rule 7, contract 02 §2.3.
#[test]
fn nodes_are_selected_and_scored() {
    let parsed = parse_advertisements(vec![advertisement(
        "ad",
        json!({
            "nodeSelectors": [{"matchLabels": {"name": "n1"}}, {"matchLabels": {"zone": "b"}}],
            "preferredNodeSelectors": [
                {"weight": 10, "preference": {"matchLabels": {"zone": "a"}}},
                {"weight": 7, "preference": {"matchLabels": {"name": "n1"}}},
                {"weight": 5, "preference": {"matchLabels": {"name": "nowhere"}}},
            ],
            "interfaces": ["eth1", "eth0"],
            "serviceSelectors": [{"matchLabels": {"z": "1"}}, {"matchLabels": {"a": "1"}}],
        }),
    )]);
    let ad = &parsed.config.pools["p"].l2_advertisements[0];
    assert_eq!(ad.nodes, set(&["n1", "n3"]));
    assert_eq!((ad.score("n1"), ad.score("n2"), ad.score("n3")), (17, 0, 0));
    assert_eq!(ad.scores.len(), 1, "a score of nothing is absent");
    assert_eq!(ad.interfaces, Interfaces::Only(set(&["eth0", "eth1"])));
    let services: Vec<String> = ad.services.iter().map(ToString::to_string).collect();
    assert_eq!(services, ["a=1", "z=1"]);
    assert!(ad.selects_service(&labels(&[("z", "1")])) && !ad.selects_service(&Labels::new()));
}

/// Contract 02 §2.3: of the nodes the advertisement selects.
#[test]
fn an_empty_preference_is_for_every_node() {
    for (preference, scores) in [
        (json!({}), [3, 0, 3]),
        (json!({"matchLabels": {}}), [3, 0, 3]),
        (json!({"matchLabels": {"zone": "b"}}), [0, 0, 3]),
    ] {
        let spec = json!({
            "nodeSelectors": [{"matchLabels": {"name": "n1"}}, {"matchLabels": {"zone": "b"}}],
            "preferredNodeSelectors": [{"weight": 3, "preference": preference}],
        });
        let parsed = parse_advertisements(vec![advertisement("ad", spec)]);
        let ad = &parsed.config.pools["p"].l2_advertisements[0];
        assert_eq!(["n1", "n2", "n3"].map(|node| ad.score(node)), scores, "{preference}");
    }
}

#[test]
fn without_selectors_all_nodes_interfaces_and_services_are_meant() {
    let parsed = parse_advertisements(vec![advertisement("ad", json!({"interfaces": []}))]);
    let ad = &parsed.config.pools["p"].l2_advertisements[0];
    assert_eq!(ad.nodes, set(&["n1", "n2", "n3"]));
    assert_eq!(ad.interfaces, Interfaces::All);
    assert!(ad.selects_service(&Labels::new()));
}

/// Contract 01 §3.3 rule 6.
#[test]
fn equal_advertisements_are_attached_once_unless_they_carry_scores() {
    let scored = json!({"preferredNodeSelectors": [{"weight": 1, "preference": {}}]});
    let (a, b) = (json!({"matchLabels": {"a": "b"}}), json!({"matchLabels": {"b": "c"}}));
    let table = [
        // Rule 8: the order in which selectors and interfaces are listed is no difference.
        (vec![json!({"serviceSelectors": [a, b]}), json!({"serviceSelectors": [b, a]})], 1),
        (vec![json!({"interfaces": ["eth0", "eth1"]}), json!({"interfaces": ["eth1", "eth0"]})], 1),
        (vec![json!({"interfaces": ["eth0"]}), json!({"interfaces": ["eth1"]})], 2),
        (vec![json!({}), json!({})], 1),
        (vec![json!({}), json!({"nodeSelectors": [{}]})], 1),
        (vec![json!({}), json!({"interfaces": ["eth0"]})], 2),
        (vec![json!({}), json!({"nodeSelectors": [{"matchLabels": {"zone": "a"}}]})], 2),
        (vec![json!({}), json!({"serviceSelectors": [{"matchLabels": {"a": "b"}}]})], 2),
        (
            vec![
                json!({}),
                json!({"preempt": "Always", "spread": "None", "subnets": "Ignore", "refreshInterval": "300s"}),
            ],
            1,
        ),
        (vec![json!({}), json!({"preempt": "Never"})], 2),
        (vec![json!({"preempt": "Delayed"}), json!({"preempt": "Delayed", "preemptDelay": "61s"})], 2),
        (vec![json!({}), json!({"spread": "Bounded"})], 2),
        (vec![json!({}), json!({"subnets": "Prefer"})], 2),
        (vec![json!({}), json!({"refreshInterval": "0s"})], 2),
        (vec![scored.clone(), scored.clone()], 2),
        (vec![json!({}), scored], 2),
    ];
    for (specs, count) in table {
        let ads =
            specs.iter().enumerate().map(|(index, spec)| advertisement(&format!("ad{index}"), spec.clone()));
        let parsed = parse_advertisements(ads.collect());
        assert_eq!(parsed.config.pools["p"].l2_advertisements.len(), count, "{specs:?}");
    }
}

#[test]
fn absent_fields_mean_what_the_original_does_and_present_ones_what_they_say() {
    let (seconds, of) =
        (Duration::from_secs, |preempt, spread, refresh, on_link| (preempt, spread, refresh, on_link));
    let original = of(Preempt::Always, Spread::None, Some(seconds(300)), OnLink::Ignore);
    let (_, spread, refresh, on_link) = original;
    let preempts = |preempt| of(preempt, spread, refresh, on_link);
    let refreshed = |interval| of(Preempt::Always, spread, interval, on_link);
    let table = [
        (json!({}), original),
        (
            json!({"preempt": "Always", "spread": "None", "refreshInterval": "5m", "subnets": "Ignore"}),
            original,
        ),
        (json!({"preempt": "Never"}), preempts(Preempt::Never)),
        (json!({"preempt": "Delayed"}), preempts(Preempt::Delayed(seconds(60)))),
        (json!({"preempt": "Delayed", "preemptDelay": "1s"}), preempts(Preempt::Delayed(seconds(1)))),
        (json!({"preempt": "Delayed", "preemptDelay": "24h"}), preempts(Preempt::Delayed(seconds(86_400)))),
        (json!({"spread": "Bounded"}), of(Preempt::Always, Spread::Bounded, refresh, on_link)),
        (json!({"subnets": "Prefer"}), of(Preempt::Always, spread, refresh, OnLink::Prefer)),
        (json!({"refreshInterval": "0s"}), refreshed(None)),
        (json!({"refreshInterval": "0"}), refreshed(None)),
        (json!({"refreshInterval": "10s"}), refreshed(Some(seconds(10)))),
        (json!({"refreshInterval": "1m30s"}), refreshed(Some(seconds(90)))),
        (json!({"refreshInterval": "24h"}), refreshed(Some(seconds(86_400)))),
    ];
    for (spec, expected) in table {
        let parsed = parse_advertisements(vec![advertisement("ad", spec.clone())]);
        let ad = &parsed.config.pools["p"].l2_advertisements[0];
        assert_eq!((ad.preempt, ad.spread, ad.refresh, ad.on_link), expected, "{spec}");
    }
}

#[test]
fn a_wrong_field_is_refused_naming_advertisement_field_value_and_what_to_write_instead() {
    let (duration, refresh, delay) = (
        "must be a duration like 90s or 5m, not negative",
        "must be from 10s to 24h, or 0s for never",
        "must be from 1s to 24h",
    );
    let only = "only counts with preempt: Delayed; set that, or remove preemptDelay";
    let table = [
        (json!({"preempt": "never"}), r#"preempt "never""#, "use Always, Delayed or Never"),
        (json!({"spread": ""}), r#"spread """#, "use None or Bounded"),
        (json!({"subnets": "Require"}), r#"subnets "Require""#, "use Ignore or Prefer"),
        (json!({"refreshInterval": "-5m"}), r#"refreshInterval "-5m""#, duration),
        (json!({"refreshInterval": "300"}), r#"refreshInterval "300""#, duration),
        (json!({"refreshInterval": "9.999s"}), r#"refreshInterval "9.999s""#, refresh),
        (json!({"refreshInterval": "1ns"}), r#"refreshInterval "1ns""#, refresh),
        (json!({"refreshInterval": "24h1ns"}), r#"refreshInterval "24h1ns""#, refresh),
        (json!({"preempt": "Delayed", "preemptDelay": "0s"}), r#"preemptDelay "0s""#, delay),
        (json!({"preempt": "Delayed", "preemptDelay": "25h"}), r#"preemptDelay "25h""#, delay),
        (json!({"preempt": "Delayed", "preemptDelay": "soon"}), r#"preemptDelay "soon""#, duration),
        (json!({"preempt": "Never", "preemptDelay": "60s"}), r#"preemptDelay "60s""#, only),
        (json!({"preemptDelay": "60s"}), r#"preemptDelay "60s""#, only),
    ];
    for (spec, what, why) in table {
        let (field, value) = what.split_once(' ').unwrap();
        let parsed = parse_advertisements(vec![advertisement("ad", spec)]);
        let expected = format!("parsing L2Advertisement ad: invalid {field} {value} for ad: {why}");
        assert_eq!(messages(&parsed), [expected]);
        assert!(parsed.config.pools["p"].l2_advertisements.is_empty());
    }
}

#[test]
fn the_strictest_is_the_greatest() {
    let delayed = |seconds| Preempt::Delayed(Duration::from_secs(seconds));
    assert!([Preempt::Always, delayed(1), delayed(60), Preempt::Never].is_sorted());
    assert!(Spread::None < Spread::Bounded && OnLink::Ignore < OnLink::Prefer);
}
