//! What the machine wants done.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::message::Ping;

use super::member::Member;

/// One thing to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Send one datagram.
    Send {
        /// Where to.
        to: SocketAddr,
        /// Whether the receiver is known to understand a checksum.
        with_checksum: bool,
        /// Encoded messages; sealed, they fit into [`udp_buffer_size`](crate::Settings::udp_buffer_size).
        bodies: Vec<Vec<u8>>,
    },
    /// Exchange all state: send [`local_state(false)`](super::Machine::local_state), and
    /// [`merge`](super::Machine::merge) the answer.
    PushPull {
        /// Where to.
        to: SocketAddr,
        /// Who listens there.
        node: String,
    },
    /// Send a ping over a stream, and report its [answer](super::Machine::stream_ack).
    StreamPing {
        /// Where to.
        to: SocketAddr,
        /// What to send.
        ping: Ping,
        /// How long an answer is of use.
        within: Duration,
    },
    /// Membership has changed.
    Event(Event),
    /// Something to log.
    Note(Note),
}

/// How membership has changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// There is a new member, or one is back.
    Joined(Member),
    /// One has left of its own will.
    Left(Member),
    /// One is taken for dead.
    Failed(Member),
    /// One says other things of itself.
    Updated(Member),
}

/// What an administrator may want to know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Note {
    /// Somebody claims another member's name, or ours, from another address.
    Conflict {
        /// The name.
        name: String,
        /// Who has it.
        known: SocketAddr,
        /// Who wants it.
        claimed: SocketAddr,
    },
    /// After a [`Note::Conflict`] over our name, somebody counts us under it.
    Accepted,
    /// Somebody takes us for another one.
    MistakenFor {
        /// Whom it wanted.
        name: String,
        /// Who asked.
        from: SocketAddr,
    },
    /// A member did not answer.
    Suspected {
        /// Its name.
        name: String,
    },
    /// We were accused, and have contradicted.
    Refuted {
        /// Who accused us; empty if nobody said so.
        accuser: String,
    },
    /// A member answers over streams only: something swallows datagrams.
    OnlyOverStreams {
        /// Its name.
        name: String,
    },
    /// A member speaks other versions of the protocol, and is left out.
    Incompatible {
        /// Its name.
        name: String,
    },
    /// More members than any cluster has: this one is left out.
    TooMany {
        /// Its name.
        name: String,
    },
    /// We were to say more of ourselves than fits, and say nothing.
    MetaTooLong {
        /// How long it was, in bytes.
        length: usize,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict { name, known, claimed } => {
                write!(f, "{claimed} claims to be {name}, which is at {known}: ignored")
            }
            Self::Accepted => {
                f.write_str("a member counts this one under its name, which another claims or had")
            }
            Self::MistakenFor { name, from } => {
                write!(f, "{from} takes this member for {name}: not answered")
            }
            Self::Suspected { name } => write!(f, "{name} does not answer"),
            Self::Refuted { accuser } if accuser.is_empty() => {
                write!(f, "somebody knows an earlier life of this member: contradicted")
            }
            Self::Refuted { accuser } => write!(f, "{accuser} got no answer from this member: contradicted"),
            Self::OnlyOverStreams { name } => {
                write!(f, "{name} answers over TCP but not over UDP: does a firewall swallow datagrams?")
            }
            Self::Incompatible { name } => {
                write!(f, "{name} speaks other versions of the protocol: left out")
            }
            Self::TooMany { name } => write!(f, "{name} is one member too many: left out"),
            Self::MetaTooLong { length } => {
                write!(f, "{length} bytes of metadata are too many: none announced")
            }
        }
    }
}
