use super::*;
use std::collections::BTreeMap;

/// A message with these attributes behind its fixed part.
fn message(kind: u16, fixed: &[u8], attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = fixed.to_vec();
    for (attribute, value) in attributes {
        let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap();
        body.extend(length.to_ne_bytes());
        body.extend(attribute.to_ne_bytes());
        body.extend(*value);
        body.resize(align(body.len()), 0);
    }
    let mut message = u32::try_from(MESSAGE_HEADER + body.len()).unwrap().to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.resize(MESSAGE_HEADER, 0);
    message.extend(body);
    message
}

fn link(index: i32, flags: i32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut fixed = vec![0, 0];
    fixed.extend(libc::ARPHRD_ETHER.to_ne_bytes());
    fixed.extend(index.to_ne_bytes());
    fixed.extend(flags.to_ne_bytes());
    fixed.resize(LINK_HEADER, 0);
    message(libc::RTM_NEWLINK, &fixed, attributes)
}

fn address(family: i32, length: u8, short_flags: u8, index: u32, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut fixed = vec![u8::try_from(family).unwrap(), length, short_flags, 0];
    fixed.extend(index.to_ne_bytes());
    message(libc::RTM_NEWADDR, &fixed, attributes)
}

fn done() -> Vec<u8> {
    message(u16::try_from(libc::NLMSG_DONE).unwrap(), &[0; 4], &[])
}

fn take(messages: &[Vec<u8>]) -> BTreeMap<u32, Interface> {
    let mut table = LinkTable::default();
    take_datagram(&messages.concat(), &mut table).unwrap();
    table.interfaces(|_| true).into_iter().map(|interface| (interface.index, interface)).collect()
}

const ETH0: &[(u16, &[u8])] = &[(libc::IFLA_IFNAME, b"eth0\0"), (libc::IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1])];

#[test]
fn a_link_is_read_with_its_flags_name_hardware_address_and_master() {
    let flags = libc::IFF_UP | libc::IFF_BROADCAST | libc::IFF_RUNNING;
    let master = 7u32.to_ne_bytes();
    let port = [ETH0, &[(libc::IFLA_MASTER, &master)]].concat();
    let interfaces =
        take(&[link(2, flags, &port), link(3, libc::IFF_NOARP, &[(libc::IFLA_IFNAME, b"tun0\0")])]);
    let eth0 = &interfaces[&2];
    assert_eq!((eth0.name.as_str(), eth0.mac), ("eth0", Some(MacAddr([2, 0, 0, 0, 0, 1]))));
    assert!(eth0.is_up && eth0.can_broadcast && eth0.has_carrier && !eth0.no_arp);
    assert_eq!(eth0.master, Some(7));
    let tun0 = &interfaces[&3];
    assert!(tun0.no_arp && !tun0.is_up && tun0.mac.is_none());
}

#[test]
fn hardware_addresses_of_other_kinds_of_links_are_not_taken_for_ethernet() {
    let mut bytes = link(1, libc::IFF_UP | libc::IFF_LOOPBACK, &[(libc::IFLA_ADDRESS, &[0; 6])]);
    bytes[MESSAGE_HEADER + 2..MESSAGE_HEADER + 4].copy_from_slice(&772u16.to_ne_bytes());
    assert_eq!(take(&[bytes])[&1].mac, None);
}

#[test]
fn addresses_are_added_to_their_link_and_unusable_ones_give_no_source() {
    let link_local = "fe80::1".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let tentative = u32::from_ne_bytes(libc::IFA_F_TENTATIVE.to_ne_bytes()).to_ne_bytes();
    let messages = [
        link(2, libc::IFF_UP, ETH0),
        address(
            libc::AF_INET,
            24,
            0,
            2,
            &[(libc::IFA_ADDRESS, &[172, 30, 0, 11]), (libc::IFA_LOCAL, &[172, 30, 0, 11])],
        ),
        address(libc::AF_INET6, 64, 0, 2, &[(libc::IFA_ADDRESS, &link_local), (libc::IFA_FLAGS, &tentative)]),
        address(libc::AF_INET, 24, 0, 99, &[(libc::IFA_ADDRESS, &[10, 0, 0, 1])]),
    ];
    let interfaces = take(&messages);
    assert_eq!(interfaces.len(), 1, "an address of an unknown link is left out");
    assert_eq!(interfaces[&2].link_local, None);
    assert!(interfaces[&2].subnets.contains(&"172.30.0.0/24".parse().unwrap()));
    let completed = address(libc::AF_INET6, 64, 0, 2, &[(libc::IFA_ADDRESS, &link_local)]);
    let interfaces = take(&[link(2, libc::IFF_UP, ETH0), completed]);
    assert_eq!(interfaces[&2].link_local, Some("fe80::1".parse().unwrap()));
}

