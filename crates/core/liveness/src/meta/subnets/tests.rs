use proptest::prelude::*;

use super::super::{Announced, VERSION, encode};
use super::*;

const READY: Announced =
    Announced { version: VERSION, port: 7947, boot: 7, is_starting: false, knows_terms: true };

fn set(texts: &[&str]) -> BTreeSet<Prefix> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn said(texts: &[&str]) -> Option<Vec<String>> {
    let read = subnets(&with_subnets(encode(&READY), &set(texts)));
    read.map(|subnets| subnets.iter().map(Prefix::to_string).collect())
}

#[test]
fn a_subnet_takes_a_byte_and_the_bytes_of_its_prefix() {
    let bytes = with_subnets(encode(&READY), &set(&["192.0.2.0/24", "10.128.0.0/9", "2001:db8:0:1::/64"]));
    let part = bytes.strip_prefix(&encode(&READY)[..]).unwrap();
    let expected = b"\x01\0\x10\x09\x0a\x80\x18\xc0\0\x02\x61\x20\x01\x0d\xb8\0\0\0\x01";
    assert_eq!(part, expected);
    assert_eq!(decode(&bytes), Some(READY), "the rest is read as before");
}

#[test]
fn what_another_one_covers_is_left_out_and_no_subnet_at_all_is_said_as_well() {
    let table: &[(&[&str], &[&str])] = &[
        (&[], &[]),
        (&["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.0.0.0/24"], &["10.0.0.0/8"]),
        (&["10.0.0.0/16", "10.0.7.0/24", "10.1.0.0/16"], &["10.0.0.0/16", "10.1.0.0/16"]),
        (&["0.0.0.0/0", "192.0.2.0/24", "2001:db8::/64"], &["0.0.0.0/0", "2001:db8::/64"]),
        (&["192.0.2.7/32", "2001:db8::1/128"], &["192.0.2.7/32", "2001:db8::1/128"]),
        (&["192.0.2.0/25", "192.0.2.128/25"], &["192.0.2.0/25", "192.0.2.128/25"]),
    ];
    for (subnets, expected) in table {
        assert_eq!(said(subnets).unwrap(), *expected, "{subnets:?}");
    }
}

#[test]
fn what_does_not_fit_is_not_said_at_all() {
    let many = |count: u16| -> BTreeSet<Prefix> {
        (0..count).map(|number| format!("2001:db8:0:{number:x}::/64").parse().unwrap()).collect()
    };
    let full = with_subnets(encode(&READY), &many(54));
    assert_eq!((full.len(), subnets(&full).map(|subnets| subnets.len())), (504, Some(54)));
    assert_eq!(with_subnets(encode(&READY), &many(55)), encode(&READY));
    let thousands: BTreeSet<Prefix> =
        (0..30_000u16).map(|number| format!("2001:db8:{number:x}::/48").parse().unwrap()).collect();
    assert_eq!(with_subnets(encode(&READY), &thousands), encode(&READY));
}

#[test]
fn speakers_of_before_and_of_others_say_nothing_of_subnets() {
    let ready = encode(&READY);
    let (_, without_flags) = ready.split_last().unwrap();
    for silent in [&ready[..], without_flags, b"", b"{\"a\":1}", b"\x01\0\x04\x18\xc0\0\x02"] {
        assert_eq!(subnets(silent), None, "{silent:?}");
    }
}

#[test]
fn unknown_parts_are_passed_over_and_broken_ones_say_nothing() {
    let behind = |bytes: &[u8]| subnets(&[&encode(&READY)[..], bytes].concat());
    let one = Some(vec!["192.0.2.0/24".parse().unwrap()]);
    for (bytes, expected) in [
        (&b"\x01\0\x04\x18\xc0\0\x02"[..], &one),
        (b"\x07\0\x02ab\x01\0\x04\x18\xc0\0\x02", &one),
        (b"\x01\0\x04\x18\xc0\0\x02\x07\0\x02a", &one),
        (b"\x01\0\0", &Some(vec![])),
        (b"\x01\0", &None),
        (b"\x01\0\x05\x18\xc0\0\x02", &None),
        (b"\x01\0\x03\x18\xc0\0", &None),
        (b"\x01\0\x01\xff", &None),
        (b"\x07\xff\xff\x01\0\x04\x18\xc0\0\x02", &None),
    ] {
        assert_eq!(&behind(bytes), expected, "{bytes:?}");
    }
}

fn prefix() -> impl Strategy<Value = Prefix> {
    let v4 = (any::<[u8; 4]>(), 0..=32u8).prop_map(|(base, length)| (IpAddr::from(base), length));
    let v6 = (any::<[u8; 16]>(), 0..=128u8).prop_map(|(base, length)| (IpAddr::from(base), length));
    prop_oneof![v4, v6].prop_map(|(base, length)| Prefix::new(base, length).unwrap())
}

proptest! {
    #[test]
    fn what_is_read_covers_what_was_said_and_nothing_else(said in prop::collection::btree_set(prefix(), 0..25)) {
        let read = subnets(&with_subnets(encode(&READY), &said)).unwrap();
        prop_assert!(said.iter().all(|subnet| read.iter().any(|wide| covers(wide, subnet))));
        prop_assert!(read.iter().all(|subnet| said.contains(subnet)));
    }

    #[test]
    fn any_bytes_are_read_without_harm(bytes in any::<Vec<u8>>()) {
        let meta = [encode(&READY), bytes].concat();
        if let Some(read) = subnets(&meta) {
            let said: BTreeSet<Prefix> = read.into_iter().collect();
            let again = with_subnets(encode(&READY), &said);
            prop_assert!(again.len() <= MOST && subnets(&again).is_none_or(|read| read.iter().all(|one| said.contains(one))));
        }
    }
}
