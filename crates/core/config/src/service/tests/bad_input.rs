//! Requests that make no sense, and requests at the limits of the API.

use super::*;

/// The API server takes at most this many bytes of annotations.
const ANNOTATION_LIMIT: usize = 256 * 1024;

#[test]
fn requests_that_make_no_sense_are_errors() {
    let invalid = |value: &str| Err(format!("invalid metallb.io/loadBalancerIPs: {value:?}"));
    let same = |list: &str| Err(format!("IPFamilyForAddresses: same address family {list}"));
    let count =
        |count: usize, list: &str| Err(format!("IPFamilyForAddresses: invalid ips length {count} {list}"));
    // (row, annotation, addresses or error)
    let table = [
        ("duplicated request", "1.2.3.4,1.2.3.4", same(r#"["1.2.3.4" "1.2.3.4"]"#)),
        (
            "duplicated request, written differently",
            "1.2.3.4,::ffff:1.2.3.4",
            same(r#"["1.2.3.4" "1.2.3.4"]"#),
        ),
        ("two of one family", "1000::1,1000::2", same(r#"["1000::1" "1000::2"]"#)),
        (
            "more than two addresses",
            "1.2.3.4,1000::,1.2.3.5,1000::1",
            count(4, r#"["1.2.3.4" "1000::" "1.2.3.5" "1000::1"]"#),
        ),
        ("blanks only", "   ", invalid("   ")),
        ("a blank within", "1.2. 3.4", invalid("1.2. 3.4")),
        ("blanks around", "\t1.2.3.4\n", Ok(vec!["1.2.3.4".to_owned()])),
        ("a trailing comma", "1.2.3.4, ", invalid("1.2.3.4, ")),
        ("a prefix", "1.2.3.4/32", invalid("1.2.3.4/32")),
        ("a range", "1.2.3.4-1.2.3.5", invalid("1.2.3.4-1.2.3.5")),
        ("a zone", "fe80::1%eth0", invalid("fe80::1%eth0")),
        ("leading zeros", "010.0.0.1", invalid("010.0.0.1")),
        ("4-in-6", "::ffff:1.2.3.4", Ok(vec!["1.2.3.4".to_owned()])),
        ("a semicolon", "1.2.3.4;1000::", invalid("1.2.3.4;1000::")),
    ];
    for (row, value, expected) in table {
        assert_eq!(requested(json!({"metallb.io/loadBalancerIPs": value}), json!({})), expected, "{row}");
    }
}

#[test]
fn annotations_at_the_limit_of_the_api_are_read_like_others() {
    let addresses = vec!["10.0.0.1"; ANNOTATION_LIMIT / 9].join(",");
    let error = requested(json!({"metallb.io/loadBalancerIPs": addresses}), json!({})).unwrap_err();
    assert!(error.starts_with("IPFamilyForAddresses: invalid ips length 29127 "));
    let letters = "x".repeat(ANNOTATION_LIMIT);
    let view =
        view(json!({"metallb.io/address-pool": letters, "metallb.io/allow-shared-ip": letters}), json!({}));
    assert_eq!(view.requested_pool.as_deref(), Some(letters.as_str()));
    assert_eq!(view.sharing_key.sharing, letters);
}

#[test]
fn annotations_nobody_knows_change_nothing() {
    let unknown = json!({
        "metallb.io/loadbalancerips": "1.2.3.4", "metallb.io/address-pools": "p", "metallb.io": "x",
        "example.org/loadBalancerIPs": "1.2.3.4", "metallb.io/loadBalancerIPs ": "1.2.3.4",
    });
    assert_eq!(view(unknown, json!({})), view(json!({}), json!({})));
}

/// Contract 01 §2.1: what exists is used, even when it is empty.
#[test]
fn an_empty_annotation_hides_the_deprecated_one() {
    let view = view(
        json!({
            "metallb.io/address-pool": "", "metallb.universe.tf/address-pool": "old",
            "metallb.io/loadBalancerIPs": "", "metallb.universe.tf/loadBalancerIPs": "1.2.3.4",
            "metallb.io/allow-shared-ip": "", "metallb.universe.tf/allow-shared-ip": "old",
        }),
        json!({}),
    );
    assert_eq!((view.requested_pool, view.requested_ips), (None, Ok(vec![])));
    assert_eq!(view.sharing_key.sharing, "");
}
