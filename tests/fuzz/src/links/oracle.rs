//! Another reader of the same, from rtnetlink(7) and netlink(7): by fixed places, with the numbers of the kernel's headers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use metallb_linux::Interface;
use metallb_net::{MacAddr, Prefix};

/// An address with the length of its prefix, and whether it may be spoken from.
type Address = (IpAddr, u8, bool);
type Links = BTreeMap<u32, (Interface, Vec<Address>)>;

/// The interfaces a datagram tells of; or the number of the error it is.
pub(super) fn interfaces(mut bytes: &[u8]) -> Result<Vec<Interface>, i32> {
    let mut links = Links::new();
    while let (Some(length), Some(kind)) = (whole(bytes, 0), half(bytes, 4)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(body) = bytes.get(16..length) else { break };
        match kind {
            2 => return Err(whole(body, 0).map_or(71, |number| number.cast_signed().saturating_neg())),
            16 if body.first() == Some(&0) => link(body).into_iter().for_each(|link| put(&mut links, link)),
            17 if body.first() == Some(&0) => {
                link(body).into_iter().for_each(|link| drop(links.remove(&link.index)))
            }
            20 | 21 => {
                let address = address(body).into_iter();
                address.for_each(|(index, address)| change(&mut links, index, address, kind == 20));
            }
            _ => {}
        }
        bytes = bytes.get(length.div_ceil(4) * 4..).unwrap_or_default();
    }
    Ok(links.into_values().map(with_addresses).collect())
}

fn put(links: &mut Links, link: Interface) {
    let (known, _) = links.entry(link.index).or_default();
    *known = link;
}

fn change(links: &mut Links, index: u32, address: Address, is_there: bool) {
    let Some((_, addresses)) = links.get_mut(&index) else { return };
    let known = addresses.iter().position(|(ip, length, _)| (*ip, *length) == (address.0, address.1));
    let at = known.unwrap_or(addresses.len());
    addresses.splice(at..known.map_or(at, |at| at + 1), is_there.then_some(address));
}

fn with_addresses((mut link, addresses): (Interface, Vec<Address>)) -> Interface {
    for (ip, length, is_usable) in addresses {
        match ip {
            IpAddr::V6(v6) if v6.to_bits() >> 118 == 0x3fa => {
                if is_usable && link.link_local.is_none() {
                    link.link_local = Some(v6);
                }
            }
            _ => drop(Prefix::new(ip, length).map(|subnet| link.subnets.insert(subnet))),
        }
    }
    link
}

fn link(body: &[u8]) -> Option<Interface> {
    let (kind, index, flags) = (half(body, 2)?, whole(body, 4)?, whole(body, 8)?);
    let mut link = Interface {
        index: (index <= 0x7fff_ffff).then_some(index)?,
        is_up: flags & 0x1 != 0,
        can_broadcast: flags & 0x2 != 0,
        has_carrier: flags & 0x40 != 0,
        no_arp: flags & 0x80 != 0,
        ..Interface::default()
    };
    for (number, value) in attributes(body.get(16..)?) {
        match number {
            1 if kind == 1 => link.mac = value.try_into().ok().map(MacAddr),
            3 => {
                let end = value.iter().position(|byte| *byte == 0).unwrap_or(value.len());
                link.name = String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into();
            }
            10 => link.master = whole(value, 0),
            // A wireless event.
            11 => return None,
            _ => {}
        }
    }
    Some(link)
}

fn address(body: &[u8]) -> Option<(u32, Address)> {
    let (family, length, index) = (*body.first()?, *body.get(1)?, whole(body, 4)?);
    let mut flags = u32::from(*body.get(2)?);
    let (mut own, mut peer) = (None, None);
    for (number, value) in attributes(body.get(8..)?) {
        let ip = || match (family, value.len()) {
            (2, 4) => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
            (10, 16) => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
            _ => None,
        };
        match number {
            1 => peer = ip(),
            2 => own = ip(),
            8 => flags = whole(value, 0)?,
            _ => {}
        }
    }
    let ip = if family == 10 { own.or(peer) } else { peer.or(own) };
    Some((index, (ip?, length, flags & 0x48 == 0)))
}

fn attributes(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while let (Some(length), Some(number)) = (half(bytes, 0), half(bytes, 2)) {
        let length = usize::from(length);
        let Some(value) = bytes.get(4..length) else { break };
        found.push((number % 0x4000, value));
        bytes = bytes.get(length.div_ceil(4) * 4..).unwrap_or_default();
    }
    found
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|two| Some(u16::from_ne_bytes(two.try_into().ok()?)))
}

fn whole(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|four| Some(u32::from_ne_bytes(four.try_into().ok()?)))
}
