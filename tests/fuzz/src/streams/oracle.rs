//! What rmpv, which knows nothing of memberlist, finds in a push/pull.

use metallb_membership::wire::message::{PeerState, StreamMessage};
use rmpv::ValueRef;

use crate::packets::oracle::Fields;

/// A member's name, metadata and the rest: as long as that they mean something.
const LONGEST_NAME: usize = 1024;
const MOST_META: usize = 512;

/// Compares every field of a push/pull with what stands in these bytes, if they are plain.
pub(super) fn check(bytes: &[u8], message: &StreamMessage) {
    let (StreamMessage::PushPull(read), Some((6, mut body))) = (message, bytes.split_first()) else { return };
    let Some(header) = map(&mut body) else { return };
    let header = Fields(&header);
    assert_eq!(header.value("Join") == Some(&ValueRef::Boolean(true)), read.is_join);
    let mut peers = read.peers.iter();
    for _ in 0..header.number("Nodes") {
        let Some(fields) = map(&mut body) else { return };
        let fields = Fields(&fields);
        if means_something(&fields) {
            check_peer(&fields, peers.next());
        }
    }
    assert_eq!(peers.next(), None);
    let length = header.value("UserStateLen").and_then(|value| value.to_owned().as_i64()).unwrap_or(0);
    let length = usize::try_from(length).unwrap_or(0);
    assert_eq!(body.get(..length), Some(read.user_state.as_slice()));
}

fn map<'a>(body: &mut &'a [u8]) -> Option<ValueRef<'a>> {
    rmpv::decode::read_value_ref_with_max_depth(body, 200).ok()
}

/// Whoever has no name, an unknown state, no address or too much to say is left out.
fn means_something(fields: &Fields<'_>) -> bool {
    let name = fields.bytes("Name");
    let is_name = (1..=LONGEST_NAME).contains(&name.len()) && std::str::from_utf8(name).is_ok();
    let is_state = fields.number("State") <= 3;
    is_name && is_state && fields.address("Addr", "Port").is_some() && fields.bytes("Meta").len() <= MOST_META
}

fn check_peer(fields: &Fields<'_>, peer: Option<&PeerState>) {
    let name = peer.map(|peer| peer.alive.node.as_bytes());
    assert_eq!(name, Some(fields.bytes("Name")));
    let Some(PeerState { state, alive }) = peer else { return };
    assert_eq!(fields.number("State"), *state as u64);
    fields.check_said(alive);
}
