//! Contract 01 §3.6: what each back-end cannot do.

use metallb_api::BGPPeer;

use super::objects::*;
use super::*;
use crate::{BgpType, RawConfig};

fn peer(name: &str, year: u32, extra: Value) -> Arc<BGPPeer> {
    created("BGPPeer", name, Some(year), peer_spec(extra))
}

fn with(bgp_type: BgpType, raw: RawConfig) -> RawConfig {
    RawConfig { bgp_type, nodes: nodes(), ..raw }
}

#[test]
fn the_back_end_is_named_by_the_environment_variable() {
    let table = [
        ("", BgpType::Native),
        ("native", BgpType::Native),
        ("frr", BgpType::Frr),
        ("frr-k8s", BgpType::FrrK8s),
        ("Frr", BgpType::Other),
    ];
    for (text, expected) in table {
        assert_eq!(BgpType::parse(text), expected, "{text:?}");
    }
}

#[test]
fn native_bgp_knows_few_settings() {
    let address = "peer 192.0.2.1 has";
    let table = [
        (json!({"bfdProfile": "fast"}), format!("{address} bfd-profile set on native bgp mode")),
        (json!({"keepaliveTime": "3s"}), format!("{address} keepalive-time set on native bgp mode")),
        (json!({"vrf": "red"}), format!("{address} vrf set on native bgp mode")),
        (json!({"connectTime": "3s"}), format!("{address} connect time set on native bgp mode")),
        (
            json!({"enableGracefulRestart": true}),
            format!("{address} EnableGracefulRestart flag set on native bgp mode"),
        ),
        (json!({"disableMP": true}), format!("{address} disable MP flag set on native bgp mode")),
        (
            json!({"dualStackAddressFamily": true}),
            format!("{address} dualstackaddressfamily flag set on native bgp mode"),
        ),
        (
            json!({"peerASN": null, "dynamicASN": "external"}),
            format!("{address} dynamicASN set on native bgp mode"),
        ),
        (
            json!({"peerAddress": null, "interface": "eth0"}),
            "peer  has interface set on native bgp mode".to_owned(),
        ),
        (json!({"localASN": 65000}), format!("{address} localASN set on native bgp mode")),
    ];
    for (extra, text) in table {
        let good =
            peer("good", 2020, json!({"peerAddress": "192.0.2.2", "keepaliveTime": "0s", "holdTime": "9s"}));
        let peers = vec![peer("p", 2021, extra.clone()), good];
        let native = fresh(&with(BgpType::Native, RawConfig { peers, ..RawConfig::default() }));
        assert_eq!(errors(&native), [error("p", &text)]);
        assert_eq!(native.refusals[0].to_string(), format!("parsing BGPPeer p: {text}"));
        assert_eq!(native.config.peers.len(), 1);
        for other in [BgpType::Frr, BgpType::FrrK8s, BgpType::Other] {
            let bfd_profiles = vec![object("BFDProfile", "fast", json!({}))];
            let peers = vec![peer("p", 2021, extra.clone())];
            let parsed = fresh(&with(other, RawConfig { peers, bfd_profiles, ..RawConfig::default() }));
            assert_eq!(errors(&parsed), [], "{extra} {other:?}");
        }
    }
}

