//! Links with their addresses, as messages of the kernel change them one by one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::interface::Interface;

#[cfg(test)]
mod tests;

/// An address of a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Address {
    pub(crate) ip: IpAddr,
    pub(crate) length: u8,
    /// Whether it may be spoken from: not while it may turn out to be a duplicate.
    pub(crate) is_usable: bool,
}

/// All links. News of addresses of unknown links are dropped: the link and all its addresses come with a dump.
#[derive(Debug, Default)]
pub(crate) struct LinkTable {
    links: BTreeMap<u32, Link>,
}

#[derive(Debug)]
struct Link {
    /// Without addresses.
    interface: Interface,
    /// In the order the kernel told them.
    addresses: Vec<Address>,
}

impl LinkTable {
    /// Takes in a link, new or changed; its addresses stay.
    pub(crate) fn set_link(&mut self, interface: Interface) {
        match self.links.get_mut(&interface.index) {
            Some(link) => link.interface = interface,
            None => drop(self.links.insert(interface.index, Link { interface, addresses: Vec::new() })),
        }
    }

    /// The link is gone, and its addresses with it.
    pub(crate) fn remove_link(&mut self, index: u32) {
        self.links.remove(&index);
    }

    /// Takes in an address, new or changed.
    pub(crate) fn set_address(&mut self, index: u32, address: Address) {
        let Some(link) = self.links.get_mut(&index) else { return };
        match link.addresses.iter_mut().find(|known| is_same(**known, address)) {
            Some(known) => *known = address,
            None => link.addresses.push(address),
        }
    }

    /// The link does not have the address any more.
    pub(crate) fn remove_address(&mut self, index: u32, address: Address) {
        if let Some(link) = self.links.get_mut(&index) {
            link.addresses.retain(|known| !is_same(*known, address));
        }
    }

    /// Those with a name that is wanted, ordered by index.
    pub(crate) fn interfaces(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Interface> {
        let wanted = self.links.values().filter(|link| is_wanted(&link.interface.name));
        wanted.map(Link::interface).collect()
    }
}

/// The kernel knows an address by itself and its prefix length.
fn is_same(one: Address, other: Address) -> bool {
    (one.ip, one.length) == (other.ip, other.length)
}

impl Link {
    fn interface(&self) -> Interface {
        let mut interface = self.interface.clone();
        for Address { ip, length, is_usable } in &self.addresses {
            interface.add_address(*ip, *length, *is_usable);
        }
        interface
    }
}
