//! Contract 02 §2.6, §2.7 and §2.9, row by row.

use super::*;
use crate::arp::ArpPacket;
use crate::ndp::tests::{ASKER, OURS, frame, frame_with, solicitation, v6};
use crate::table::Interfaces;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

const V4: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 200);
const ON_ETH1: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 201);
const V6: &str = "fd00:30::200";

fn link() -> Link {
    Link { index: 2, name: "eth0".to_owned(), mac: OURS, link_local: Some(v6("fe80::11")) }
}

fn table() -> AnnouncedTable {
    let eth1 = Interfaces::Named(BTreeSet::from(["eth1".to_owned()]));
    let mut table = AnnouncedTable::default();
    table.set(V4.into(), Interfaces::All);
    table.set(v6(V6).into(), Interfaces::Named(BTreeSet::from(["eth0".to_owned(), "eth1".to_owned()])));
    table.set(ON_ETH1.into(), eth1.clone());
    table.set(v6("fd00:30::201").into(), eth1);
    table
}

fn request(target: Ipv4Addr) -> ArpFrame {
    ArpFrame {
        destination: MacAddr::BROADCAST,
        source: ASKER,
        packet: ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: ASKER,
            sender_ip: Ipv4Addr::new(172, 30, 0, 50),
            target_mac: MacAddr::default(),
            target_ip: target,
        },
    }
}

fn ask_arp(request: &ArpFrame) -> Result<ArpFrame, Silence> {
    answer_arp(&request.encode(), &link(), &table()).map(|answer| {
        assert_eq!(answer.frame.len(), 60);
        ArpFrame::decode(&answer.frame).unwrap()
    })
}

#[test]
fn a_request_for_an_announced_address_is_answered_with_the_links_own_hardware_address() {
    let reply = ask_arp(&request(V4)).unwrap();
    assert_eq!(reply, request(V4).reply(OURS));
}

#[test]
fn a_request_sent_to_this_link_alone_is_answered_and_one_to_another_station_is_not() {
    let to = |destination| ArpFrame { destination, ..request(V4) };
    assert!(ask_arp(&to(OURS)).is_ok());
    for other in ["02:00:00:00:00:12", "01:00:5e:00:00:01"] {
        let other: MacAddr = other.parse().unwrap();
        assert_eq!(ask_arp(&to(other)), Err(Silence::ForeignDestination(other)));
    }
}

#[test]
fn probes_and_gratuitous_requests_of_others_are_answered() {
    for sender_ip in [Ipv4Addr::UNSPECIFIED, V4] {
        let mut asked = request(V4);
        asked.packet.sender_ip = sender_ip;
        assert_eq!(ask_arp(&asked).unwrap().packet.target_ip, sender_ip);
    }
}

#[test]
fn other_addresses_other_links_and_replies_meet_silence() {
    let foreign = Ipv4Addr::new(172, 30, 0, 99);
    assert_eq!(ask_arp(&request(foreign)), Err(Silence::NotAnnounced(foreign.into())));
    assert_eq!(ask_arp(&request(ON_ETH1)), Err(Silence::OtherLink(ON_ETH1.into())));
    assert_eq!(ask_arp(&request(V4).reply(OURS)), Err(Silence::NotRequest));
    assert_eq!(answer_arp(&[0; 10], &link(), &table()), Err(Silence::Arp(ArpError::Truncated)));
}

#[test]
fn a_withdrawn_address_meets_silence() {
    let mut table = table();
    assert!(table.remove(V4.into()));
    assert_eq!(answer_arp(&request(V4).encode(), &link(), &table), Err(Silence::NotAnnounced(V4.into())));
}

fn expected_advertisement(asked: &Solicitation) -> Advertisement {
    Advertisement {
        ethernet_destination: ASKER,
        source: asked.target,
        destination: asked.source,
        target: asked.target,
        mac: OURS,
        solicited: true,
        override_known: false,
    }
}

fn ask_ndp(asked: &Solicitation) -> Result<Vec<u8>, Silence> {
    answer_ndp(&frame(asked), &link(), &table()).map(|answer| answer.frame)
}

#[test]
fn a_solicitation_is_answered_to_its_source_without_override() {
    let asked = solicitation(V6);
    assert_eq!(ask_ndp(&asked), Ok(expected_advertisement(&asked).encode()));
}

#[test]
fn a_unicast_probe_is_answered_with_or_without_hardware_address() {
    for source_link_layer in [Some(ASKER), None] {
        let asked = Solicitation {
            ethernet_destination: OURS,
            destination: v6(V6),
            source: v6("fd00:30::50"),
            source_link_layer,
            ..solicitation(V6)
        };
        assert_eq!(ask_ndp(&asked), Ok(expected_advertisement(&asked).encode()), "{source_link_layer:?}");
    }
}

#[test]
fn a_probe_for_duplicate_addresses_is_answered_to_everybody() {
    let probe = Solicitation { source: Ipv6Addr::UNSPECIFIED, source_link_layer: None, ..solicitation(V6) };
    let expected = gratuitous_advertisement(OURS, v6("fe80::11"), v6(V6));
    assert_eq!(ask_ndp(&probe), Ok(expected.encode()));
}

