//! Who may speak: HMAC-SHA256 (RFC 2104) with keys derived from memberlist's.

use sha2::{Digest, Sha256};

/// The tag's length on the wire: the first half of the HMAC.
pub(crate) const TAG: usize = 16;

/// SHA-256's block.
const BLOCK: usize = 64;

/// Keeps these keys apart from every other use of the same secret.
const LABEL: &[u8] = b"metallb liveness 1";

/// The keys of a ring. The first signs; all of them are accepted, so that a secret can be changed node by node.
#[derive(Clone, Debug, Default)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// No keys: datagrams are believed by their source address.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// Keys derived from memberlist's, the primary one first.
    #[must_use]
    pub fn derive<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self(secrets.into_iter().map(|secret| Key::new(&Key::new(secret).tag(LABEL))).collect())
    }

    /// Whether datagrams carry no tag.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the tag, if there are keys.
    pub(crate) fn sign(&self, bytes: &mut Vec<u8>) {
        if let Some(key) = self.0.first() {
            let tag = key.tag(bytes);
            bytes.extend(tag.iter().take(TAG));
        }
    }

    /// The signed part of a datagram; nothing if no key fits.
    pub(crate) fn verify<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if self.is_plain() {
            return Some(bytes);
        }
        let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        self.0.iter().any(|key| is_equal(&key.tag(signed), tag)).then_some(signed)
    }
}

/// Compares a tag without telling by the time it takes how much of it is right.
fn is_equal(whole: &[u8; 32], tag: &[u8]) -> bool {
    whole.iter().zip(tag).fold(0, |difference, (ours, theirs)| difference | (ours ^ theirs)) == 0
}

/// A key, as the two hashes it begins.
#[derive(Clone, Debug)]
struct Key {
    inner: Sha256,
    outer: Sha256,
}

impl Key {
    fn new(secret: &[u8]) -> Self {
        let hashed = Sha256::digest(secret);
        let short = if secret.len() > BLOCK { &hashed[..] } else { secret };
        let padded = |pad: u8| {
            let mut block = [pad; BLOCK];
            block.iter_mut().zip(short).for_each(|(byte, key)| *byte ^= key);
            Sha256::new_with_prefix(block)
        };
        Self { inner: padded(0x36), outer: padded(0x5c) }
    }

    fn tag(&self, message: &[u8]) -> [u8; 32] {
        let inner = self.inner.clone().chain_update(message).finalize();
        self.outer.clone().chain_update(inner).finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn tags_are_those_of_rfc_4231() {
        for (key, message, tag) in [
            (
                &[0x0b; 20][..],
                &b"Hi There"[..],
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex(&Key::new(key).tag(message)), tag);
        }
    }

    #[test]
    fn every_key_of_the_ring_is_accepted_and_no_other() {
        let signed_by = |secrets: &[&[u8]]| {
            let mut bytes = b"beat".to_vec();
            Keys::derive(secrets.iter().copied()).sign(&mut bytes);
            bytes
        };
        let keys = Keys::derive([&b"new"[..], b"old"]);
        for (secrets, accepted) in [(&[&b"new"[..]][..], true), (&[b"old"], true), (&[b"other"], false)] {
            assert_eq!(keys.verify(&signed_by(secrets)).is_some(), accepted, "{secrets:?}");
        }
        assert_eq!(keys.verify(b"beat"), None, "without a tag");
        assert_eq!(keys.verify(&signed_by(&[])), None, "from one without keys");
        assert_eq!(Keys::plain().verify(b"beat"), Some(&b"beat"[..]));
    }

    #[test]
    fn a_changed_bit_anywhere_is_a_forgery() {
        let keys = Keys::derive([&b"secret"[..]]);
        let mut bytes = b"beat".to_vec();
        keys.sign(&mut bytes);
        assert_eq!(keys.verify(&bytes), Some(&b"beat"[..]));
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.verify(&forged), None, "bit {bit}");
        }
    }
}
