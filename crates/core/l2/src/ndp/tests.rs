//! Contract 02 §2.7 and §2.8; solicitations are written, and advertisements read, by an independent codec.

use super::*;
use crate::groups::solicited_node;
use etherparse::{Icmpv6Type, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use proptest::prelude::*;

pub(crate) const ASKER: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x50]);
pub(crate) const OURS: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x11]);

pub(crate) fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// A multicast solicitation as a neighbour sends it.
pub(crate) fn solicitation(target: &str) -> Solicitation {
    let destination = solicited_node(v6(target));
    Solicitation {
        ethernet_destination: multicast_mac(destination),
        ethernet_source: ASKER,
        source: v6("fe80::50"),
        destination,
        target: v6(target),
        source_link_layer: Some(ASKER),
    }
}

/// The frame of a solicitation, with these options behind the target.
pub(crate) fn frame_with(solicitation: &Solicitation, hop_limit: u8, options: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(
        solicitation.ethernet_source.octets(),
        solicitation.ethernet_destination.octets(),
    )
    .ipv6(solicitation.source.octets(), solicitation.destination.octets(), hop_limit)
    .icmpv6(Icmpv6Type::NeighborSolicitation);
    let payload = [&solicitation.target.octets()[..], options].concat();
    let mut frame = Vec::new();
    builder.write(&mut frame, &payload).unwrap();
    frame
}

/// The frame of a solicitation as its sender would write it.
pub(crate) fn frame(solicitation: &Solicitation) -> Vec<u8> {
    let options = solicitation.source_link_layer.map(|mac| [&[1, 1], &mac.octets()[..]].concat());
    frame_with(solicitation, 255, &options.unwrap_or_default())
}

/// What the other codec reads from an advertisement.
fn read_by_oracle(frame: &[u8]) -> Advertisement {
    let sliced = SlicedPacket::from_ethernet(frame).unwrap();
    let ethernet = match sliced.link.unwrap() {
        etherparse::LinkSlice::Ethernet2(ethernet) => ethernet,
        other => panic!("{other:?}"),
    };
    let Some(NetSlice::Ipv6(ip)) = sliced.net else { panic!("no IPv6 seen") };
    let Some(TransportSlice::Icmpv6(message)) = sliced.transport else { panic!("no ICMPv6 seen") };
    let (source, destination) = (ip.header().source(), ip.header().destination());
    assert_eq!(ip.header().hop_limit(), 255);
    assert!(message.is_checksum_valid(source, destination));
    let Icmpv6Type::NeighborAdvertisement(flags) = message.icmp_type() else { panic!("no advertisement") };
    assert!(!flags.router, "an announced address is no router");
    let payload = message.payload();
    assert_eq!((&payload[16..18], payload.len()), (&[2u8, 1][..], 24), "one target link-layer address");
    let mac = MacAddr(payload[18..24].try_into().unwrap());
    assert_eq!(ethernet.source(), mac.octets());
    Advertisement {
        ethernet_destination: MacAddr(ethernet.destination()),
        source: source.into(),
        destination: destination.into(),
        target: Ipv6Addr::from(<[u8; 16]>::try_from(&payload[..16]).unwrap()),
        mac,
        solicited: flags.solicited,
        override_known: flags.r#override,
    }
}

#[test]
fn a_solicitation_is_read_with_the_hardware_address_of_the_asker() {
    let asked = solicitation("fd00:30::200");
    assert_eq!(Solicitation::decode(&frame(&asked)), Ok(asked));
}

#[test]
fn unknown_options_before_the_hardware_address_are_skipped() {
    let asked = solicitation("fd00:30::200");
    let nonce = [14, 1, 1, 2, 3, 4, 5, 6];
    let long = [[200, 2], [0; 2], [0; 2], [0; 2], [0; 2], [0; 2], [0; 2], [0; 2]].concat();
    let address = [1, 1, 0x02, 0, 0, 0, 0, 0x50];
    let options = [&nonce[..], &long, &address].concat();
    assert_eq!(Solicitation::decode(&frame_with(&asked, 255, &options)), Ok(asked));
}

