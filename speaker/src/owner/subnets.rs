//! What this node tells the others of its subnets, while an advertisement asks for that.

use std::collections::BTreeSet;

use metallb_announce::{Subnets, World};
use metallb_net::Prefix;

use super::Ring;
use crate::interfaces::Interfaces;

impl Ring {
    /// What speakers say of their subnets, if that counts.
    pub(super) fn subnets(&self, has_plain: bool) -> Option<Subnets> {
        (!has_plain).then(|| Subnets::told(self.current.subnets.clone()))
    }

    /// Tells the others which subnets this node has, if the configuration asks for it.
    pub(super) fn tell_subnets(&self, world: &World, interfaces: &Interfaces) {
        self.membership.set_subnets(world.asks_for_subnets().then(|| own_subnets(interfaces)));
    }
}

/// The subnets whose neighbours can ask this node: those of interfaces that are announced on and have a carrier. An
/// address alone is no subnet.
fn own_subnets(interfaces: &Interfaces) -> BTreeSet<Prefix> {
    let heard = interfaces.iter().filter(|interface| interface.has_carrier && interface.protocols().is_ok());
    let subnets = heard.flat_map(|interface| interface.subnets.iter().copied());
    subnets.filter(|subnet| subnet.length() < subnet.family().bits()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use metallb_linux::Interface;
    use metallb_net::MacAddr;

    use super::*;

    #[test]
    fn subnets_are_those_of_interfaces_that_can_be_asked_on() {
        let texts = ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/64", "2001:db8::7/128"];
        let lan = Interface {
            mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
            is_up: true,
            has_carrier: true,
            can_broadcast: true,
            subnets: texts.map(|text| text.parse().unwrap()).into(),
            ..Interface::default()
        };
        let told = ["192.0.2.0/24", "2001:db8::/64"].map(|text| text.parse().unwrap());
        for (interface, expected) in [
            (lan.clone(), &told[..]),
            (Interface { has_carrier: false, ..lan.clone() }, &[]),
            (Interface { is_up: false, ..lan.clone() }, &[]),
            (Interface { master: Some(7), ..lan }, &[]),
        ] {
            let subnets: Vec<Prefix> = own_subnets(&Arc::new(vec![interface.clone()])).into_iter().collect();
            assert_eq!(subnets, expected, "{interface:?}");
        }
    }
}
