//! One message and its bytes: a kind, then a map whose names are in alphabetical order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::fields::Fields;
use super::kind;
use super::message::{Accusation, Alive, IndirectPing, Message, PeerState, Ping, State, Versions};
use super::msgpack::{Malformed, Reader, Writer};

/// Longest name of a member. A node's name has 253 bytes at most.
const LONGEST_NAME: usize = 1024;
/// Most metadata of a member, in bytes.
const MOST_META: usize = 512;

/// Why a message cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BodyError {
    /// There is not even a kind.
    #[error("a message without a kind")]
    Empty,
    /// Nothing of this kind belongs here.
    #[error("messages of kind {0} are not expected here")]
    Kind(u8),
    /// It is not the map it should be.
    #[error("a message of kind {kind} is malformed")]
    Structure {
        /// The message's kind.
        kind: u8,
        /// What is wrong.
        #[source]
        source: Malformed,
    },
    /// A value that means nothing.
    #[error("a message of kind {kind} has a meaningless {field}")]
    Field {
        /// The message's kind.
        kind: u8,
        /// The name of the value.
        field: &'static str,
    },
}

/// Reads one message; what stands behind it is ignored, as by the original.
pub(super) fn decode(bytes: &[u8]) -> Result<Message, BodyError> {
    let (&kind, body) = bytes.split_first().ok_or(BodyError::Empty)?;
    if kind == kind::USER {
        return Ok(Message::User(body.to_vec()));
    }
    if !matches!(kind, kind::PING..=kind::DEAD | kind::NACK) {
        return Err(BodyError::Kind(kind));
    }
    let fields =
        Fields::read(&mut Reader::new(body)).map_err(|source| BodyError::Structure { kind, source })?;
    message(kind, &fields).map_err(|field| BodyError::Field { kind, field })
}

