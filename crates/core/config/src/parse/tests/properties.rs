//! Whatever stands in the cluster: parsing ends, and the order of the lists does not matter.

use metallb_api::{BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::objects::*;
use super::*;
use crate::{BgpType, RawConfig, service};

/// Texts that mean something somewhere.
const KNOWN: &[&str] = &[
    "",
    "10.0.0.0/24",
    "10.0.0.0/0",
    "10.0.0.5-10.0.1.9",
    "2001:db8::/64",
    "::/0",
    "::ffff:10.0.0.1",
    "0.0.0.0/0",
    "10.0.0.9-10.0.0.1",
    "10.0.0.1-::1",
    "192.0.2.1",
    "90s",
    "1m30s",
    "-1s",
    "1h-5s",
    "9223372036854775807h",
    "65000:1",
    "large:1:2:3",
    "alias",
    "a",
    "b",
    "In",
    "NotIn",
    "Exists",
    "internal",
    "external",
    "-",
    "/",
    ":",
];

/// Those, and texts that mean nothing.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(KNOWN).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[0-9a-f:./ -]{0,20}",
    ]
}

fn texts() -> impl Strategy<Value = Value> {
    prop::collection::vec(text(), 0..3).prop_map(|texts| json!(texts))
}

/// Mostly names of objects there may be.
fn names() -> impl Strategy<Value = Value> {
    let names = prop::sample::subsequence(&["a", "b", "c"][..], 0..3).prop_map(|names| json!(names));
    prop_oneof![4 => names, 1 => texts()]
}

/// Mostly a few ranges, some of which overlap.
fn addresses() -> impl Strategy<Value = Value> {
    let ranges =
        &["10.0.0.0/24", "10.0.0.128/25", "10.1.0.0-10.1.0.9", "2001:db8::/64", "2001:db8::7/128"][..];
    let ranges = prop::sample::subsequence(ranges, 1..3).prop_map(|ranges| json!(ranges));
    prop_oneof![4 => ranges, 1 => texts()]
}

fn selectors() -> impl Strategy<Value = Value> {
    let selector = (text(), text(), text(), prop::collection::vec(text(), 0..3)).prop_map(
        |(label, value, operator, values)| {
            json!({
                "matchLabels": {label.clone(): value},
                "matchExpressions": [{"key": label, "operator": operator, "values": values}],
            })
        },
    );
    let none = Just(json!([]));
    prop_oneof![3 => none, 1 => prop::collection::vec(selector, 0..3).prop_map(|list| json!(list))]
}

fn number() -> impl Strategy<Value = i32> {
    prop_oneof![4 => prop::sample::select(&[0, 1, 3, 24, 32, 64, 128, 179, 300][..]), 1 => any::<i32>()]
}

fn pool_spec() -> impl Strategy<Value = Value> {
    let allocation = (number(), texts(), selectors(), selectors()).prop_map(|(priority, names, spaces, services)| {
        json!({"priority": priority, "namespaces": names, "namespaceSelectors": spaces, "serviceSelectors": services})
    });
    (addresses(), any::<bool>(), prop::option::weighted(0.2, allocation)).prop_map(|(addresses, avoid, allocation)| {
        json!({"addresses": addresses, "avoidBuggyIPs": avoid, "serviceAllocation": allocation})
    })
}

fn advertisement_spec() -> impl Strategy<Value = Value> {
    let lists = (names(), names(), names(), selectors(), selectors(), selectors());
    (lists, prop::option::of(number()), prop::option::of(number()), number()).prop_map(|(lists, v4, v6, preference)| {
        let (pools, peers, communities, pool_selectors, nodes, services) = lists;
        json!({
            "ipAddressPools": pools, "peers": peers, "communities": communities, "localPref": preference,
            "ipAddressPoolSelectors": pool_selectors, "nodeSelectors": nodes, "serviceSelectors": services,
            "aggregationLength": v4, "aggregationLengthV6": v6,
        })
    })
}

fn peer_object_spec() -> impl Strategy<Value = Value> {
    let some = || prop::option::weighted(0.1, text());
    let profile = prop::option::of(prop::sample::select(&["a", "b"][..]));
    let address = prop::sample::select(&["192.0.2.1", "192.0.2.2"][..]).prop_map(str::to_owned);
    let address = prop_oneof![4 => address, 1 => text()];
    let texts = (some(), some(), some(), some(), some(), some(), profile);
    let numbers = (number(), prop::option::of(number()), prop::option::of(number()), any::<bool>());
    (address, texts, numbers, selectors()).prop_map(|(address, texts, (my, peer, port, flag), nodes)| {
        let (interface, hold, keepalive, router, password, secret, profile) = texts;
        json!({
            "myASN": my, "peerASN": peer, "peerPort": port, "peerAddress": address, "interface": interface,
            "holdTime": hold, "keepaliveTime": keepalive, "connectTime": hold, "routerID": router,
            "password": password, "passwordSecret": {"name": secret}, "bfdProfile": profile,
            "ebgpMultiHop": flag, "nodeSelectors": nodes,
        })
    })
}

fn profile_spec() -> impl Strategy<Value = Value> {
    (prop::option::of(number()), any::<bool>()).prop_map(
        |(value, echo)| json!({"detectMultiplier": value, "receiveInterval": value, "echoMode": echo}),
    )
}

