use super::*;

fn link(index: u32, name: &str) -> Interface {
    Interface { index, name: name.to_owned(), is_up: true, ..Interface::default() }
}

fn address(text: &str, is_usable: bool) -> Address {
    Address { ip: text.parse().unwrap(), length: 64, is_usable }
}

fn link_local(table: &LinkTable) -> Option<String> {
    table.interfaces(|_| true).first()?.link_local.map(|ip| ip.to_string())
}

#[test]
fn the_source_follows_the_addresses_as_they_come_and_go() {
    let mut table = LinkTable::default();
    table.set_link(link(2, "eth0"));
    table.set_address(2, address("fe80::1", false));
    assert_eq!(link_local(&table), None, "it may be a duplicate");
    table.set_address(2, address("fe80::1", true));
    table.set_address(2, address("fe80::2", true));
    assert_eq!(link_local(&table).as_deref(), Some("fe80::1"));
    table.remove_address(2, address("fe80::1", true));
    assert_eq!(link_local(&table).as_deref(), Some("fe80::2"));
    table.set_link(Interface { is_up: false, ..link(2, "eth0") });
    assert_eq!(link_local(&table).as_deref(), Some("fe80::2"), "a changed link keeps its addresses");
}

#[test]
fn a_link_that_is_made_anew_has_none_of_the_old_addresses() {
    let mut table = LinkTable::default();
    table.set_link(link(2, "eth0"));
    table.set_address(2, address("fe80::1", true));
    table.remove_link(2);
    table.set_address(2, address("fe80::9", true));
    assert!(table.interfaces(|_| true).is_empty());
    table.set_link(link(2, "eth0"));
    assert_eq!(link_local(&table), None);
}

#[test]
fn the_same_address_with_another_length_is_another_one() {
    let mut table = LinkTable::default();
    table.set_link(link(2, "eth0"));
    for length in [24, 32] {
        table.set_address(2, Address { ip: "10.0.0.1".parse().unwrap(), length, is_usable: true });
    }
    table.remove_address(2, Address { ip: "10.0.0.1".parse().unwrap(), length: 32, is_usable: true });
    let subnets: Vec<String> =
        table.interfaces(|_| true)[0].subnets.iter().map(ToString::to_string).collect();
    assert_eq!(subnets, ["10.0.0.0/24"]);
}