/// The message of these fields, or the name of the one that means nothing.
fn message(kind: u8, fields: &Fields<'_>) -> Result<Message, &'static str> {
    Ok(match kind {
        kind::PING => Message::Ping(ping(fields)?),
        kind::INDIRECT_PING => Message::IndirectPing(indirect_ping(fields)?),
        kind::ACK => Message::Ack { sequence: fields.sequence, payload: fields.payload.to_vec() },
        kind::SUSPECT => Message::Suspect(accusation(fields)?),
        kind::ALIVE => Message::Alive(alive(fields.node, fields)?),
        kind::DEAD => Message::Dead(accusation(fields)?),
        _ => Message::Nack { sequence: fields.sequence },
    })
}

pub(super) fn ping(fields: &Fields<'_>) -> Result<Ping, &'static str> {
    Ok(Ping {
        sequence: fields.sequence,
        node: name(fields.node).ok_or("Node")?,
        source: source(fields)?,
        source_node: name(fields.source_node).ok_or("SourceNode")?,
    })
}

fn indirect_ping(fields: &Fields<'_>) -> Result<IndirectPing, &'static str> {
    Ok(IndirectPing {
        sequence: fields.sequence,
        target: address(fields.target, fields.port).ok_or("Target")?,
        node: name(fields.node).ok_or("Node")?,
        wants_nack: fields.wants_nack,
        source: source(fields)?,
        source_node: name(fields.source_node).ok_or("SourceNode")?,
    })
}

fn accusation(fields: &Fields<'_>) -> Result<Accusation, &'static str> {
    Ok(Accusation {
        incarnation: fields.incarnation,
        node: name(fields.node).ok_or("Node")?,
        from: name(fields.from).ok_or("From")?,
    })
}

fn alive(node: &[u8], fields: &Fields<'_>) -> Result<Alive, &'static str> {
    Ok(Alive {
        incarnation: fields.incarnation,
        node: name(node).filter(|name| !name.is_empty()).ok_or("name")?,
        address: address(fields.address, fields.port).ok_or("Addr")?,
        meta: Some(fields.meta).filter(|meta| meta.len() <= MOST_META).ok_or("Meta")?.to_vec(),
        // Older members leave them out; later ones may add some.
        versions: Versions(fields.versions.first_chunk().copied().unwrap_or_default()),
    })
}

/// A member of a push/pull; nothing if it means nothing, which costs nobody else.
pub(super) fn peer(fields: &Fields<'_>) -> Option<PeerState> {
    let state = match fields.state {
        0 => State::Alive,
        1 => State::Suspect,
        2 => State::Dead,
        3 => State::Left,
        _ => return None,
    };
    Some(PeerState { state, alive: alive(fields.name, fields).ok()? })
}

fn name(bytes: &[u8]) -> Option<String> {
    (bytes.len() <= LONGEST_NAME).then(|| str::from_utf8(bytes).ok().map(str::to_owned)).flatten()
}

/// Where an asker listens, if it says so.
fn source(fields: &Fields<'_>) -> Result<Option<SocketAddr>, &'static str> {
    if fields.source_address.is_empty() || fields.source_port == 0 {
        return Ok(None);
    }
    address(fields.source_address, fields.source_port).map(Some).ok_or("SourceAddr")
}

/// An address in the form it is written in.
fn address(bytes: &[u8], port: u16) -> Option<SocketAddr> {
    let address: IpAddr = match bytes.len() {
        4 => Ipv4Addr::from(*bytes.first_chunk()?).into(),
        16 => Ipv6Addr::from(*bytes.first_chunk::<16>()?).into(),
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

/// Writes one message.
pub(super) fn encode(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(192);
    match message {
        Message::Ping(ping) => write_ping(&mut bytes, ping),
        Message::IndirectPing(ping) => write_indirect_ping(&mut bytes, ping),
        Message::Ack { sequence, payload } => write_ack(&mut bytes, *sequence, payload),
        Message::Suspect(accusation) => write_accusation(&mut bytes, kind::SUSPECT, accusation),
        Message::Alive(alive) => write_alive(&mut bytes, alive),
        Message::Dead(accusation) => write_accusation(&mut bytes, kind::DEAD, accusation),
        Message::User(user) => {
            bytes.push(kind::USER);
            bytes.extend_from_slice(user);
        }
        Message::Nack { sequence } => {
            let mut writer = start(&mut bytes, kind::NACK, 1);
            number(&mut writer, "SeqNo", *sequence);
        }
    }
    bytes
}

fn start(bytes: &mut Vec<u8>, kind: u8, pairs: u8) -> Writer<'_> {
    bytes.push(kind);
    let mut writer = Writer(bytes);
    writer.map(pairs);
    writer
}

fn number(writer: &mut Writer<'_>, name: &str, number: u32) {
    writer.bytes(name.as_bytes());
    writer.unsigned(number.into());
}

fn text(writer: &mut Writer<'_>, name: &str, text: &str) {
    writer.bytes(name.as_bytes());
    writer.bytes(text.as_bytes());
}

fn bytes_of(writer: &mut Writer<'_>, name: &str, bytes: &[u8]) {
    writer.bytes(name.as_bytes());
    writer.bytes_or_nil(bytes);
}

fn write_address(writer: &mut Writer<'_>, name: &str, address: IpAddr) {
    writer.bytes(name.as_bytes());
    match address {
        IpAddr::V4(address) => writer.bytes(&address.octets()),
        IpAddr::V6(address) => writer.bytes(&address.octets()),
    }
}

pub(super) fn write_ping(bytes: &mut Vec<u8>, ping: &Ping) {
    let mut writer = start(bytes, kind::PING, 2 + source_pairs(ping.source, &ping.source_node));
    text(&mut writer, "Node", &ping.node);
    number(&mut writer, "SeqNo", ping.sequence);
    write_source(&mut writer, ping.source, &ping.source_node);
}

fn write_indirect_ping(bytes: &mut Vec<u8>, ping: &IndirectPing) {
    let mut writer = start(bytes, kind::INDIRECT_PING, 5 + source_pairs(ping.source, &ping.source_node));
    writer.bytes(b"Nack");
    writer.boolean(ping.wants_nack);
    text(&mut writer, "Node", &ping.node);
    number(&mut writer, "Port", ping.target.port().into());
    number(&mut writer, "SeqNo", ping.sequence);
    write_source(&mut writer, ping.source, &ping.source_node);
    write_address(&mut writer, "Target", ping.target.ip());
}

/// Pairs of the asker, which are left out when there is nothing to say.
fn source_pairs(source: Option<SocketAddr>, source_node: &str) -> u8 {
    let named = u8::from(!source_node.is_empty());
    source.map_or(named, |source| named + 1 + u8::from(source.port() != 0))
}

fn write_source(writer: &mut Writer<'_>, source: Option<SocketAddr>, source_node: &str) {
    if let Some(source) = source {
        write_address(writer, "SourceAddr", source.ip());
    }
    if !source_node.is_empty() {
        text(writer, "SourceNode", source_node);
    }
    if let Some(port) = source.map(|source| source.port()).filter(|port| *port != 0) {
        number(writer, "SourcePort", port.into());
    }
}

pub(super) fn write_ack(bytes: &mut Vec<u8>, sequence: u32, payload: &[u8]) {
    let mut writer = start(bytes, kind::ACK, 2);
    bytes_of(&mut writer, "Payload", payload);
    number(&mut writer, "SeqNo", sequence);
}

fn write_accusation(bytes: &mut Vec<u8>, kind: u8, accusation: &Accusation) {
    let mut writer = start(bytes, kind, 3);
    text(&mut writer, "From", &accusation.from);
    number(&mut writer, "Incarnation", accusation.incarnation);
    text(&mut writer, "Node", &accusation.node);
}

fn write_alive(bytes: &mut Vec<u8>, alive: &Alive) {
    let mut writer = start(bytes, kind::ALIVE, 6);
    write_address(&mut writer, "Addr", alive.address.ip());
    number(&mut writer, "Incarnation", alive.incarnation);
    bytes_of(&mut writer, "Meta", &alive.meta);
    text(&mut writer, "Node", &alive.node);
    number(&mut writer, "Port", alive.address.port().into());
    write_versions(&mut writer, alive.versions);
}

/// One member of a push/pull.
pub(super) fn write_peer(bytes: &mut Vec<u8>, peer: &PeerState) {
    let PeerState { state, alive } = peer;
    let mut writer = Writer(bytes);
    writer.map(7);
    write_address(&mut writer, "Addr", alive.address.ip());
    number(&mut writer, "Incarnation", alive.incarnation);
    bytes_of(&mut writer, "Meta", &alive.meta);
    text(&mut writer, "Name", &alive.node);
    number(&mut writer, "Port", alive.address.port().into());
    let state = match state {
        State::Alive => 0,
        State::Suspect => 1,
        State::Dead => 2,
        State::Left => 3,
    };
    number(&mut writer, "State", state);
    write_versions(&mut writer, alive.versions);
}

/// None at all for a member that never told.
fn write_versions(writer: &mut Writer<'_>, versions: Versions) {
    let known: &[u8] = if versions == Versions([0; 6]) { &[] } else { &versions.0 };
    bytes_of(writer, "Vsn", known);
}
