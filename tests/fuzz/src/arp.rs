//! ARP frames from the wire.

use etherparse::{ArpHardwareId, EtherType, NetSlice, SlicedPacket};
use metallb_l2::{AnnouncedTable, ArpFrame, ArpOperation, Interfaces, Link, answer_arp, claim_arp};
use metallb_net::MacAddr;

use crate::binary;

pub(crate) const SEEDS: &[&str] = &[
    "xffffffffffff02000000005008060001080006040001020000000050c0000232000000000000c00002c8000000000000000000000000000000000000",
    "x02000000001102000000005008060001080006040002020000000050c00002c8020000000011c0000201",
    "xffffffffffff02000000005008060001080006040001020000000050c00002c8ffffffffffffc00002c8",
    "xffffffffffff0200000000500806000686dd061000030200",
    "x",
];

pub(crate) const OURS: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x11]);

pub(crate) fn link() -> Link {
    let link_local = std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x11);
    Link { index: 2, name: "eth0".to_owned(), mac: OURS, link_local: Some(link_local) }
}

/// An ARP frame: it is read as another codec reads it, or refused where that reads none for IPv4 on Ethernet; and
/// what is answered for its target is a reply to its sender.
pub fn arp(data: &[u8]) {
    let bytes = binary::of(data);
    let read = ArpFrame::decode(&bytes);
    assert_eq!(read.as_ref().ok(), by_oracle(&bytes).as_ref(), "{read:?}");
    let Ok(frame) = read else { return };
    assert_eq!(ArpFrame::decode(&frame.encode()), Ok(frame));
    let mut table = AnnouncedTable::default();
    assert!(answer_arp(&bytes, &link(), &table).is_err() && claim_arp(&bytes, &link(), &table).is_none());
    table.set(frame.packet.target_ip.into(), Interfaces::All);
    if let Ok(answer) = answer_arp(&bytes, &link(), &table) {
        assert_eq!(ArpFrame::decode(&answer.frame), Ok(frame.reply(OURS)));
        assert_eq!(answer.asker, frame.packet.sender_mac);
    }
}

/// What the other codec reads, if it is a request or reply for IPv4 on plain Ethernet.
fn by_oracle(bytes: &[u8]) -> Option<ArpFrame> {
    let sliced = SlicedPacket::from_ethernet(bytes).ok()?;
    let ethernet = match sliced.link? {
        etherparse::LinkSlice::Ethernet2(ethernet) => ethernet,
        _ => return None,
    };
    let Some(NetSlice::Arp(arp)) = sliced.net else { return None };
    let is_plain = ethernet.ether_type() == EtherType::ARP
        && (arp.hw_addr_type(), arp.proto_addr_type()) == (ArpHardwareId::ETHERNET, EtherType::IPV4);
    let operation = match arp.operation().0 {
        1 => ArpOperation::Request,
        2 => ArpOperation::Reply,
        _ => return None,
    };
    let mac = |bytes: &[u8]| bytes.try_into().ok().map(MacAddr);
    let ip = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Into::into);
    let packet = metallb_l2::ArpPacket {
        operation,
        sender_mac: mac(arp.sender_hw_addr())?,
        sender_ip: ip(arp.sender_protocol_addr())?,
        target_mac: mac(arp.target_hw_addr())?,
        target_ip: ip(arp.target_protocol_addr())?,
    };
    let (destination, source) = (MacAddr(ethernet.destination()), MacAddr(ethernet.source()));
    is_plain.then_some(ArpFrame { destination, source, packet })
}
