//! What rmpv, which knows nothing of memberlist, finds in the bytes of a message.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use metallb_membership::wire::message::{Accusation, Alive, IndirectPing, Message, Ping};
use rmpv::ValueRef;

/// Compares every field of the message with what stands in these bytes, if they are just one message.
pub(super) fn check(bytes: &[u8], message: &Message) {
    let Some((kind, mut body)) = bytes.split_first() else { return };
    let wrapped = [7, 9, 12];
    if wrapped.contains(kind) || matches!(message, Message::User(_)) {
        return;
    }
    let Ok(value) = rmpv::decode::read_value_ref_with_max_depth(&mut body, 200) else { return };
    let fields = Fields(&value);
    assert_eq!(*kind, kind_of(message));
    match message {
        Message::Ping(ping) => fields.check_ping(ping),
        Message::IndirectPing(ping) => fields.check_indirect_ping(ping),
        Message::Ack { sequence, payload } => {
            assert_eq!(fields.number("SeqNo"), u64::from(*sequence));
            assert_eq!(fields.bytes("Payload"), payload.as_slice());
        }
        Message::Suspect(accusation) | Message::Dead(accusation) => fields.check_accusation(accusation),
        Message::Alive(alive) => fields.check_alive(alive),
        Message::Nack { sequence } => assert_eq!(fields.number("SeqNo"), u64::from(*sequence)),
        Message::User(_) => {}
    }
}

fn kind_of(message: &Message) -> u8 {
    match message {
        Message::Ping(_) => 0,
        Message::IndirectPing(_) => 1,
        Message::Ack { .. } => 2,
        Message::Suspect(_) => 3,
        Message::Alive(_) => 4,
        Message::Dead(_) => 5,
        Message::User(_) => 8,
        Message::Nack { .. } => 11,
    }
}

/// A map by names, as Go sees it: the last one counts, and nil is nothing.
pub(crate) struct Fields<'a>(pub(crate) &'a ValueRef<'a>);

impl Fields<'_> {
    pub(crate) fn value(&self, name: &str) -> Option<&ValueRef<'_>> {
        let ValueRef::Map(pairs) = self.0 else { return None };
        let named = |key: &ValueRef<'_>| raw(key) == Some(name.as_bytes());
        let (_, value) = pairs.iter().rev().find(|(key, _)| named(key))?;
        (*value != ValueRef::Nil).then_some(value)
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.value(name).map_or(0, |value| value.as_u64().unwrap_or(u64::MAX))
    }

    pub(crate) fn bytes(&self, name: &str) -> &[u8] {
        self.value(name).and_then(raw).unwrap_or_default()
    }

    pub(crate) fn address(&self, name: &str, port: &str) -> Option<SocketAddr> {
        let bytes = self.bytes(name);
        let v4 = || <[u8; 4]>::try_from(bytes).ok().map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
        let v6 = || <[u8; 16]>::try_from(bytes).ok().map(|octets| IpAddr::V6(Ipv6Addr::from(octets)));
        let address = v4().or_else(v6)?;
        Some(SocketAddr::new(address, u16::try_from(self.number(port)).ok()?))
    }

    fn check_ping(&self, ping: &Ping) {
        let Ping { sequence, node, source, source_node } = ping;
        assert_eq!(self.number("SeqNo"), u64::from(*sequence));
        assert_eq!(self.bytes("Node"), node.as_bytes());
        self.check_source(*source, source_node);
    }

    fn check_indirect_ping(&self, ping: &IndirectPing) {
        let IndirectPing { sequence, target, node, wants_nack, source, source_node } = ping;
        assert_eq!(self.number("SeqNo"), u64::from(*sequence));
        assert_eq!(self.address("Target", "Port"), Some(*target));
        assert_eq!(self.bytes("Node"), node.as_bytes());
        assert_eq!(self.value("Nack") == Some(&ValueRef::Boolean(true)), *wants_nack);
        self.check_source(*source, source_node);
    }

    fn check_source(&self, source: Option<SocketAddr>, source_node: &str) {
        let named = self.address("SourceAddr", "SourcePort").filter(|source| source.port() != 0);
        assert_eq!(named, source);
        assert_eq!(self.bytes("SourceNode"), source_node.as_bytes());
    }

    fn check_accusation(&self, accusation: &Accusation) {
        let Accusation { incarnation, node, from } = accusation;
        assert_eq!(self.number("Incarnation"), u64::from(*incarnation));
        assert_eq!(self.bytes("Node"), node.as_bytes());
        assert_eq!(self.bytes("From"), from.as_bytes());
    }

    fn check_alive(&self, alive: &Alive) {
        assert_eq!(self.bytes("Node"), alive.node.as_bytes());
        self.check_said(alive);
    }

    /// All but the name, which is called otherwise in a push/pull.
    pub(crate) fn check_said(&self, alive: &Alive) {
        let Alive { incarnation, node: _, address, meta, versions } = alive;
        assert_eq!(self.number("Incarnation"), u64::from(*incarnation));
        assert_eq!(self.address("Addr", "Port"), Some(*address));
        assert_eq!(self.bytes("Meta"), meta.as_slice());
        assert_eq!(self.bytes("Vsn").first_chunk().copied().unwrap_or_default(), versions.0);
    }
}

fn raw<'a>(value: &'a ValueRef<'_>) -> Option<&'a [u8]> {
    match value {
        ValueRef::String(text) => Some(text.as_bytes()),
        ValueRef::Binary(bytes) => Some(bytes),
        _ => None,
    }
}
