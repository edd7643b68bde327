//! The routing socket's messages about links and addresses, as far as they matter here (rtnetlink(7)).
//!
//! All numbers are in the byte order of the machine. Lengths in received bytes are never trusted.

use std::io;
use std::net::IpAddr;

use metallb_net::MacAddr;

use crate::interface::Interface;
use crate::links::state::{Address, LinkTable};

#[cfg(test)]
mod tests;

const MESSAGE_HEADER: usize = 16;
const LINK_HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const ATTRIBUTE_HEADER: usize = 4;
/// Messages and attributes start at multiples of this.
const ALIGNMENT: usize = 4;

/// What a dump asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dump {
    /// All links.
    Links,
    /// All addresses of both families.
    Addresses,
}

/// The request for a dump.
pub(crate) fn dump_request(dump: Dump) -> Vec<u8> {
    let kind = match dump {
        Dump::Links => libc::RTM_GETLINK,
        Dump::Addresses => libc::RTM_GETADDR,
    };
    // The body is a zeroed header of the larger kind: any family, any link.
    let length = u32::try_from(MESSAGE_HEADER + LINK_HEADER).unwrap_or(u32::MAX);
    let flags = u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_DUMP).unwrap_or(0);
    let mut request = Vec::new();
    request.extend_from_slice(&length.to_ne_bytes());
    request.extend_from_slice(&kind.to_ne_bytes());
    request.extend_from_slice(&flags.to_ne_bytes());
    request.resize(MESSAGE_HEADER + LINK_HEADER, 0);
    request
}

/// How far a dump is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Progress {
    /// That was all.
    pub(crate) is_done: bool,
    /// Something changed in between: the dump may be inconsistent.
    pub(crate) is_interrupted: bool,
}

/// Takes in one received datagram of a dump, or of news. The error is the kernel's.
pub(crate) fn take_datagram(mut datagram: &[u8], table: &mut LinkTable) -> io::Result<Progress> {
    let mut progress = Progress::default();
    while let Some((header, body, rest)) = split_message(datagram) {
        progress.is_interrupted |= header.flags & libc::NLM_F_DUMP_INTR != 0;
        match i32::from(header.kind) {
            libc::NLMSG_DONE => progress.is_done = true,
            libc::NLMSG_ERROR => return Err(parse_error(body)),
            _ => take_message(header.kind, body, table),
        }
        datagram = rest;
    }
    Ok(progress)
}

/// The interfaces that datagrams of the kernel tell of, taken in one after the other, ordered by index.
///
/// # Errors
/// The kernel's, when one of them is a refusal.
pub fn interfaces_in<'a>(datagrams: impl IntoIterator<Item = &'a [u8]>) -> io::Result<Vec<Interface>> {
    let mut table = LinkTable::default();
    for datagram in datagrams {
        take_datagram(datagram, &mut table)?;
    }
    Ok(table.interfaces(|_| true))
}

/// Error messages carry the negative error number.
fn parse_error(body: &[u8]) -> io::Error {
    io::Error::from_raw_os_error(read_i32(body, 0).unwrap_or(-libc::EPROTO).saturating_neg())
}

fn take_message(kind: u16, body: &[u8], table: &mut LinkTable) {
    match kind {
        // The kernel tells of ports of a bridge in the same words, without all that a link has.
        libc::RTM_NEWLINK | libc::RTM_DELLINK if !is_of_link(body) => {}
        libc::RTM_NEWLINK => parse_link(body).into_iter().for_each(|link| table.set_link(link)),
        libc::RTM_DELLINK => parse_link(body).into_iter().for_each(|link| table.remove_link(link.index)),
        libc::RTM_NEWADDR => {
            parse_address(body).into_iter().for_each(|(index, it)| table.set_address(index, it))
        }
        libc::RTM_DELADDR => {
            parse_address(body).into_iter().for_each(|(index, it)| table.remove_address(index, it));
        }
        _ => {}
    }
}

