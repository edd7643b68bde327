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
    keys: Vec<Known>,
    /// While a ring without a secret gets one: what is done beside the keys.
    beside: Option<Plain>,
}

/// One of the keys.
#[derive(Clone, Debug)]
struct Known {
    key: Key,
    id: KeyId,
    /// Whether it is to sign later: who signs with it may know no other.
    is_ahead: bool,
}

/// Tells keys apart, and nothing about them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct KeyId([u8; 8]);

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
        Self::default().with(secrets, false)
    }

    /// Accepts the keys of secrets to come, too. Who signs with one, as a new process does that knows no other, is
    /// written to with the same.
    #[must_use]
    pub fn ahead<'a>(self, secrets: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.with(secrets, true)
    }

    fn with<'a>(mut self, secrets: impl IntoIterator<Item = &'a [u8]>, is_ahead: bool) -> Self {
        let secrets = secrets.into_iter().filter(|secret| !secret.is_empty());
        self.keys.extend(secrets.map(|secret| Known::new(secret, is_ahead)));
        self
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

    /// Adds the tag, if there are keys to sign with. The receiver's own last heartbeat was signed with `theirs`.
    pub(crate) fn sign(&self, bytes: &mut Vec<u8>, theirs: Option<KeyId>) {
        let ahead = self.keys.iter().find(|known| known.is_ahead && Some(known.id) == theirs);
        let usual = || self.keys.first().filter(|_| self.beside != Some(Plain::Sent));
        if let Some(known) = ahead.or_else(usual) {
            let tag = hmac::sign(&known.key, bytes);
            bytes.extend(tag.as_ref().iter().take(TAG));
        }
    }

    /// The signed part of a datagram, and the key that fits; nothing if none does.
    pub(crate) fn verify<'a>(&self, bytes: &'a [u8]) -> Option<(&'a [u8], Option<KeyId>)> {
        let tagged = bytes.len().checked_sub(TAG).and_then(|length| bytes.split_at_checked(length));
        let fitting = tagged.and_then(|(signed, tag)| {
            let fits = |known: &&Known| is_equal(hmac::sign(&known.key, signed).as_ref(), tag);
            self.keys.iter().find(fits).map(|known| (signed, Some(known.id)))
        });
        fitting.or_else(|| self.is_plain().then_some((bytes, None)))
    }
}

impl Known {
    fn new(secret: &[u8], is_ahead: bool) -> Self {
        let key = derived(secret);
        let mut id = [0; 8];
        id.iter_mut().zip(hmac::sign(&key, LABEL).as_ref()).for_each(|(byte, tag)| *byte = *tag);
        Self { key, id: KeyId(id), is_ahead }
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
        Keys::derive([&b"secret"[..]]).sign(&mut bytes, None);
        let tag: String = bytes.iter().skip(4).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(tag, "53ecfab2cbc48394b174529fff359b35");
    }

    #[test]
    fn a_secret_counts_as_far_as_memberlist_reads_it() {
        let mut bytes = b"beat".to_vec();
        Keys::derive([&[7; 33][..]]).sign(&mut bytes, None);
        assert!(Keys::derive([&[7; 32][..]]).verify(&bytes).is_some());
        assert!(Keys::derive([&[7; 31][..]]).verify(&bytes).is_none());
        assert!(Keys::derive([&b""[..]]).is_plain());
    }

    #[test]
    fn every_key_of_the_ring_is_accepted_and_no_other() {
        let signed_by = |secrets: &[&[u8]]| {
            let mut bytes = b"beat".to_vec();
            Keys::derive(secrets.iter().copied()).sign(&mut bytes, None);
            bytes
        };
        let keys = Keys::derive([&b"new"[..], b"old"]);
        for (secrets, accepted) in [(&[&b"new"[..]][..], true), (&[b"old"], true), (&[b"other"], false)] {
            assert_eq!(keys.verify(&signed_by(secrets)).is_some(), accepted, "{secrets:?}");
        }
        assert_eq!(keys.verify(b"beat"), None, "without a tag");
        assert_eq!(keys.verify(&signed_by(&[])), None, "from one without keys");
        assert_eq!(Keys::plain().verify(b"beat"), Some((&b"beat"[..], None)));
    }

    #[test]
    fn who_signs_with_a_secret_to_come_is_written_to_with_it_and_nobody_else_is() {
        let changing = Keys::derive([&b"old"[..], b"older"]).ahead([&b"new"[..]]);
        let first = Keys::plain().beside(Some(Plain::Sent)).ahead([&b"new"[..]]);
        let settled = Keys::derive([&b"new"[..], b"old"]);
        for (what, keys, theirs, expected) in [
            ("to a new process", &changing, &b"new"[..], &b"new"[..]),
            ("to one that has not read it", &changing, b"old", b"old"),
            ("to one that is late", &changing, b"older", b"old"),
            ("to one without a tag", &changing, b"", b"old"),
            ("to a new process where there was none", &first, b"new", b"new"),
            ("to the others there", &first, b"", b""),
            ("to one that is late, afterwards", &settled, b"old", b"new"),
        ] {
            let mut bytes = b"a heartbeat of some length".to_vec();
            Keys::derive([theirs]).sign(&mut bytes, None);
            let theirs = Keys::derive([theirs]).verify(&bytes).unwrap().1;
            let mut answer = b"an answer of some length".to_vec();
            keys.sign(&mut answer, theirs);
            let read = Keys::derive([expected]).verify(&answer).map(|(signed, _)| signed);
            assert_eq!(read, Some(&b"an answer of some length"[..]), "{what}");
        }
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
            writer.sign(&mut bytes, None);
            reader.verify(&bytes).is_some_and(|(signed, _)| signed == b"a heartbeat of some length")
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
        keys.sign(&mut bytes, None);
        assert_eq!(keys.verify(&bytes).map(|(signed, _)| signed), Some(&b"beat"[..]));
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(keys.verify(&forged), None, "bit {bit}");
        }
    }
}
