//! A version, a nonce, AES-GCM's ciphertext and its tag.

use crate::keyring::{Keyring, NONCE, TAG};

/// Padded to whole blocks, as protocol version 1 had it.
const PADDED: u8 = 0;
/// As everybody sends it.
const UNPADDED: u8 = 1;
/// Bytes before the ciphertext.
const HEAD: usize = 1 + NONCE;
/// Longest padding: a block.
const BLOCK: u8 = 16;

/// Bytes that encryption adds.
pub(super) const OVERHEAD: usize = HEAD + TAG;

/// Why something cannot be decrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum EncryptionError {
    /// It is too short for a nonce and a tag.
    #[error("it is too short to be encrypted")]
    TooShort,
    /// Nobody knows this form.
    #[error("encryption version {0} is unknown")]
    Version(u8),
    /// It was changed on its way, or encrypted with a key we do not have.
    #[error("no key fits")]
    NoKeyFits,
    /// The padding is none.
    #[error("its padding is wrong")]
    Padding,
}

/// Decrypts with whichever key fits.
pub(super) fn open(bytes: &[u8], aad: &[u8], keyring: &Keyring) -> Result<Vec<u8>, EncryptionError> {
    let (&version, rest) = bytes.split_first().ok_or(EncryptionError::TooShort)?;
    if version != PADDED && version != UNPADDED {
        return Err(EncryptionError::Version(version));
    }
    let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(EncryptionError::TooShort)?;
    if sealed.len() < TAG {
        return Err(EncryptionError::TooShort);
    }
    let mut plain = Vec::with_capacity(sealed.len());
    if !keyring.open(sealed, *nonce, aad, &mut plain) {
        return Err(EncryptionError::NoKeyFits);
    }
    if version == PADDED {
        let padding = plain.last().copied().filter(|padding| (1..=BLOCK).contains(padding));
        let length = padding.and_then(|padding| plain.len().checked_sub(padding.into()));
        plain.truncate(length.ok_or(EncryptionError::Padding)?);
    }
    Ok(plain)
}

/// Begins a ciphertext at the end of `bytes`; what is appended until `finish` is encrypted then.
pub(super) fn begin(bytes: &mut Vec<u8>, nonce: [u8; NONCE]) {
    bytes.push(UNPADDED);
    bytes.extend_from_slice(&nonce);
}

/// Encrypts what was appended since `begin`, which was called at `start`.
pub(super) fn finish(bytes: &mut Vec<u8>, start: usize, nonce: [u8; NONCE], aad: &[u8], keyring: &Keyring) {
    keyring.seal(bytes, start + HEAD, nonce, aad);
}
