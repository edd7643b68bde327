//! Members, as others see them and as the machine keeps them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::message::{Alive, State, Versions};

/// What is known about a member.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Member {
    /// Its name: the node's.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it says of itself.
    pub meta: Vec<u8>,
    /// What is believed about it.
    pub state: State,
    /// What it speaks.
    pub versions: Versions,
    /// How often it has spoken up for itself.
    pub incarnation: u32,
}

impl Member {
    /// Whether it counts: a suspect does, until its time is over.
    #[must_use]
    pub fn is_there(&self) -> bool {
        matches!(self.state, State::Alive | State::Suspect)
    }

    pub(super) fn contact(&self) -> Contact {
        Contact { name: self.name.clone(), address: self.address, versions: self.versions }
    }
}

/// A member, and what only the machine needs to know.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) member: Member,
    /// Its address as it writes it: the original takes another form for another address.
    pub(super) written: SocketAddr,
    /// When its state was last another one.
    pub(super) changed: Duration,
    /// Who last claimed its name from elsewhere, so that this is noted once.
    pub(super) rival: Option<SocketAddr>,
}

impl Record {
    /// What the member would say of itself.
    pub(super) fn alive(&self) -> Alive {
        Alive {
            incarnation: self.member.incarnation,
            node: self.member.name.clone(),
            address: self.written,
            meta: self.member.meta.clone(),
            versions: self.member.versions,
        }
    }
}

/// Whom to write to.
#[derive(Clone, Debug)]
pub(super) struct Contact {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    versions: Versions,
}

impl Contact {
    /// Whether it answers a ping over a stream.
    pub(super) fn takes_stream_pings(&self) -> bool {
        self.newest_protocol() >= 3
    }

    /// Whether it says so when somebody it was to ping does not answer.
    pub(super) fn sends_nacks(&self) -> bool {
        self.newest_protocol() >= 4
    }

    /// Whether it understands checksums.
    pub(super) fn takes_checksums(&self) -> bool {
        self.newest_protocol() >= 5
    }

    fn newest_protocol(&self) -> u8 {
        let Versions([_, newest, ..]) = self.versions;
        newest
    }
}
