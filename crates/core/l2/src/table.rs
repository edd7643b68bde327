//! What this node answers for, and on which links.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use metallb_net::{MacAddr, canonical};

use crate::groups::solicited_node;

/// The links an address is announced on.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Interfaces {
    /// Every eligible link.
    All,
    /// The links with these names.
    Named(BTreeSet<String>),
}

impl Interfaces {
    /// Whether a link of this name belongs to the set.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }
}

/// A link as the responder needs to know it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// Kernel index, unique while the link exists.
    pub index: u32,
    /// Kernel name.
    pub name: String,
    /// The hardware address given in answers.
    pub mac: MacAddr,
    /// The source of advertisements; without one the link speaks ARP only.
    pub link_local: Option<Ipv6Addr>,
}

/// The addresses this node announces. Looking one up costs the same however many there are.
#[derive(Clone, Debug, Default)]
pub struct AnnouncedTable {
    addresses: HashMap<IpAddr, Arc<Interfaces>>,
    /// The sets of links in use, each once: thousands of addresses have the same.
    scopes: HashSet<Arc<Interfaces>>,
    /// The IPv6 addresses again, by the multicast group their solicitations are sent to.
    groups: BTreeMap<Ipv6Addr, BTreeSet<Ipv6Addr>>,
}

impl AnnouncedTable {
    /// Announces an address on these links from now on, whatever held before.
    pub fn set(&mut self, address: IpAddr, interfaces: Interfaces) {
        let address = canonical(address);
        if let IpAddr::V6(v6) = address {
            self.groups.entry(solicited_node(v6)).or_default().insert(v6);
        }
        let scope = self.share(interfaces);
        if let Some(before) = self.addresses.insert(address, scope) {
            self.let_go(before);
        }
    }

    fn share(&mut self, interfaces: Interfaces) -> Arc<Interfaces> {
        if let Some(known) = self.scopes.get(&interfaces) {
            return known.clone();
        }
        let scope = Arc::new(interfaces);
        self.scopes.insert(scope.clone());
        scope
    }

    /// Forgets a set of links that no address has any more.
    fn let_go(&mut self, scope: Arc<Interfaces>) {
        // This one and the one that is shared.
        if Arc::strong_count(&scope) == 2 {
            self.scopes.remove(&scope);
        }
    }

    /// Stops announcing an address; says whether it was announced.
    pub fn remove(&mut self, address: IpAddr) -> bool {
        let address = canonical(address);
        if let IpAddr::V6(v6) = address {
            let group = solicited_node(v6);
            if let Some(members) = self.groups.get_mut(&group) {
                members.remove(&v6);
                if members.is_empty() {
                    self.groups.remove(&group);
                }
            }
        }
        let Some(scope) = self.addresses.remove(&address) else { return false };
        self.let_go(scope);
        true
    }

    /// The links an address is announced on; nothing when it is not announced.
    #[must_use]
    pub fn interfaces(&self, address: IpAddr) -> Option<&Interfaces> {
        self.addresses.get(&canonical(address)).map(Arc::as_ref)
    }

    /// The addresses announced on a link of this name, in no particular order.
    pub fn addresses_on<'a>(&'a self, name: &'a str) -> impl Iterator<Item = IpAddr> + 'a {
        self.addresses.iter().filter(move |(_, interfaces)| interfaces.contains(name)).map(|(ip, _)| *ip)
    }

    /// All addresses announced, in no particular order.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.keys().copied()
    }

    /// How many addresses are announced.
    #[must_use]
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether nothing is announced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// All groups that some announced address needs.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Ipv6Addr> + '_ {
        self.groups.keys().copied()
    }

    /// Whether an address announced on a link of this name is solicited through the group.
    pub(crate) fn needs_group(&self, group: Ipv6Addr, name: &str) -> bool {
        let members = self.groups.get(&group).into_iter().flatten();
        members
            .filter_map(|v6| self.addresses.get(&IpAddr::V6(*v6)))
            .any(|interfaces| interfaces.contains(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_links_is_kept_once_and_as_long_as_an_address_has_it() {
        let address = |last: u8| IpAddr::from([192, 0, 2, last]);
        let named = |name: &str| Interfaces::Named([name.to_owned()].into());
        let mut table = AnnouncedTable::default();
        for (step, expected) in [
            (Some((1, named("eth0"))), 1),
            (Some((2, named("eth0"))), 1),
            (Some((3, Interfaces::All)), 2),
            (Some((1, named("eth1"))), 3),
            (Some((2, named("eth1"))), 2),
            (Some((2, named("eth1"))), 2),
            (None, 1),
        ] {
            match step {
                Some((last, scope)) => {
                    table.set(address(last), scope.clone());
                    assert_eq!(table.interfaces(address(last)), Some(&scope));
                }
                None => {
                    assert!(table.remove(address(1)) && table.remove(address(2)) && !table.remove(address(2)))
                }
            }
            assert_eq!(table.scopes.len(), expected);
        }
        assert_eq!(table.len(), 1);
    }
}
