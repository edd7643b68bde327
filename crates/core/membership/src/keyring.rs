//! The keys packets are encrypted with: AES in GCM mode, as memberlist's encryption versions 0 and 1 have it.

use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Bytes of a nonce.
pub(crate) const NONCE: usize = 12;
/// Bytes of the tag behind a ciphertext.
pub(crate) const TAG: usize = 16;

/// Bytes of a key made from a secret.
const KEY: usize = 32;

/// What fills up short secrets: SHA-256 of nothing, since the original appends that to the secret instead of hashing
/// it (contract 02 §1.3).
const FILLING: [u8; KEY] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// The keys of a ring, the one to send with first. Without any, everything is sent and read as it is.
///
/// To change the secret of a running ring, first let every member accept the new one, then send with it, then
/// forget the old one.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    keys: Vec<LessSafeKey>,
}

impl Keyring {
    /// No encryption.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// The key of a secret, byte for byte as its file has it. An empty secret is none, as it is for the original.
    #[must_use]
    pub fn from_secret(secret: &[u8]) -> Self {
        Self::plain().with_accepted(secret)
    }

    /// Accepts what is encrypted with this secret's key, too; what is sent keeps its key. An empty secret changes
    /// nothing; to a plain keyring it is the key to send with.
    #[must_use]
    pub fn with_accepted(mut self, secret: &[u8]) -> Self {
        if !secret.is_empty() {
            self.keys.extend(key(&derive(secret)));
        }
        self
    }

    /// Keys of 16 or 32 bytes, as memberlist itself takes them; nothing if one has another length. The original used
    /// 16 bytes of the secret before its version 0.14.
    #[must_use]
    pub fn from_keys(keys: &[&[u8]]) -> Option<Self> {
        keys.iter().map(|bytes| key(bytes)).collect::<Option<_>>().map(|keys| Self { keys })
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.keys.is_empty()
    }

    /// Encrypts what stands behind `from` with the first key, and appends the tag; nothing happens without a key.
    /// Answers whether it was done.
    pub(crate) fn seal(&self, buffer: &mut Vec<u8>, from: usize, nonce: [u8; NONCE], aad: &[u8]) -> bool {
        let (Some(key), Some(open)) = (self.keys.first(), buffer.get_mut(from..)) else { return false };
        let nonce = Nonce::assume_unique_for_key(nonce);
        let Ok(tag) = key.seal_in_place_separate_tag(nonce, Aad::from(aad), open) else { return false };
        buffer.extend_from_slice(tag.as_ref());
        true
    }

    /// Decrypts a ciphertext and its tag with whichever key fits, into `buffer`, whose former content is gone.
    /// Answers whether one did.
    pub(crate) fn open(&self, sealed: &[u8], nonce: [u8; NONCE], aad: &[u8], buffer: &mut Vec<u8>) -> bool {
        self.keys.iter().any(|key| {
            buffer.clear();
            buffer.extend_from_slice(sealed);
            let nonce = Nonce::assume_unique_for_key(nonce);
            let length = key.open_in_place(nonce, Aad::from(aad), buffer).map(|plain| plain.len());
            buffer.truncate(length.unwrap_or(0));
            length.is_ok()
        })
    }
}

/// The first 32 bytes of the secret and the filling behind it.
fn derive(secret: &[u8]) -> [u8; KEY] {
    let mut bytes = secret.iter().chain(&FILLING).copied();
    std::array::from_fn(|_| bytes.next().unwrap_or_default())
}

fn key(bytes: &[u8]) -> Option<LessSafeKey> {
    let algorithm = if bytes.len() == AES_128_GCM.key_len() { &AES_128_GCM } else { &AES_256_GCM };
    UnboundKey::new(algorithm, bytes).ok().map(LessSafeKey::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_cut_or_filled_up_to_32_bytes() {
        let table: &[(&[u8], &[u8], &[u8])] = &[
            (b"", b"", &FILLING),
            (b"a", b"a", &FILLING[..31]),
            // The 22 characters the controller makes.
            (b"mBgYfSbGaNvDsqLhZzXo4Q", b"mBgYfSbGaNvDsqLhZzXo4Q", &FILLING[..10]),
            // Nothing is trimmed.
            (b" secret\n", b" secret\n", &FILLING[..24]),
            (&[7; 32], &[7; 32], b""),
            (&[7; 33], &[7; 32], b""),
            (&[7; 100], &[7; 32], b""),
        ];
        for (secret, start, rest) in table {
            assert_eq!(derive(secret).to_vec(), [*start, *rest].concat(), "{secret:?}");
        }
    }

    #[test]
    fn an_empty_secret_is_none() {
        assert!(Keyring::from_secret(b"").is_plain());
        assert!(Keyring::plain().with_accepted(b"").is_plain());
        assert!(!Keyring::from_secret(b"x").is_plain());
    }
}
