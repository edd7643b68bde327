//! LZW with codes from the low bits up and eight-bit literals, in an envelope that names it.

use weezl::decode::Decoder;
use weezl::encode::Encoder;
use weezl::{BitOrder, LzwStatus};

use super::kind;
use super::msgpack::Writer;

/// LZW's number, the only one there is.
const LZW: u8 = 0;
const LITERAL_BITS: u8 = 8;
/// What is shorter hardly ever gets smaller: the envelope alone takes 14 bytes.
const SHORTEST: usize = 128;
/// How much is decompressed before the next look at the limit.
const STEP: usize = 4096;

/// Why something cannot be decompressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CompressionError {
    /// Nobody knows this algorithm.
    #[error("compression {0} is unknown")]
    Algorithm(u8),
    /// It is no LZW, or not all of it.
    #[error("it is no LZW, or ends early")]
    Lzw,
    /// It gets larger than anything a member sends.
    #[error("it gets too large")]
    TooLarge,
}

/// Decompresses what gets no larger than `budget`, from which it is taken; attempts that fail cost as well.
pub(super) fn decompress(
    algorithm: u8,
    bytes: &[u8],
    budget: &mut usize,
) -> Result<Vec<u8>, CompressionError> {
    if algorithm != LZW {
        return Err(CompressionError::Algorithm(algorithm));
    }
    let mut decoder = Decoder::new(BitOrder::Lsb, LITERAL_BITS);
    let (mut plain, mut rest) = (Vec::new(), bytes);
    loop {
        let start = plain.len();
        plain.resize(start + STEP, 0);
        let result = decoder.decode_bytes(rest, plain.get_mut(start..).unwrap_or_default());
        plain.truncate(start + result.consumed_out);
        rest = rest.get(result.consumed_in..).unwrap_or_default();
        *budget = budget.checked_sub(result.consumed_out).ok_or(CompressionError::TooLarge)?;
        match result.status.map_err(|_| CompressionError::Lzw)? {
            LzwStatus::Done => return Ok(plain),
            LzwStatus::Ok if result.consumed_out > 0 || result.consumed_in > 0 => {}
            LzwStatus::Ok | LzwStatus::NoProgress => return Err(CompressionError::Lzw),
        }
    }
}

/// The envelope with these bytes compressed in it; nothing unless that is smaller.
pub(super) fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    if bytes.len() < SHORTEST {
        return None;
    }
    let lzw = Encoder::new(BitOrder::Lsb, LITERAL_BITS).encode(bytes).ok()?;
    if lzw.len() >= bytes.len() {
        return None;
    }
    let mut envelope = Vec::with_capacity(lzw.len() + 16);
    envelope.push(kind::COMPRESSED);
    let mut writer = Writer(&mut envelope);
    writer.map(2);
    writer.bytes(b"Algo");
    writer.unsigned(LZW.into());
    writer.bytes(b"Buf");
    writer.bytes(&lzw);
    Some(envelope).filter(|envelope| envelope.len() < bytes.len())
}
