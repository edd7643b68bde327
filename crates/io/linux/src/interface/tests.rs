//! Contract 02 §2.5.

use super::*;

fn ethernet() -> Interface {
    Interface {
        index: 2,
        name: "eth0".to_owned(),
        mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
        is_up: true,
        has_carrier: true,
        can_broadcast: true,
        link_local: Some("fe80::1".parse().unwrap()),
        ..Interface::default()
    }
}

#[test]
fn an_ordinary_interface_speaks_both_protocols_even_without_ipv4_address() {
    let protocols = ethernet().protocols().unwrap();
    assert!(protocols.arp);
    assert_eq!(protocols.ndp, Some("fe80::1".parse().unwrap()));
}

#[test]
fn interfaces_that_can_not_be_announced_on_say_why() {
    let cases = [
        (Interface { is_up: false, ..ethernet() }, Ineligible::Down),
        (Interface { master: Some(7), ..ethernet() }, Ineligible::Enslaved(7)),
        (Interface { no_arp: true, ..ethernet() }, Ineligible::NoArp),
        (Interface { mac: None, ..ethernet() }, Ineligible::NoHardwareAddress),
        (Interface { can_broadcast: false, link_local: None, ..ethernet() }, Ineligible::NoProtocol),
    ];
    for (interface, reason) in cases {
        assert_eq!(interface.protocols(), Err(reason));
    }
}

#[test]
fn one_protocol_is_enough() {
    let no_ipv6 = Interface { link_local: None, ..ethernet() }.protocols().unwrap();
    assert_eq!((no_ipv6.arp, no_ipv6.ndp), (true, None));
    let no_broadcast = Interface { can_broadcast: false, ..ethernet() }.protocols().unwrap();
    assert!(!no_broadcast.arp && no_broadcast.ndp.is_some());
}

#[test]
fn a_lack_of_carrier_does_not_matter() {
    assert!(Interface { has_carrier: false, ..ethernet() }.protocols().is_ok());
}

#[test]
fn addresses_become_subnets_and_the_first_usable_link_local_address_is_kept() {
    let mut interface = Interface::default();
    interface.add_address("172.30.0.11".parse().unwrap(), 24, true);
    interface.add_address("fd00:30::11".parse().unwrap(), 64, true);
    interface.add_address("fe80::9".parse().unwrap(), 64, false);
    assert_eq!(interface.link_local, None, "a tentative address is not used");
    interface.add_address("fe80::1".parse().unwrap(), 64, true);
    interface.add_address("fe80::2".parse().unwrap(), 64, true);
    assert_eq!(interface.link_local, Some("fe80::1".parse().unwrap()));
    let subnets: Vec<String> = interface.subnets.iter().map(Prefix::to_string).collect();
    assert_eq!(subnets, ["172.30.0.0/24", "fd00:30::/64"]);
}
