//! memberlist's own bytes, as `tests/interop/peer` writes them down.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::wire::message::{
    Accusation, Alive, IndirectPing, Message, Ping, StreamMessage, Versions, canonical,
};
use crate::wire::packet::{self, Sealing};
use crate::wire::stream;
use crate::{Keyring, Settings};
use serde_json::Value;

fn vectors(part: &str) -> Vec<Value> {
    let all: Value =
        serde_json::from_str(include_str!("../../../tests/data/memberlist-v0.5.1.json")).unwrap();
    let part = all[part].as_array().unwrap().clone();
    assert!(!part.is_empty());
    part
}

fn name(vector: &Value) -> &str {
    vector["name"].as_str().unwrap()
}

fn hex(text: &Value) -> Vec<u8> {
    let digits = text.as_str().unwrap();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn keyring(vector: &Value) -> Keyring {
    if vector["key"].is_null() {
        Keyring::plain()
    } else {
        Keyring::from_keys(&[&hex(&vector["key"])]).unwrap()
    }
}

/// How the vector was made: its name says so.
fn settings(vector: &Value) -> Settings {
    Settings { enable_compression: name(vector).contains("compressed"), ..Settings::lan() }
}

/// The message of a vector's fields, made without reading any of its bytes.
fn message(vector: &Value) -> Option<Message> {
    let fields = &vector["fields"];
    let number = |name: &str| u32::try_from(fields[name].as_u64().unwrap()).unwrap();
    let text = |name: &str| fields[name].as_str().unwrap().to_owned();
    let address = |name: &str, port: &str| {
        let bytes = hex(&fields[name]);
        let address: Option<IpAddr> = match bytes.len() {
            4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).unwrap()).into()),
            16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).unwrap()).into()),
            _ => None,
        };
        address.map(|address| SocketAddr::new(address, u16::try_from(number(port)).unwrap()))
    };
    let source = || address("SourceAddr", "SourcePort");
    let accusation =
        || Accusation { incarnation: number("Incarnation"), node: text("Node"), from: text("From") };
    Some(match vector["kind"].as_u64().unwrap() {
        0 => Message::Ping(Ping {
            sequence: number("SeqNo"),
            node: text("Node"),
            source: source(),
            source_node: text("SourceNode"),
        }),
        1 => Message::IndirectPing(IndirectPing {
            sequence: number("SeqNo"),
            target: address("Target", "Port").unwrap(),
            node: text("Node"),
            wants_nack: fields["Nack"].as_bool().unwrap(),
            source: source(),
            source_node: text("SourceNode"),
        }),
        2 => Message::Ack { sequence: number("SeqNo"), payload: hex(&fields["Payload"]) },
        3 => Message::Suspect(accusation()),
        4 => Message::Alive(Alive {
            incarnation: number("Incarnation"),
            node: text("Node"),
            address: address("Addr", "Port").unwrap(),
            meta: hex(&fields["Meta"]),
            versions: Versions(hex(&fields["Vsn"]).try_into().unwrap_or_default()),
        }),
        5 => Message::Dead(accusation()),
        11 => Message::Nack { sequence: number("SeqNo") },
        _ => return None,
    })
}

/// Reads a datagram without keys.
fn open(bytes: &[u8]) -> Vec<Message> {
    packet::open(bytes, &Keyring::plain(), &Settings::lan()).unwrap()
}

fn read(bytes: &[u8], vector: &Value) -> StreamMessage {
    let mut reader = stream::Reader::new(&keyring(vector), &settings(vector));
    reader.push(bytes);
    reader.next_message().unwrap_or_else(|error| panic!("{}: {error:?}", name(vector))).unwrap()
}

#[test]
fn secrets_become_the_keys_the_original_makes() {
    let sealing = |keyring: &Keyring| {
        let sealing = Sealing { keyring, settings: &Settings::lan(), with_checksum: false, nonce: [1; 12] };
        packet::seal(&[vec![8, 1, 2, 3]], &sealing)
    };
    for vector in vectors("keys") {
        let secret = hex(&vector["secret"]);
        if secret.is_empty() {
            // Such a key would be no secret at all: the original does not encrypt with it either.
            assert!(Keyring::from_secret(&secret).is_plain());
            continue;
        }
        let key = Keyring::from_keys(&[&hex(&vector["key"])]).unwrap();
        assert_eq!(sealing(&Keyring::from_secret(&secret)), sealing(&key), "{vector}");
    }
}

