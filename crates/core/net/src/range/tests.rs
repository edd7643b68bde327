use super::*;

fn range(entry: &str) -> IpRange {
    entry.parse().unwrap()
}

fn prefixes(entry: &str) -> Vec<String> {
    range(entry).prefixes().iter().map(Prefix::to_string).collect()
}

/// Contract 01 §1.1 (addresses) and §3.3 rule 1.
#[test]
fn entries_of_both_forms_give_their_first_and_last_address() {
    let table = [
        ("192.0.2.0/24", "192.0.2.0", "192.0.2.255"),
        ("192.0.2.77/24", "192.0.2.0", "192.0.2.255"),
        ("192.0.2.7/32", "192.0.2.7", "192.0.2.7"),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
        ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2001:db8::5/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff"),
        ("::ffff:1.2.3.9/120", "1.2.3.0", "1.2.3.255"),
        ("192.0.2.10-192.0.2.20", "192.0.2.10", "192.0.2.20"),
        ("  192.0.2.10 -\t192.0.2.20 ", "192.0.2.10", "192.0.2.20"),
        ("192.0.2.10-192.0.2.10", "192.0.2.10", "192.0.2.10"),
        ("::ffff:192.0.2.1-192.0.2.2", "192.0.2.1", "192.0.2.2"),
        ("2001:db8::1-2001:db8::ffff", "2001:db8::1", "2001:db8::ffff"),
        ("::/79", "::", "::1:ffff:ffff:ffff"),
        ("::ffff:0:0/96", "0.0.0.0", "255.255.255.255"),
    ];
    for (entry, first, last) in table {
        let range = range(entry);
        assert_eq!(
            (range.first().to_string(), range.last().to_string()),
            (first.into(), last.into()),
            "{entry}"
        );
    }
}

