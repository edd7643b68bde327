//! Addresses that move to another node by plan: nobody asks in vain.

use metallb_l2::{gratuitous_advertisement, gratuitous_arp};
use metallb_linux::{PacketSocket, Protocol, Targets};
use metallb_net::MacAddr;

use super::*;

/// No test takes so long.
const FOREVER: Duration = Duration::from_mins(2);

/// Puts frames on the client's link, whatever they are.
pub fn put(client: &Namespace, protocol: Protocol, frames: Vec<Vec<u8>>) {
    let index = flood::index_of(client);
    client.run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let socket = PacketSocket::open(protocol, index, &Targets::default()).unwrap();
        frames.iter().for_each(|frame| socket.send(frame).unwrap());
    });
}

/// What the new owner says unasked.
pub fn claim(wire: &Wire, address: &str) {
    let mac = MacAddr([2, 0, 0, 0, 0, 0x77]);
    let (protocol, frames) = match ip(address) {
        IpAddr::V4(v4) => (Protocol::Arp, gratuitous_arp(mac, v4).map(|frame| frame.encode()).to_vec()),
        IpAddr::V6(v6) => {
            let source = "fe80::77".parse().unwrap();
            (Protocol::Ndp, vec![gratuitous_advertisement(mac, source, v6).encode()])
        }
    };
    put(&wire.client, protocol, frames);
}

fn hands_over_within(longest: Duration) -> Wire {
    let wire = Wire::with(|options| options.hand_over = longest);
    for address in [V4, V6] {
        wire.announce(address);
        wire.until_answered(address);
    }
    wire
}

#[test]
fn an_address_that_is_handed_over_is_answered_for_until_the_new_owner_is_heard() {
    let wire = hands_over_within(FOREVER);
    for address in [V4, V6] {
        wire.send(Command::HandOver { address: ip(address) });
    }
    for address in [V4, V6] {
        wire.until_answered(address);
        claim(&wire, address);
        wire.until_silent(address);
    }
    // Nothing is left of it: the address may come back.
    wire.announce(V4);
    wire.until_answered(V4);
}

#[test]
fn an_address_whose_new_owner_is_never_heard_is_given_up_after_a_while() {
    let wire = hands_over_within(Duration::from_millis(50));
    for address in [V4, V6] {
        wire.send(Command::HandOver { address: ip(address) });
        wire.until_silent(address);
    }
}

#[test]
fn nothing_is_said_unasked_about_an_address_that_is_handed_over() {
    let wire = hands_over_within(FOREVER);
    wire.send(Command::HandOver { address: ip(V4) });
    wire.send(Command::HandOver { address: ip(V6) });
    wire.until_answered(V4);
    // The bursts of both would go on for some seconds more; that of a third address shows the time that passed.
    wire.announce("192.0.2.201");
    let filter = format!(
        "ether src {NODE_MAC} and ((arp and ether broadcast) or (icmp6 and ip6[40] == 136 and ether multicast))"
    );
    let said = wire.capture(4, &filter, || {});
    assert!(said.contains("192.0.2.201") && !said.contains(V4) && !said.contains(V6), "{said}");
}

#[test]
fn a_speaker_that_ends_answers_until_all_its_addresses_are_taken_over() {
    let mut wire = hands_over_within(FOREVER);
    wire.send(Command::HandOverAll);
    let layer2 = wire.layer2.take().unwrap();
    let end = std::thread::spawn(move || layer2.stop());
    claim(&wire, V4);
    wire.until_silent(V4);
    wire.until_answered(V6);
    assert!(!end.is_finished(), "it ended before all was handed over");
    claim(&wire, V6);
    end.join().unwrap();
    wire.until_silent(V6);
}
