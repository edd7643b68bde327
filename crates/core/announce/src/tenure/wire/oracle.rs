//! A second reader of the same messages, by the places that `docs/additions.md` ("Ports") gives.

use proptest::prelude::*;

use super::*;

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum * 256 + u64::from(*byte))
}

/// Magic, kind and two numbers take 21 bytes; then a number but for questions, two short ones for parts, and claims.
fn read_by_place(bytes: &[u8]) -> Option<Letter> {
    let version = || bytes.get(21..29).map(number);
    let word = match (bytes.get(..4)? == [77, 76, 66, 104]).then_some(*bytes.get(4)?)? {
        1 => Word::Ask,
        2 => Word::Last { version: version()? },
        3 => Word::Changed { version: version()?, claims: claims(&bytes[29..])? },
        4 => {
            let [part, parts] = [29..31, 31..33].map(|place| bytes.get(place).map(number));
            let part = (u16::try_from(part?).unwrap(), u16::try_from(parts?).unwrap());
            if part.1 > 4096 || part.0 >= part.1 {
                return None;
            }
            Word::Whole { version: version()?, part, claims: claims(&bytes[33..])? }
        }
        _ => return None,
    };
    let [sender, receiver] = [5..13, 13..21].map(|place| bytes.get(place).map(number));
    Some(Letter { sender: sender?, receiver: receiver?, word })
}

fn claims(mut bytes: &[u8]) -> Option<Vec<(IpAddr, Rank)>> {
    let mut found = Vec::new();
    while let Some(family) = bytes.first() {
        let size = match family {
            4 => 4,
            6 => 16,
            _ => return None,
        };
        let claim = bytes.get(1..size + 5)?;
        let (address, rank) = claim.split_at(size);
        let text: String = match size {
            4 => address.iter().map(u8::to_string).collect::<Vec<_>>().join("."),
            _ => address.chunks(2).map(|pair| format!("{:x}", number(pair))).collect::<Vec<_>>().join(":"),
        };
        found.push((text.parse().unwrap(), Rank::try_from(number(rank)).unwrap()));
        bytes = &bytes[size + 5..];
    }
    Some(found)
}

/// Bytes that are nearly a message: kinds in and about what there is, whole claims mostly, cut anywhere at times.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let claim = (3..8_u8, any::<[u8; 20]>()).prop_map(|(family, bytes)| {
        let (family, length) = if family < 5 { (4, 8) } else { (family.max(6), 20) };
        [&[family][..], &bytes[..length]].concat()
    });
    let head = (0..6_u8, any::<[u8; 24]>()).prop_map(|(kind, rest)| [&b"MLBh"[..], &[kind], &rest].concat());
    let part = prop_oneof![2 => (0..4_u16, 0..4_u16), 1 => any::<(u16, u16)>()];
    let claims = prop::collection::vec(claim, 0..4);
    (head, part, claims, any::<bool>(), 0..120_usize).prop_map(|(head, part, claims, is_cut, length)| {
        let parts = [part.0.to_be_bytes(), part.1.to_be_bytes()].concat();
        let parts = if head[4] == 4 { parts } else { Vec::new() };
        let mut bytes = [head, parts, claims.concat()].concat();
        bytes.truncate(if is_cut { length } else { usize::MAX });
        bytes
    })
}

proptest! {
    #[test]
    fn any_bytes_are_the_same_to_both_readers(bytes in nearly()) {
        prop_assert_eq!(decode(&bytes), read_by_place(&bytes));
    }
}
