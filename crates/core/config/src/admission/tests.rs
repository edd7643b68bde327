//! Contract 01 §9, rules 1 to 6, without the defects D4 and D14.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::raw::{BgpType, Node};

const NAMESPACE: &str = "metallb-system";

fn object<K: DeserializeOwned>(kind: &str, name: &str, year: Option<u32>, spec: Value) -> K {
    let version = if kind == "BGPPeer" { "metallb.io/v1beta2" } else { "metallb.io/v1beta1" };
    let created = year.map(|year| format!("{year}-01-01T00:00:00Z"));
    let metadata = json!({"name": name, "namespace": NAMESPACE, "creationTimestamp": created});
    serde_json::from_value(json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}))
        .unwrap()
}

fn submitted(kind: Kind, name: &str, spec: Value) -> Submitted {
    // An update keeps the age of the object, which is older than everything else here.
    let year = Some(2000);
    let text = kind.as_str();
    match kind {
        Kind::IPAddressPool => Submitted::IPAddressPool(object(text, name, year, spec)),
        Kind::L2Advertisement => Submitted::L2Advertisement(object(text, name, year, spec)),
        Kind::BGPAdvertisement => Submitted::BGPAdvertisement(object(text, name, year, spec)),
        Kind::BGPPeer => Submitted::BGPPeer(object(text, name, year, spec)),
        Kind::BFDProfile => Submitted::BFDProfile(object(text, name, year, spec)),
        Kind::Community => Submitted::Community(object(text, name, year, spec)),
    }
}

fn peer(extra: Value) -> Value {
    let mut spec = json!({"myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1"});
    spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    spec
}

fn stored<K: DeserializeOwned>(kind: &str, name: &str, spec: Value) -> Arc<K> {
    Arc::new(object(kind, name, Some(2020), spec))
}

/// A cluster with one good and one bad object of each kind.
fn cluster(bgp_type: BgpType) -> RawConfig {
    RawConfig {
        pools: vec![
            stored("IPAddressPool", "good", json!({"addresses": ["10.0.0.0/24"]})),
            stored("IPAddressPool", "bad", json!({"addresses": ["nonsense"]})),
        ],
        l2_advertisements: vec![
            stored("L2Advertisement", "good", json!({"ipAddressPools": ["good"]})),
            stored("L2Advertisement", "bad", json!({"ipAddressPools": ["a", "a"]})),
        ],
        bgp_advertisements: vec![
            stored("BGPAdvertisement", "good", json!({"localPref": 100, "communities": ["alias"]})),
            stored("BGPAdvertisement", "bad", json!({"peers": ["a", "a"]})),
        ],
        peers: vec![
            stored("BGPPeer", "good", peer(json!({"bfdProfile": "used"}))),
            stored("BGPPeer", "bad", peer(json!({"myASN": 0}))),
        ],
        communities: vec![
            stored("Community", "good", json!({"communities": [{"name": "taken", "value": "1:1"}]})),
            stored("Community", "bad", json!({"communities": [{"name": "x", "value": "x"}]})),
        ],
        nodes: vec![Node { name: "n1".into(), ..Node::default() }],
        bgp_type,
        ..RawConfig::default()
    }
}

/// The cluster, as far as it is asked for.
fn asked_for(kind: Kind, operation: Operation, bgp_type: BgpType) -> RawConfig {
    let (all, needs) = (cluster(bgp_type), needs(kind, operation));
    let has = |kind| needs.kinds.contains(&kind);
    RawConfig {
        pools: if has(Kind::IPAddressPool) { all.pools } else { vec![] },
        l2_advertisements: if has(Kind::L2Advertisement) { all.l2_advertisements } else { vec![] },
        bgp_advertisements: if has(Kind::BGPAdvertisement) { all.bgp_advertisements } else { vec![] },
        peers: if has(Kind::BGPPeer) { all.peers } else { vec![] },
        bfd_profiles: if has(Kind::BFDProfile) { all.bfd_profiles } else { vec![] },
        communities: if has(Kind::Community) { all.communities } else { vec![] },
        nodes: if needs.nodes { all.nodes } else { vec![] },
        bgp_type,
        ..RawConfig::default()
    }
}

