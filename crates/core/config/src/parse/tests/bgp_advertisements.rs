//! Contract 01 §3.2, rows BGPAdvertisement and "cross", and §3.3 rules 5, 8, 9 and 10.

use std::collections::BTreeSet;

use metallb_api::{BFDProfile, BGPAdvertisement, BGPPeer};

use super::objects::*;
use super::*;
use crate::{BgpAdvertisement, PeerNames, RawConfig};

fn advertisement(name: &str, year: u32, spec: Value) -> Arc<BGPAdvertisement> {
    created("BGPAdvertisement", name, Some(year), spec)
}

/// One pool "p" of both families, labelled team=blue.
fn world(bgp_advertisements: Vec<Arc<BGPAdvertisement>>) -> RawConfig {
    let spec = json!({"addresses": ["10.0.0.0/24", "2001:db8::/64"]});
    RawConfig { pools: vec![labelled_pool("p", json!({"team": "blue"}), spec)], bgp_advertisements, ..frr() }
}

fn attached<'a>(parsed: &'a Parsed, pool: &str) -> Vec<&'a str> {
    parsed.config.pools[pool].bgp_advertisements.iter().map(|ad| ad.name.as_str()).collect()
}

#[test]
fn a_wrong_advertisement_is_refused_with_the_contract_s_text() {
    let twice = json!([{"matchLabels": {"a": "b"}}, {"matchLabels": {"a": "b"}}]);
    let bad = json!([{"matchExpressions": [{"key": "a", "operator": "In"}]}]);
    let reason = "label selector key \"a\": operator In needs at least one value";
    let service = json!([{"matchLabels": {"app": "web"}}]);
    let table = [
        (
            json!({"ipAddressPools": ["p", "q", "p"]}),
            r#"duplicate definition of ipAddressPools "p""#.to_owned(),
        ),
        (json!({"communities": ["1:1", "1:1"]}), r#"duplicate definition of community "1:1""#.to_owned()),
        (json!({"peers": ["a", "a"]}), r#"duplicate definition of peers "a""#.to_owned()),
        (
            json!({"ipAddressPoolSelectors": twice}),
            r#"duplicate definition of ipAddressPoolSelectors "a=b""#.to_owned(),
        ),
        (json!({"nodeSelectors": twice}), r#"duplicate definition of nodeSelectors "a=b""#.to_owned()),
        (json!({"serviceSelectors": twice}), r#"duplicate definition of serviceSelectors "a=b""#.to_owned()),
        (
            json!({"ipAddressPoolSelectors": bad}),
            format!("{reason}\nfailed to parse ipAddressPool selector for ad"),
        ),
        (json!({"nodeSelectors": bad}), format!("{reason}\nfailed to parse node selector for ad")),
        (json!({"serviceSelectors": bad}), format!("{reason}\nfailed to parse service selector for ad")),
        (
            json!({"serviceSelectors": service, "aggregationLength": 24}),
            "serviceSelectors and aggregationLength are mutually exclusive, both cannot be set in ad".to_owned(),
        ),
        (
            json!({"serviceSelectors": service, "aggregationLengthV6": 64}),
            "serviceSelectors and aggregationLengthV6 are mutually exclusive, both cannot be set in ad".to_owned(),
        ),
        // D15: the number itself.
        (json!({"aggregationLength": 34}), "invalid aggregation length 34 for IPv4".to_owned()),
        (json!({"aggregationLength": -1}), "invalid aggregation length -1 for IPv4".to_owned()),
        (json!({"aggregationLengthV6": 129}), "invalid aggregation length 129 for IPv6".to_owned()),
        (
            json!({"localPref": 4294967296_i64}),
            "invalid local preference 4294967296: must be between 0 and 4294967295".to_owned(),
        ),
        (
            json!({"communities": ["1:70000"]}),
            "invalid community value: invalid section \"70000\" of community \"1:70000\", err: strconv.ParseUint: parsing \"70000\": value out of range\ninvalid community \"1:70000\" in BGP advertisement".to_owned(),
        ),
        (
            json!({"communities": ["alias"]}),
            "invalid community format: alias\ninvalid community \"alias\" in BGP advertisement".to_owned(),
        ),
    ];
    for (spec, text) in table {
        let others = advertisement("good", 2020, json!({"aggregationLength": 32}));
        let parsed = fresh(&world(vec![advertisement("ad", 2019, spec), others]));
        assert_eq!(errors(&parsed), [error("ad", &text)]);
        assert_eq!(parsed.refusals[0].to_string(), format!("parsing BGPAdvertisement ad: {text}"));
        assert_eq!(parsed.refusals[0].is_transient(), text.starts_with("invalid community format"), "§3.5");
        assert_eq!(attached(&parsed, "p"), ["good"]);
    }
}

/// Row "pool too specific" with D15, and §3.3 rule 9.
#[test]
fn addresses_are_not_rolled_up_with_those_of_others() {
    let text = |length: u8, prefix: u8, entry: &str| {
        format!(
            "invalid aggregation length {length}: prefix {prefix} in this pool is more specific than the aggregation length for addresses {entry}"
        )
    };
    let table = [
        ("10.0.0.0/24", json!({"aggregationLength": 24}), None),
        ("10.0.0.0/24", json!({"aggregationLength": 23}), Some(text(23, 24, "10.0.0.0/24"))),
        ("3.3.3.2-3.3.3.254", json!({"aggregationLength": 26}), None),
        ("3.3.3.2-3.3.3.254", json!({"aggregationLength": 24}), Some(text(24, 26, "3.3.3.2-3.3.3.254"))),
        ("2001:db8::/64", json!({"aggregationLength": 8, "aggregationLengthV6": 64}), None),
        (
            "2001:db8::/64",
            json!({"aggregationLength": 8, "aggregationLengthV6": 63}),
            Some(text(63, 64, "2001:db8::/64")),
        ),
    ];
    for (entry, spec, text) in table {
        let raw = RawConfig {
            pools: vec![plain("p", &[entry]), plain("large", &["20.0.0.0/8", "fd00::/16"])],
            bgp_advertisements: vec![advertisement("ad", 2020, spec)],
            ..frr()
        };
        let parsed = fresh(&raw);
        let fits = text.is_none();
        assert_eq!(errors(&parsed), text.map(|text| error("ad", &text)).into_iter().collect::<Vec<_>>());
        assert_eq!(attached(&parsed, "p").len(), usize::from(fits));
        assert_eq!(attached(&parsed, "large"), ["ad"], "the pool that fits is not affected");
    }
}

/// Row "identical object twice" with D14.
#[test]
fn an_advertisement_that_says_what_an_older_one_says_is_refused() {
    let (one, other) =
        (json!({"communities": ["1:1"], "ipAddressPools": ["p", "q"]}), json!({"localPref": 0}));
    let ads = |younger: Value| vec![advertisement("a", 2021, younger), advertisement("z", 2020, one.clone())];
    let parsed = fresh(&world(ads(one.clone())));
    let text = "duplicate definition of bgpadvertisements. advertisement a and z are equal";
    assert_eq!(errors(&parsed), [error("a", text)]);
    assert_eq!(attached(&parsed, "p"), ["z"]);
    assert_eq!(errors(&fresh(&world(ads(other)))), []);
}

/// Row "localPref clash" and §3.3 rule 10.
#[test]
fn one_route_has_one_local_preference() {
    let base = json!({"localPref": 100});
    // (pool, fields of the younger one, clash)
    let table = [
        ("dual", json!({"localPref": 200}), true),
        ("dual", json!({"localPref": 100, "communities": ["1:1"]}), false),
        ("dual", json!({"localPref": 200, "aggregationLength": 24}), true),
        ("dual", json!({"localPref": 200, "aggregationLength": 24, "aggregationLengthV6": 64}), false),
        ("v4", json!({"localPref": 200, "aggregationLength": 24}), false),
        ("v4", json!({"localPref": 200, "aggregationLengthV6": 64}), true),
        ("v6", json!({"localPref": 200, "aggregationLengthV6": 64}), false),
        ("v6", json!({"localPref": 200, "aggregationLength": 24}), true),
        ("dual", json!({"localPref": 200, "peers": ["b"]}), true),
        ("dual", json!({"localPref": 200, "nodeSelectors": in_zone("b")}), true),
        ("dual", json!({"localPref": 200, "nodeSelectors": in_zone("nowhere")}), false),
        ("dual", json!({"localPref": 200, "serviceSelectors": [{"matchLabels": {"a": "b"}}]}), false),
    ];
    let run = |pool: &str, older: &Value, younger: &Value| {
        let addresses = match pool {
            "v4" => json!(["10.0.0.0/24"]),
            "v6" => json!(["2001:db8::/64"]),
            _ => json!(["10.0.0.0/24", "2001:db8::/64"]),
        };
        let ads = vec![advertisement("a", 2021, younger.clone()), advertisement("z", 2020, older.clone())];
        let pools = vec![super::pool("p", json!({"addresses": addresses}))];
        fresh(&RawConfig { pools, bgp_advertisements: ads, ..frr() })
    };
    let text = "invalid local preference 200: local preferernce 100 was already set for the same type of BGP update. Check existing BGP advertisements with common pools and aggregation lengths";
    for (pool, younger, clash) in table {
        let parsed = run(pool, &base, &younger);
        let expected: Vec<_> = clash.then(|| error("a", text)).into_iter().collect();
        assert_eq!(errors(&parsed), expected, "{pool} {younger}");
        assert_eq!(attached(&parsed, "p").contains(&"a"), !clash);
    }
    // Whichever of the two selects services.
    let selecting = json!({"localPref": 100, "serviceSelectors": [{"matchLabels": {"a": "b"}}]});
    assert_eq!(errors(&run("dual", &selecting, &json!({"localPref": 200}))), []);
    // Both restricted, to others.
    for field in ["peers", "nodes"] {
        let with = |one: &str, pref: u32| match field {
            "peers" => json!({"localPref": pref, "peers": [one]}),
            _ => json!({"localPref": pref, "nodeSelectors": in_zone(one)}),
        };
        assert_eq!(errors(&run("dual", &with("a", 100), &with("b", 200))), []);
        assert_eq!(errors(&run("dual", &with("a", 100), &with("a", 200))), [error("a", text)]);
    }
}

#[test]
fn a_clash_on_one_pool_does_not_stop_the_others() {
    let pools = vec![plain("p", &["10.0.0.0/24"]), plain("q", &["10.1.0.0/24"])];
    let older = || advertisement("z", 2020, json!({"localPref": 100, "ipAddressPools": ["p"]}));
    let younger =
        |pools: &[&str]| advertisement("a", 2021, json!({"localPref": 200, "ipAddressPools": pools}));
    let raw = |ad| RawConfig { pools: pools.clone(), bgp_advertisements: vec![older(), ad], ..frr() };
    let parsed = fresh(&raw(younger(&["p", "q"])));
    let text = "Check existing BGP advertisements with common pools and aggregation lengths (pool p, with BGPAdvertisement z)";
    assert_eq!(parsed.refusals.len(), 1);
    assert!(parsed.refusals[0].to_string().ends_with(text), "people are told where and with what");
    assert_eq!((attached(&parsed, "p"), attached(&parsed, "q")), (vec!["z"], vec!["a"]));
    // An edit that makes the clash leaves the version before it in force.
    let raw_before = RawConfig {
        bgp_advertisements: vec![older(), advertisement("a", 2021, json!({"localPref": 100}))],
        ..raw(older())
    };
    let before = fresh(&raw_before);
    let after = parse(&raw(younger(&["p", "q"])), &before.config);
    assert_eq!((after.refusals.len(), after.config), (1, before.config));
}

#[test]
fn a_pool_that_does_not_fit_does_not_hand_the_others_to_a_younger_advertisement() {
    let older = advertisement("z", 2020, json!({"localPref": 100, "aggregationLength": 24}));
    let younger = json!({"localPref": 200, "aggregationLength": 24, "ipAddressPools": ["q"]});
    let raw = |pools| RawConfig {
        pools,
        bgp_advertisements: vec![Arc::clone(&older), advertisement("a", 2021, younger.clone())],
        ..frr()
    };
    let before = fresh(&raw(vec![plain("q", &["10.0.0.0/24"])]));
    let with_another = raw(vec![plain("q", &["10.0.0.0/24"]), plain("small", &["10.1.0.0/28"])]);
    for previous in [&Config::default(), &before.config] {
        let parsed = parse(&with_another, previous);
        assert_eq!(
            parsed.refusals.iter().map(|refusal| refusal.name.as_str()).collect::<Vec<_>>(),
            ["a", "z"]
        );
        assert_eq!((attached(&parsed, "q"), attached(&parsed, "small")), (vec!["z"], vec![]));
    }
}

#[test]
fn an_advertisement_that_goes_wrong_or_loses_its_alias_stays_at_its_last_good_version() {
    let aliased =
        || advertisement("ad", 2020, json!({"communities": ["alias"], "nodeSelectors": in_zone("a")}));
    let communities =
        vec![object("Community", "c", json!({"communities": [{"name": "alias", "value": "1:1"}]}))];
    let before = fresh(&RawConfig { communities: communities.clone(), ..world(vec![aliased()]) });
    assert_eq!(errors(&before), []);
    let gone = parse(&world(vec![aliased()]), &before.config);
    assert!(gone.refusals[0].is_transient());
    assert_eq!(gone.config.pools, before.config.pools);
    let wrong =
        RawConfig { communities, ..world(vec![advertisement("ad", 2020, json!({"aggregationLength": 99}))]) };
    assert_eq!(parse(&wrong, &before.config).config, before.config);
}

/// §3.3 rule 5; D17.
#[test]
fn an_advertisement_is_attached_once_to_the_pools_it_names_or_selects() {
    let blue = json!([{"matchLabels": {"team": "blue"}}]);
    let red = json!([{"matchLabels": {"team": "red"}}]);
    let table = [
        (json!({}), 1),
        (json!({"ipAddressPools": [], "ipAddressPoolSelectors": []}), 1),
        (json!({"ipAddressPools": ["p"]}), 1),
        (json!({"ipAddressPools": ["unknown"]}), 0),
        (json!({"ipAddressPoolSelectors": blue}), 1),
        (json!({"ipAddressPoolSelectors": red}), 0),
        (json!({"ipAddressPools": ["p"], "ipAddressPoolSelectors": blue}), 1),
    ];
    for (spec, count) in table {
        let parsed = fresh(&world(vec![advertisement("ad", 2020, spec.clone())]));
        assert_eq!((errors(&parsed), attached(&parsed, "p").len()), (vec![], count), "{spec}");
    }
}

/// §3.3 rule 8 and the defaults of §1.5.
#[test]
fn what_is_said_is_kept_and_the_rest_has_the_original_s_defaults() {
    let only = |spec| {
        let parsed = fresh(&world(vec![advertisement("ad", 2020, spec)]));
        assert_eq!(errors(&parsed), []);
        BgpAdvertisement::clone(&parsed.config.pools["p"].bgp_advertisements[0])
    };
    let expected = BgpAdvertisement {
        name: "ad".into(),
        aggregation_length: 32,
        aggregation_length_v6: 128,
        local_pref: 0,
        communities: BTreeSet::new(),
        nodes: ["n1", "n2", "n3"].map(str::to_owned).into(),
        peers: PeerNames::All,
        services: vec![],
    };
    assert_eq!(only(json!({})), expected);
    let ad = only(json!({
        "aggregationLength": 24, "aggregationLengthV6": 64, "localPref": 4294967295_i64, "peers": ["b", "unknown"],
        "communities": ["large:1:2:3", "1:2"], "nodeSelectors": in_zone("b"),
    }));
    assert_eq!((ad.aggregation_length, ad.aggregation_length_v6, ad.local_pref), (24, 64, u32::MAX));
    assert!(ad.selects_peer("b") && !ad.selects_peer("c"));
    assert!(ad.selects_node("n3") && !ad.selects_node("n1"));
    assert_eq!(ad.communities.len(), 2);
    let ad = only(
        json!({"serviceSelectors": [{"matchLabels": {"z": "1"}}, {"matchLabels": {"a": "1"}}], "aggregationLength": 32}),
    );
    let services: Vec<String> = ad.services.iter().map(ToString::to_string).collect();
    assert_eq!(services, ["a=1", "z=1"]);
    assert!(ad.selects_service(&labels(&[("z", "1")])) && !ad.selects_service(&labels(&[])));
}

/// The pool "p", a peer with BFD echo and one without, and an advertisement, of these years.
fn with_echo(entry: &str, peer_year: u32, ad_year: u32, peers: &[&str]) -> RawConfig {
    let peer = |name: &str, year: u32, address: &str| {
        let spec = peer_spec(json!({"peerAddress": address, "bfdProfile": name}));
        created::<BGPPeer>("BGPPeer", name, Some(year), spec)
    };
    let profile = |name: &str| object::<BFDProfile>("BFDProfile", name, json!({"echoMode": name == "echo"}));
    RawConfig {
        pools: vec![plain("p", &[entry]), plain("v4", &["20.0.0.0/24"])],
        bgp_advertisements: vec![advertisement("ad", ad_year, json!({"peers": peers}))],
        peers: vec![peer("echo", peer_year, "192.0.2.1"), peer("quiet", 2030, "192.0.2.2")],
        bfd_profiles: vec![profile("echo"), profile("quiet")],
        ..frr()
    }
}

/// Row "cross": of the advertisement and the peer the younger one gives way.
#[test]
fn bfd_echo_and_ipv6_do_not_go_together() {
    let text = "pool p has bgpadvertisement ad which references peer echo which has bfd echo enabled, which is not possible";
    let (nobody, named, other): (&[&str], &[&str], &[&str]) = (&[], &["echo"], &["quiet"]);
    // (pool, age of peer and advertisement, peers named, who is refused)
    let table = [
        ("2001:db8::/64", 2020, 2021, nobody, Some("ad")),
        ("2001:db8::/64", 2020, 2021, named, Some("ad")),
        ("2001:db8::/64", 2021, 2020, nobody, Some("echo")),
        ("2001:db8::/64", 2021, 2020, named, Some("echo")),
        ("2001:db8::/64", 2020, 2021, other, None),
        ("10.0.0.0/24", 2020, 2021, nobody, None),
    ];
    for (entry, peer, ad, peers, refused) in table {
        let parsed = fresh(&with_echo(entry, peer, ad, peers));
        let expected: Vec<_> = refused.map(|name| error(name, text)).into_iter().collect();
        assert_eq!(errors(&parsed), expected);
        assert_eq!(parsed.config.peers.contains_key("echo"), refused != Some("echo"));
        assert_eq!(attached(&parsed, "p").len(), usize::from(refused != Some("ad")));
        assert!(parsed.config.peers.contains_key("quiet"), "others are not affected");
        assert_eq!(attached(&parsed, "v4"), ["ad"]);
    }
}

#[test]
fn a_peer_that_gets_bfd_echo_stays_at_its_last_good_version() {
    let good = |entry| {
        let mut raw = with_echo(entry, 2021, 2020, &[]);
        let spec = peer_spec(json!({"bfdProfile": "quiet"}));
        raw.peers[0] = created("BGPPeer", "echo", Some(2021), spec);
        raw
    };
    let before = fresh(&good("2001:db8::/64"));
    assert_eq!(errors(&before), []);
    let after = parse(&with_echo("2001:db8::/64", 2021, 2020, &[]), &before.config);
    assert_eq!((after.refusals.len(), after.config), (1, before.config));
}
