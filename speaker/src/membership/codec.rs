//! How this member writes and reads at the moment: its settings, and its keys.

use metallb_membership::Keyring;
use metallb_membership::Settings;
use metallb_membership::wire::message::{Message, StreamMessage};
use metallb_membership::wire::packet::{self, PacketError, Sealing};
use metallb_membership::wire::stream::{self, Reader};

/// Never changed: a new secret makes a new one, and exchanges under way end with that they began with.
#[derive(Clone, Debug)]
pub(super) struct Codec {
    pub(super) settings: Settings,
    pub(super) keyring: Keyring,
}

impl Codec {
    /// The messages of a datagram.
    pub(super) fn open(&self, datagram: &[u8]) -> Result<Vec<Message>, PacketError> {
        packet::open(datagram, &self.keyring, &self.settings)
    }

    /// A datagram of these bodies.
    pub(super) fn seal(&self, bodies: &[Vec<u8>], with_checksum: bool) -> Vec<u8> {
        let Self { keyring, settings } = self;
        packet::seal(bodies, &Sealing { keyring, settings, with_checksum, nonce: rand::random() })
    }

    /// What to write for a message.
    pub(super) fn write(&self, message: &StreamMessage) -> Vec<u8> {
        stream::encode(message, &self.keyring, &self.settings, rand::random())
    }

    /// What reads from the other side.
    pub(super) fn reader(&self) -> Reader {
        Reader::new(&self.keyring, &self.settings)
    }
}