fn denied(bgp_type: BgpType, operation: Operation, kind: Kind, name: &str, spec: Value) -> Option<String> {
    let existing = asked_for(kind, operation, bgp_type);
    review(NAMESPACE, operation, &submitted(kind, name, spec), &existing).denied
}

/// The objects that have to be read, as the table of §9 has them.
#[test]
fn only_what_the_table_names_is_read() {
    use Kind::{BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement};
    let table: &[(Kind, &[Kind], bool, &[Kind])] = &[
        (BGPPeer, &[BGPPeer], true, &[]),
        (BFDProfile, &[], false, &[BGPPeer]),
        (BGPAdvertisement, &[BGPAdvertisement, IPAddressPool], true, &[]),
        (Community, &[Community], false, &[]),
        (IPAddressPool, &[IPAddressPool], false, &[]),
        (L2Advertisement, &[L2Advertisement, IPAddressPool], false, &[]),
    ];
    for (kind, written, nodes, deleted) in table {
        for operation in [Operation::Create, Operation::Update] {
            assert_eq!(needs(*kind, operation), Needs { kinds: written, nodes: *nodes });
        }
        assert_eq!(needs(*kind, Operation::Delete), Needs { kinds: deleted, nodes: false });
    }
}

/// Rule 2: accepted in spite of the bad objects that exist, new or in the place of any object.
#[test]
fn good_objects_are_taken_whatever_else_is_wrong() {
    use Kind::{BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement};
    let table = [
        (IPAddressPool, json!({"addresses": ["10.1.0.0/24", "2001:db8::/64"]})),
        (L2Advertisement, json!({"ipAddressPools": ["good", "unknown"], "interfaces": ["eth0"]})),
        (BGPAdvertisement, json!({"localPref": 100, "peers": ["unknown"], "aggregationLength": 24})),
        (BGPPeer, peer(json!({"peerAddress": "192.0.2.9", "password": "x"}))),
        (BFDProfile, json!({"detectMultiplier": 3, "echoMode": true})),
        (Community, json!({"communities": [{"name": "new", "value": "1:2"}]})),
    ];
    for (kind, spec) in table {
        for (operation, name) in
            [(Operation::Create, "new"), (Operation::Update, "good"), (Operation::Update, "bad")]
        {
            assert_eq!(
                denied(BgpType::Frr, operation, kind, name, spec.clone()),
                None,
                "{kind:?} {operation:?}"
            );
        }
    }
}

/// Rule 2 with D14 mended: what the daemons would refuse is denied, with their text.
#[test]
fn bad_pools_and_advertisements_are_denied_with_the_daemons_text() {
    use BgpType::{Frr, Native};
    use Kind::{BGPAdvertisement, IPAddressPool, L2Advertisement};
    deny(&[
        (
            Frr,
            IPAddressPool,
            json!({"addresses": ["10.1.0.0"]}),
            r#"parsing address pool p: invalid CIDR "10.1.0.0" in pool "p": invalid CIDR "10.1.0.0""#,
        ),
        (
            Frr,
            IPAddressPool,
            json!({"addresses": ["10.0.0.128/25"]}),
            r#"CIDR "10.0.0.128/25" in pool "p" overlaps with already defined CIDR "10.0.0.0/24""#,
        ),
        (
            Frr,
            L2Advertisement,
            json!({"ipAddressPools": ["x", "x"]}),
            r#"duplicate definition of ipAddressPools "x""#,
        ),
        (
            Frr,
            L2Advertisement,
            json!({"refreshInterval": "5s"}),
            r#"invalid refreshInterval "5s" for p: must be from 10s to 24h, or 0s for never"#,
        ),
        (
            Frr,
            L2Advertisement,
            json!({"spread": "Even"}),
            r#"invalid spread "Even" for p: use None or Bounded"#,
        ),
        (Frr, BGPAdvertisement, json!({"aggregationLength": 33}), "invalid aggregation length 33 for IPv4"),
        (
            Frr,
            BGPAdvertisement,
            json!({"aggregationLength": 23, "localPref": 100}),
            "invalid aggregation length 23: prefix 24 in this pool is more specific than the aggregation length for addresses 10.0.0.0/24",
        ),
        (
            Frr,
            BGPAdvertisement,
            json!({"localPref": 200}),
            "invalid local preference 200: local preferernce 100 was already set for the same type of BGP update. Check existing BGP advertisements with common pools and aggregation lengths",
        ),
        (
            Frr,
            BGPAdvertisement,
            json!({"localPref": 100, "communities": ["1:2:3"]}),
            "invalid community format: 1:2:3\ninvalid community \"1:2:3\" in BGP advertisement",
        ),
        (
            Frr,
            BGPAdvertisement,
            json!({"localPref": 100, "communities": ["alias"]}),
            "duplicate definition of bgpadvertisements. advertisement p and good are equal",
        ),
        (
            Native,
            BGPAdvertisement,
            json!({"communities": ["large:1:2:3"]}),
            r#"native BGP mode only supports legacy communities, BGP advertisement "p" has non legacy community "large:1:2:3""#,
        ),
    ]);
}