#[test]
fn the_end_of_a_dump_interruptions_and_refusals_are_seen() {
    let mut interfaces = LinkTable::default();
    let more = take_datagram(&link(2, 0, ETH0), &mut interfaces).unwrap();
    assert_eq!(more, Progress::default());
    let end = take_datagram(&done(), &mut interfaces).unwrap();
    assert_eq!(end, Progress { is_done: true, is_interrupted: false });
    let mut interrupted = done();
    interrupted[6..8].copy_from_slice(&u16::try_from(libc::NLM_F_DUMP_INTR).unwrap().to_ne_bytes());
    let end = take_datagram(&interrupted, &mut interfaces).unwrap();
    assert_eq!(end, Progress { is_done: true, is_interrupted: true });
    let refusal = message(u16::try_from(libc::NLMSG_ERROR).unwrap(), &(-libc::EPERM).to_ne_bytes(), &[]);
    assert_eq!(take_datagram(&refusal, &mut interfaces).unwrap_err().raw_os_error(), Some(libc::EPERM));
}

#[test]
fn truncated_and_lying_messages_are_read_without_panic() {
    let whole = [
        link(2, libc::IFF_UP, ETH0),
        address(libc::AF_INET, 24, 0, 2, &[(libc::IFA_ADDRESS, &[10, 0, 0, 1])]),
    ];
    let whole = whole.concat();
    for length in 0..whole.len() {
        let _ = take_datagram(&whole[..length], &mut LinkTable::default());
    }
    for position in 0..whole.len() {
        for value in [0, 1, 3, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[position] = value;
            let _ = take_datagram(&bytes, &mut LinkTable::default());
        }
    }
}

#[test]
fn news_change_what_a_dump_said() {
    let mac = ETH0[1].1;
    let ours = [(libc::IFA_ADDRESS, &[10, 0, 0, 1][..])];
    let later = |more: &[Vec<u8>]| {
        let dump = [link(2, libc::IFF_UP, ETH0), address(libc::AF_INET, 24, 0, 2, &ours)];
        take(&[&dump, more].concat())
    };
    let renamed = [(libc::IFLA_IFNAME, &b"lan0\0"[..]), (libc::IFLA_ADDRESS, mac)];
    let lan0 = &later(&[link(2, 0, &renamed)])[&2];
    assert_eq!((lan0.name.as_str(), lan0.is_up, lan0.subnets.len()), ("lan0", false, 1), "addresses stay");
    let gone = |mut message: Vec<u8>, kind: u16| {
        message[4..6].copy_from_slice(&kind.to_ne_bytes());
        message
    };
    let without = later(&[gone(address(libc::AF_INET, 24, 0, 2, &ours), libc::RTM_DELADDR)]);
    assert!(without[&2].subnets.is_empty());
    assert!(later(&[gone(link(2, 0, ETH0), libc::RTM_DELLINK)]).is_empty());
    let mut port = gone(link(2, 0, ETH0), libc::RTM_DELLINK);
    port[MESSAGE_HEADER] = u8::try_from(libc::AF_BRIDGE).unwrap();
    assert_eq!(later(&[port]).len(), 1, "it left a bridge");
}

#[test]
fn what_a_wireless_interface_went_through_is_no_news_of_the_link() {
    let flags = libc::IFF_UP | libc::IFF_BROADCAST | libc::IFF_RUNNING;
    let master = 7u32.to_ne_bytes();
    let whole = link(2, flags, &[ETH0, &[(libc::IFLA_MASTER, &master)]].concat());
    let event: [(u16, &[u8]); 2] = [(libc::IFLA_IFNAME, b"eth0\0"), (libc::IFLA_WIRELESS, &[0; 16])];
    let told = take(&[whole.clone(), link(2, flags, &event)]);
    assert_eq!(told, take(&[whole]), "hardware address and master stay");
    assert!(take(&[link(3, flags, &event)]).is_empty(), "nor of one that is not known yet");
}
