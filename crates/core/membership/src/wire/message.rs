//! What members say to each other, apart from how it is written.
//!
//! Field for field what memberlist's protocol version 2 has. Addresses are 4 or 16 bytes on the wire; whatever else
//! stands there makes the message malformed. Each is passed on in the form it came in: the original compares them byte
//! by byte, and takes an IPv4 address written as IPv6 for another one. Send to, and compare, what [`canonical`] makes of
//! it. A port of zero means the sender did not say: then it is the receiver's own.

use std::net::{IpAddr, SocketAddr};

/// The versions a member speaks: protocol minimum, maximum and current, then the same of the delegate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Versions(pub [u8; 6]);

impl Versions {
    /// What the original announces: protocol 1 to 5, spoken 2, no delegate.
    pub const OURS: Self = Self([1, 5, 2, 0, 0, 0]);
}

/// Asks whether a member answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ping {
    /// Identifies the answer.
    pub sequence: u32,
    /// Who is meant: a process of another name at this address does not answer.
    pub node: String,
    /// Where the asker listens; older members leave it out.
    pub source: Option<SocketAddr>,
    /// The asker's name; older members leave it out.
    pub source_node: String,
}

/// Asks a member to ask another one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IndirectPing {
    /// Identifies the answer.
    pub sequence: u32,
    /// Where the one in doubt listens.
    pub target: SocketAddr,
    /// The name of the one in doubt.
    pub node: String,
    /// Whether a negative answer is wanted, too.
    pub wants_nack: bool,
    /// Where the asker listens; older members leave it out.
    pub source: Option<SocketAddr>,
    /// The asker's name; older members leave it out.
    pub source_node: String,
}

/// A member is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alive {
    /// How often the member has spoken up for itself.
    pub incarnation: u32,
    /// Its name.
    pub node: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it says of itself: at most 512 bytes.
    pub meta: Vec<u8>,
    /// What it speaks.
    pub versions: Versions,
}

/// A member does not answer, or is gone; the same shape for both.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accusation {
    /// Which life of the accused is meant.
    pub incarnation: u32,
    /// The accused.
    pub node: String,
    /// Who says so; a member that leaves says it of itself.
    pub from: String,
}

/// A datagram's content; several may share one datagram.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// Type 0.
    Ping(Ping),
    /// Type 1.
    IndirectPing(IndirectPing),
    /// Type 2: the answer to a ping.
    Ack {
        /// The ping's sequence number.
        sequence: u32,
        /// What the answering member adds.
        payload: Vec<u8>,
    },
    /// Type 3.
    Suspect(Accusation),
    /// Type 4.
    Alive(Alive),
    /// Type 5.
    Dead(Accusation),
    /// Type 8: of no interest here.
    User(Vec<u8>),
    /// Type 11: the one asked indirectly got no answer either.
    Nack {
        /// The indirect ping's sequence number.
        sequence: u32,
    },
}

/// What a member believes about another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// 0.
    Alive,
    /// 1.
    Suspect,
    /// 2.
    Dead,
    /// 3.
    Left,
}

/// One member in a push/pull.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PeerState {
    /// What is believed about it.
    pub state: State,
    /// The rest, as it would say it.
    pub alive: Alive,
}

/// All one member knows, over a stream, in both directions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PushPull {
    /// Whether the asker joins.
    pub is_join: bool,
    /// Every member known, itself included.
    pub peers: Vec<PeerState>,
    /// What the application adds.
    pub user_state: Vec<u8>,
}

/// What a stream carries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StreamMessage {
    /// A ping of last resort.
    Ping(Ping),
    /// Its answer.
    Ack {
        /// The ping's sequence number.
        sequence: u32,
        /// What the answering member adds.
        payload: Vec<u8>,
    },
    /// Everything known.
    PushPull(PushPull),
    /// Type 13: the other side refuses, and why.
    Error(String),
}

/// The address of a member as one value, with IPv4-mapped addresses as IPv4.
#[must_use]
pub fn canonical(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}