fn community_spec() -> impl Strategy<Value = Value> {
    let alias = (text(), text()).prop_map(|(name, value)| json!({"name": name, "value": value}));
    prop::collection::vec(alias, 0..3).prop_map(|aliases| json!({"communities": aliases}))
}

/// Up to four objects of a kind, of these names and of few years, so that they get into each other's way.
fn objects<K: serde::de::DeserializeOwned + std::fmt::Debug>(
    kind: &'static str,
    spec: impl Strategy<Value = Value>,
) -> impl Strategy<Value = Vec<Arc<K>>> {
    let object = (prop::sample::select(&["a", "b", "c", "alias"][..]), prop::option::of(2020..2022u32), spec);
    prop::collection::vec(object, 0..4).prop_map(move |objects| {
        objects.into_iter().map(|(name, year, spec)| created(kind, name, year, spec)).collect()
    })
}

const TYPES: &[BgpType] = &[BgpType::Native, BgpType::Frr, BgpType::FrrK8s, BgpType::Other];

fn raw_config() -> impl Strategy<Value = RawConfig> {
    let kinds = (
        objects::<IPAddressPool>("IPAddressPool", pool_spec()),
        objects::<L2Advertisement>("L2Advertisement", l2_spec()),
        objects::<BGPAdvertisement>("BGPAdvertisement", advertisement_spec()),
        objects::<BGPPeer>("BGPPeer", peer_object_spec()),
        objects::<BFDProfile>("BFDProfile", profile_spec()),
        objects::<Community>("Community", community_spec()),
    );
    (kinds, prop::sample::select(TYPES), 0..4usize).prop_map(|(kinds, bgp_type, count)| {
        let (pools, l2_advertisements, bgp_advertisements, peers, bfd_profiles, communities) = kinds;
        let nodes = nodes().into_iter().take(count).collect();
        RawConfig {
            pools,
            l2_advertisements,
            bgp_advertisements,
            peers,
            bfd_profiles,
            communities,
            nodes,
            bgp_type,
            ..RawConfig::default()
        }
    })
}

fn l2_spec() -> impl Strategy<Value = Value> {
    let lists = (texts(), texts(), selectors(), selectors(), number());
    (lists, l2_terms()).prop_map(|((pools, interfaces, nodes, services, weight), mut spec)| {
        let lists = json!({
            "ipAddressPools": pools, "interfaces": interfaces, "nodeSelectors": nodes, "serviceSelectors": services,
            "preferredNodeSelectors": [{"weight": weight, "preference": {}}],
        });
        spec.as_object_mut().unwrap().extend(lists.as_object().unwrap().clone());
        spec
    })
}

/// Mostly absent or right.
fn l2_terms() -> impl Strategy<Value = Value> {
    let field = |values: &'static [&'static str]| {
        let right = prop::sample::select(values).prop_map(str::to_owned);
        prop::option::weighted(0.2, prop_oneof![9 => right, 1 => text()])
    };
    let durations = || field(&["0s", "10s", "90s", "5m", "24h"]);
    let choices =
        (field(&["Always", "Delayed", "Never"]), field(&["None", "Bounded"]), field(&["Ignore", "Prefer"]));
    (choices, durations(), durations()).prop_map(|((preempt, spread, subnets), delay, refresh)| {
        let delay = delay.filter(|_| preempt.as_deref() == Some("Delayed"));
        json!({
            "preempt": preempt, "preemptDelay": delay, "spread": spread, "subnets": subnets,
            "refreshInterval": refresh,
        })
    })
}

fn reversed(raw: &RawConfig) -> RawConfig {
    let mut raw = raw.clone();
    raw.pools.reverse();
    raw.l2_advertisements.reverse();
    raw.bgp_advertisements.reverse();
    raw.peers.reverse();
    raw.bfd_profiles.reverse();
    raw.communities.reverse();
    raw.nodes.reverse();
    raw
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_ends_and_does_not_depend_on_the_order_of_the_lists(before in raw_config(), now in raw_config()) {
        let previous = fresh(&before).config;
        let parsed = parse(&now, &previous);
        let again = parse(&reversed(&now), &previous);
        prop_assert_eq!(&parsed.refusals, &again.refusals);
        prop_assert_eq!(&parsed.config, &again.config);
        // Nothing new, nothing changes.
        let settled = parse(&now, &parsed.config);
        prop_assert_eq!(&settled.config, &parsed.config);
        prop_assert_eq!(&settled.refusals, &parsed.refusals);
    }

    #[test]
    fn any_text_is_read_as_an_annotation(
        value in any::<String>(),
        key in prop::sample::select(&["loadBalancerIPs", "address-pool", "allow-shared-ip", "x"][..]),
        address in text(),
    ) {
        let annotations = json!({format!("metallb.io/{key}"): value, format!("metallb.universe.tf/{key}"): value});
        let object = json!({
            "metadata": {"name": "web", "annotations": annotations},
            "spec": {"clusterIPs": [address], "loadBalancerIP": address, "type": value},
            "status": {"loadBalancer": {"ingress": [{"ip": address}]}},
        });
        let view = service::parse(&serde_json::from_value(object).unwrap());
        prop_assert_eq!(view.ingress.len(), 1);
    }
}
