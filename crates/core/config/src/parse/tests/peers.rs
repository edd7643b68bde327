//! Contract 01 §3.2, rows BGPPeer, and §3.3 rule 3.

use std::collections::BTreeSet;
use std::time::Duration;

use metallb_api::{BFDProfile, BGPPeer};

use super::objects::*;
use super::*;
use crate::{Asn, Password, Peer, PeerAsn, PeerFlags, PeerPassword, PeerTarget, RawConfig, Secret, Timers};

fn peer(name: &str, extra: Value) -> Arc<BGPPeer> {
    object("BGPPeer", name, peer_spec(extra))
}

fn secret(name: &str, kind: &str, password: Option<&str>) -> Secret {
    Secret { name: name.into(), kind: kind.into(), password: password.map(Password::from) }
}

fn world(peers: Vec<Arc<BGPPeer>>) -> RawConfig {
    let secrets = vec![
        secret("good", "kubernetes.io/basic-auth", Some("pw")),
        secret("opaque", "Opaque", Some("pw")),
        secret("empty", "kubernetes.io/basic-auth", None),
    ];
    RawConfig { peers, secrets, bfd_profiles: vec![object("BFDProfile", "fast", json!({}))], ..frr() }
}

fn parsed(extra: Value) -> Peer {
    let parsed = fresh(&world(vec![peer("p", extra)]));
    assert_eq!(errors(&parsed), []);
    parsed.config.peers["p"].clone()
}