/// Rules 2 and 3 with D4 mended.
#[test]
fn bad_peers_profiles_and_communities_are_denied_with_the_daemons_text() {
    use BgpType::{Frr, Native};
    use Kind::{BFDProfile, BGPPeer, Community};
    deny(&[
        (
            Frr,
            BGPPeer,
            peer(json!({"holdTime": "2s", "peerAddress": "192.0.2.9"})),
            r#"parsing peer p invalid BGPPeer timers: invalid hold time "&Duration{Duration:2s,}": must be 0 or >=3s"#,
        ),
        (
            Frr,
            BGPPeer,
            peer(json!({})),
            "peer 192.0.2.1 already exists, FRR mode doesn't support duplicate BGPPeers selecting the same node",
        ),
        (
            Frr,
            BGPPeer,
            peer(json!({"password": "x", "passwordSecret": {"name": "y"}, "peerAddress": "192.0.2.9"})),
            r#"parsing peer p can not have both password and secret ref set in peer config "metallb-system"/"p""#,
        ),
        (
            Native,
            BGPPeer,
            peer(json!({"bfdProfile": "any", "peerAddress": "192.0.2.9"})),
            "peer 192.0.2.9 has bfd-profile set on native bgp mode",
        ),
        (Native, BFDProfile, json!({}), "bfd profiles section set"),
        (
            Frr,
            BFDProfile,
            json!({"detectMultiplier": 1}),
            "parsing bfd profile #1: invalid value 1, must be in 2-255 range\ninvalid detect multiplier value",
        ),
        (
            Frr,
            Community,
            json!({"communities": [{"name": "new", "value": "1"}]}),
            r#"parsing community "new": invalid community format: 1"#,
        ),
        (
            Frr,
            Community,
            json!({"communities": [{"name": "taken", "value": "1:1"}]}),
            r#"duplicate definition of community "taken""#,
        ),
    ]);
}

/// As a new object, and in the place of one that is older than everything else.
fn deny(table: &[(BgpType, Kind, Value, &str)]) {
    for (bgp_type, kind, spec, text) in table {
        for operation in [Operation::Create, Operation::Update] {
            let denied = denied(*bgp_type, operation, *kind, "p", spec.clone());
            assert_eq!(denied.as_deref(), Some(*text), "{kind:?} {operation:?} {spec}");
        }
    }
}