#[test]
fn native_bgp_knows_neither_bfd_nor_ipv6_nor_large_communities() {
    let raw = |bgp_type| {
        let aliases = json!({"communities": [{"name": "big", "value": "large:1:2:3"}]});
        with(
            bgp_type,
            RawConfig {
                bfd_profiles: vec![object("BFDProfile", "fast", json!({}))],
                communities: vec![object("Community", "c", aliases)],
                pools: vec![
                    plain("v4", &["10.0.0.0/24"]),
                    plain("v6", &["10.1.0.0/24", "2001:db8::-2001:db8::7"]),
                ],
                bgp_advertisements: vec![
                    object("BGPAdvertisement", "all", json!({})),
                    object(
                        "BGPAdvertisement",
                        "large",
                        json!({"communities": ["large:1:2:3"], "ipAddressPools": ["v4"]}),
                    ),
                ],
                ..RawConfig::default()
            },
        )
    };
    let native = fresh(&raw(BgpType::Native));
    let expected = [
        error("fast", "bfd profiles section set"),
        error(
            "c",
            r#"native BGP mode only supports legacy communities, BGP community CR "c" has non legacy community {"big" "large:1:2:3"}"#,
        ),
        error("all", r#"pool "v6" has ipv6 CIDR 2001:db8::/125, native bgp mode does not support ipv6"#),
        error(
            "large",
            r#"native BGP mode only supports legacy communities, BGP advertisement "large" has non legacy community "large:1:2:3""#,
        ),
    ];
    assert_eq!(errors(&native), expected);
    let pools = &native.config.pools;
    assert_eq!(
        pools["v4"].bgp_advertisements.len(),
        1,
        "the pool that native BGP can announce is not affected"
    );
    assert_eq!((pools["v6"].bgp_advertisements.len(), native.config.refused_pools.len()), (0, 0));
    for other in [BgpType::Frr, BgpType::FrrK8s, BgpType::Other] {
        assert_eq!(errors(&fresh(&raw(other))), [], "{other:?}");
    }
}

/// Unparsable communities are no business of this rule, and an IPv6 pool is one only where it is advertised.
#[test]
fn native_bgp_refuses_what_is_advertised_and_large_and_nothing_else() {
    let ipv6 = r#"pool "v6" has ipv6 CIDR 2001:db8::/64, native bgp mode does not support ipv6"#;
    let format = |text: &str| {
        format!("invalid community format: {text}\ninvalid community \"{text}\" in BGP advertisement")
    };
    let table = [
        (json!({"ipAddressPools": ["v4"]}), None),
        (json!({"ipAddressPools": ["v4"], "communities": ["1:2"]}), None),
        (json!({"ipAddressPools": ["v4"], "communities": ["1:2:3"]}), Some(format("1:2:3"))),
        (json!({"ipAddressPools": ["v4"], "communities": ["later"]}), Some(format("later"))),
        (json!({"ipAddressPoolSelectors": [{"matchLabels": {"family": "6"}}]}), Some(ipv6.to_owned())),
        (json!({"ipAddressPools": ["v6"]}), Some(ipv6.to_owned())),
        (json!({}), Some(ipv6.to_owned())),
    ];
    for (spec, text) in table {
        let raw = RawConfig {
            pools: vec![
                plain("v4", &["10.0.0.0/24"]),
                labelled_pool("v6", json!({"family": "6"}), json!({"addresses": ["2001:db8::/64"]})),
            ],
            bgp_advertisements: vec![object("BGPAdvertisement", "ad", spec.clone())],
            ..RawConfig::default()
        };
        let expected: Vec<_> = text.map(|text| error("ad", &text)).into_iter().collect();
        assert_eq!(errors(&fresh(&with(BgpType::Native, raw))), expected, "{spec}");
    }
    let aliases = json!({"communities": [{"name": "x", "value": "1:2:3"}]});
    let communities = vec![object("Community", "c", aliases)];
    let parsed = fresh(&with(BgpType::Native, RawConfig { communities, ..RawConfig::default() }));
    assert_eq!(errors(&parsed), [error("c", r#"parsing community "x": invalid community format: 1:2:3"#)]);
}

/// Pairs of peers that land on a common node.
#[test]
fn frr_knows_one_router_id_one_session_with_a_router_and_one_as_in_a_vrf() {
    let other = json!({"peerAddress": "192.0.2.2"});
    let at = |extra: Value| merged(other.clone(), extra);
    let table = [
        (json!({}), at(json!({})), None),
        (
            json!({"routerID": "10.0.0.1"}),
            at(json!({"routerID": "10.0.0.2"})),
            Some(
                "peer 10.0.0.2 has RouterID different from 10.0.0.1, in FRR mode peers selecting the same node must all have the same RouterID",
            ),
        ),
        (
            json!({"routerID": "10.0.0.1"}),
            at(json!({})),
            Some(
                "peer  has RouterID different from 10.0.0.1, in FRR mode peers selecting the same node must all have the same RouterID",
            ),
        ),
        (
            json!({}),
            json!({"holdTime": "9s"}),
            Some(
                "peer 192.0.2.1 already exists, FRR mode doesn't support duplicate BGPPeers selecting the same node",
            ),
        ),
        (
            json!({"vrf": "red"}),
            json!({"vrf": "red", "holdTime": "9s"}),
            Some(
                "peer 192.0.2.1-red already exists, FRR mode doesn't support duplicate BGPPeers selecting the same node",
            ),
        ),
        (json!({}), json!({"vrf": "red"}), None),
        (
            json!({"peerAddress": null, "interface": "eth0"}),
            json!({"peerAddress": null, "interface": "eth0", "holdTime": "9s"}),
            Some(
                "peer eth0 already exists, FRR mode doesn't support duplicate BGPPeers selecting the same node",
            ),
        ),
        (
            json!({}),
            at(json!({"myASN": 64499})),
            Some(
                "peer 192.0.2.2 has myAsn different from 192.0.2.1, in FRR mode peers selecting the same node must have the same myAsn within the same VRF",
            ),
        ),
        (json!({}), at(json!({"myASN": 64499, "vrf": "red"})), None),
    ];
    for (older, younger, text) in table {
        let run = |bgp_type, placed: bool, nodes| {
            let place = |extra: &Value, zone: &str| {
                let selectors = placed.then(|| in_zone(zone)).unwrap_or(json!([]));
                merged(extra.clone(), json!({"nodeSelectors": selectors}))
            };
            let peers = vec![peer("a", 2021, place(&younger, "a")), peer("z", 2020, place(&older, "b"))];
            errors(&fresh(&RawConfig {
                nodes,
                ..with(bgp_type, RawConfig { peers, ..RawConfig::default() })
            }))
        };
        let expected: Vec<_> = text.map(|text| error("a", text)).into_iter().collect();
        for frr in [BgpType::Frr, BgpType::FrrK8s] {
            assert_eq!(run(frr, false, nodes()), expected, "on all nodes");
            assert_eq!(run(frr, true, nodes()), [], "on different nodes");
            assert_eq!(run(frr, true, vec![]), expected, "nodes unknown");
        }
        assert_eq!(run(BgpType::Other, false, nodes()), []);
    }
}