#[test]
fn a_probe_for_duplicate_addresses_is_recognised() {
    let probe = Solicitation {
        source: Ipv6Addr::UNSPECIFIED,
        source_link_layer: None,
        ..solicitation("fd00:30::200")
    };
    let decoded = Solicitation::decode(&frame(&probe)).unwrap();
    assert!(decoded.is_duplicate_probe());
    let with_address = Solicitation { source_link_layer: Some(ASKER), ..probe };
    assert_eq!(Solicitation::decode(&frame(&with_address)), Err(NdpError::UnspecifiedSource));
    let unicast = Solicitation { destination: probe.target, ..probe };
    assert_eq!(Solicitation::decode(&frame(&unicast)), Err(NdpError::UnspecifiedSource));
}

#[test]
fn each_check_of_rfc_4861_section_7_1_1_refuses_with_its_reason() {
    let asked = solicitation("fd00:30::200");
    let whole = frame(&asked);
    let with = |offset: usize, bytes: &[u8]| {
        let mut frame = whole.clone();
        frame[offset..offset + bytes.len()].copy_from_slice(bytes);
        Solicitation::decode(&frame)
    };
    assert_eq!(with(12, &[8, 0]), Err(NdpError::Protocol), "IPv4");
    assert_eq!(with(14, &[0x40]), Err(NdpError::Protocol), "another version");
    assert_eq!(with(20, &[17]), Err(NdpError::Protocol), "UDP");
    assert_eq!(with(21, &[254]), Err(NdpError::HopLimit(254)));
    assert_eq!(with(54, &[136]), Err(NdpError::MessageType(136, 0)));
    assert_eq!(with(55, &[1]), Err(NdpError::MessageType(135, 1)));
    assert_eq!(with(70, &[0xaa]), Err(NdpError::Checksum));
    let group = Solicitation { target: v6("ff02::1"), ..asked };
    assert_eq!(Solicitation::decode(&frame(&group)), Err(NdpError::MulticastTarget(v6("ff02::1"))));
    for options in [&[1, 0, 0, 0, 0, 0, 0, 0][..], &[1, 2, 0, 0, 0, 0, 0, 0], &[1]] {
        let frame = frame_with(&asked, 255, options);
        assert_eq!(Solicitation::decode(&frame), Err(NdpError::OptionLength), "{options:?}");
    }
    for length in 0..whole.len() {
        assert_eq!(Solicitation::decode(&whole[..length]), Err(NdpError::Truncated), "{length} bytes");
    }
}

#[test]
fn an_unasked_advertisement_goes_to_all_nodes_and_overrides() {
    let advertisement = gratuitous_advertisement(OURS, v6("fe80::11"), v6("fd00:30::200"));
    let read = read_by_oracle(&advertisement.encode());
    assert_eq!(read, advertisement);
    assert_eq!(read.ethernet_destination, "33:33:00:00:00:01".parse().unwrap());
    assert_eq!(read.destination, v6("ff02::1"));
    assert_eq!((read.solicited, read.override_known), (false, true));
}

fn any_ip() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(Ipv6Addr::from_bits)
}

fn any_mac() -> impl Strategy<Value = MacAddr> {
    any::<[u8; 6]>().prop_map(MacAddr)
}

prop_compose! {
    fn any_advertisement()(
        ethernet_destination in any_mac(), source in any_ip(), destination in any_ip(), target in any_ip(),
        mac in any_mac(), solicited: bool, override_known: bool,
    ) -> Advertisement {
        Advertisement { ethernet_destination, source, destination, target, mac, solicited, override_known }
    }
}

proptest! {
    #[test]
    fn the_other_codec_reads_every_advertisement_as_it_was_meant(advertisement in any_advertisement()) {
        prop_assert_eq!(read_by_oracle(&advertisement.encode()), advertisement);
    }

    #[test]
    fn solicitations_of_the_other_codec_are_read_as_they_were_meant(
        source in any_ip(), target in any_ip(), given in proptest::option::of(any_mac()), ethernet_source in any_mac(),
    ) {
        let is_station = !source.is_unspecified() && !source.is_multicast() && !source.is_loopback();
        prop_assume!(!target.is_multicast() && is_station);
        let asked = Solicitation {
            ethernet_source, source, target, source_link_layer: given,
            ..solicitation("fd00:30::200")
        };
        prop_assert_eq!(Solicitation::decode(&frame(&asked)), Ok(asked));
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Solicitation::decode(&bytes);
    }

    #[test]
    fn any_options_are_decoded_without_panic(options in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = Solicitation::decode(&frame_with(&solicitation("fd00:30::200"), 255, &options));
    }

    #[test]
    fn a_flipped_byte_never_goes_unnoticed_behind_the_ethernet_header(at in 22usize..86, flip in 1u8..) {
        let mut bytes = frame(&solicitation("fd00:30::200"));
        bytes[at] ^= flip;
        prop_assert!(Solicitation::decode(&bytes).is_err());
    }
}

