//! Datagrams: messages, alone or several in one, perhaps compressed, checked and encrypted, in this order.

use std::borrow::Cow;

use crate::{Keyring, Settings};

use super::body::{self, BodyError};
use super::compression::{self, CompressionError};
use super::encryption::{self, EncryptionError};
use super::fields::Fields;
use super::kind;
use super::message::Message;
use super::msgpack::Reader;

/// Bytes in front of several messages in one datagram.
pub const COMPOUND_OVERHEAD: usize = 2;
/// Bytes for each of them.
pub const PART_OVERHEAD: usize = 2;
/// Bytes that encryption adds to a datagram.
pub const ENCRYPTION_OVERHEAD: usize = encryption::OVERHEAD;
/// Bytes that a checksum adds. The original does not count them when it fills a datagram.
pub const CHECKSUM_OVERHEAD: usize = 5;
/// Most messages in one datagram.
pub const MOST_PARTS: usize = 255;
/// The protocol from which on members understand checksums.
pub const CHECKSUM_PROTOCOL: u8 = 5;

/// How far messages may be wrapped in each other; members do it twice.
const MOST_NESTED: usize = 8;
/// Most bytes one datagram may become by decompression.
const MOST_DECOMPRESSED: usize = 1 << 16;
/// Most things to decompress in one datagram, whatever comes of it: each costs some memory. Members send one.
const MOST_COMPRESSED: usize = 4;
/// For how many messages there is room at once, before they are read.
const ROOM: usize = 32;

/// Why a datagram has nothing to say.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PacketError {
    /// It belongs to a ring with a label; ours has none.
    #[error("the packet is labelled: it belongs to another ring")]
    Label,
    /// It cannot be decrypted.
    #[error("the packet cannot be decrypted")]
    Encryption(#[source] EncryptionError),
    /// It was damaged on its way.
    #[error("the packet's checksum is wrong")]
    Checksum,
    /// It cannot be decompressed.
    #[error("the packet cannot be decompressed")]
    Compression(#[source] CompressionError),
    /// The lengths of its parts are not all there.
    #[error("the packet ends amid the lengths of its parts")]
    Lengths,
    /// A part is longer than what is left; those before it were read.
    #[error("the packet ends before its last parts")]
    Parts,
    /// Messages wrapped in each other more often than any member does.
    #[error("the packet is wrapped too often")]
    Nested,
    /// A message cannot be read.
    #[error("the packet holds what cannot be read")]
    Body(#[source] BodyError),
}

/// All messages of a datagram that can be read: one that cannot does not hide the others.
///
/// # Errors
/// When there is not a single one and something cannot be read: the first reason.
pub fn open(bytes: &[u8], keyring: &Keyring, settings: &Settings) -> Result<Vec<Message>, PacketError> {
    if bytes.first() == Some(&kind::LABEL) {
        return Err(PacketError::Label);
    }
    let plain = decrypt(bytes, keyring, settings)?;
    let mut opening = Opening {
        messages: Vec::new(),
        budget: MOST_DECOMPRESSED,
        compressed: MOST_COMPRESSED,
        refusal: None,
    };
    opening.read(checked(&plain)?, MOST_NESTED);
    match opening.refusal {
        Some(refusal) if opening.messages.is_empty() => Err(refusal),
        _ => Ok(opening.messages),
    }
}

fn decrypt<'a>(
    bytes: &'a [u8],
    keyring: &Keyring,
    settings: &Settings,
) -> Result<Cow<'a, [u8]>, PacketError> {
    if keyring.is_plain() {
        return Ok(Cow::Borrowed(bytes));
    }
    match encryption::open(bytes, &[], keyring) {
        Ok(plain) => Ok(Cow::Owned(plain)),
        Err(error) if settings.gossip_verify_incoming => Err(PacketError::Encryption(error)),
        Err(_) => Ok(Cow::Borrowed(bytes)),
    }
}

/// What stands behind the checksum, if there is one.
fn checked(bytes: &[u8]) -> Result<&[u8], PacketError> {
    let Some(([kind::CHECKSUM, sum @ ..], rest)) = bytes.split_first_chunk::<CHECKSUM_OVERHEAD>() else {
        return Ok(bytes);
    };
    if crc32fast::hash(rest) == u32::from_be_bytes(*sum) { Ok(rest) } else { Err(PacketError::Checksum) }
}

/// What was found in a datagram so far.
struct Opening {
    messages: Vec<Message>,
    /// How many bytes may still come out of compression.
    budget: usize,
    /// How many things may still be decompressed.
    compressed: usize,
    /// The first reason why something was left out.
    refusal: Option<PacketError>,
}

impl Opening {
    fn read(&mut self, bytes: &[u8], depth: usize) {
        if let Err(refusal) = self.try_read(bytes, depth) {
            self.refusal.get_or_insert(refusal);
        }
    }

