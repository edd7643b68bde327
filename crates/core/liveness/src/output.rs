//! What the machine wants done and known.

use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::Evidence;

/// Something for the caller to do, in this order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Send this datagram from the port that is announced.
    Send {
        /// The receiver.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// This member does not count, whatever memberlist says.
    Down(String),
    /// Memberlist decides about this member again.
    Up(String),
    /// This member answers for what it owns, although its metadata, as they are known here, do not say so yet.
    Answers(String),
    /// Whether this node must not answer for any address.
    Fence(bool),
    /// Whether the others hear this node well and still do not count it, for it came and went too often of late: it may
    /// answer where nobody else could.
    Held(bool),
    /// Something to log.
    Note(Note),
}

/// What somebody who asks why an address moved wants to read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Note {
    /// A member is suspected here.
    Suspected {
        /// Who.
        name: String,
        /// Why.
        evidence: Evidence,
        /// Since its last heartbeat.
        silent: Duration,
    },
    /// A member is down by somebody else's verdict.
    Told {
        /// Who is down.
        name: String,
        /// Who says so.
        by: String,
    },
    /// This node was said to be down, and contradicts.
    Refuted,
    /// A member that fell several times lately stays down for so long.
    Held {
        /// Who.
        name: String,
        /// How long.
        hold: Duration,
    },
    /// Most of those who watch this node count it: it may answer.
    Confirmed,
    /// It may answer although they do not say so: of so many members that announce this layer most were not heard for long.
    Unopposed {
        /// How many there are.
        members: usize,
    },
    /// The clock jumped by so much: this node stood still, and others may have taken over.
    Stalled(Duration),
    /// A verdict fell although memberlist goes on counting the member: this layer does not reach it.
    Overruled(String),
}

/// What came and went since the start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Datagrams sent.
    pub sent: u64,
    /// Bytes sent, without headers.
    pub sent_bytes: u64,
    /// Datagrams believed.
    pub received: u64,
    /// Datagrams that are no message of this layer, oversized ones included.
    pub malformed: u64,
    /// Datagrams with a wrong tag, or from a wrong address where there are no keys.
    pub forged: u64,
    /// Datagrams that came before.
    pub replayed: u64,
    /// Datagrams of or for another life of a member, or from no member.
    pub unknown: u64,
    /// Ports found closed.
    pub refused: u64,
    /// Members suspected.
    pub suspicions: u64,
    /// Members found down here.
    pub verdicts: u64,
}
