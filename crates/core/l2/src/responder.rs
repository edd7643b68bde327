//! Whether and how a received frame is answered: a pure function of frame, link and table.

use std::net::IpAddr;

use metallb_net::MacAddr;
use thiserror::Error;

use crate::arp::{ArpError, ArpFrame, ArpOperation};
use crate::conflict::Claim;
use crate::ndp::{Advertisement, NdpError, Solicitation, gratuitous_advertisement};
use crate::table::{AnnouncedTable, Link};

#[cfg(test)]
mod tests;

/// A frame to send, and the announced address it is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The address that was asked for.
    pub address: IpAddr,
    /// Who asked.
    pub asker: MacAddr,
    /// The reply, ready to be sent on the link the question came from.
    pub frame: Vec<u8>,
}

/// Why a frame is not answered.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Silence {
    /// The frame is no ARP packet.
    #[error(transparent)]
    Arp(#[from] ArpError),
    /// The frame is no valid solicitation.
    #[error(transparent)]
    Ndp(#[from] NdpError),
    /// An ARP packet that asks nothing.
    #[error("the packet is no request")]
    NotRequest,
    /// The question was meant for another station.
    #[error("the frame is addressed to {0}, not to this link or everybody")]
    ForeignDestination(MacAddr),
    /// This link asked itself.
    #[error("the question comes from this link")]
    OwnQuestion,
    /// A multicast solicitation must carry the hardware address to answer to (RFC 4861 §4.3).
    #[error("the solicitation gives no hardware address to answer to")]
    NoAddressOfAsker,
    /// The link has no link-local address to advertise from.
    #[error("the link has no link-local address to advertise from")]
    NoLinkLocal,
    /// This node does not announce the address.
    #[error("{0} is not announced by this node")]
    NotAnnounced(IpAddr),
    /// The address is announced, but on other links.
    #[error("{0} is not announced on this link")]
    OtherLink(IpAddr),
}

/// The answer to an ARP frame received on a link (contract 02 §2.6).
///
/// # Errors
/// The reason to stay silent.
pub fn answer_arp(frame: &[u8], link: &Link, table: &AnnouncedTable) -> Result<Answer, Silence> {
    let request = ArpFrame::decode(frame)?;
    if request.packet.operation != ArpOperation::Request {
        return Err(Silence::NotRequest);
    }
    if ![MacAddr::BROADCAST, link.mac].contains(&request.destination) {
        return Err(Silence::ForeignDestination(request.destination));
    }
    let address = IpAddr::V4(request.packet.target_ip);
    check_announced(address, link, table)?;
    let reply = request.reply(link.mac);
    Ok(Answer { address, asker: reply.destination, frame: reply.encode() })
}

/// The answer to a neighbour solicitation received on a link (contract 02 §2.7, RFC 4861 §7.2.4).
///
/// Unlike the original it answers probes for duplicate addresses, and unicast probes for reachability that carry
/// no hardware address; unlike the original it ignores what comes from beyond the link. The answer comes from the
/// address itself, as from any owner's kernel: tools like ndisc6 take no other for an answer. The original sends
/// it from the link-local address; neighbours look at the target only, so both are alike to them.
///
/// # Errors
/// The reason to stay silent.
pub fn answer_ndp(frame: &[u8], link: &Link, table: &AnnouncedTable) -> Result<Answer, Silence> {
    let solicitation = Solicitation::decode(frame)?;
    let address = IpAddr::V6(solicitation.target);
    check_announced(address, link, table)?;
    let link_local = link.link_local.ok_or(Silence::NoLinkLocal)?;
    if solicitation.source == link_local || solicitation.ethernet_source == link.mac {
        return Err(Silence::OwnQuestion);
    }
    let unicast = !is_group(solicitation.ethernet_destination);
    if unicast && solicitation.ethernet_destination != link.mac {
        return Err(Silence::ForeignDestination(solicitation.ethernet_destination));
    }
    let asker = solicitation.ethernet_source;
    if solicitation.is_duplicate_probe() {
        // The asker has no address to answer to: everybody is told, as if nobody had asked.
        let advertisement = gratuitous_advertisement(link.mac, link_local, solicitation.target);
        return Ok(Answer { address, asker, frame: advertisement.encode() });
    }
    let given = solicitation.source_link_layer.or(unicast.then_some(asker));
    let asker = given.ok_or(Silence::NoAddressOfAsker)?;
    let advertisement = Advertisement {
        ethernet_destination: asker,
        source: solicitation.target,
        destination: solicitation.source,
        target: solicitation.target,
        mac: link.mac,
        solicited: true,
        override_known: false,
    };
    Ok(Answer { address, asker, frame: advertisement.encode() })
}

/// Who says, by an ARP frame received on a link, that it has an announced address.
#[must_use]
pub fn claim_arp(frame: &[u8], link: &Link, table: &AnnouncedTable) -> Option<Claim> {
    let packet = ArpFrame::decode(frame).ok()?.packet;
    claim(IpAddr::V4(packet.sender_ip), packet.sender_mac, link, table)
}

/// Who says the same by a neighbour advertisement.
#[must_use]
pub fn claim_ndp(frame: &[u8], link: &Link, table: &AnnouncedTable) -> Option<Claim> {
    let advertisement = Advertisement::decode(frame).ok()?;
    claim(IpAddr::V6(advertisement.target), advertisement.mac, link, table)
}

fn claim(address: IpAddr, mac: MacAddr, link: &Link, table: &AnnouncedTable) -> Option<Claim> {
    let is_ours = mac == link.mac || check_announced(address, link, table).is_err();
    (!is_ours).then_some(Claim { address, mac, link: link.index })
}

fn check_announced(address: IpAddr, link: &Link, table: &AnnouncedTable) -> Result<(), Silence> {
    match table.interfaces(address) {
        None => Err(Silence::NotAnnounced(address)),
        Some(interfaces) if !interfaces.contains(&link.name) => Err(Silence::OtherLink(address)),
        Some(_) => Ok(()),
    }
}

/// Whether frames to this address reach more than one station.
fn is_group(mac: MacAddr) -> bool {
    let [first, ..] = mac.octets();
    first & 1 == 1
}
