//! ARP on Ethernet for IPv4 (RFC 826): whole frames in, whole frames out.

use std::net::Ipv4Addr;

use metallb_net::MacAddr;
use thiserror::Error;

use crate::wire::{ETHERNET_HEADER, Writer, read, read_u16};

#[cfg(test)]
mod tests;

const ETHERTYPE_ARP: u16 = 0x0806;
const HARDWARE_ETHERNET: u16 = 1;
const PROTOCOL_IPV4: u16 = 0x0800;
/// Lengths of a hardware and of a protocol address, in the order of the wire.
const ADDRESS_LENGTHS: [u8; 2] = [6, 4];
/// The shortest frame Ethernet carries, without its checksum.
const SHORTEST_FRAME: usize = 60;

/// What an ARP packet wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ArpOperation {
    /// Who has the target address?
    Request,
    /// The sender has the sender address.
    Reply,
}

/// An ARP packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ArpPacket {
    /// Request or reply.
    pub operation: ArpOperation,
    /// Hardware address of the sender.
    pub sender_mac: MacAddr,
    /// Address of the sender; unspecified in a probe.
    pub sender_ip: Ipv4Addr,
    /// Hardware address of the target; meaningless in a request.
    pub target_mac: MacAddr,
    /// The address asked for or answered to.
    pub target_ip: Ipv4Addr,
}

/// An ARP packet in its Ethernet frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ArpFrame {
    /// Ethernet destination.
    pub destination: MacAddr,
    /// Ethernet source.
    pub source: MacAddr,
    /// What the frame carries.
    pub packet: ArpPacket,
}

/// A frame is no ARP packet for IPv4 on Ethernet.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum ArpError {
    /// The frame ends before the packet does.
    #[error("the frame ends before the ARP packet does")]
    Truncated,
    /// Another protocol.
    #[error("ethertype {0:#06x} is not ARP")]
    Ethertype(u16),
    /// Not Ethernet and IPv4 addresses.
    #[error("the ARP packet does not map IPv4 to Ethernet addresses")]
    AddressKind,
    /// Neither request nor reply.
    #[error("ARP operation {0} is neither request nor reply")]
    Operation(u16),
}

impl ArpFrame {
    /// Reads a frame as received; bytes behind the packet are padding.
    ///
    /// # Errors
    /// When the frame is truncated or no ARP for IPv4 on Ethernet.
    pub fn decode(frame: &[u8]) -> Result<Self, ArpError> {
        let ethertype = read_u16(frame, 12).ok_or(ArpError::Truncated)?;
        if ethertype != ETHERTYPE_ARP {
            return Err(ArpError::Ethertype(ethertype));
        }
        let destination = read_mac(frame, 0)?;
        let source = read_mac(frame, 6)?;
        let packet = decode_packet(frame.get(ETHERNET_HEADER..).unwrap_or_default())?;
        Ok(Self { destination, source, packet })
    }

    /// The frame as it is sent, padded to the shortest length Ethernet carries.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let packet = &self.packet;
        Writer::with_capacity(SHORTEST_FRAME)
            .bytes(&self.destination.octets())
            .bytes(&self.source.octets())
            .u16(ETHERTYPE_ARP)
            .u16(HARDWARE_ETHERNET)
            .u16(PROTOCOL_IPV4)
            .bytes(&ADDRESS_LENGTHS)
            .u16(operation_code(packet.operation))
            .bytes(&packet.sender_mac.octets())
            .bytes(&packet.sender_ip.octets())
            .bytes(&packet.target_mac.octets())
            .bytes(&packet.target_ip.octets())
            .padded_to(SHORTEST_FRAME)
            .finish()
    }

    /// The answer to a request: `mac` has the address that was asked for.
    ///
    /// It goes to the hardware address inside the packet, not to the frame's source, as the original does.
    #[must_use]
    pub fn reply(&self, mac: MacAddr) -> Self {
        let asked = &self.packet;
        let packet = ArpPacket {
            operation: ArpOperation::Reply,
            sender_mac: mac,
            sender_ip: asked.target_ip,
            target_mac: asked.sender_mac,
            target_ip: asked.sender_ip,
        };
        Self { destination: asked.sender_mac, source: mac, packet }
    }
}

/// Tells everybody on the link that `mac` has the address, once as a request and once as a reply, because
/// some hosts update their tables on one form only (contract 02 §2.8).
#[must_use]
pub fn gratuitous_arp(mac: MacAddr, address: Ipv4Addr) -> [ArpFrame; 2] {
    [ArpOperation::Request, ArpOperation::Reply].map(|operation| ArpFrame {
        destination: MacAddr::BROADCAST,
        source: mac,
        packet: ArpPacket {
            operation,
            sender_mac: mac,
            sender_ip: address,
            target_mac: MacAddr::BROADCAST,
            target_ip: address,
        },
    })
}

fn decode_packet(packet: &[u8]) -> Result<ArpPacket, ArpError> {
    let hardware = read_u16(packet, 0).ok_or(ArpError::Truncated)?;
    let protocol = read_u16(packet, 2).ok_or(ArpError::Truncated)?;
    let lengths: [u8; 2] = read(packet, 4).ok_or(ArpError::Truncated)?;
    if (hardware, protocol, lengths) != (HARDWARE_ETHERNET, PROTOCOL_IPV4, ADDRESS_LENGTHS) {
        return Err(ArpError::AddressKind);
    }
    let operation = parse_operation(read_u16(packet, 6).ok_or(ArpError::Truncated)?)?;
    Ok(ArpPacket {
        operation,
        sender_mac: read_mac(packet, 8)?,
        sender_ip: read_ip(packet, 14)?,
        target_mac: read_mac(packet, 18)?,
        target_ip: read_ip(packet, 24)?,
    })
}

fn parse_operation(code: u16) -> Result<ArpOperation, ArpError> {
    match code {
        1 => Ok(ArpOperation::Request),
        2 => Ok(ArpOperation::Reply),
        other => Err(ArpError::Operation(other)),
    }
}

fn operation_code(operation: ArpOperation) -> u16 {
    match operation {
        ArpOperation::Request => 1,
        ArpOperation::Reply => 2,
    }
}

fn read_mac(bytes: &[u8], offset: usize) -> Result<MacAddr, ArpError> {
    read(bytes, offset).map(MacAddr).ok_or(ArpError::Truncated)
}

fn read_ip(bytes: &[u8], offset: usize) -> Result<Ipv4Addr, ArpError> {
    read(bytes, offset).map(|octets: [u8; 4]| Ipv4Addr::from(octets)).ok_or(ArpError::Truncated)
}
