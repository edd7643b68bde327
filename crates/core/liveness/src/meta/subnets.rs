//! The subnets a member has interfaces in, behind what else it says of itself.
//!
//! Layout: parts of a kind (1: subnets), two bytes with the length of the rest, and that. Kinds nobody knows are passed
//! over. A subnet is one byte, the length of its prefix, 33 more for IPv6, and those bytes of its address that the length
//! reaches into.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use metallb_net::Prefix;

use super::{LENGTH, decode};

#[cfg(test)]
mod tests;

/// More metadata than this memberlist does not carry.
const MOST: usize = 512;
/// The kind of the part that holds subnets.
const SUBNETS: u8 = 1;
/// Prefixes of IPv6 have this much more in the byte of their length: those of IPv4 have 0 to 32.
const IPV6: u8 = 33;

/// The metadata, saying these subnets as well. If they do not fit, nothing is said of them: whoever reads it believes
/// then that the member has any.
#[must_use]
pub fn with_subnets(meta: Vec<u8>, subnets: &BTreeSet<Prefix>) -> Vec<u8> {
    let mut part = Vec::new();
    widest(subnets).for_each(|subnet| write(&mut part, subnet));
    let Ok(length) = u16::try_from(part.len()) else { return meta };
    let bytes = [&meta[..], &[SUBNETS], &length.to_be_bytes(), &part].concat();
    if bytes.len() > MOST { meta } else { bytes }
}

/// The subnets that metadata says; nothing if it does not say, or is somebody else's.
#[must_use]
pub fn subnets(meta: &[u8]) -> Option<Vec<Prefix>> {
    decode(meta)?;
    let mut rest = meta.get(LENGTH..)?;
    loop {
        let (&[kind, high, low], after) = rest.split_first_chunk()?;
        let (part, after) = after.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
        if kind == SUBNETS {
            return read(part);
        }
        rest = after;
    }
}

/// Those that no other one covers.
fn widest(subnets: &BTreeSet<Prefix>) -> impl Iterator<Item = &Prefix> {
    let mut last: Option<&Prefix> = None;
    // What a prefix covers follows it.
    subnets.iter().filter(move |subnet| {
        let is_covered = last.is_some_and(|last| covers(last, subnet));
        if !is_covered {
            last = Some(subnet);
        }
        !is_covered
    })
}

fn covers(wide: &Prefix, narrow: &Prefix) -> bool {
    wide.length() <= narrow.length()
        && Prefix::new(narrow.base(), wide.length()).is_ok_and(|prefix| prefix == *wide)
}

fn write(part: &mut Vec<u8>, subnet: &Prefix) {
    let count = bytes_of(subnet.length());
    match subnet.base() {
        IpAddr::V4(base) => {
            part.push(subnet.length());
            part.extend(base.octets().iter().take(count));
        }
        IpAddr::V6(base) => {
            part.push(subnet.length().saturating_add(IPV6));
            part.extend(base.octets().iter().take(count));
        }
    }
}

fn read(mut part: &[u8]) -> Option<Vec<Prefix>> {
    let mut subnets = Vec::new();
    while let Some((&first, rest)) = part.split_first() {
        let length = first.checked_sub(IPV6).unwrap_or(first);
        let (bytes, rest) = rest.split_at_checked(bytes_of(length))?;
        let base = if first < IPV6 {
            Ipv4Addr::from(filled::<4>(bytes)?).into()
        } else {
            Ipv6Addr::from(filled::<16>(bytes)?).into()
        };
        subnets.push(Prefix::new(base, length).ok()?);
        part = rest;
    }
    Some(subnets)
}

fn bytes_of(length: u8) -> usize {
    usize::from(length.div_ceil(8))
}

/// The bytes, and zeros behind them.
fn filled<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut all = [0; N];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(all)
}
