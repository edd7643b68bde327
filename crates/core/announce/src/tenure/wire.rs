//! What speakers tell each other of what they hold, in memberlist's user messages: those are encrypted and authenticated
//! as far as memberlist is, and the original's speakers pass over them.
//!
//! Layout: `MLBh`, kind, the sender's boot, the receiver's boot; then, depending on the kind, version, part, parts and
//! claims. A claim is the family (4 or 6), the address and the rank. Numbers are big-endian.

use std::net::IpAddr;

use super::rank::Rank;

const MAGIC: &[u8; 4] = b"MLBh";
/// Claims that fit into one datagram, whichever family they are of: memberlist's have 1,400 bytes at most.
const AT_ONCE: usize = 60;
/// More than a cluster has addresses.
const MOST_PARTS: u16 = 4096;

const ASK: u8 = 1;
const LAST: u8 = 2;
const CHANGED: u8 = 3;
const WHOLE: u8 = 4;

/// A message with who it is from and for. Those of an earlier life of either side are void.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Letter {
    /// The number of the sender's process.
    pub sender: u64,
    /// The number of the receiver's process.
    pub receiver: u64,
    /// What it says.
    pub word: Word,
}

/// What a message says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Word {
    /// Tell me everything you hold.
    Ask,
    /// My last change has this number.
    Last {
        /// That number.
        version: u64,
    },
    /// What changed; a claim of rank 0 is gone.
    Changed {
        /// The number of the change.
        version: u64,
        /// Addresses, with the ranks of the claims.
        claims: Vec<(IpAddr, Rank)>,
    },
    /// A part of everything I hold.
    Whole {
        /// The number of the last change in it.
        version: u64,
        /// Which part this is, from 0, and how many there are.
        part: (u16, u16),
        /// Addresses, with the ranks of the claims.
        claims: Vec<(IpAddr, Rank)>,
    },
}

/// Pieces that fit into one message each; at least one.
pub(super) fn split(claims: &[(IpAddr, Rank)]) -> Vec<&[(IpAddr, Rank)]> {
    if claims.is_empty() { vec![claims] } else { claims.chunks(AT_ONCE).collect() }
}

/// Writes a message, with the numbers of the sender's and the receiver's process.
#[must_use]
pub fn encode((sender, receiver): (u64, u64), word: &Word) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let kind = match word {
        Word::Ask => ASK,
        Word::Last { .. } => LAST,
        Word::Changed { .. } => CHANGED,
        Word::Whole { .. } => WHOLE,
    };
    bytes.push(kind);
    bytes.extend(sender.to_be_bytes());
    bytes.extend(receiver.to_be_bytes());
    match word {
        Word::Ask => {}
        Word::Last { version } => bytes.extend(version.to_be_bytes()),
        Word::Changed { version, claims } => {
            bytes.extend(version.to_be_bytes());
            write_claims(&mut bytes, claims);
        }
        Word::Whole { version, part: (part, parts), claims } => {
            bytes.extend(version.to_be_bytes());
            bytes.extend(part.to_be_bytes());
            bytes.extend(parts.to_be_bytes());
            write_claims(&mut bytes, claims);
        }
    }
    bytes
}

fn write_claims(bytes: &mut Vec<u8>, claims: &[(IpAddr, Rank)]) {
    for (address, rank) in claims {
        match address {
            IpAddr::V4(address) => {
                bytes.push(4);
                bytes.extend(address.octets());
            }
            IpAddr::V6(address) => {
                bytes.push(6);
                bytes.extend(address.octets());
            }
        }
        bytes.extend(rank.to_be_bytes());
    }
}

/// What a message says; nothing if it is somebody else's, or none.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Letter> {
    let mut rest = Rest(bytes.strip_prefix(MAGIC)?);
    let [kind] = rest.take()?;
    let (sender, receiver) = (rest.number()?, rest.number()?);
    let word = match kind {
        ASK => Word::Ask,
        LAST => Word::Last { version: rest.number()? },
        CHANGED => Word::Changed { version: rest.number()?, claims: rest.claims()? },
        WHOLE => {
            let version = rest.number()?;
            let part = (u16::from_be_bytes(rest.take()?), u16::from_be_bytes(rest.take()?));
            let is_one_of_them = part.0 < part.1 && part.1 <= MOST_PARTS;
            Word::Whole { version, part: is_one_of_them.then_some(part)?, claims: rest.claims()? }
        }
        _ => return None,
    };
    Some(Letter { sender, receiver, word })
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn claims(&mut self) -> Option<Vec<(IpAddr, Rank)>> {
        let mut claims = Vec::new();
        while !self.0.is_empty() {
            let address = match self.take()? {
                [4] => IpAddr::from(self.take::<4>()?),
                [6] => IpAddr::from(self.take::<16>()?),
                [_] => return None,
            };
            claims.push((address, Rank::from_be_bytes(self.take()?)));
        }
        Some(claims)
    }
}

#[cfg(test)]
mod oracle;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claims() -> impl Strategy<Value = Vec<(IpAddr, Rank)>> {
        prop::collection::vec((any::<IpAddr>(), any::<Rank>()), 0..AT_ONCE)
    }

    fn word() -> impl Strategy<Value = Word> {
        let part = (1..=MOST_PARTS).prop_flat_map(|parts| (0..parts, Just(parts)));
        prop_oneof![
            Just(Word::Ask),
            any::<u64>().prop_map(|version| Word::Last { version }),
            (any::<u64>(), claims()).prop_map(|(version, claims)| Word::Changed { version, claims }),
            (any::<u64>(), part, claims()).prop_map(|(version, part, claims)| Word::Whole {
                version,
                part,
                claims
            }),
        ]
    }

    #[test]
    fn a_change_is_read_byte_by_byte() {
        let claims = vec![([192, 0, 2, 1].into(), 7), ("2001:db8::1".parse().unwrap(), 0)];
        let bytes = encode((1, 2), &Word::Changed { version: 3, claims });
        let mut expected = b"MLBh\x03\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03".to_vec();
        expected.extend(b"\x04\xc0\0\x02\x01\0\0\0\x07");
        expected.extend(b"\x06\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn what_is_no_message_of_ours_says_nothing() {
        let whole = encode((1, 2), &Word::Whole { version: 3, part: (0, 1), claims: Vec::new() });
        assert!(decode(&whole).is_some());
        let with = |at: usize, value: u8| {
            let mut bytes = whole.clone();
            bytes[at] = value;
            bytes
        };
        for (bytes, why) in [
            (b"MLB".to_vec(), "nothing"),
            (with(3, b'x'), "another layer's"),
            (with(4, 9), "no known kind"),
            (with(30, 1), "the second of one part"),
            (with(31, 0x20), "more parts than there can be"),
            ([whole.clone(), vec![5]].concat(), "a claim of no family"),
            ([whole.clone(), vec![4, 192, 0]].concat(), "half an address"),
            (whole[..20].to_vec(), "half a header"),
        ] {
            assert_eq!(decode(&bytes), None, "{why}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(sender in any::<u64>(), receiver in any::<u64>(), word in word()) {
            let bytes = encode((sender, receiver), &word);
            prop_assert!(bytes.len() <= 1300);
            prop_assert_eq!(decode(&bytes), Some(Letter { sender, receiver, word }));
        }

        #[test]
        fn no_bytes_are_too_odd(bytes in any::<Vec<u8>>()) {
            let _ = decode(&bytes);
            let _ = decode(&[MAGIC, bytes.as_slice()].concat());
        }
    }
}
