//! Neighbour solicitations and advertisements (RFC 4861) as whole Ethernet frames.
//!
//! Frames, not ICMPv6 payloads: a unicast solicitation for an address that is not the kernel's own is forwarded
//! rather than delivered to a raw ICMPv6 socket, so the driver reads from a packet socket.

use std::net::Ipv6Addr;

use metallb_net::MacAddr;
use thiserror::Error;

use crate::wire::{ETHERNET_HEADER, Writer, read, read_u16};

#[cfg(test)]
pub(crate) mod tests;

const ETHERTYPE_IPV6: u16 = 0x86dd;
const IPV6_HEADER: usize = 40;
pub(crate) const NEXT_HEADER_ICMPV6: u8 = 58;
/// A packet that crossed a router has a lower hop limit (RFC 4861 §7.1).
const HOP_LIMIT: u8 = 255;
const TYPE_SOLICITATION: u8 = 135;
const TYPE_ADVERTISEMENT: u8 = 136;
/// Type, code, checksum, reserved or flags, target.
const MESSAGE_HEADER: usize = 24;
const OPTION_SOURCE_LINK_LAYER: u8 = 1;
const OPTION_TARGET_LINK_LAYER: u8 = 2;
/// Lengths of options are counted in units of eight bytes.
const OPTION_UNIT: usize = 8;
const FLAG_SOLICITED: u8 = 0x40;
const FLAG_OVERRIDE: u8 = 0x20;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Someone asks who has an address, or whether its holder is still there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Solicitation {
    /// Ethernet destination.
    pub ethernet_destination: MacAddr,
    /// Ethernet source.
    pub ethernet_source: MacAddr,
    /// IPv6 source; unspecified in a probe for duplicate addresses.
    pub source: Ipv6Addr,
    /// IPv6 destination: the address itself, or its solicited-node group.
    pub destination: Ipv6Addr,
    /// The address asked for.
    pub target: Ipv6Addr,
    /// The hardware address the solicitor gave for itself.
    pub source_link_layer: Option<MacAddr>,
}

/// An answer, or an unasked announcement, that an address is at a hardware address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Advertisement {
    /// Ethernet destination.
    pub ethernet_destination: MacAddr,
    /// IPv6 source: an address of the advertising interface.
    pub source: Ipv6Addr,
    /// IPv6 destination.
    pub destination: Ipv6Addr,
    /// The address advertised.
    pub target: Ipv6Addr,
    /// The hardware address it is at; also the Ethernet source.
    pub mac: MacAddr,
    /// Whether a solicitation is answered.
    pub solicited: bool,
    /// Whether receivers shall replace another hardware address they know.
    pub override_known: bool,
}

/// A frame is no valid message of the kind wanted (RFC 4861 §7.1.1, §7.1.2), with the check that failed.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum NdpError {
    /// The frame ends before the message does.
    #[error("the frame ends before the message does")]
    Truncated,
    /// Another protocol.
    #[error("the frame carries no ICMPv6")]
    Protocol,
    /// Another ICMPv6 message.
    #[error("ICMPv6 type {0} code {1} is not the message wanted")]
    MessageType(u8, u8),
    /// The packet crossed a router.
    #[error("hop limit {0} instead of 255: the solicitation comes from beyond the link")]
    HopLimit(u8),
    /// The message was damaged on its way.
    #[error("the checksum does not match")]
    Checksum,
    /// A group cannot be solicited.
    #[error("the target {0} is a multicast address")]
    MulticastTarget(Ipv6Addr),
    /// An option without length or beyond the end.
    #[error("an option has an impossible length")]
    OptionLength,
    /// A probe for duplicate addresses must go to the solicited-node group and give no hardware address.
    #[error("a solicitation without source address is malformed")]
    UnspecifiedSource,
    /// The source is an address no station can have.
    #[error("the source {0} is no station's address")]
    NoHostSource(Ipv6Addr),
    /// An advertisement to everybody answers nobody's solicitation.
    #[error("an advertisement to a group claims to be solicited")]
    SolicitedByAll,
}

impl Solicitation {
    /// Reads a frame as received and checks all that RFC 4861 §7.1.1 asks for.
    ///
    /// # Errors
    /// When the frame is anything else than a valid neighbour solicitation.
    pub fn decode(frame: &[u8]) -> Result<Self, NdpError> {
        let packet = ipv6_of(frame)?;
        let (source, destination, message) = decode_ipv6(packet, TYPE_SOLICITATION)?;
        let (target, source_link_layer) = decode_message(message, OPTION_SOURCE_LINK_LAYER)?;
        let solicitation = Self {
            ethernet_destination: read_mac(frame, 0)?,
            ethernet_source: read_mac(frame, 6)?,
            source,
            destination,
            target,
            source_link_layer,
        };
        solicitation.check_source()?;
        Ok(solicitation)
    }

