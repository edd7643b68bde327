//! A second reader of the same metadata, by the places that `docs/additions.md` ("Ports") gives; subnets bit by bit.

use std::net::IpAddr;

use metallb_net::Prefix;
use proptest::prelude::*;

use super::*;

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum * 256 + u64::from(*byte))
}

fn read_by_place(bytes: &[u8]) -> Option<Announced> {
    if bytes.len() < 14 || bytes[..3] != [77, 76, 66] || bytes[3] == 0 || bytes[4..6] == [0, 0] {
        return None;
    }
    let flags = bytes.get(14).copied().unwrap_or(0);
    Some(Announced {
        version: bytes[3],
        port: u16::try_from(number(&bytes[4..6])).unwrap(),
        boot: number(&bytes[6..14]),
        is_starting: flags % 2 == 1,
        knows_terms: flags / 2 % 2 == 1,
    })
}

/// The subnets of the first part of kind 1, if all before it is whole.
fn subnets_by_place(bytes: &[u8]) -> Option<Vec<Prefix>> {
    read_by_place(bytes)?;
    let mut at = 15;
    while at + 3 <= bytes.len() {
        let end = at + 3 + usize::try_from(number(&bytes[at + 1..at + 3])).unwrap();
        if end > bytes.len() {
            return None;
        }
        if bytes[at] == 1 {
            return subnets_of(&bytes[at + 3..end]);
        }
        at = end;
    }
    None
}

fn subnets_of(part: &[u8]) -> Option<Vec<Prefix>> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < part.len() {
        let (length, bits) =
            if part[at] > 32 { (u32::from(part[at]) - 33, 128) } else { (u32::from(part[at]), 32) };
        let end = at + 1 + usize::try_from(length.div_ceil(8)).unwrap();
        if length > bits || end > part.len() {
            return None;
        }
        let mut address = 0_u128;
        for bit in 0..length {
            let byte = part[at + 1 + usize::try_from(bit / 8).unwrap()];
            address |= u128::from(byte >> (7 - bit % 8) & 1) << (bits - 1 - bit);
        }
        let base = match bits {
            32 => IpAddr::V4(u32::try_from(address).unwrap().into()),
            _ => IpAddr::V6(address.into()),
        };
        found.push(Prefix::new(base, u8::try_from(length).unwrap()).unwrap());
        at = end;
    }
    Some(found)
}

/// Bytes that are nearly metadata: the head is there mostly, parts are whole mostly.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let head = (0..3_u8, any::<[u8; 11]>(), 0..20_usize).prop_map(|(version, rest, length)| {
        let mut head = [&[77, 76, 66, version][..], &rest].concat();
        head.truncate(length.max(3));
        head
    });
    let subnet = (0..170_u8, any::<[u8; 16]>()).prop_map(|(length, bytes)| {
        let bits = if length > 32 { length - 33 } else { length };
        [&[length][..], &bytes[..usize::from(bits.div_ceil(8)).min(16)]].concat()
    });
    let subnets = prop::collection::vec(subnet, 0..4).prop_map(|subnets| subnets.concat());
    let content = prop_oneof![3 => subnets, 1 => prop::collection::vec(any::<u8>(), 0..20)];
    let part = (1..3_u8, content, 0..8_u16).prop_map(|(kind, content, more)| {
        let length = u16::try_from(content.len()).unwrap() + more.saturating_sub(6);
        [&[kind][..], &length.to_be_bytes(), &content].concat()
    });
    (head, prop::collection::vec(part, 0..3)).prop_map(|(head, parts)| [head, parts.concat()].concat())
}

proptest! {
    #[test]
    fn any_metadata_is_the_same_to_both_readers(bytes in nearly()) {
        prop_assert_eq!(decode(&bytes), read_by_place(&bytes));
        prop_assert_eq!(subnets(&bytes), subnets_by_place(&bytes));
    }
}
