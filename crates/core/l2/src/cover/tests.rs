use super::*;
use crate::table::Interfaces;
use proptest::prelude::*;

fn table(addresses: &[&str]) -> AnnouncedTable {
    let mut table = AnnouncedTable::default();
    for address in addresses {
        table.set(address.parse().unwrap(), Interfaces::All);
    }
    table
}

#[test]
fn neighbouring_addresses_are_one_range_and_others_stay_apart() {
    let table = table(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.9", "fd00::1"]);
    let at = |last: u32| 0x0a00_0000 + last;
    assert_eq!(Cover::of_v4(&table, 100).last, [at(1)..=at(3), at(9)..=at(9)]);
    assert_eq!(Cover::of_v4(&table, 1).last, [at(1)..=at(9)]);
    assert_eq!(Cover::of_v6(&table, 100).last, [1..=1]);
}

#[test]
fn the_smallest_gaps_are_closed_and_of_equal_ones_no_more_than_needed() {
    let gaps = |values: &[u32], at_most| ranges(values.to_vec(), at_most);
    assert_eq!(gaps(&[0, 10, 12, 30], 3), [0..=0, 10..=12, 30..=30]);
    assert_eq!(gaps(&[0, 10, 12, 30], 2), [0..=12, 30..=30]);
    assert_eq!(gaps(&[0, 2, 4, 6, 8], 4), [0..=2, 4..=4, 6..=6, 8..=8]);
    assert_eq!(gaps(&[0, u32::MAX], 1), [0..=u32::MAX]);
    assert_eq!(gaps(&[], 1), []);
}

#[test]
fn ipv6_addresses_of_several_networks_are_covered_word_by_word() {
    let table = table(&["fd00:1::5", "fd00:3::7"]);
    let cover = Cover::of_v6(&table, 100);
    for (address, is_in) in [
        ("fd00:1::5", true),
        ("fd00:3::7", true),
        ("fd00:2::5", true),
        ("fd00:4::5", false),
        ("fd00:1::6", false),
    ] {
        assert_eq!(cover.contains(address.parse().unwrap()), is_in, "{address}");
    }
    assert!(!cover.contains("10.0.0.1".parse().unwrap()));
    assert!(!Cover::default().contains("10.0.0.1".parse().unwrap()));
}

proptest! {
    /// No announced address is kept out, the number of ranges is kept, and with room enough nothing foreign passes.
    #[test]
    fn every_address_is_covered_by_no_more_ranges_than_allowed(
        v4 in prop::collection::hash_set(0u32..500, 0..60),
        v6 in prop::collection::hash_set(any::<(u8, u8)>(), 0..60),
        at_most in 1usize..30,
    ) {
        let v6_of = |(net, host): (u8, u8)| {
            IpAddr::from([0xfd00, u16::from(net), 0, 0, 0, 0, 0, u16::from(host)])
        };
        let mut table = AnnouncedTable::default();
        v4.iter().for_each(|bits| table.set(IpAddr::V4((*bits).into()), Interfaces::All));
        v6.iter().for_each(|pair| table.set(v6_of(*pair), Interfaces::All));
        let (few4, few6) = (Cover::of_v4(&table, at_most), Cover::of_v6(&table, at_most));
        prop_assert!(few4.last.len() <= at_most && few6.last.len() <= at_most);
        prop_assert!(v4.iter().all(|bits| few4.contains(IpAddr::V4((*bits).into()))));
        prop_assert!(v6.iter().all(|pair| few6.contains(v6_of(*pair))));
        let exact = Cover::of_v4(&table, 1000);
        prop_assert!((0..500).all(|bits| exact.contains(IpAddr::V4(bits.into())) == v4.contains(&bits)));
    }
}

proptest! {
    /// What is widened one by one is what is computed at once, as long as there is room.
    #[test]
    fn a_cover_that_is_widened_holds_what_it_was_widened_for_and_nothing_else(
        values in prop::collection::vec(prop_oneof![0u32..60, Just(u32::MAX), Just(u32::MAX - 1)], 0..60),
        at_most in 1usize..40,
    ) {
        let (mut cover, mut table) = (Cover::default(), AnnouncedTable::default());
        for address in values.iter().map(|bits| IpAddr::V4((*bits).into())) {
            let before = cover.clone();
            if cover.widen(address, at_most) {
                table.set(address, Interfaces::All);
            } else {
                prop_assert_eq!((&cover, before.last.len()), (&before, at_most));
            }
            prop_assert_eq!(&cover, &Cover::of_v4(&table, at_most));
        }
    }
}