/// Contract 01 §3.2, row "bad entry", the detail; the mixed families are D16.
#[test]
fn wrong_entries_are_refused_with_the_contract_s_text() {
    let table = [
        ("192.0.2.1", r#"invalid CIDR "192.0.2.1""#),
        ("", r#"invalid CIDR """#),
        (" 192.0.2.0/24", r#"invalid CIDR " 192.0.2.0/24""#),
        ("192.0.2.0/24 ", r#"invalid CIDR "192.0.2.0/24 ""#),
        ("192.0.2.0/33", r#"invalid CIDR "192.0.2.0/33""#),
        ("192.0.2.0/+4", r#"invalid CIDR "192.0.2.0/+4""#),
        ("192.0.2.0/", r#"invalid CIDR "192.0.2.0/""#),
        ("2001:db8::/129", r#"invalid CIDR "2001:db8::/129""#),
        ("2001:db8::/900", r#"invalid CIDR "2001:db8::/900""#),
        ("192.0.2.256/24", r#"invalid CIDR "192.0.2.256/24""#),
        ("192.0.2.a-192.0.2.9", r#"invalid IP range "192.0.2.a-192.0.2.9": invalid start IP "192.0.2.a""#),
        ("-192.0.2.9", r#"invalid IP range "-192.0.2.9": invalid start IP """#),
        ("192.0.2.1-", r#"invalid IP range "192.0.2.1-": invalid end IP """#),
        ("192.0.2.1-9", r#"invalid IP range "192.0.2.1-9": invalid end IP "9""#),
        (
            "192.0.2.1-192.0.2.3-192.0.2.5",
            r#"invalid IP range "192.0.2.1-192.0.2.3-192.0.2.5": invalid end IP "192.0.2.3-192.0.2.5""#,
        ),
        (
            "192.0.2.9-192.0.2.1",
            r#"invalid IP range "192.0.2.9-192.0.2.1": start IP "192.0.2.9" is after the end IP "192.0.2.1""#,
        ),
        (
            "192.0.2.9-2001:db8::1",
            r#"invalid IP range "192.0.2.9-2001:db8::1": start IP "192.0.2.9" and end IP "2001:db8::1" are of different IP families"#,
        ),
        (
            "::ffff:0:0/95",
            r#"invalid IP range "::ffff:0:0/95": it holds IPv6 addresses and those of ::ffff:0:0/96, which are IPv4"#,
        ),
        (
            "::/80",
            r#"invalid IP range "::/80": it holds IPv6 addresses and those of ::ffff:0:0/96, which are IPv4"#,
        ),
        (
            "::1-::2:0:0:0",
            r#"invalid IP range "::1-::2:0:0:0": it holds IPv6 addresses and those of ::ffff:0:0/96, which are IPv4"#,
        ),
        (
            "::fffe:0:0-::ffff:1.2.3.4",
            r#"invalid IP range "::fffe:0:0-::ffff:1.2.3.4": start IP "::fffe:0:0" and end IP "1.2.3.4" are of different IP families"#,
        ),
    ];
    for (entry, expected) in table {
        assert_eq!(entry.parse::<IpRange>().unwrap_err().to_string(), expected);
    }
}

/// Contract 01 §3.3 rule 1, its example.
#[test]
fn a_range_is_covered_by_the_fewest_prefixes_in_order() {
    assert_eq!(
        prefixes("3.3.3.2-3.3.3.254"),
        [
            "3.3.3.2/31",
            "3.3.3.4/30",
            "3.3.3.8/29",
            "3.3.3.16/28",
            "3.3.3.32/27",
            "3.3.3.64/26",
            "3.3.3.128/26",
            "3.3.3.192/27",
            "3.3.3.224/28",
            "3.3.3.240/29",
            "3.3.3.248/30",
            "3.3.3.252/31",
            "3.3.3.254/32"
        ]
    );
    assert_eq!(prefixes("0.0.0.0/0"), ["0.0.0.0/0"]);
    assert_eq!(prefixes("::/0"), ["::/0"]);
    assert_eq!(prefixes("255.255.255.255-255.255.255.255"), ["255.255.255.255/32"]);
    assert_eq!(
        prefixes("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"),
        ["ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"]
    );
}

#[test]
fn lengths_are_exact_and_saturate_for_the_whole_of_ipv6() {
    assert_eq!(range("192.0.2.0/24").len(), 256);
    assert_eq!(range("0.0.0.0/0").len(), 1 << 32);
    assert_eq!(range("::/1").len(), 1 << 127);
    assert_eq!(range("::/0").len(), u128::MAX);
}

#[test]
fn the_nth_address_counts_from_the_first_and_stops_at_the_last() {
    let range = range("192.0.2.254-192.0.3.1");
    let nth: Vec<_> = (0..5).map(|n| range.nth(n).map(|ip| ip.to_string())).collect();
    assert_eq!(
        nth,
        [
            Some("192.0.2.254".into()),
            Some("192.0.2.255".into()),
            Some("192.0.3.0".into()),
            Some("192.0.3.1".into()),
            None
        ]
    );
    assert_eq!(range.nth(u128::MAX), None);
}

#[test]
fn membership_knows_families_and_4_in_6() {
    let v4 = range("192.0.2.0/24");
    assert!(v4.contains("192.0.2.9".parse().unwrap()));
    assert!(v4.contains("::ffff:192.0.2.9".parse().unwrap()));
    assert!(!v4.contains("192.0.3.0".parse().unwrap()));
    assert!(!range("::/0").contains("192.0.2.9".parse().unwrap()));
}

#[test]
fn ranges_overlap_when_they_share_an_address() {
    let table = [
        ("10.0.0.0/24", "10.0.0.255-10.0.1.3", true),
        ("10.0.0.0/24", "10.0.1.0/24", false),
        ("10.0.0.0/8", "10.9.9.9/32", true),
        ("::/0", "0.0.0.0/0", false),
    ];
    for (a, b, expected) in table {
        assert_eq!(range(a).overlaps(&range(b)), expected, "{a} {b}");
        assert_eq!(range(b).overlaps(&range(a)), expected, "{b} {a}");
    }
}
