//! Contract 01 §2.1 and §2.2.

use serde_json::{Value, json};

use super::*;

mod bad_input;

fn view(annotations: Value, spec: Value) -> ServiceView {
    view_of(
        json!({"metadata": {"name": "web", "namespace": "shop", "annotations": annotations}, "spec": spec}),
    )
}

fn view_of(service: Value) -> ServiceView {
    parse(&serde_json::from_value(service).unwrap())
}

fn requested(annotations: Value, spec: Value) -> Result<Vec<String>, String> {
    let ips = view(annotations, spec).requested_ips;
    ips.map(|ips| ips.iter().map(ToString::to_string).collect()).map_err(|error| error.to_string())
}

#[test]
fn requested_addresses_come_from_the_annotation_or_the_field() {
    let table: &[(Value, Value, &[&str])] = &[
        (json!({}), json!({}), &[]),
        (json!({"metallb.io/loadBalancerIPs": "1.2.3.4"}), json!({}), &["1.2.3.4"]),
        (
            json!({"metallb.io/loadBalancerIPs": " 2001:DB8::1 ,\t1.2.3.4 "}),
            json!({}),
            &["2001:db8::1", "1.2.3.4"],
        ),
        (json!({"metallb.universe.tf/loadBalancerIPs": "1.2.3.4"}), json!({}), &["1.2.3.4"]),
        (json!({"metallb.io/loadBalancerIPs": "::ffff:1.2.3.4"}), json!({}), &["1.2.3.4"]),
        (json!({}), json!({"loadBalancerIP": "1.2.3.4"}), &["1.2.3.4"]),
        (json!({"metallb.io/loadBalancerIPs": ""}), json!({"loadBalancerIP": "1.2.3.4"}), &["1.2.3.4"]),
        // The preferred key counts even when it is empty.
        (
            json!({"metallb.io/loadBalancerIPs": "", "metallb.universe.tf/loadBalancerIPs": "1.2.3.4"}),
            json!({}),
            &[],
        ),
        (
            json!({"metallb.io/loadBalancerIPs": "5.6.7.8", "metallb.universe.tf/loadBalancerIPs": "1.2.3.4"}),
            json!({}),
            &["5.6.7.8"],
        ),
    ];
    for (annotations, spec, expected) in table {
        assert_eq!(requested(annotations.clone(), spec.clone()).unwrap(), *expected, "{annotations}");
    }
}

