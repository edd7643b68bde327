//! Contract 02 §2.7, third and fourth item.

use super::*;
use crate::table::Interfaces;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn named(names: &[&str]) -> Interfaces {
    Interfaces::Named(names.iter().map(|name| (*name).to_owned()).collect())
}

/// Carries out a step on a link's memberships, as the kernel would.
fn execute(joined: &mut BTreeSet<Ipv6Addr>, change: GroupChange) {
    match change {
        GroupChange::Join(group) => assert!(joined.insert(group), "{group} was joined twice"),
        GroupChange::Leave(group) => assert!(joined.remove(&group), "{group} was left without being joined"),
    }
}

#[test]
fn the_group_keeps_the_low_24_bits_of_the_address() {
    assert_eq!(solicited_node(v6("2001:db8::4:5678")), v6("ff02::1:ff04:5678"));
    assert_eq!(solicited_node(v6("fd00:30::abcd:ef01")), v6("ff02::1:ffcd:ef01"));
}

#[test]
fn a_link_that_appears_late_joins_the_groups_of_addresses_already_announced() {
    let mut table = AnnouncedTable::default();
    table.set(v6("fd00::1:1").into(), Interfaces::All);
    table.set(v6("fd00::1:2").into(), named(&["eth1"]));
    assert_eq!(
        group_changes(&table, "eth0", &BTreeSet::new()),
        [GroupChange::Join(v6("ff02::1:ff01:1"))],
        "eth0 is not in the second address's set"
    );
}

#[test]
fn a_group_is_left_only_when_its_last_address_is_gone() {
    let (first, second) = (v6("fd00:1::9"), v6("fd00:2::9"));
    let mut table = AnnouncedTable::default();
    table.set(first.into(), Interfaces::All);
    table.set(second.into(), Interfaces::All);
    let joined = BTreeSet::from([solicited_node(first)]);
    table.remove(first.into());
    assert_eq!(group_changes_of(first.into(), &table, "eth0", &joined), None);
    table.remove(second.into());
    assert_eq!(
        group_changes_of(second.into(), &table, "eth0", &joined),
        Some(GroupChange::Leave(v6("ff02::1:ff00:9")))
    );
}

#[test]
fn an_ipv4_address_needs_no_group() {
    let mut table = AnnouncedTable::default();
    let address = IpAddr::from([192, 0, 2, 1]);
    table.set(address, Interfaces::All);
    assert_eq!(group_changes_of(address, &table, "eth0", &BTreeSet::new()), None);
    assert_eq!(group_changes(&table, "eth0", &BTreeSet::new()), []);
}

proptest! {
    /// Whatever happens, following single changes leads to the same memberships as starting afresh.
    #[test]
    fn single_changes_add_up_to_the_full_computation(
        steps in proptest::collection::vec((0u16..6, 0u8..4, 0usize..3), 0..60)
    ) {
        let links = ["eth0", "eth1"];
        let scopes = [Interfaces::All, named(&["eth0"]), named(&["eth1", "eth9"])];
        let mut table = AnnouncedTable::default();
        let mut joined: BTreeMap<&str, BTreeSet<Ipv6Addr>> = BTreeMap::new();
        for (host, network, choice) in steps {
            // Few hosts in several networks, so that groups are shared.
            let address = IpAddr::from(Ipv6Addr::new(0xfd00, network.into(), 0, 0, 0, 0, 0, host));
            match scopes.get(choice) {
                Some(scope) if network < 3 => table.set(address, scope.clone()),
                _ => { table.remove(address); }
            }
            for link in links {
                let joined = joined.entry(link).or_default();
                if let Some(change) = group_changes_of(address, &table, link, joined) {
                    execute(joined, change);
                }
            }
        }
        for link in links {
            let joined = joined.entry(link).or_default();
            prop_assert_eq!(group_changes(&table, link, joined), vec![]);
        }
    }
}
