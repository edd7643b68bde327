//! Contract 02 §2.6 and §2.8, and an independent codec as oracle.

use super::*;
use etherparse::{ArpHardwareId, ArpOperation as OracleOperation, EtherType, PacketBuilder, SlicedPacket};
use proptest::prelude::*;

const ASKER: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x50]);
const OURS: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x11]);
const CLIENT: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 50);
const ANNOUNCED: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 200);

fn request() -> ArpFrame {
    ArpFrame {
        destination: MacAddr::BROADCAST,
        source: ASKER,
        packet: ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: ASKER,
            sender_ip: CLIENT,
            target_mac: MacAddr::default(),
            target_ip: ANNOUNCED,
        },
    }
}

/// The frame as the other codec writes it.
fn encode_by_oracle(frame: &ArpFrame) -> Vec<u8> {
    let packet = &frame.packet;
    let arp = etherparse::ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        OracleOperation(operation_code(packet.operation)),
        &packet.sender_mac.octets(),
        &packet.sender_ip.octets(),
        &packet.target_mac.octets(),
        &packet.target_ip.octets(),
    )
    .unwrap();
    let builder = PacketBuilder::ethernet2(frame.source.octets(), frame.destination.octets()).arp(arp);
    let mut bytes = Vec::new();
    builder.write(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_request_is_written_byte_for_byte_as_rfc_826_says() {
    let expected: &[u8] = &[
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 0x50, 0x08, 0x06, // Ethernet
        0, 1, 8, 0, 6, 4, 0, 1, // Ethernet, IPv4, lengths, request
        0x02, 0, 0, 0, 0, 0x50, 172, 30, 0, 50, // sender
        0, 0, 0, 0, 0, 0, 172, 30, 0, 200, // target
    ];
    let encoded = request().encode();
    assert_eq!(encoded.len(), 60);
    assert_eq!(&encoded[..42], expected);
    assert!(encoded[42..].iter().all(|byte| *byte == 0));
}

#[test]
fn the_reply_goes_to_the_hardware_address_inside_the_request() {
    let mut asked = request();
    asked.source = MacAddr([0x02, 0, 0, 0, 0, 0x99]);
    let reply = asked.reply(OURS);
    assert_eq!((reply.destination, reply.source), (ASKER, OURS));
    assert_eq!(
        reply.packet,
        ArpPacket {
            operation: ArpOperation::Reply,
            sender_mac: OURS,
            sender_ip: ANNOUNCED,
            target_mac: ASKER,
            target_ip: CLIENT,
        }
    );
}

#[test]
fn a_gratuitous_announcement_is_a_request_and_then_a_reply_to_everybody() {
    let frames = gratuitous_arp(OURS, ANNOUNCED);
    assert_eq!(frames.map(|frame| frame.packet.operation), [ArpOperation::Request, ArpOperation::Reply]);
    for frame in frames {
        assert_eq!((frame.destination, frame.source), (MacAddr::BROADCAST, OURS));
        assert_eq!((frame.packet.sender_ip, frame.packet.target_ip), (ANNOUNCED, ANNOUNCED));
        assert_eq!((frame.packet.sender_mac, frame.packet.target_mac), (OURS, MacAddr::BROADCAST));
    }
}

#[test]
fn frames_that_are_no_arp_for_ipv4_are_refused_with_the_reason() {
    let whole = request().encode();
    let with = |offset: usize, bytes: &[u8]| {
        let mut frame = whole.clone();
        frame[offset..offset + bytes.len()].copy_from_slice(bytes);
        ArpFrame::decode(&frame)
    };
    assert_eq!(with(12, &[0x86, 0xdd]), Err(ArpError::Ethertype(0x86dd)));
    assert_eq!(with(14, &[0, 6]), Err(ArpError::AddressKind), "another hardware type");
    assert_eq!(with(16, &[0x86, 0xdd]), Err(ArpError::AddressKind), "another protocol");
    assert_eq!(with(18, &[8]), Err(ArpError::AddressKind), "longer hardware addresses");
    assert_eq!(with(19, &[16]), Err(ArpError::AddressKind), "longer protocol addresses");
    assert_eq!(with(20, &[0, 3]), Err(ArpError::Operation(3)));
    for length in 0..42 {
        assert_eq!(ArpFrame::decode(&whole[..length]), Err(ArpError::Truncated), "{length} bytes");
    }
}

fn any_frame() -> impl Strategy<Value = ArpFrame> {
    let mac = any::<[u8; 6]>().prop_map(MacAddr);
    let ip = any::<u32>().prop_map(Ipv4Addr::from_bits);
    let operation = prop_oneof![Just(ArpOperation::Request), Just(ArpOperation::Reply)];
    (mac.clone(), mac.clone(), operation, mac.clone(), ip.clone(), mac, ip).prop_map(
        |(destination, source, operation, sender_mac, sender_ip, target_mac, target_ip)| ArpFrame {
            destination,
            source,
            packet: ArpPacket { operation, sender_mac, sender_ip, target_mac, target_ip },
        },
    )
}

proptest! {
    #[test]
    fn a_frame_decodes_to_what_was_encoded(frame in any_frame()) {
        prop_assert_eq!(ArpFrame::decode(&frame.encode()), Ok(frame));
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
        let _ = ArpFrame::decode(&bytes);
    }

    #[test]
    fn a_flipped_byte_is_decoded_without_panic(frame in any_frame(), at in 0usize..60, value: u8) {
        let mut bytes = frame.encode();
        bytes[at] = value;
        let _ = ArpFrame::decode(&bytes);
    }

    #[test]
    fn both_codecs_write_the_same_bytes(frame in any_frame()) {
        let ours = frame.encode();
        let theirs = encode_by_oracle(&frame);
        prop_assert_eq!(&ours[..theirs.len()], &theirs[..]);
        let sliced = SlicedPacket::from_ethernet(&ours).unwrap();
        let Some(etherparse::NetSlice::Arp(arp)) = sliced.net else { panic!("no ARP seen") };
        prop_assert_eq!(arp.sender_protocol_addr(), &frame.packet.sender_ip.octets()[..]);
        prop_assert_eq!(arp.target_hw_addr(), &frame.packet.target_mac.octets()[..]);
    }

    #[test]
    fn both_codecs_read_the_same_frame(frame in any_frame()) {
        prop_assert_eq!(ArpFrame::decode(&encode_by_oracle(&frame)), Ok(frame));
    }
}