/// Contract 01 §4.10, the rows about requests.
#[test]
fn wrong_requests_say_what_is_wrong() {
    let table = [
        (
            json!({"metallb.io/loadBalancerIPs": "1.2.3.4"}),
            json!({"loadBalancerIP": "1.2.3.4"}),
            "service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP",
        ),
        (
            json!({"metallb.universe.tf/loadBalancerIPs": "1.2.3.4"}),
            json!({"loadBalancerIP": "1.2.3.4"}),
            "service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP",
        ),
        (
            json!({"metallb.io/loadBalancerIPs": "1.2.3"}),
            json!({}),
            r#"invalid metallb.io/loadBalancerIPs: "1.2.3""#,
        ),
        (
            json!({"metallb.io/loadBalancerIPs": "1.2.3.4,"}),
            json!({}),
            r#"invalid metallb.io/loadBalancerIPs: "1.2.3.4,""#,
        ),
        (json!({}), json!({"loadBalancerIP": "x"}), r#"invalid spec.loadBalancerIP "x""#),
        (
            json!({"metallb.io/loadBalancerIPs": "1.2.3.4,1.2.3.5"}),
            json!({}),
            r#"IPFamilyForAddresses: same address family ["1.2.3.4" "1.2.3.5"]"#,
        ),
        (
            json!({"metallb.io/loadBalancerIPs": "1.2.3.4,1000::,1.2.3.5"}),
            json!({}),
            r#"IPFamilyForAddresses: invalid ips length 3 ["1.2.3.4" "1000::" "1.2.3.5"]"#,
        ),
    ];
    for (annotations, spec, message) in table {
        assert_eq!(requested(annotations, spec).unwrap_err(), message);
    }
}

#[test]
fn the_cluster_addresses_give_the_family() {
    use IpFamily::{V4, V6};
    let known = |families| ClusterFamily::Known(families);
    let unknown = |error| ClusterFamily::Unknown(error);
    let table = [
        (json!({}), ClusterFamily::NoAddress),
        (json!({"clusterIP": "", "clusterIPs": []}), ClusterFamily::NoAddress),
        (json!({"clusterIP": "10.0.0.1"}), known(Families::One(V4))),
        (json!({"clusterIP": "10.0.0.1", "clusterIPs": ["fd00::1"]}), known(Families::One(V6))),
        (json!({"clusterIPs": ["fd00::1", "10.0.0.1"]}), known(Families::Both)),
        (json!({"clusterIP": "None"}), unknown(FamilyError::NoAddress { list: r#"["None"]"#.into() })),
        (
            json!({"clusterIPs": ["10.0.0.1", "10.0.0.2"]}),
            unknown(FamilyError::SameFamily { list: r#"["10.0.0.1" "10.0.0.2"]"#.into() }),
        ),
    ];
    for (spec, expected) in table {
        assert_eq!(view(json!({}), spec.clone()).cluster_family, expected, "{spec}");
    }
    assert_eq!(
        FamilyError::NoAddress { list: r#"["None"]"#.into() }.to_string(),
        r#"IPFamilyForAddresses: Invalid address ["None"]"#
    );
}

#[test]
fn policy_and_primary_family_default_to_single_stack_ipv4() {
    let plain = view(json!({}), json!({}));
    assert_eq!((plain.family_policy, plain.primary_family), (FamilyPolicy::SingleStack, IpFamily::V4));
    let prefer =
        view(json!({}), json!({"ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]}));
    assert_eq!((prefer.family_policy, prefer.primary_family), (FamilyPolicy::PreferDualStack, IpFamily::V6));
    let require = view(json!({}), json!({"ipFamilyPolicy": "RequireDualStack"}));
    assert_eq!(require.family_policy, FamilyPolicy::RequireDualStack);
}

#[test]
fn the_class_must_equal_the_flag_and_both_may_be_absent() {
    let table = [
        (None, "", true),
        (None, "a", false),
        (Some("a"), "a", true),
        (Some("a"), "b", false),
        (Some("a"), "", false),
    ];
    for (class, flag, served) in table {
        assert_eq!(
            view(json!({}), json!({"loadBalancerClass": class})).is_served_by(flag),
            served,
            "{class:?} {flag:?}"
        );
    }
}

#[test]
fn services_share_only_with_equal_keys_and_the_same_pods() {
    let key =
        |sharing: &str, spec: Value| view(json!({"metallb.io/allow-shared-ip": sharing}), spec).sharing_key;
    let local = |app: &str| json!({"externalTrafficPolicy": "Local", "selector": {"tier": "x", "app": app}});
    let cluster = |app: &str| json!({"externalTrafficPolicy": "Cluster", "selector": {"app": app}});
    assert!(key("k", cluster("a")).may_share(&key("k", cluster("b"))));
    assert!(!key("k", cluster("a")).may_share(&key("l", cluster("a"))));
    assert!(!key("", cluster("a")).may_share(&key("", cluster("a"))));
    assert!(key("k", local("a")).may_share(&key("k", local("a"))));
    assert!(!key("k", local("a")).may_share(&key("k", local("b"))));
    assert!(!key("k", local("a")).may_share(&key("k", cluster("a"))));
    assert_eq!(key("k", local("a")).backend, "app=a,tier=x");
    // D6: a key and a selector that read the same one after the other are not the same.
    assert_ne!(key("app=a,tier=x", cluster("a")), key("", local("a")));
}

#[test]
fn an_empty_sharing_annotation_is_still_an_annotation() {
    let empty = view(json!({"metallb.universe.tf/allow-shared-ip": ""}), json!({}));
    assert!(empty.has_sharing_annotation && empty.sharing_key.sharing.is_empty());
    assert!(!view(json!({}), json!({})).has_sharing_annotation);
}

#[test]
fn ports_are_known_by_protocol_and_number() {
    let ports = view(
        json!({}),
        json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}, {"port": 53, "protocol": "TCP"}]}),
    );
    let texts: Vec<String> = ports.ports.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["TCP/53", "UDP/53"]);
}

#[test]
fn recorded_addresses_keep_their_order_and_foreign_entries_are_seen() {
    let view = view_of(
        json!({"metadata": {"annotations": {"metallb.io/ip-allocated-from-pool": "p"}}, "status": {"loadBalancer": {"ingress": [
            {"ip": "2001:DB8::1", "ipMode": "VIP"}, {"ip": "1.2.3.4"}, {"hostname": "x"}, {"ip": "1.2"},
        ]}}}),
    );
    assert_eq!(
        view.recorded_ips().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["2001:db8::1", "1.2.3.4"]
    );
    assert_eq!(view.ingress[2..], [IngressEntry::Other, IngressEntry::Unparsable("1.2".into())]);
    assert_eq!(view.recorded_pool.as_deref(), Some("p"));
}

#[test]
fn pool_requests_and_deprecated_annotations_are_read() {
    let view = view(
        json!({"metallb.universe.tf/address-pool": "old", "metallb.universe.tf/x": "", "other": ""}),
        json!({}),
    );
    assert_eq!(view.requested_pool.as_deref(), Some("old"));
    assert_eq!(view.deprecated_annotations, ["metallb.universe.tf/address-pool", "metallb.universe.tf/x"]);
}

#[test]
fn the_recorded_condition_is_found_among_others() {
    let recorded = |kind: &str, status: &str| {
        let time = "2026-01-01T00:00:00Z";
        let other = json!({"type": "x/Other", "status": "True", "reason": "O", "message": "o", "lastTransitionTime": time});
        let ours = json!({"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": time});
        view_of(json!({"metadata": {}, "status": {"conditions": [other, ours]}})).recorded_condition
    };
    let condition = |status| Some(RecordedCondition { status, reason: "R".into(), message: "m".into() });
    assert_eq!(recorded("metallb.io/Allocated", "True"), condition(Some(true)));
    assert_eq!(recorded("metallb.io/Allocated", "False"), condition(Some(false)));
    assert_eq!(recorded("metallb.io/Allocated", "Unknown"), condition(None));
    assert_eq!(recorded("metallb.io/allocated", "True"), None);
    assert_eq!(view(json!({}), json!({})).recorded_condition, None);
}
