//! Streams: one message in each direction, perhaps compressed and encrypted, in this order.

use crate::{Keyring, Settings};

use super::body::{self, BodyError};
use super::compression::{self, CompressionError};
use super::encryption::{self, EncryptionError};
use super::fields::Fields;
use super::kind;
use super::message::StreamMessage;
use super::msgpack::{Malformed, Reader as Fragments, Writer};
use super::packet::encrypts;
use super::push_pull::{self, Partial};

/// Most bytes of one message, before and after decompression. Ten thousand members with all the metadata there may
/// be, and names of 200 bytes, are less; the original would take 20 MiB.
pub const MOST_BYTES: usize = 8 << 20;

/// Longest reason of a refusal that is kept.
const LONGEST_REASON: usize = 1024;
/// A kind and a length, which are authenticated together with what they announce.
const FRAME_HEAD: usize = 5;

/// Why a stream cannot be read on.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StreamError {
    /// It belongs to a ring with a label; ours has none.
    #[error("the stream is labelled: it belongs to another ring")]
    Label,
    /// It is encrypted and there is no key.
    #[error("the stream is encrypted, and there is no secret here")]
    Encrypted,
    /// It is not encrypted, though there is a key.
    #[error("the stream is not encrypted, though there is a secret here")]
    Plain,
    /// It cannot be decrypted.
    #[error("the stream cannot be decrypted")]
    Encryption(#[source] EncryptionError),
    /// It cannot be decompressed.
    #[error("the stream cannot be decompressed")]
    Compression(#[source] CompressionError),
    /// It is larger than anything a member sends.
    #[error("the stream announces more than {MOST_BYTES} bytes")]
    TooLarge,
    /// Its message cannot be read.
    #[error("the stream holds what cannot be read")]
    Body(#[source] BodyError),
}

/// A message for a stream. The nonce must never be the same twice for one key.
#[must_use]
pub fn encode(message: &StreamMessage, keyring: &Keyring, settings: &Settings, nonce: [u8; 12]) -> Vec<u8> {
    let mut plain = Vec::new();
    match message {
        StreamMessage::Ping(ping) => body::write_ping(&mut plain, ping),
        StreamMessage::Ack { sequence, payload } => body::write_ack(&mut plain, *sequence, payload),
        StreamMessage::PushPull(push_pull) => push_pull::write(&mut plain, push_pull),
        StreamMessage::Error(reason) => write_error(&mut plain, reason),
    }
    let compressed = settings.enable_compression.then(|| compression::compress(&plain)).flatten();
    let payload = compressed.unwrap_or(plain);
    if encrypts(keyring, settings) { encrypt(&payload, keyring, nonce) } else { payload }
}

fn write_error(bytes: &mut Vec<u8>, reason: &str) {
    bytes.push(kind::ERROR);
    let mut writer = Writer(bytes);
    writer.map(1);
    writer.bytes(b"Error");
    writer.bytes(reason.as_bytes());
}

fn encrypt(payload: &[u8], keyring: &Keyring, nonce: [u8; 12]) -> Vec<u8> {
    let length = payload.len() + encryption::OVERHEAD;
    let mut head = [0; FRAME_HEAD];
    if let Some((first, rest)) = head.split_first_mut() {
        *first = kind::ENCRYPTED;
        rest.copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    }
    let mut frame = Vec::with_capacity(FRAME_HEAD + length);
    frame.extend_from_slice(&head);
    encryption::begin(&mut frame, nonce);
    frame.extend_from_slice(payload);
    encryption::finish(&mut frame, FRAME_HEAD, nonce, &head, keyring);
    frame
}

/// Reads the message of a stream from however many pieces it comes in. What follows it is ignored.
#[derive(Debug)]
pub struct Reader {
    keyring: Keyring,
    refuses_plain: bool,
    buffer: Vec<u8>,
    /// From which length of the buffer on it is worth another try.
    wanted: usize,
    push_pull: Partial,
    is_done: bool,
}

impl Reader {
    /// A reader of one stream.
    #[must_use]
    pub fn new(keyring: &Keyring, settings: &Settings) -> Self {
        Self {
            keyring: keyring.clone(),
            refuses_plain: !keyring.is_plain() && settings.gossip_verify_incoming,
            buffer: Vec::new(),
            wanted: 1,
            push_pull: Partial::default(),
            is_done: false,
        }
    }

    /// Takes the next piece. At most a message's bytes are kept of it.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.is_done {
            let room = (MOST_BYTES + FRAME_HEAD).saturating_sub(self.buffer.len());
            self.buffer.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        }
    }

    /// The message, once, as soon as all of it is there.
    ///
    /// # Errors
    /// When it cannot be read; after that there is nothing more to read.
    pub fn next_message(&mut self) -> Result<Option<StreamMessage>, StreamError> {
        if self.is_done || self.buffer.len() < self.wanted {
            return Ok(None);
        }
        let outcome = self.read();
        if let Err(Pause::Until(length)) = outcome
            && length <= MOST_BYTES + FRAME_HEAD
        {
            self.wanted = length;
            return Ok(None);
        }
        self.is_done = true;
        self.buffer = Vec::new();
        match outcome {
            Ok(message) => Ok(Some(message)),
            Err(Pause::Until(_)) => Err(StreamError::TooLarge),
            Err(Pause::Failed(error)) => Err(error),
        }
    }

    fn read(&mut self) -> Result<StreamMessage, Pause> {
        let (&kind, rest) = self.buffer.split_first().ok_or(Pause::Until(1))?;
        match kind {
            kind::LABEL => Err(StreamError::Label.into()),
            kind::ENCRYPTED if self.keyring.is_plain() => Err(StreamError::Encrypted.into()),
            kind::ENCRYPTED => Ok(read_whole(&open_frame(&self.buffer, &self.keyring)?)?),
            _ if self.refuses_plain => Err(StreamError::Plain.into()),
            kind::COMPRESSED => {
                let plain = Pause::of(decompress(rest), &self.buffer)?;
                Ok(read_plain(&plain)?)
            }
            _ => Pause::of(read_body(kind, rest, &mut self.push_pull), &self.buffer),
        }
    }
}

