//! Who may speak: HMAC-SHA256 with keys derived from memberlist's.

use ring::hmac::{self, HMAC_SHA256, Key};

/// The tag's length on the wire: the first half of the HMAC.
pub(crate) const TAG: usize = 16;

/// What memberlist uses of a secret: what follows makes no other key.
const SECRET: usize = 32;

/// Keeps these keys apart from every other use of the same secret.
const LABEL: &[u8] = b"metallb liveness 1";

/// The keys of a ring. The first signs; all of them are accepted, so that a secret can be changed node by node.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    keys: Vec<Key>,
    /// While a ring without a secret gets one: what is done beside the keys.
    beside: Option<Plain>,
}

/// What becomes of datagrams without a tag while there are keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Plain {
    /// They are believed by their source address.
    Accepted,
    /// The same, and none with a tag are sent yet.
    Sent,
}

impl Keys {
    /// No keys: datagrams are believed by their source address.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// Keys derived from memberlist's secrets, the primary one first. Empty ones are none, as they are for memberlist.
    #[must_use]
    pub fn derive<'a>(secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let secrets = secrets.into_iter().filter(|secret| !secret.is_empty());
        Self { keys: secrets.map(derived).collect(), beside: None }
    }

    /// Takes datagrams without a tag, too: not every member has a key yet.
    #[must_use]
    pub fn beside(self, plain: Option<Plain>) -> Self {
        Self { beside: plain, ..self }
    }

    /// Whether datagrams without a tag are believed, by their source address.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.keys.is_empty() || self.beside.is_some()
    }

    /// Adds the tag, if there are keys to sign with.
    pub(crate) fn sign(&self, bytes: &mut Vec<u8>) {
        if let Some(key) = self.keys.first().filter(|_| self.beside != Some(Plain::Sent)) {
            let tag = hmac::sign(key, bytes);
            bytes.extend(tag.as_ref().iter().take(TAG));
        }
    }

    /// The signed part of a datagram; nothing if no key fits.
    pub(crate) fn verify<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let tagged = bytes.len().checked_sub(TAG).and_then(|length| bytes.split_at_checked(length));
        let fits = |(signed, tag): &(&[u8], &[u8])| {
            self.keys.iter().any(|key| is_equal(hmac::sign(key, signed).as_ref(), tag))
        };
        let signed = tagged.filter(fits).map(|(signed, _)| signed);
        signed.or_else(|| self.is_plain().then_some(bytes))
    }
}

fn derived(secret: &[u8]) -> Key {
    let secret = secret.get(..SECRET).unwrap_or(secret);
    let key = hmac::sign(&Key::new(HMAC_SHA256, secret), LABEL);
    Key::new(HMAC_SHA256, key.as_ref())
}

/// Compares a tag without telling by the time it takes how much of it is right.
fn is_equal(whole: &[u8], tag: &[u8]) -> bool {
    whole.iter().zip(tag).fold(0, |difference, (ours, theirs)| difference | (ours ^ theirs)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_a_secret_is_this_one_for_all_versions_to_come() {
        let mut bytes = b"beat".to_vec();
        Keys::derive([&b"secret"[..]]).sign(&mut bytes);
        let tag: String = bytes.iter().skip(4).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(tag, "53ecfab2cbc48394b174529fff359b35");
    }

    #[test]
    fn a_secret_counts_as_far_as_memberlist_reads_it() {
        let mut bytes = b"beat".to_vec();
        Keys::derive([&[7; 33][..]]).sign(&mut bytes);
        assert!(Keys::derive([&[7; 32][..]]).verify(&bytes).is_some());
        assert!(Keys::derive([&[7; 31][..]]).verify(&bytes).is_none());
        assert!(Keys::derive([&b""[..]]).is_plain());
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
    fn a_ring_that_gets_its_first_secret_goes_over_node_by_node() {
        let keys = Keys::derive([&b"first"[..]]);
        let (plain, before, after) = (
            Keys::plain(),
            keys.clone().beside(Some(Plain::Sent)),
            keys.clone().beside(Some(Plain::Accepted)),
        );
        let understands = |reader: &Keys, writer: &Keys| {
            let mut bytes = b"a heartbeat of some length".to_vec();
            writer.sign(&mut bytes);
            reader.verify(&bytes) == Some(b"a heartbeat of some length")
        };
        for (one, other, both) in [
            (&plain, &before, true),
            (&before, &before, true),
            (&before, &after, true),
            (&after, &after, true),
            (&after, &keys, true),
            (&before, &keys, false),
            (&plain, &after, false),
            (&plain, &keys, false),
        ] {
            assert_eq!(understands(one, other) && understands(other, one), both, "{one:?} {other:?}");
        }
        assert!(before.is_plain() && after.is_plain() && !keys.is_plain());
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