#[test]
fn a_wrong_peer_is_refused_with_the_contract_s_text() {
    let twice = json!([{"matchLabels": {"a": "b"}}, {"matchLabels": {"a": "b"}}]);
    let bad = json!([{"matchExpressions": [{"key": "a", "operator": "In"}]}]);
    refuse(&[
        ("myASN 0", json!({"myASN": 0}), "missing local ASN"),
        ("no peerASN", json!({"peerASN": null}), "missing peer ASN and dynamicASN"),
        ("peerASN 0", json!({"peerASN": 0}), "missing peer ASN and dynamicASN"),
        ("both ASNs", json!({"dynamicASN": "internal"}), "both peer ASN and dynamicASN specified"),
        ("dynamicASN unknown", json!({"peerASN": null, "dynamicASN": "any"}), "invalid dynamicASN any"),
        (
            "iBGP multihop",
            json!({"peerASN": 64500, "ebgpMultiHop": true}),
            "invalid ebgp-multihop parameter set for an ibgp peer",
        ),
        ("no target", json!({"peerAddress": null}), "peer has no Address or Interface specified"),
        ("two targets", json!({"interface": "eth0"}), "peer has both Address and Interface specified"),
        (
            "hold 1s",
            json!({"holdTime": "1s"}),
            r#"invalid BGPPeer timers: invalid hold time "&Duration{Duration:1s,}": must be 0 or >=3s"#,
        ),
        (
            "hold 2.9s",
            json!({"holdTime": "2900ms"}),
            r#"invalid BGPPeer timers: invalid hold time "&Duration{Duration:2.9s,}": must be 0 or >=3s"#,
        ),
        (
            "keepalive > hold",
            json!({"holdTime": "90s", "keepaliveTime": "91s"}),
            r#"invalid BGPPeer timers: invalid keepaliveTime "&Duration{Duration:1m31s,}", must be lower than holdTime "&Duration{Duration:1m30s,}""#,
        ),
        ("bad address", json!({"peerAddress": "192.0.2"}), r#"invalid BGPPeer address "192.0.2""#),
        ("bad router id", json!({"routerID": "x"}), r#"invalid router ID "x""#),
        ("bad source", json!({"sourceAddress": " 192.0.2.7"}), r#"invalid source IP " 192.0.2.7""#),
        (
            "duplicate nodeSelectors",
            json!({"nodeSelectors": twice}),
            r#"duplicate definition of nodeSelectors "a=b""#,
        ),
        (
            "bad selector",
            json!({"nodeSelectors": bad}),
            "label selector key \"a\": operator In needs at least one value\nfailed to convert peer p node selector",
        ),
        (
            "password + secret",
            json!({"password": "x", "passwordSecret": {"name": "good"}}),
            r#"can not have both password and secret ref set in peer config "metallb-system"/"p""#,
        ),
        (
            "secret absent",
            json!({"passwordSecret": {"name": "gone"}}),
            "secret ref not found for peer config \"metallb-system\"/\"p\"\nfailed to parse peer p password secret",
        ),
        (
            "secret type",
            json!({"passwordSecret": {"name": "opaque"}}),
            "secret type mismatch on \"metallb-system\"/\"opaque\", type \"kubernetes.io/basic-auth\" is expected \nfailed to parse peer p password secret",
        ),
        (
            "secret w/o key password",
            json!({"passwordSecret": {"name": "empty"}}),
            "password not specified in the secret \"metallb-system\"/\"empty\"\nfailed to parse peer p password secret",
        ),
    ]);
}

/// Beyond the contract: what the schema keeps out, or no BGP message can say.
#[test]
fn a_peer_the_api_server_should_not_have_taken_is_refused() {
    refuse(&[
        ("no AS number", json!({"myASN": -1}), "invalid local ASN -1: must be between 1 and 4294967295"),
        (
            "no AS number",
            json!({"peerASN": 4294967296_i64}),
            "invalid peer ASN 4294967296: must be between 1 and 4294967295",
        ),
        (
            "no duration",
            json!({"holdTime": "soon"}),
            r#"invalid holdTime "soon": must be a duration like 90s or 1m30s, not negative"#,
        ),
        (
            "negative duration",
            json!({"keepaliveTime": "-3s"}),
            r#"invalid keepaliveTime "-3s": must be a duration like 90s or 1m30s, not negative"#,
        ),
        (
            "hold too long",
            json!({"holdTime": "65536s"}),
            r#"invalid BGPPeer timers: invalid hold time "&Duration{Duration:18h12m16s,}": must be at most 65535s"#,
        ),
        ("connect time 0", json!({"connectTime": "0s"}), "connect time should be between 1 seconds to 65535"),
        (
            "connect time with a fraction",
            json!({"connectTime": "1500ms"}),
            "connect time should contain a whole number of seconds",
        ),
        ("port", json!({"peerPort": 70000}), "invalid peer port 70000: must be between 1 and 65535"),
    ]);
}

/// Each row: what it is called, the fields of the peer, the text after "parsing peer p ".
fn refuse(table: &[(&str, Value, &str)]) {
    for (row, extra, text) in table {
        let good = peer("good", json!({"peerAddress": "192.0.2.99"}));
        let parsed = fresh(&world(vec![peer("p", extra.clone()), good]));
        assert_eq!(errors(&parsed), [error("p", &format!("parsing peer p {text}"))], "{row}");
        assert_eq!(parsed.refusals[0].to_string(), format!("parsing peer p {text}"), "{row}");
        assert_eq!(parsed.refusals[0].is_transient(), *row == "secret absent", "{row}");
        assert_eq!(
            parsed.config.peers.keys().collect::<Vec<_>>(),
            ["good"],
            "{row}: the others are in force"
        );
    }
}

/// Row "bfdProfile unknown"; §3.5.
#[test]
fn a_missing_bfd_profile_may_appear_later() {
    let unknown = || peer("p", json!({"bfdProfile": "slow"}));
    let parsed = fresh(&world(vec![unknown()]));
    assert_eq!(errors(&parsed), [error("p", "peer p referencing non existing bfd profile slow")]);
    assert!(parsed.refusals[0].is_transient());
    let mut later = world(vec![unknown()]);
    later.bfd_profiles.push(object("BFDProfile", "slow", json!({"detectMultiplier": 9})));
    let later = fresh(&later);
    assert_eq!(errors(&later), []);
    assert_eq!(later.config.peers["p"].bfd.as_ref().unwrap().detect_multiplier, Some(9));
}

/// D14.
#[test]
fn the_same_peer_under_another_name_is_found() {
    let one = |name: &str, year, extra| created::<BGPPeer>("BGPPeer", name, Some(year), peer_spec(extra));
    // Told apart by nothing but the name, or by something.
    let table = [
        (json!({}), Some("peer a already exists")),
        (json!({"holdTime": "90s"}), None),
        (json!({"nodeSelectors": in_zone("a")}), None),
        (json!({"peerPort": 180}), None),
    ];
    for (extra, text) in table {
        let peers = vec![one("a", 2021, extra), one("z", 2020, json!({}))];
        let parsed = fresh(&RawConfig { peers, nodes: nodes(), ..RawConfig::default() });
        let expected: Vec<_> = text.map(|text| error("a", text)).into_iter().collect();
        assert_eq!(errors(&parsed), expected);
    }
}

/// §3.3 rule 3.
#[test]
fn one_timer_gives_the_other() {
    let seconds = Duration::from_secs;
    let table = [
        (json!({}), None),
        (json!({"holdTime": "90s"}), Some((seconds(90), seconds(30)))),
        (json!({"keepaliveTime": "10s"}), Some((seconds(30), seconds(10)))),
        (json!({"holdTime": "1m30s", "keepaliveTime": "5s"}), Some((seconds(90), seconds(5)))),
        (json!({"holdTime": "9s", "keepaliveTime": "9s"}), Some((seconds(9), seconds(9)))),
        (json!({"holdTime": "3s"}), Some((seconds(3), seconds(1)))),
        (json!({"holdTime": "0s"}), Some((seconds(0), seconds(0)))),
        (json!({"holdTime": "0s", "keepaliveTime": "0s"}), Some((seconds(0), seconds(0)))),
        (json!({"holdTime": "500ms", "keepaliveTime": "0s"}), Some((Duration::from_millis(500), seconds(0)))),
    ];
    for (extra, expected) in table {
        let expected = expected.map(|(hold, keepalive)| Timers { hold, keepalive });
        assert_eq!(parsed(extra.clone()).timers, expected, "{extra}");
    }
}

#[test]
fn a_secret_is_read_as_far_as_it_concerns_peers() {
    let object = json!({
        "metadata": {"name": "good"}, "type": "kubernetes.io/basic-auth",
        "data": {"password": "cHc=", "username": "dXNlcg=="},
    });
    let object: k8s_openapi::api::core::v1::Secret = serde_json::from_value(object).unwrap();
    assert_eq!(Secret::from(&object), secret("good", "kubernetes.io/basic-auth", Some("pw")));
}

#[test]
fn what_is_not_said_stays_open() {
    let expected = Peer {
        name: "p".into(),
        local_asn: Asn::new(64500).unwrap(),
        shown_asn: None,
        remote_asn: PeerAsn::Number(Asn::new(64501).unwrap()),
        target: PeerTarget::Address("192.0.2.1".parse().unwrap()),
        port: 179.try_into().unwrap(),
        source: None,
        timers: None,
        connect_time: None,
        router_id: None,
        password: None,
        bfd: None,
        vrf: None,
        nodes: ["n1", "n2", "n3"].map(str::to_owned).into(),
        flags: PeerFlags::default(),
    };
    // Empty texts, and the port 0 of v1beta1, are the same as nothing.
    let empty = json!({
        "peerPort": 0, "password": "", "passwordSecret": {}, "bfdProfile": "", "vrf": "", "routerID": "",
        "sourceAddress": "", "interface": "", "dynamicASN": "",
    });
    assert_eq!(parsed(json!({})), expected);
    assert_eq!(parsed(empty), expected);
}

#[test]
fn everything_that_is_said_is_kept() {
    let peer = parsed(json!({
        "peerASN": null, "dynamicASN": "external", "localASN": 65000, "peerAddress": "::ffff:192.0.2.1",
        "peerPort": 1790, "sourceAddress": "2001:DB8::1", "connectTime": "1m5s", "routerID": "2001:db8::7",
        "passwordSecret": {"name": "good", "namespace": "elsewhere"}, "bfdProfile": "fast", "vrf": "red",
        "nodeSelectors": [{"matchLabels": {"zone": "b"}}, {"matchLabels": {"zone": "c"}}],
        "ebgpMultiHop": true, "enableGracefulRestart": true, "dualStackAddressFamily": true, "disableMP": true,
    }));
    assert_eq!((peer.remote_asn, peer.shown_asn), (PeerAsn::External, Asn::new(65000)));
    assert_eq!(peer.target.to_string(), "192.0.2.1");
    assert_eq!((peer.port.get(), peer.connect_time), (1790, Some(Duration::from_secs(65))));
    assert_eq!(peer.source, Some("2001:db8::1".parse().unwrap()));
    assert_eq!(peer.router_id, Some("2001:db8::7".parse().unwrap()));
    let password = PeerPassword::Secret {
        name: "good".into(),
        namespace: Some("elsewhere".into()),
        password: Password::from("pw"),
    };
    assert_eq!(peer.password, Some(password));
    assert_eq!(peer.bfd.unwrap().name, "fast");
    assert_eq!((peer.vrf.as_deref(), peer.nodes), (Some("red"), BTreeSet::from(["n3".to_owned()])));
    assert_eq!(peer.flags, PeerFlags { ebgp_multi_hop: true, graceful_restart: true, dual_stack: true });
    let unnumbered = parsed(json!({"peerAddress": null, "interface": "eth1", "password": "pw"}));
    assert_eq!(unnumbered.target, PeerTarget::Interface("eth1".into()));
    assert_eq!(unnumbered.password.as_ref().unwrap().password().as_bytes(), b"pw");
    assert!(!format!("{unnumbered:?}").contains("pw"), "passwords stay out of logs");
    assert_eq!(parsed(json!({"peerASN": null, "dynamicASN": "internal"})).remote_asn, PeerAsn::Internal);
}

#[test]
fn a_peer_that_goes_wrong_stays_at_its_last_good_version() {
    let before = fresh(&world(vec![peer("p", json!({"holdTime": "9s"}))])).config;
    let wrong = parse(&world(vec![peer("p", json!({"holdTime": "1s"}))]), &before);
    assert_eq!(wrong.refusals.len(), 1);
    assert_eq!(wrong.config, before);
    let gone = parse(&world(vec![]), &wrong.config);
    assert!(gone.config.peers.is_empty() && gone.refusals.is_empty());
}

#[test]
fn a_peer_outlives_its_secret_and_its_bfd_profile() {
    let object = peer("p", json!({"passwordSecret": {"name": "good"}, "bfdProfile": "fast"}));
    let before = fresh(&world(vec![Arc::clone(&object)])).config;
    let without = RawConfig { secrets: vec![], bfd_profiles: vec![], ..world(vec![object]) };
    let mut after = parse(&without, &before);
    assert_eq!(after.config.peers, before.peers);
    assert!(after.refusals.iter().all(Refusal::is_transient));
    // The nodes are those of now all the same.
    after = parse(&RawConfig { nodes: nodes()[..1].to_vec(), ..without }, &after.config);
    assert_eq!(after.config.peers["p"].nodes, BTreeSet::from(["n1".to_owned()]));
    assert_eq!(after.config.peers["p"].password, before.peers["p"].password);
}

/// Rows BFDProfile.
#[test]
fn a_wrong_bfd_profile_is_refused_with_the_contract_s_text() {
    let value = |field: &str, value: i32, range: &str| {
        format!(
            "parsing bfd profile #2: invalid value {value}, must be in {range} range\ninvalid {field} value"
        )
    };
    let table = [
        (json!({"detectMultiplier": 1}), value("detect multiplier", 1, "2-255")),
        (json!({"detectMultiplier": 256}), value("detect multiplier", 256, "2-255")),
        (json!({"receiveInterval": 9}), value("receive interval", 9, "10-60000")),
        (json!({"transmitInterval": 60001}), value("transmit interval", 60001, "10-60000")),
        (json!({"minimumTtl": 0}), value("minimum ttl", 0, "1-254")),
        (json!({"minimumTtl": 255}), value("minimum ttl", 255, "1-254")),
        (json!({"echoInterval": -1}), value("echo interval", -1, "10-60000")),
    ];
    for (spec, text) in table {
        let profiles = vec![object("BFDProfile", "p", spec), object("BFDProfile", "a", json!({}))];
        let parsed = fresh(&RawConfig { bfd_profiles: profiles, ..frr() });
        assert_eq!(errors(&parsed), [error("p", &text)]);
        assert_eq!(parsed.refusals[0].to_string(), format!("parsing BFDProfile p: {text}"));
        assert_eq!(parsed.config.bfd_profiles.keys().collect::<Vec<_>>(), ["a"]);
    }
}

/// Row "value out of range" at both ends of each range.
#[test]
fn each_value_of_a_bfd_profile_has_its_own_range() {
    let table = [
        ("detectMultiplier", "detect multiplier", 2, 255),
        ("receiveInterval", "receive interval", 10, 60000),
        ("transmitInterval", "transmit interval", 10, 60000),
        ("echoInterval", "echo interval", 10, 60000),
        ("minimumTtl", "minimum ttl", 1, 254),
    ];
    for (field, name, min, max) in table {
        let parsed = |value: i32| {
            let bfd_profiles = vec![object("BFDProfile", "p", json!({field: value}))];
            errors(&fresh(&RawConfig { bfd_profiles, ..frr() }))
        };
        for value in [min, max] {
            assert_eq!(parsed(value), [], "{field} {value}");
        }
        for value in [min - 1, max + 1] {
            let text = format!(
                "parsing bfd profile #1: invalid value {value}, must be in {min}-{max} range\ninvalid {name} value"
            );
            assert_eq!(parsed(value), [error("p", &text)]);
        }
    }
}

/// Rows "empty name" and "duplicate name".
#[test]
fn nameless_and_repeated_bfd_profiles_are_refused() {
    let profile = |name: &str| object::<BFDProfile>("BFDProfile", name, json!({}));
    let parsed = fresh(&RawConfig { bfd_profiles: vec![profile("a"), profile(""), profile("a")], ..frr() });
    let expected = [
        error("", "parsing bfd profile #1: missing bfd profile name"),
        error("a", "found duplicate bfd profile name a"),
    ];
    assert_eq!(errors(&parsed), expected);
}

#[test]
fn a_bfd_profile_that_goes_wrong_stays_at_its_last_good_version() {
    let with = |spec: Value| {
        let bfd_profiles = vec![object("BFDProfile", "fast", spec)];
        RawConfig { bfd_profiles, ..world(vec![peer("p", json!({"bfdProfile": "fast"}))]) }
    };
    let all = json!({
        "receiveInterval": 10, "transmitInterval": 60000, "detectMultiplier": 255, "echoInterval": 50,
        "echoMode": true, "passiveMode": true, "minimumTtl": 254,
    });
    let before = fresh(&with(all)).config;
    let profile = before.peers["p"].bfd.clone().unwrap();
    assert_eq!(profile.receive_interval, Some(Duration::from_millis(10)));
    assert_eq!(profile.transmit_interval, Some(Duration::from_secs(60)));
    assert_eq!((profile.detect_multiplier, profile.minimum_ttl), (Some(255), Some(254)));
    assert!(profile.echo_mode && profile.passive_mode);
    let after = parse(&with(json!({"detectMultiplier": 1})), &before);
    assert_eq!((after.refusals.len(), after.config), (1, before));
}
