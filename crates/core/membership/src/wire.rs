//! The packets and streams members exchange, as memberlist's protocol version 2 has them.
//!
//! Nothing here remembers what it saw: a packet that is replayed reads as it did the first time. That is harmless by
//! the protocol's nature, since what a message claims counts only with an incarnation or a sequence number that is
//! not yet outdone.

mod body;
mod compression;
mod encryption;
mod fields;
pub mod message;
pub mod msgpack;
pub mod packet;
mod push_pull;
pub mod stream;

pub use body::BodyError;
pub use compression::CompressionError;
pub use encryption::EncryptionError;

/// The byte in front of each message, or of what wraps messages.
mod kind {
    pub(super) const PING: u8 = 0;
    pub(super) const INDIRECT_PING: u8 = 1;
    pub(super) const ACK: u8 = 2;
    pub(super) const SUSPECT: u8 = 3;
    pub(super) const ALIVE: u8 = 4;
    pub(super) const DEAD: u8 = 5;
    pub(super) const PUSH_PULL: u8 = 6;
    pub(super) const COMPOUND: u8 = 7;
    pub(super) const USER: u8 = 8;
    pub(super) const COMPRESSED: u8 = 9;
    pub(super) const ENCRYPTED: u8 = 10;
    pub(super) const NACK: u8 = 11;
    pub(super) const CHECKSUM: u8 = 12;
    pub(super) const ERROR: u8 = 13;
    /// Rings of other names; ours has none.
    pub(super) const LABEL: u8 = 244;
}

#[cfg(test)]
mod tests;
