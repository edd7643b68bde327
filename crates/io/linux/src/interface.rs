//! A network interface as the kernel reports it, and whether it can be announced on.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};

use metallb_net::{MacAddr, Prefix};
use thiserror::Error;

#[cfg(test)]
mod tests;

/// A network interface at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Interface {
    /// Kernel index.
    pub index: u32,
    /// Kernel name.
    pub name: String,
    /// Ethernet hardware address; none for other kinds of links.
    pub mac: Option<MacAddr>,
    /// Whether it is switched on.
    pub is_up: bool,
    /// Whether a carrier is there.
    pub has_carrier: bool,
    /// Whether frames can be sent to all stations at once.
    pub can_broadcast: bool,
    /// Whether address resolution is switched off.
    pub no_arp: bool,
    /// Index of the bridge, bond or VRF it is part of.
    pub master: Option<u32>,
    /// The usable link-local IPv6 address.
    pub link_local: Option<Ipv6Addr>,
    /// The subnets it has addresses in, link-local ones left out.
    pub subnets: BTreeSet<Prefix>,
}

/// How an interface can be announced on; at least one of both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Protocols {
    /// The hardware address to announce.
    pub mac: MacAddr,
    /// Whether ARP is spoken.
    pub arp: bool,
    /// The source of neighbour advertisements, if they can be sent.
    pub ndp: Option<Ipv6Addr>,
}

/// Why nothing is announced on an interface.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Ineligible {
    /// Switched off.
    #[error("it is down")]
    Down,
    /// Part of another interface, which is announced on instead.
    #[error("it belongs to interface {0}")]
    Enslaved(u32),
    /// Address resolution is switched off.
    #[error("it has the NOARP flag")]
    NoArp,
    /// Not Ethernet.
    #[error("it has no Ethernet address")]
    NoHardwareAddress,
    /// Neither broadcast nor a link-local address.
    #[error("it has neither broadcast nor a link-local IPv6 address")]
    NoProtocol,
}

impl Interface {
    /// What can be spoken on the interface (contract 02 §2.5).
    ///
    /// # Errors
    /// The reason why nothing can.
    pub fn protocols(&self) -> Result<Protocols, Ineligible> {
        if !self.is_up {
            return Err(Ineligible::Down);
        }
        if let Some(master) = self.master {
            return Err(Ineligible::Enslaved(master));
        }
        if self.no_arp {
            return Err(Ineligible::NoArp);
        }
        let mac = self.mac.ok_or(Ineligible::NoHardwareAddress)?;
        let protocols = Protocols { mac, arp: self.can_broadcast, ndp: self.link_local };
        if protocols.arp || protocols.ndp.is_some() { Ok(protocols) } else { Err(Ineligible::NoProtocol) }
    }

    /// Takes in an address of the interface.
    pub(crate) fn add_address(&mut self, address: IpAddr, length: u8, is_usable: bool) {
        match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                if is_usable {
                    self.link_local = self.link_local.or(Some(v6));
                }
            }
            IpAddr::V4(_) | IpAddr::V6(_) => self.subnets.extend(Prefix::new(address, length)),
        }
    }
}
