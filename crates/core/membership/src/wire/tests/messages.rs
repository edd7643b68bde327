//! Messages of all kinds, made up.

use std::net::SocketAddr;

use crate::wire::message::{
    Accusation, Alive, IndirectPing, Message, PeerState, Ping, PushPull, State, StreamMessage, Versions,
};
use crate::{Keyring, Settings};
use proptest::prelude::*;

pub const SECRET: &[u8] = b"6Xk0J1mTtZ0rWq9yB3sVfA";

pub fn keyring() -> Keyring {
    Keyring::from_secret(SECRET)
}

/// All that seals differently: without and with keys, compression, and the two verifications.
pub fn surroundings() -> Vec<(Keyring, Settings)> {
    let mut all = Vec::new();
    for keyring in [Keyring::plain(), keyring(), Keyring::from_keys(&[&[7; 16]]).unwrap()] {
        for enable_compression in [false, true] {
            for verify in [false, true] {
                let settings = Settings {
                    enable_compression,
                    gossip_verify_incoming: verify,
                    gossip_verify_outgoing: verify,
                    ..Settings::lan()
                };
                all.push((keyring.clone(), settings));
            }
        }
    }
    all
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z][a-z0-9.-]{0,40}", "[a-z]{200,253}", "\\PC{1,8}"]
}

fn source_node() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), name()]
}

fn address() -> impl Strategy<Value = SocketAddr> {
    let v4 = (any::<[u8; 4]>(), any::<u16>()).prop_map(SocketAddr::from);
    let v6 = (any::<[u16; 8]>(), any::<u16>()).prop_map(SocketAddr::from);
    let mapped = (any::<[u8; 4]>(), any::<u16>()).prop_map(|([a, b, c, d], port)| {
        SocketAddr::from((std::net::Ipv4Addr::new(a, b, c, d).to_ipv6_mapped(), port))
    });
    prop_oneof![v4, v6, mapped]
}

/// An asker says where it listens with a port, or not at all.
fn source() -> impl Strategy<Value = Option<SocketAddr>> {
    prop::option::of(address().prop_filter("a port", |address| address.port() != 0))
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=most)
}

fn ping() -> impl Strategy<Value = Ping> {
    (any::<u32>(), source_node(), source(), source_node())
        .prop_map(|(sequence, node, source, source_node)| Ping { sequence, node, source, source_node })
}

fn indirect_ping() -> impl Strategy<Value = IndirectPing> {
    (address(), any::<bool>(), ping()).prop_map(|(target, wants_nack, ping)| {
        let Ping { sequence, node, source, source_node } = ping;
        IndirectPing { sequence, target, node, wants_nack, source, source_node }
    })
}

fn accusation() -> impl Strategy<Value = Accusation> {
    (any::<u32>(), name(), name()).prop_map(|(incarnation, node, from)| Accusation {
        incarnation,
        node,
        from,
    })
}

fn alive() -> impl Strategy<Value = Alive> {
    (any::<u32>(), name(), address(), bytes(512), any::<[u8; 6]>()).prop_map(
        |(incarnation, node, address, meta, versions)| Alive {
            incarnation,
            node,
            address,
            meta,
            versions: Versions(versions),
        },
    )
}

pub fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        ping().prop_map(Message::Ping),
        indirect_ping().prop_map(Message::IndirectPing),
        (any::<u32>(), bytes(100)).prop_map(|(sequence, payload)| Message::Ack { sequence, payload }),
        accusation().prop_map(Message::Suspect),
        alive().prop_map(Message::Alive),
        accusation().prop_map(Message::Dead),
        bytes(300).prop_map(Message::User),
        any::<u32>().prop_map(|sequence| Message::Nack { sequence }),
    ]
}

pub fn push_pull() -> impl Strategy<Value = PushPull> {
    let states = vec![State::Alive, State::Suspect, State::Dead, State::Left];
    let peer = (prop::sample::select(states), alive()).prop_map(|(state, alive)| PeerState { state, alive });
    (any::<bool>(), prop::collection::vec(peer, 0..12), bytes(400))
        .prop_map(|(is_join, peers, user_state)| PushPull { is_join, peers, user_state })
}

pub fn stream_message() -> impl Strategy<Value = StreamMessage> {
    prop_oneof![
        ping().prop_map(StreamMessage::Ping),
        (any::<u32>(), bytes(100)).prop_map(|(sequence, payload)| StreamMessage::Ack { sequence, payload }),
        push_pull().prop_map(StreamMessage::PushPull),
        "\\PC{0,200}".prop_map(StreamMessage::Error),
    ]
}