#[test]
fn solicitations_that_must_not_be_answered_name_the_reason() {
    let foreign = solicitation("fd00:30::99");
    assert_eq!(ask_ndp(&foreign), Err(Silence::NotAnnounced(foreign.target.into())));
    let other_link = solicitation("fd00:30::201");
    assert_eq!(ask_ndp(&other_link), Err(Silence::OtherLink(other_link.target.into())));
    let own = Solicitation { source: v6("fe80::11"), ..solicitation(V6) };
    assert_eq!(ask_ndp(&own), Err(Silence::OwnQuestion));
    let anonymous = Solicitation { source_link_layer: None, ..solicitation(V6) };
    assert_eq!(ask_ndp(&anonymous), Err(Silence::NoAddressOfAsker));
    let station: MacAddr = "02:00:00:00:00:77".parse().unwrap();
    let elsewhere = Solicitation { ethernet_destination: station, ..solicitation(V6) };
    assert_eq!(ask_ndp(&elsewhere), Err(Silence::ForeignDestination(station)));
    let from_afar = frame_with(&solicitation(V6), 254, &[]);
    assert_eq!(answer_ndp(&from_afar, &link(), &table()), Err(Silence::Ndp(NdpError::HopLimit(254))));
    let without_link_local = Link { link_local: None, ..link() };
    let asked = frame(&solicitation(V6));
    assert_eq!(answer_ndp(&asked, &without_link_local, &table()), Err(Silence::NoLinkLocal));
}

fn claims(frame: &ArpFrame) -> Option<Claim> {
    claim_arp(&frame.encode(), &link(), &table())
}

#[test]
fn whoever_sends_from_an_announced_address_claims_it_be_it_by_request_or_reply() {
    let claim = Claim { address: V4.into(), mac: ASKER, link: 2 };
    let [request, reply] = crate::arp::gratuitous_arp(ASKER, V4);
    for frame in [request, reply, ArpFrame { destination: OURS, ..reply }] {
        assert_eq!(claims(&frame), Some(claim));
    }
    let mut asks = self::request(Ipv4Addr::new(172, 30, 0, 1));
    asks.packet.sender_ip = V4;
    assert_eq!(claims(&asks), Some(claim), "it asks for something else with our address as its own");
    let advertisement = gratuitous_advertisement(ASKER, v6("fe80::50"), v6(V6)).encode();
    assert_eq!(claim_ndp(&advertisement, &link(), &table()), Some(Claim { address: v6(V6).into(), ..claim }));
}

#[test]
fn probes_questions_own_frames_and_other_addresses_claim_nothing() {
    let mut probe = request(V4);
    probe.packet.sender_ip = Ipv4Addr::UNSPECIFIED;
    let [own, _] = crate::arp::gratuitous_arp(OURS, V4);
    let [elsewhere, _] = crate::arp::gratuitous_arp(ASKER, ON_ETH1);
    for frame in [probe, request(V4), own, elsewhere] {
        assert_eq!(claims(&frame), None);
    }
    assert_eq!(claim_ndp(&frame(&solicitation(V6)), &link(), &table()), None);
    let own = gratuitous_advertisement(OURS, v6("fe80::11"), v6(V6)).encode();
    assert_eq!(claim_ndp(&own, &link(), &table()), None);
}

/// Looking an address up must not depend on how many there are. Counted in questions a moment, best of many.
#[test]
fn a_question_costs_the_same_beside_ten_thousand_addresses_as_alone() {
    let best = |count: u32| {
        let mut table = table();
        (0..count)
            .for_each(|number| table.set(Ipv4Addr::from_bits(0x0a00_0000 + number).into(), Interfaces::All));
        let frames: Vec<Vec<u8>> = (0..64)
            .map(|number| request(Ipv4Addr::from_bits(0x0a00_0000 + number % count)).encode())
            .collect();
        let round = || {
            let started = std::time::Instant::now();
            frames.iter().for_each(|frame| assert!(answer_arp(frame, &link(), &table).is_ok()));
            started.elapsed()
        };
        (0..200).map(|_| round()).min().unwrap()
    };
    let (alone, many) = (best(1), best(10_000));
    assert!(many < alone * 3, "{alone:?} alone, {many:?} beside 10,000");
}

proptest! {
    #[test]
    fn no_bytes_make_the_responder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = answer_arp(&bytes, &link(), &table());
        let _ = answer_ndp(&bytes, &link(), &table());
    }

    /// Only announced addresses are ever answered for, whatever is asked.
    #[test]
    fn an_answer_is_always_about_an_announced_address(target: u32) {
        let target = Ipv4Addr::from_bits(target);
        let announced = table().interfaces(target.into()).is_some_and(|on| on.contains("eth0"));
        prop_assert_eq!(ask_arp(&request(target)).is_ok(), announced);
    }
}