    fn try_read(&mut self, bytes: &[u8], depth: usize) -> Result<(), PacketError> {
        match bytes.split_first() {
            Some((&kind::COMPOUND, parts)) => self.read_parts(parts, nested(depth)?),
            Some((&kind::COMPRESSED, envelope)) => self.read_compressed(envelope, nested(depth)?),
            _ => {
                self.messages.push(body::decode(bytes).map_err(PacketError::Body)?);
                Ok(())
            }
        }
    }

    fn read_parts(&mut self, bytes: &[u8], depth: usize) -> Result<(), PacketError> {
        let (&count, rest) = bytes.split_first().ok_or(PacketError::Lengths)?;
        let (lengths, mut rest) =
            rest.split_at_checked(usize::from(count) * PART_OVERHEAD).ok_or(PacketError::Lengths)?;
        let (lengths, _) = lengths.as_chunks::<PART_OVERHEAD>();
        self.messages.reserve(lengths.len().min(ROOM));
        for length in lengths {
            let length = usize::from(u16::from_be_bytes(*length));
            let (part, behind) = rest.split_at_checked(length).ok_or(PacketError::Parts)?;
            self.read(part, depth);
            rest = behind;
        }
        Ok(())
    }

    fn read_compressed(&mut self, envelope: &[u8], depth: usize) -> Result<(), PacketError> {
        self.compressed = nested(self.compressed)?;
        let plain = decompress(envelope, &mut self.budget)?;
        self.read(&plain, depth);
        Ok(())
    }
}

/// One wrap less to go.
fn nested(left: usize) -> Result<usize, PacketError> {
    left.checked_sub(1).ok_or(PacketError::Nested)
}

fn decompress(envelope: &[u8], budget: &mut usize) -> Result<Vec<u8>, PacketError> {
    let malformed = |source| PacketError::Body(BodyError::Structure { kind: kind::COMPRESSED, source });
    let fields = Fields::read(&mut Reader::new(envelope)).map_err(malformed)?;
    compression::decompress(fields.algorithm, fields.buffer, budget).map_err(PacketError::Compression)
}

/// One message as bytes, to be sealed alone or with others.
#[must_use]
pub fn encode(message: &Message) -> Vec<u8> {
    body::encode(message)
}

/// How a datagram is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Sealing<'a> {
    /// The first key encrypts, if there is one.
    pub keyring: &'a Keyring,
    /// Whether to compress, and whether to encrypt at all.
    pub settings: &'a Settings,
    /// Whether the receiver understands checksums: its highest protocol is at least [`CHECKSUM_PROTOCOL`].
    pub with_checksum: bool,
    /// Never the same twice for one key.
    pub nonce: [u8; 12],
}

/// A datagram of one message or several, each made by [`encode`]; at most [`MOST_PARTS`] of at most 64 KiB each. Whatever
/// is beyond that is left out.
#[must_use]
pub fn seal(bodies: &[Vec<u8>], sealing: &Sealing<'_>) -> Vec<u8> {
    let joined = match bodies {
        [body] => Cow::Borrowed(body.as_slice()),
        _ => Cow::Owned(compound(bodies)),
    };
    let compressed = sealing.settings.enable_compression.then(|| compression::compress(&joined)).flatten();
    let payload = compressed.as_deref().unwrap_or(&joined);
    let encrypts = encrypts(sealing.keyring, sealing.settings);
    let mut packet = Vec::with_capacity(payload.len() + CHECKSUM_OVERHEAD + ENCRYPTION_OVERHEAD);
    if encrypts {
        encryption::begin(&mut packet, sealing.nonce);
    }
    if sealing.with_checksum {
        packet.push(kind::CHECKSUM);
        packet.extend_from_slice(&crc32fast::hash(payload).to_be_bytes());
    }
    packet.extend_from_slice(payload);
    if encrypts {
        encryption::finish(&mut packet, 0, sealing.nonce, &[], sealing.keyring);
    }
    packet
}

/// Whether what is sent is encrypted.
pub(super) fn encrypts(keyring: &Keyring, settings: &Settings) -> bool {
    !keyring.is_plain() && settings.gossip_verify_outgoing
}

fn compound(bodies: &[Vec<u8>]) -> Vec<u8> {
    let fitting = || {
        let sized = bodies.iter().filter_map(|body| Some((u16::try_from(body.len()).ok()?, body)));
        sized.take(MOST_PARTS)
    };
    let count = u8::try_from(fitting().count()).unwrap_or(u8::MAX);
    let mut bytes = vec![kind::COMPOUND, count];
    fitting().for_each(|(length, _)| bytes.extend_from_slice(&length.to_be_bytes()));
    fitting().for_each(|(_, body)| bytes.extend_from_slice(body));
    bytes
}