#[test]
fn nobody_is_answered_at_an_address_no_station_has() {
    for source in ["ff02::1", "::1"] {
        let source: Ipv6Addr = source.parse().unwrap();
        let asked = Solicitation { source, ..solicitation("fd00:30::200") };
        assert_eq!(Solicitation::decode(&frame(&asked)), Err(NdpError::NoHostSource(source)));
    }
}

/// An advertisement as another station's kernel sends it, with these options.
fn advertisement_with(sent: &Advertisement, ethernet_source: MacAddr, options: &[u8]) -> Vec<u8> {
    let flags = etherparse::icmpv6::NeighborAdvertisementHeader {
        router: true,
        solicited: sent.solicited,
        r#override: sent.override_known,
    };
    let builder = PacketBuilder::ethernet2(ethernet_source.octets(), sent.ethernet_destination.octets())
        .ipv6(sent.source.octets(), sent.destination.octets(), 255)
        .icmpv6(Icmpv6Type::NeighborAdvertisement(flags));
    let mut frame = Vec::new();
    builder.write(&mut frame, &[&sent.target.octets()[..], options].concat()).unwrap();
    frame
}

#[test]
fn an_advertisement_of_another_station_names_the_hardware_address_it_gives_or_comes_from() {
    let sent = gratuitous_advertisement(ASKER, v6("fe80::50"), v6("fd00:30::200"));
    let given = [&[2, 1], &ASKER.octets()[..]].concat();
    assert_eq!(Advertisement::decode(&advertisement_with(&sent, OURS, &given)), Ok(sent));
    assert_eq!(Advertisement::decode(&advertisement_with(&sent, ASKER, &[])), Ok(sent));
}

#[test]
fn each_check_of_rfc_4861_section_7_1_2_refuses_with_its_reason() {
    let sent = gratuitous_advertisement(ASKER, v6("fe80::50"), v6("fd00:30::200"));
    let asked = Advertisement { solicited: true, ..sent };
    assert_eq!(Advertisement::decode(&asked.encode()), Err(NdpError::SolicitedByAll));
    let nobody = Advertisement { source: Ipv6Addr::UNSPECIFIED, ..sent };
    assert_eq!(Advertisement::decode(&nobody.encode()), Err(NdpError::NoHostSource(Ipv6Addr::UNSPECIFIED)));
    let whole = sent.encode();
    let with = |offset: usize, byte: u8| {
        let mut frame = whole.clone();
        frame[offset] = byte;
        Advertisement::decode(&frame)
    };
    assert_eq!(with(12, 8), Err(NdpError::Protocol));
    assert_eq!(with(21, 64), Err(NdpError::HopLimit(64)));
    assert_eq!(with(54, 135), Err(NdpError::MessageType(135, 0)));
    assert_eq!(with(70, 0xaa), Err(NdpError::Checksum));
    for length in 0..whole.len() {
        assert_eq!(Advertisement::decode(&whole[..length]), Err(NdpError::Truncated), "{length} bytes");
    }
}

proptest! {
    #[test]
    fn a_written_advertisement_is_read_again_or_refused_with_a_reason(sent in any_advertisement()) {
        let is_station = !sent.source.is_unspecified() && !sent.source.is_multicast() && !sent.source.is_loopback();
        let is_valid = is_station && !sent.target.is_multicast() && !(sent.solicited && sent.destination.is_multicast());
        let read = Advertisement::decode(&sent.encode());
        prop_assert_eq!(read.is_ok(), is_valid);
        if let Ok(read) = read {
            prop_assert_eq!(read, sent);
        }
    }

    #[test]
    fn any_bytes_are_decoded_as_advertisement_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Advertisement::decode(&bytes);
    }
}
