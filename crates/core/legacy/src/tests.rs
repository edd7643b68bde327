//! Contract 01 §10, row by row.

use serde_json::{Value, json};

use super::*;

/// The objects of a configuration as they are written, statuses left out.
fn objects(config: &str) -> Vec<Value> {
    let text = convert(&Source::only_data(config)).unwrap().to_yaml().unwrap();
    let says_something = |document: &&str| document.lines().any(|line| !line.starts_with('#'));
    let documents = text.split("---\n").filter(says_something);
    documents.map(|document| serde_saphyr::from_str::<Value>(document).unwrap()).collect()
}

/// What is refused, with the whole chain of reasons.
fn refusal(outcome: Result<impl std::fmt::Debug, LegacyError>) -> String {
    let error = outcome.unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn specs(config: &str, kind: &str) -> Vec<Value> {
    let of_kind = objects(config).into_iter().filter(|object| object["kind"] == kind);
    of_kind.map(|object| json!({"name": object["metadata"]["name"], "spec": object["spec"]})).collect()
}

const PEER: &str = "peers:\n- {my-asn: 64512, peer-asn: 64513, peer-address: 10.0.0.1";

#[test]
fn peers_become_bgp_peers() {
    let base = || json!({"myASN": 64512, "peerASN": 64513, "peerAddress": "10.0.0.1", "holdTime": "1m30s", "passwordSecret": {}});
    let with = |field: &str, value: Value| {
        let mut spec = base();
        spec[field] = value;
        spec
    };
    let table = [
        ("§10 hold-time empty is 90s", "", base()),
        ("§10 hold-time is truncated to seconds", ", hold-time: 9900ms", with("holdTime", json!("9s"))),
        ("§10 hold-time 0 is allowed", ", hold-time: 0s", with("holdTime", json!("0s"))),
        ("§10 hold-time 3s is allowed", ", hold-time: 3s", with("holdTime", json!("3s"))),
        (
            "§10 keepalive-time only if given, truncated",
            ", keepalive-time: 4.5s",
            with("keepaliveTime", json!("4s")),
        ),
        ("§10 peer-port 0 is omitted", ", peer-port: 0", base()),
        ("§10 peer-port", ", peer-port: 1179", with("peerPort", json!(1179))),
        ("§10 source-address", ", source-address: 10.0.0.9", with("sourceAddress", json!("10.0.0.9"))),
        ("§10 router-id", ", router-id: 1.2.3.4", with("routerID", json!("1.2.3.4"))),
        ("§10 password, even of digits", ", password: 12345", with("password", json!("12345"))),
        ("§10 ebgp-multihop", ", ebgp-multihop: true", with("ebgpMultiHop", json!(true))),
        ("§10 ebgp-multihop false says nothing", ", ebgp-multihop: false", base()),
        (
            "§10 node-selectors",
            ", node-selectors: [{match-labels: {a: b}, match-expressions: [{key: c, operator: In, values: [d]}]}]",
            with(
                "nodeSelectors",
                json!([{"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "In", "values": ["d"]}]}]),
            ),
        ),
    ];
    for (row, given, spec) in table {
        assert_eq!(
            specs(&format!("{PEER}{given}}}"), "BGPPeer"),
            [json!({"name": "peer1", "spec": spec})],
            "{row}"
        );
    }
}

#[test]
fn a_peers_profile_is_named_as_the_profile_is() {
    let config = format!("{PEER}, bfd-profile: Fast_One}}\nbfd-profiles:\n- name: Fast_One");
    assert_eq!(specs(&config, "BGPPeer")[0]["spec"]["bfdProfile"], "fast-one");
    assert_eq!(specs(&config, "BFDProfile")[0]["name"], "fast-one");
    let renamed = convert(&Source::only_data(&config)).unwrap().renamed;
    assert_eq!(renamed.len(), 1, "told once: {renamed:?}");
}

#[test]
fn pools_keep_their_name_and_are_announced_by_their_protocol() {
    let table = [
        (
            "§10 layer2",
            "{name: red, protocol: layer2, addresses: [10.0.0.0/24]}",
            json!([{"addresses": ["10.0.0.0/24"]}]),
            json!([{"name": "l2advertisement1", "spec": {"ipAddressPools": ["red"]}}]),
            json!([]),
        ),
        (
            "§10 bgp without bgp-advertisements is an empty one",
            "{name: red, protocol: bgp, addresses: [10.0.0.0/24]}",
            json!([{"addresses": ["10.0.0.0/24"]}]),
            json!([]),
            json!([{"name": "bgpadvertisement1", "spec": {"ipAddressPools": ["red"]}}]),
        ),
        (
            "§10 bgp-advertisements, one running number",
            "{name: red, protocol: bgp, addresses: [10.0.0.0/24], bgp-advertisements: [{aggregation-length: 32, \
             localpref: 100, communities: ['65000:1']}, {aggregation-length: 24, aggregation-length-v6: 128}]}",
            json!([{"addresses": ["10.0.0.0/24"]}]),
            json!([]),
            json!([
                {"name": "bgpadvertisement1", "spec": {
                    "ipAddressPools": ["red"], "aggregationLength": 32, "localPref": 100, "communities": ["65000:1"]}},
                {"name": "bgpadvertisement2", "spec": {
                    "ipAddressPools": ["red"], "aggregationLength": 24, "aggregationLengthV6": 128}},
            ]),
        ),
        (
            "§10 bgp-advertisements regardless of protocol",
            "{name: red, protocol: layer2, addresses: [10.0.0.0/24], bgp-advertisements: [{}]}",
            json!([{"addresses": ["10.0.0.0/24"]}]),
            json!([{"name": "l2advertisement1", "spec": {"ipAddressPools": ["red"]}}]),
            json!([{"name": "bgpadvertisement1", "spec": {"ipAddressPools": ["red"]}}]),
        ),
        (
            "§10 auto-assign and avoid-buggy-ips as given",
            "{name: red, protocol: layer2, addresses: [10.0.0.0/24], auto-assign: no, avoid-buggy-ips: yes}",
            json!([{"addresses": ["10.0.0.0/24"], "autoAssign": false, "avoidBuggyIPs": true}]),
            json!([{"name": "l2advertisement1", "spec": {"ipAddressPools": ["red"]}}]),
            json!([]),
        ),
    ];
    for (row, pool, pools, layer2, bgp) in table {
        let config = format!("address-pools:\n- {pool}");
        let spec = |kind| specs(&config, kind).into_iter().map(|object| object["spec"].clone()).collect();
        assert_eq!(Value::Array(spec("IPAddressPool")), pools, "{row}");
        assert_eq!(Value::Array(specs(&config, "L2Advertisement")), layer2, "{row}");
        assert_eq!(Value::Array(specs(&config, "BGPAdvertisement")), bgp, "{row}");
    }
}

#[test]
fn communities_are_one_object_sorted_by_name() {
    let config = "bgp-communities:\n  b: 65535:65282\n  a: large:1:2:3";
    let aliases = json!([{"name": "a", "value": "large:1:2:3"}, {"name": "b", "value": "65535:65282"}]);
    assert_eq!(
        specs(config, "Community"),
        [json!({"name": "communities", "spec": {"communities": aliases}})],
        "§10 bgp-communities map"
    );
}

#[test]
fn bfd_profiles_always_say_their_modes() {
    let config = "bfd-profiles:\n- name: plain\n- {name: full, receive-interval: 280, transmit-interval: 270, \
                  detect-multiplier: 37, echo-interval: 62, echo-mode: true, passive-mode: true, minimum-ttl: 253}";
    assert_eq!(
        specs(config, "BFDProfile"),
        [
            json!({"name": "plain", "spec": {"echoMode": false, "passiveMode": false}}),
            json!({"name": "full", "spec": {
                "receiveInterval": 280, "transmitInterval": 270, "detectMultiplier": 37, "echoInterval": 62,
                "echoMode": true, "passiveMode": true, "minimumTtl": 253}}),
        ],
        "§10 bfd-profiles[]"
    );
}

#[test]
fn names_become_compatible() {
    let long = "a".repeat(64);
    let table = [
        ("§10 kept", "red-1", Some("red-1")),
        ("§10 kept: 63 characters", &long[..63], Some(&long[..63])),
        ("§10 first 63 characters", &long, Some(&long[..63])),
        ("§10 lower case", "Red", Some("red")),
        ("§10 underscore", "my_pool", Some("my-pool")),
        ("§10 before the first letter dropped", "1_2-Red", Some("red")),
        ("§10 one letter", "X", Some("x")),
        ("§10 no letter", "123", None),
        ("what the original would make, but nobody could apply", "red!", None),
        ("what the original would make, but nobody could apply", "red-", None),
    ];
    for (row, name, wanted) in table {
        for (kind, section) in [
            (
                "IpAddressPool",
                format!("address-pools: [{{name: '{name}', protocol: layer2, addresses: [10.0.0.0/24]}}]"),
            ),
            ("BFDProfile", format!("bfd-profiles: [{{name: '{name}'}}]")),
        ] {
            let outcome = convert(&Source::only_data(&section));
            let made = outcome.as_ref().ok().map(|resources| {
                let pools = resources.pools.iter().filter_map(|pool| pool.metadata.name.clone());
                let profiles =
                    resources.bfd_profiles.iter().filter_map(|profile| profile.metadata.name.clone());
                pools.chain(profiles).collect::<Vec<_>>()
            });
            assert_eq!(made, wanted.map(|name| vec![name.to_owned()]), "{row}: {name}");
            match outcome {
                Ok(resources) => {
                    assert_eq!(
                        !resources.renamed.is_empty(),
                        wanted != Some(name),
                        "a change is told: {name}"
                    );
                }
                Err(error) => {
                    assert_eq!(
                        error.to_string(),
                        format!("failed to make {kind} K8S compatible: {name}"),
                        "{row}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_wrong_is_refused_with_its_reason() {
    let pool = |rest: &str| format!("address-pools:\n- {{name: red, {rest}}}");
    let table = [
        (
            "§10 hold-time 2s",
            format!("{PEER}, hold-time: 2s}}"),
            "peer 1: invalid hold-time \"2s\": must be 0 or >=3s",
        ),
        ("§10 hold-time no duration", format!("{PEER}, hold-time: 90}}"), "peer 1: invalid hold-time \"90\""),
        (
            "keepalive-time no duration",
            format!("{PEER}, keepalive-time: x}}"),
            "peer 1: invalid keepalive-time \"x\"",
        ),
        (
            "D21 a typo leaves no unannounced pool",
            pool("protocol: l2, addresses: [10.0.0.0/24]"),
            "address pool red: unknown protocol \"l2\": use \"layer2\" or \"bgp\"",
        ),
        ("D21 no protocol", pool("addresses: [10.0.0.0/24]"), "address pool red: unknown protocol \"\""),
        (
            "§10 exactly layer2",
            pool("protocol: Layer2, addresses: [10.0.0.0/24]"),
            "unknown protocol \"Layer2\"",
        ),
        ("§10, §3.2 checked: bad entry", pool("protocol: bgp, addresses: [10.0.0.0]"), "invalid CIDR"),
        ("§10, §3.2 checked: no addresses", pool("protocol: bgp"), "pool has no prefixes defined"),
        (
            "§10, §3.2 checked: overlap",
            "address-pools:\n- {name: aa, protocol: bgp, addresses: [10.0.0.0/24]}\n\
             - {name: bb, protocol: bgp, addresses: [10.0.0.0/25]}"
                .to_owned(),
            "overlaps with already defined CIDR",
        ),
        (
            "§10, §3.2 checked: profile unknown",
            format!("{PEER}, bfd-profile: fast}}"),
            "referencing non existing bfd profile fast",
        ),
        (
            "§10, §3.2 checked: profile values",
            "bfd-profiles: [{name: fast, detect-multiplier: 1}]".to_owned(),
            "must be in 2-255 range",
        ),
        (
            "two of one name",
            "bfd-profiles: [{name: a_b}, {name: a-b}]".to_owned(),
            "BFDProfile a-b: two of this name",
        ),
        ("unknown field", pool("protcol: bgp, addresses: [10.0.0.0/24]"), "protcol"),
        ("no YAML", "a: [".to_owned(), "reading the configuration"),
    ];
    for (row, config, wanted) in table {
        let refused = refusal(convert(&Source::only_data(&config)));
        assert!(refused.contains(wanted), "{row}: {refused}");
    }
}

#[test]
fn no_rule_of_a_single_bgp_engine_applies() {
    let config = format!("{PEER}, bfd-profile: fast, keepalive-time: 10s}}\nbfd-profiles: [{{name: fast}}]");
    assert_eq!(specs(&config, "BGPPeer").len(), 1, "native mode would refuse both");
}

#[test]
fn the_configuration_is_found_in_its_config_map() {
    let map = |rest: &str| format!("kind: ConfigMap\nmetadata: {{name: config{rest}");
    let table = [
        ("§10 its namespace", map(", namespace: lb}\ndata: {config: 'peers: []'}"), Ok("lb")),
        ("§10 else metallb-system", map("}\ndata: {config: 'peers: []'}"), Ok("metallb-system")),
        ("§10 data.config missing", map("}\ndata: {other: x}"), Err("bad ConfigMap: no data")),
        ("§10 data missing", map("}"), Err("bad ConfigMap: no data")),
        ("§10 other kind", "kind: Secret".to_owned(), Err("not a configmap")),
        ("no kind", "peers: []".to_owned(), Err("not a configmap")),
        ("no YAML", "{".to_owned(), Err("reading the ConfigMap")),
    ];
    for (row, text, wanted) in table {
        match (Source::in_config_map(&text), wanted) {
            (Ok(source), Ok(namespace)) => assert_eq!(source.namespace, namespace, "{row}"),
            (outcome, Err(reason)) => assert!(refusal(outcome).contains(reason), "{row}"),
            (outcome, Ok(_)) => panic!("{row}: {outcome:?}"),
        }
    }
}

#[test]
fn every_object_is_in_the_namespace_of_the_config_map() {
    let source = Source { namespace: "lb".to_owned(), config: EVERYTHING.to_owned() };
    let text = convert(&source).unwrap().to_yaml().unwrap();
    assert_eq!(text.matches("\n  namespace: lb\n").count(), text.matches("---\n").count(), "{text}");
}

const EVERYTHING: &str = "
peers: [{my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1}]
address-pools:
- {name: red, protocol: bgp, addresses: [10.1.0.0/24]}
- {name: blue, protocol: layer2, addresses: [10.2.0.1-10.2.0.9]}
bfd-profiles: [{name: fast}]
bgp-communities: {none: '65535:65281'}
";

#[test]
fn the_documents_come_in_the_originals_order_and_form() {
    let text = convert(&Source::only_data(EVERYTHING)).unwrap().to_yaml().unwrap();
    assert!(
        text.starts_with("# This was autogenerated by MetalLB's custom resource generator.\napiVersion:"),
        "{text}"
    );
    assert!(text.ends_with("---\n") && !text.contains("creationTimestamp"), "{text}");
    let objects = objects(EVERYTHING);
    let kinds: Vec<&str> = objects.iter().filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(
        kinds,
        [
            "BGPPeer",
            "IPAddressPool",
            "IPAddressPool",
            "BGPAdvertisement",
            "L2Advertisement",
            "BFDProfile",
            "Community"
        ]
    );
    let counters = json!({"assignedIPv4": 0, "assignedIPv6": 0, "availableIPv4": 0, "availableIPv6": 0});
    for object in objects {
        let wanted = if object["kind"] == "IPAddressPool" { counters.clone() } else { json!({}) };
        assert_eq!(object["status"], wanted, "{object}");
        let version = if object["kind"] == "BGPPeer" { "metallb.io/v1beta2" } else { "metallb.io/v1beta1" };
        assert_eq!(object["apiVersion"], version);
    }
}

#[test]
fn an_empty_configuration_makes_no_objects() {
    for config in ["", "{}", "# nothing\n", "peers: []"] {
        assert!(objects(config).is_empty(), "{config:?}");
    }
}