/// Why there is no message yet, or never will be.
enum Pause {
    /// There is none before the buffer has this length.
    Until(usize),
    Failed(StreamError),
}

impl Pause {
    /// Takes an early end for a reason to wait.
    fn of<T>(outcome: Result<T, StreamError>, buffer: &[u8]) -> Result<T, Self> {
        outcome.map_err(|error| match error {
            StreamError::Body(BodyError::Structure { source: Malformed::Truncated { missing }, .. }) => {
                Self::Until(buffer.len().saturating_add(missing.max(1)))
            }
            other => Self::Failed(other),
        })
    }
}

impl From<StreamError> for Pause {
    fn from(error: StreamError) -> Self {
        Self::Failed(error)
    }
}

/// Decrypts a frame, once it is all there.
fn open_frame(buffer: &[u8], keyring: &Keyring) -> Result<Vec<u8>, Pause> {
    let (head, sealed) = buffer.split_first_chunk::<FRAME_HEAD>().ok_or(Pause::Until(FRAME_HEAD))?;
    let [_, length @ ..] = *head;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    let sealed = sealed.get(..length).ok_or(Pause::Until(FRAME_HEAD.saturating_add(length)))?;
    encryption::open(sealed, head, keyring).map_err(|error| StreamError::Encryption(error).into())
}

/// A message that is all there, perhaps compressed.
fn read_whole(bytes: &[u8]) -> Result<StreamMessage, StreamError> {
    match bytes.split_first() {
        Some((&kind::COMPRESSED, envelope)) => read_plain(&decompress(envelope)?),
        _ => read_plain(bytes),
    }
}

fn read_plain(bytes: &[u8]) -> Result<StreamMessage, StreamError> {
    let (&kind, body) = bytes.split_first().ok_or(StreamError::Body(BodyError::Empty))?;
    read_body(kind, body, &mut Partial::default())
}

fn decompress(envelope: &[u8]) -> Result<Vec<u8>, StreamError> {
    let fields = read_fields(kind::COMPRESSED, envelope)?;
    let mut budget = MOST_BYTES;
    compression::decompress(fields.algorithm, fields.buffer, &mut budget).map_err(StreamError::Compression)
}

fn read_fields(kind: u8, body: &[u8]) -> Result<Fields<'_>, StreamError> {
    Fields::read(&mut Fragments::new(body))
        .map_err(|source| StreamError::Body(BodyError::Structure { kind, source }))
}

/// One message, or as much of a push/pull as is there.
fn read_body(kind: u8, body: &[u8], push_pull: &mut Partial) -> Result<StreamMessage, StreamError> {
    match kind {
        kind::PING => {
            let ping = body::ping(&read_fields(kind, body)?);
            ping.map(StreamMessage::Ping).map_err(|field| StreamError::Body(BodyError::Field { kind, field }))
        }
        kind::ACK => {
            let fields = read_fields(kind, body)?;
            Ok(StreamMessage::Ack { sequence: fields.sequence, payload: fields.payload.to_vec() })
        }
        kind::PUSH_PULL => {
            let read = push_pull.read(body).map_err(|source| BodyError::Structure { kind, source });
            read.map(StreamMessage::PushPull).map_err(StreamError::Body)
        }
        kind::ERROR => {
            let reason = read_fields(kind, body)?.error;
            let reason = reason.get(..LONGEST_REASON).unwrap_or(reason);
            Ok(StreamMessage::Error(String::from_utf8_lossy(reason).into_owned()))
        }
        _ => Err(StreamError::Body(BodyError::Kind(kind))),
    }
}