    /// Whether the sender asks because it wants the address for itself (RFC 4862 §5.4).
    #[must_use]
    pub fn is_duplicate_probe(&self) -> bool {
        self.source.is_unspecified()
    }

    fn check_source(&self) -> Result<(), NdpError> {
        if self.source.is_multicast() || self.source.is_loopback() {
            return Err(NdpError::NoHostSource(self.source));
        }
        let to_group = self.destination == crate::groups::solicited_node(self.target);
        if self.is_duplicate_probe() && !(to_group && self.source_link_layer.is_none()) {
            return Err(NdpError::UnspecifiedSource);
        }
        Ok(())
    }
}

impl Advertisement {
    /// Reads a frame as received and checks what RFC 4861 §7.1.2 asks for. Without an option that says otherwise the
    /// address is at the station that sent the frame.
    ///
    /// # Errors
    /// When the frame is anything else than a valid neighbour advertisement.
    pub fn decode(frame: &[u8]) -> Result<Self, NdpError> {
        let packet = ipv6_of(frame)?;
        let (source, destination, message) = decode_ipv6(packet, TYPE_ADVERTISEMENT)?;
        let (target, target_link_layer) = decode_message(message, OPTION_TARGET_LINK_LAYER)?;
        let [flags]: [u8; 1] = read(message, 4).ok_or(NdpError::Truncated)?;
        let solicited = flags & FLAG_SOLICITED != 0;
        if source.is_multicast() || source.is_unspecified() || source.is_loopback() {
            return Err(NdpError::NoHostSource(source));
        }
        if solicited && destination.is_multicast() {
            return Err(NdpError::SolicitedByAll);
        }
        Ok(Self {
            ethernet_destination: read_mac(frame, 0)?,
            source,
            destination,
            target,
            mac: target_link_layer.map_or_else(|| read_mac(frame, 6), Ok)?,
            solicited,
            override_known: flags & FLAG_OVERRIDE != 0,
        })
    }

    /// The frame as it is sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let message = self.encode_message(0);
        let message = self.encode_message(checksum(self.source, self.destination, &message));
        let stations = [self.ethernet_destination, self.mac];
        ipv6_frame(stations, [self.source, self.destination], [NEXT_HEADER_ICMPV6, HOP_LIMIT], &message)
    }

    fn encode_message(&self, checksum: u16) -> Vec<u8> {
        let solicited = if self.solicited { FLAG_SOLICITED } else { 0 };
        let override_known = if self.override_known { FLAG_OVERRIDE } else { 0 };
        Writer::with_capacity(MESSAGE_HEADER + OPTION_UNIT)
            .bytes(&[TYPE_ADVERTISEMENT, 0])
            .u16(checksum)
            .bytes(&[solicited | override_known, 0, 0, 0])
            .bytes(&self.target.octets())
            .bytes(&[OPTION_TARGET_LINK_LAYER, 1])
            .bytes(&self.mac.octets())
            .finish()
    }
}

/// Tells everybody on the link that `mac` has the address, replacing what they knew (RFC 4861 §7.2.6).
#[must_use]
pub fn gratuitous_advertisement(mac: MacAddr, link_local: Ipv6Addr, address: Ipv6Addr) -> Advertisement {
    Advertisement {
        ethernet_destination: multicast_mac(ALL_NODES),
        source: link_local,
        destination: ALL_NODES,
        target: address,
        mac,
        solicited: false,
        override_known: true,
    }
}

/// A frame to one station from another with an IPv6 packet from one address to another.
pub(crate) fn ipv6_frame(
    [receiver, sender]: [MacAddr; 2],
    [source, destination]: [Ipv6Addr; 2],
    [next_header, hop_limit]: [u8; 2],
    payload: &[u8],
) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    Writer::with_capacity(ETHERNET_HEADER + IPV6_HEADER + payload.len())
        .bytes(&receiver.octets())
        .bytes(&sender.octets())
        .u16(ETHERTYPE_IPV6)
        .bytes(&[0x60, 0, 0, 0])
        .u16(length)
        .bytes(&[next_header, hop_limit])
        .bytes(&source.octets())
        .bytes(&destination.octets())
        .bytes(payload)
        .finish()
}