#[test]
fn every_message_is_written_and_read_as_memberlist_does() {
    for vector in vectors("messages") {
        let bytes = hex(&vector["bytes"]);
        let Some(message) = message(&vector) else {
            assert_eq!(name(&vector), "error");
            let error = StreamMessage::Error(vector["fields"]["Error"].as_str().unwrap().to_owned());
            let uncompressed = Settings { enable_compression: false, ..Settings::lan() };
            assert_eq!(stream::encode(&error, &Keyring::plain(), &uncompressed, [0; 12]), bytes);
            continue;
        };
        assert_eq!(packet::encode(&message), bytes, "{}", name(&vector));
        assert_eq!(open(&bytes), [message], "{}", name(&vector));
    }
}

#[test]
fn every_packet_opens_to_the_messages_it_was_made_of() {
    for vector in vectors("packets") {
        let (bytes, keyring) = (hex(&vector["bytes"]), keyring(&vector));
        let opened = packet::open(&bytes, &keyring, &settings(&vector));
        let opened = opened.unwrap_or_else(|error| panic!("{}: {error:?}", name(&vector)));
        match vector["bodies"].as_array() {
            Some(bodies) => {
                let expected: Vec<_> = bodies.iter().flat_map(|body| open(&hex(body))).collect();
                assert_eq!(opened, expected, "{}", name(&vector));
            }
            // Captured between two members: it was their business what to say.
            None => assert!(!opened.is_empty(), "{}", name(&vector)),
        }
    }
}

#[test]
fn packets_are_sealed_bit_by_bit_as_memberlist_does() {
    let mut checked = 0;
    for vector in vectors("packets") {
        // The vectors compress in any case, protocol 1 pads, and one body can be wrapped as if there were several. We
        // read all that, and write none of it. What LZW makes of the same bytes differs between implementations.
        let Some(bodies) = vector["bodies"].as_array() else { continue };
        if ["compressed", "padding", "compound of one"].iter().any(|word| name(&vector).contains(word)) {
            continue;
        }
        let bytes = hex(&vector["bytes"]);
        let keyring = keyring(&vector);
        let nonce = if keyring.is_plain() { [0; 12] } else { bytes[1..13].try_into().unwrap() };
        let settings = settings(&vector);
        let sealing = Sealing {
            keyring: &keyring,
            settings: &settings,
            with_checksum: name(&vector).contains("crc"),
            nonce,
        };
        let bodies: Vec<_> = bodies.iter().map(hex).collect();
        assert_eq!(packet::seal(&bodies, &sealing), bytes, "{}", name(&vector));
        checked += 1;
    }
    assert!(checked >= 12, "{checked}");
}

#[test]
fn every_stream_reads_as_it_was_meant() {
    for vector in vectors("streams") {
        let bytes = hex(&vector["bytes"]);
        let message = read(&bytes, &vector);
        match (&message, vector["nodes"].as_array()) {
            (StreamMessage::PushPull(push_pull), Some(nodes)) => {
                assert!(push_pull.is_join);
                assert_eq!(push_pull.peers.len(), nodes.len(), "{}", name(&vector));
                for (peer, node) in push_pull.peers.iter().zip(nodes) {
                    let address = peer.alive.address;
                    let expected: IpAddr = node["addr"].as_str().unwrap().parse().unwrap();
                    assert_eq!(peer.alive.node, node["name"].as_str().unwrap());
                    assert_eq!(canonical(address.ip(), address.port()).ip(), expected);
                    assert_eq!(u64::from(address.port()), node["port"].as_u64().unwrap());
                    assert_eq!(peer.alive.meta, hex(&node["meta"]));
                    assert_eq!(peer.alive.versions, Versions::OURS);
                }
            }
            (_, nodes) => assert!(nodes.is_none(), "{}: {message:?}", name(&vector)),
        }
    }
}

#[test]
fn streams_are_written_bit_by_bit_as_memberlist_does() {
    let mut checked = 0;
    for vector in vectors("streams") {
        let bytes = hex(&vector["bytes"]);
        let message = read(&bytes, &vector);
        let nonce = if vector["key"].is_null() { [0; 12] } else { bytes[6..18].try_into().unwrap() };
        let written = stream::encode(&message, &keyring(&vector), &settings(&vector), nonce);
        // memberlist compresses streams in any case, we only when it helps.
        if name(&vector).contains("compressed") && written.len() < bytes.len() {
            continue;
        }
        assert_eq!(written, bytes, "{}", name(&vector));
        checked += 1;
    }
    assert!(checked >= 10, "{checked}");
}