/// Rule 2: an older pool must not be edited into a younger one, which would lose its addresses.
#[test]
fn age_does_not_excuse_an_overlap() {
    let existing = RawConfig {
        pools: vec![
            Arc::new(object("IPAddressPool", "old", Some(2001), json!({"addresses": ["10.1.0.0/24"]}))),
            Arc::new(object("IPAddressPool", "young", Some(2020), json!({"addresses": ["10.0.0.0/24"]}))),
            Arc::new(object("IPAddressPool", "undated", None, json!({"addresses": ["10.2.0.0/24"]}))),
        ],
        ..RawConfig::default()
    };
    for (taken, other) in [("10.0.0.0/25", "10.0.0.0/24"), ("10.2.0.0/25", "10.2.0.0/24")] {
        let spec = json!({"addresses": [taken]});
        let edited = Submitted::IPAddressPool(object("IPAddressPool", "old", Some(2001), spec));
        let text = format!(r#"CIDR "{taken}" in pool "old" overlaps with already defined CIDR "{other}""#);
        assert_eq!(review(NAMESPACE, Operation::Update, &edited, &existing).denied, Some(text));
    }
}

/// Rule 2, and no more than that: who is refused already denies nobody.
#[test]
fn an_object_is_taken_although_one_that_is_refused_stands_against_it() {
    let frr = RawConfig { bgp_type: BgpType::Frr, ..RawConfig::default() };
    let pool = |name, year, address| {
        Arc::new(object("IPAddressPool", name, Some(year), json!({"addresses": [address]})))
    };
    let pools = RawConfig {
        pools: vec![pool("p", 2001, "10.0.0.0/24"), pool("q", 2002, "10.0.0.0/16")],
        ..frr.clone()
    };
    let advertisement = |name, year, preference: i32| {
        Arc::new(object("BGPAdvertisement", name, Some(year), json!({"localPref": preference})))
    };
    let advertisements = RawConfig {
        bgp_advertisements: vec![advertisement("p", 2001, 1), advertisement("q", 2002, 2)],
        nodes: vec![Node { name: "n1".into(), ..Node::default() }],
        ..pools.clone()
    };
    let other = |name, year, asn: i32| {
        Arc::new(object("BGPPeer", name, Some(year), peer(json!({"myASN": asn, "peerAddress": "192.0.2.1"}))))
    };
    let peers = RawConfig { peers: vec![other("p", 2001, 1), other("q", 2002, 2)], ..frr };
    let table = [
        (pools, Kind::IPAddressPool, json!({"addresses": ["10.0.0.0/24"], "autoAssign": false})),
        (advertisements, Kind::BGPAdvertisement, json!({"localPref": 1, "communities": ["1:1"]})),
        (peers, Kind::BGPPeer, peer(json!({"myASN": 1, "holdTime": "9s"}))),
    ];
    for (existing, kind, spec) in table {
        let edited = submitted(kind, "p", spec);
        assert_eq!(review(NAMESPACE, Operation::Update, &edited, &existing).denied, None, "{kind:?}");
    }
}

/// Rule 1.
#[test]
fn objects_are_created_in_the_namespace_of_metallb_only() {
    for kind in [
        Kind::IPAddressPool,
        Kind::L2Advertisement,
        Kind::BGPAdvertisement,
        Kind::BGPPeer,
        Kind::BFDProfile,
        Kind::Community,
    ] {
        let spec = match kind {
            Kind::IPAddressPool => json!({"addresses": ["10.9.0.0/24"]}),
            Kind::BGPPeer => peer(json!({"peerAddress": "192.0.2.9"})),
            _ => json!({}),
        };
        let frr = RawConfig { bgp_type: BgpType::Frr, ..RawConfig::default() };
        let object = submitted(kind, "p", spec);
        let denied = |operation| review("elsewhere", operation, &object, &frr).denied;
        assert_eq!(
            denied(Operation::Create).as_deref(),
            Some("resource must be created in elsewhere namespace"),
            "{kind:?}"
        );
        assert_eq!((denied(Operation::Update), denied(Operation::Delete)), (None, None), "{kind:?}");
    }
}

/// Rule 3, and rule 5: no other delete is guarded.
#[test]
fn a_bfd_profile_in_use_is_not_deleted() {
    let delete = |kind, name| {
        denied(
            BgpType::Frr,
            Operation::Delete,
            kind,
            name,
            match kind {
                Kind::IPAddressPool => json!({"addresses": []}),
                Kind::BGPPeer => peer(json!({"myASN": 0})),
                _ => json!({}),
            },
        )
    };
    let text = "failed to delete BFDProfile used, used by BGPPeer good";
    assert_eq!(delete(Kind::BFDProfile, "used").as_deref(), Some(text));
    assert_eq!(delete(Kind::BFDProfile, "unused"), None);
    let namesake = submitted(Kind::BFDProfile, "used", json!({}));
    let existing = asked_for(Kind::BFDProfile, Operation::Delete, BgpType::Frr);
    let verdict = review("elsewhere", Operation::Delete, &namesake, &existing);
    assert_eq!(verdict.denied, None, "the one in use is in another namespace");
    for kind in
        [Kind::IPAddressPool, Kind::L2Advertisement, Kind::BGPAdvertisement, Kind::BGPPeer, Kind::Community]
    {
        assert_eq!(delete(kind, "good"), None, "{kind:?}");
    }
}

/// Rule 4 with D4 mended.
#[test]
fn disable_mp_is_warned_of_and_checked_like_everything_else() {
    let warning = "disable mp is deprecated and has no effect since it's the default behavior now";
    let run = |operation, extra: Value, bgp_type| {
        let object = submitted(Kind::BGPPeer, "p", peer(extra));
        review(NAMESPACE, operation, &object, &RawConfig { bgp_type, ..RawConfig::default() })
    };
    let created = run(Operation::Create, json!({"disableMP": true}), BgpType::Frr);
    assert_eq!(created, Verdict { denied: None, warnings: vec![warning.to_owned()] });
    let wrong = run(Operation::Create, json!({"disableMP": true, "myASN": 0}), BgpType::Frr);
    assert_eq!(wrong.denied.as_deref(), Some("parsing peer p missing local ASN"));
    assert_eq!(wrong.warnings, [warning]);
    let native = run(Operation::Create, json!({"disableMP": true}), BgpType::Native);
    assert_eq!(native.denied.as_deref(), Some("peer 192.0.2.1 has disable MP flag set on native bgp mode"));
    assert_eq!(run(Operation::Update, json!({"disableMP": true}), BgpType::Frr), Verdict::default());
    assert_eq!(run(Operation::Create, json!({"disableMP": false}), BgpType::Frr), Verdict::default());
}

/// §3.5: references may come later.
#[test]
fn what_an_object_refers_to_need_not_be_there_yet() {
    let table = [
        (Kind::BGPPeer, peer(json!({"bfdProfile": "later", "peerAddress": "192.0.2.9"}))),
        (Kind::BGPPeer, peer(json!({"passwordSecret": {"name": "later"}, "peerAddress": "192.0.2.9"}))),
        (Kind::BGPAdvertisement, json!({"communities": ["later"], "localPref": 100, "peers": ["later"]})),
        (Kind::BGPAdvertisement, json!({"ipAddressPools": ["later"]})),
    ];
    for (kind, spec) in table {
        assert_eq!(denied(BgpType::Frr, Operation::Create, kind, "p", spec.clone()), None, "{spec}");
    }
    // And what else is wrong is still seen.
    let spec = peer(json!({"bfdProfile": "later", "routerID": "10.0.0.1", "peerAddress": "192.0.2.9"}));
    let text = "peer 10.0.0.1 has RouterID different from , in FRR mode peers selecting the same node must all have the same RouterID";
    assert_eq!(denied(BgpType::Frr, Operation::Create, Kind::BGPPeer, "p", spec).as_deref(), Some(text));
}

/// Somebody must be able to take a finalizer from an object that would not be taken any more.
#[test]
fn an_update_that_leaves_the_specification_is_taken() {
    let spec = json!({"addresses": ["nonsense"]});
    assert_eq!(denied(BgpType::Frr, Operation::Update, Kind::IPAddressPool, "bad", spec), None);
    let edited = json!({"addresses": ["nonsense"], "autoAssign": false});
    assert!(denied(BgpType::Frr, Operation::Update, Kind::IPAddressPool, "bad", edited).is_some());
}