/// The Ethernet address a group is reached at (RFC 2464 §7).
pub(crate) fn multicast_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr([0x33, 0x33, a, b, c, d])
}

/// The IPv6 packet in a frame.
fn ipv6_of(frame: &[u8]) -> Result<&[u8], NdpError> {
    let ethertype = read_u16(frame, 12).ok_or(NdpError::Truncated)?;
    if ethertype != ETHERTYPE_IPV6 {
        return Err(NdpError::Protocol);
    }
    Ok(frame.get(ETHERNET_HEADER..).unwrap_or_default())
}

/// Source, destination and ICMPv6 message of the wanted type, of an IPv6 packet that has no extension headers.
fn decode_ipv6(packet: &[u8], wanted: u8) -> Result<(Ipv6Addr, Ipv6Addr, &[u8]), NdpError> {
    let [first]: [u8; 1] = read(packet, 0).ok_or(NdpError::Truncated)?;
    let length = read_u16(packet, 4).ok_or(NdpError::Truncated)?;
    let [next_header, hop_limit]: [u8; 2] = read(packet, 6).ok_or(NdpError::Truncated)?;
    if first >> 4 != 6 || next_header != NEXT_HEADER_ICMPV6 {
        return Err(NdpError::Protocol);
    }
    if hop_limit != HOP_LIMIT {
        return Err(NdpError::HopLimit(hop_limit));
    }
    let source = read_ip(packet, 8)?;
    let destination = read_ip(packet, 24)?;
    // Bytes behind the announced length are padding of the frame.
    let message = packet.get(IPV6_HEADER..IPV6_HEADER + usize::from(length)).ok_or(NdpError::Truncated)?;
    let [kind, code]: [u8; 2] = read(message, 0).ok_or(NdpError::Truncated)?;
    if (kind, code) != (wanted, 0) {
        return Err(NdpError::MessageType(kind, code));
    }
    // Summed up with the checksum it carries, an undamaged message gives zero.
    if checksum(source, destination, message) != 0 {
        return Err(NdpError::Checksum);
    }
    Ok((source, destination, message))
}

/// Target, and the hardware address an option of this kind gives.
fn decode_message(message: &[u8], option: u8) -> Result<(Ipv6Addr, Option<MacAddr>), NdpError> {
    let target = read_ip(message, 8)?;
    if target.is_multicast() {
        return Err(NdpError::MulticastTarget(target));
    }
    let options = message.get(MESSAGE_HEADER..).unwrap_or_default();
    Ok((target, decode_link_layer(options, option)?))
}

/// The first link-layer address of the wanted kind among the options; unknown options are skipped (RFC 4861 §4.6).
fn decode_link_layer(mut options: &[u8], wanted: u8) -> Result<Option<MacAddr>, NdpError> {
    let mut found = None;
    while let Some([kind, units]) = read::<2>(options, 0) {
        let length = usize::from(units) * OPTION_UNIT;
        let option =
            options.get(..length).filter(|option| !option.is_empty()).ok_or(NdpError::OptionLength)?;
        if kind == wanted && units == 1 && found.is_none() {
            found = Some(read_mac(option, 2)?);
        }
        options = options.get(length..).unwrap_or_default();
    }
    if options.is_empty() { Ok(found) } else { Err(NdpError::OptionLength) }
}

/// The checksum of an ICMPv6 message with its pseudo-header (RFC 4443 §2.3).
pub(crate) fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let mut sum = u64::from(NEXT_HEADER_ICMPV6) + u64::try_from(message.len()).unwrap_or(u64::MAX);
    let addresses = source.segments().into_iter().chain(destination.segments());
    sum += addresses.map(u64::from).sum::<u64>();
    for pair in message.chunks(2) {
        let (high, low) = (pair.first().copied().unwrap_or(0), pair.get(1).copied().unwrap_or(0));
        sum += u64::from(u16::from_be_bytes([high, low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).map_or(0, |folded| !folded)
}

fn read_mac(bytes: &[u8], offset: usize) -> Result<MacAddr, NdpError> {
    read(bytes, offset).map(MacAddr).ok_or(NdpError::Truncated)
}

fn read_ip(bytes: &[u8], offset: usize) -> Result<Ipv6Addr, NdpError> {
    read(bytes, offset).map(|octets: [u8; 16]| Ipv6Addr::from(octets)).ok_or(NdpError::Truncated)
}