/// Other families speak of a link's role for them.
fn is_of_link(body: &[u8]) -> bool {
    read(body, 0).is_some_and(|[family]: [u8; 1]| i32::from(family) == libc::AF_UNSPEC)
}

struct MessageHeader {
    kind: u16,
    flags: i32,
}

/// The first message: header, body, and what follows.
fn split_message(bytes: &[u8]) -> Option<(MessageHeader, &[u8], &[u8])> {
    let length = usize::try_from(read_u32(bytes, 0)?).ok()?;
    let header = MessageHeader { kind: read_u16(bytes, 4)?, flags: i32::from(read_u16(bytes, 6)?) };
    let body = bytes.get(MESSAGE_HEADER..length)?;
    Some((header, body, bytes.get(align(length)..).unwrap_or_default()))
}

/// The link as the message has it; none where that is no news of the link.
fn parse_link(body: &[u8]) -> Option<Interface> {
    let kind = read_u16(body, 2)?;
    let index = u32::try_from(read_i32(body, 4)?).ok()?;
    let flags = read_i32(body, 8)?;
    let mut interface = Interface {
        index,
        is_up: flags & libc::IFF_UP != 0,
        has_carrier: flags & libc::IFF_RUNNING != 0,
        can_broadcast: flags & libc::IFF_BROADCAST != 0,
        no_arp: flags & libc::IFF_NOARP != 0,
        ..Interface::default()
    };
    for (attribute, value) in attributes(body.get(LINK_HEADER..)?) {
        match attribute {
            libc::IFLA_IFNAME => interface.name = parse_name(value),
            libc::IFLA_ADDRESS if kind == libc::ARPHRD_ETHER => {
                interface.mac = <[u8; 6]>::try_from(value).ok().map(MacAddr);
            }
            libc::IFLA_MASTER => interface.master = read_u32(value, 0),
            // What a wireless interface went through (a scan, say): beside it there is a name, and nothing else of the link.
            libc::IFLA_WIRELESS => return None,
            _ => {}
        }
    }
    Some(interface)
}

fn parse_address(body: &[u8]) -> Option<(u32, Address)> {
    let [family, length, short_flags, _]: [u8; 4] = read(body, 0)?;
    let index = read_u32(body, 4)?;
    let (mut local, mut remote, mut flags) = (None, None, u32::from(short_flags));
    for (attribute, value) in attributes(body.get(ADDRESS_HEADER..)?) {
        match attribute {
            libc::IFA_LOCAL => local = parse_ip(family, value),
            libc::IFA_ADDRESS => remote = parse_ip(family, value),
            libc::IFA_FLAGS => flags = read_u32(value, 0)?,
            _ => {}
        }
    }
    // On a point-to-point link `remote` is the peer's. IPv4 subnets are around that one; IPv6 is spoken from our own.
    let address = if i32::from(family) == libc::AF_INET6 { local.or(remote)? } else { remote.or(local)? };
    let is_usable = flags & (libc::IFA_F_TENTATIVE | libc::IFA_F_DADFAILED) == 0;
    Some((index, Address { ip: address, length, is_usable }))
}

fn parse_ip(family: u8, value: &[u8]) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
        libc::AF_INET6 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
        _ => None,
    }
}

fn parse_name(value: &[u8]) -> String {
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// The attributes of a message; ends at the first malformed one.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(read_u16(bytes, 0)?);
        // The two upper bits say how a value is encoded, not which one it is.
        let kind = read_u16(bytes, 2)? & 0x3fff;
        let value = bytes.get(ATTRIBUTE_HEADER..length)?;
        bytes = bytes.get(align(length)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn align(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT)
}

fn read<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

fn read_u16(bytes: &[u8], offset: usize) -> Option<u16> {
    read(bytes, offset).map(u16::from_ne_bytes)
}

fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    read(bytes, offset).map(u32::from_ne_bytes)
}

fn read_i32(bytes: &[u8], offset: usize) -> Option<i32> {
    read(bytes, offset).map(i32::from_ne_bytes)
}
