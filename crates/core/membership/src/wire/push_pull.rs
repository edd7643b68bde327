//! A push/pull: a header, then one map for each member, then what the application adds, with no length around it all.

use super::body::{self, write_peer};
use super::fields::Fields;
use super::kind;
use super::message::{PeerState, PushPull};
use super::msgpack::{Malformed, Reader, Writer};

/// A push/pull as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Partial {
    header: Option<Header>,
    peers: Vec<PeerState>,
    /// Where the next thing begins.
    at: usize,
}

#[derive(Debug)]
struct Header {
    is_join: bool,
    /// Members still to come.
    due: usize,
    user_state_length: usize,
}

impl Partial {
    /// Goes on reading; `bytes` is all there is so far, from the header on.
    ///
    /// A member that means nothing is left out and hides no other.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<PushPull, Malformed> {
        let mut reader = Reader::new(bytes.get(self.at..).unwrap_or_default());
        let header = match &mut self.header {
            Some(header) => header,
            none => none.insert(Header::read(&mut reader)?),
        };
        self.at = bytes.len() - reader.rest().len();
        while header.due > 0 {
            let fields = Fields::read(&mut reader).map_err(|error| header.with_later_ones(error))?;
            self.peers.extend(body::peer(&fields));
            header.due -= 1;
            self.at = bytes.len() - reader.rest().len();
        }
        let user_state = reader.take(header.user_state_length)?.to_vec();
        Ok(PushPull { is_join: header.is_join, peers: std::mem::take(&mut self.peers), user_state })
    }
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let fields = Fields::read(reader)?;
        let unlikely = |_| Malformed::Unexpected { expected: "a number of members" };
        Ok(Self {
            is_join: fields.is_join,
            due: usize::try_from(fields.nodes).map_err(unlikely)?,
            user_state_length: usize::try_from(fields.user_state_length).unwrap_or(0),
        })
    }

    /// Beside what is missing of this member, each later one takes a byte at least: so that a claim of too many is
    /// refused at once.
    fn with_later_ones(&self, error: Malformed) -> Malformed {
        match error {
            Malformed::Truncated { missing } => {
                let later = self.due.saturating_sub(1).saturating_add(self.user_state_length);
                Malformed::Truncated { missing: missing.saturating_add(later) }
            }
            other => other,
        }
    }
}

pub(super) fn write(bytes: &mut Vec<u8>, push_pull: &PushPull) {
    let PushPull { is_join, peers, user_state } = push_pull;
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    bytes.reserve(64 + peers.len() * 160 + user_state.len());
    bytes.push(kind::PUSH_PULL);
    let mut writer = Writer(bytes);
    writer.map(3);
    writer.bytes(b"Join");
    writer.boolean(*is_join);
    writer.bytes(b"Nodes");
    writer.signed(count(peers.len()));
    writer.bytes(b"UserStateLen");
    writer.signed(count(user_state.len()));
    peers.iter().for_each(|peer| write_peer(bytes, peer));
    bytes.extend_from_slice(user_state);
}
