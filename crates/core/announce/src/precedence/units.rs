//! Which Services stand or fall together: those that share an address, directly or by way of others.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use metallb_config::ServiceKey;

/// Services in units. A unit is called by the lowest of its Services' first addresses: for one that shares nothing that
/// is the address the contract elects by.
#[derive(Clone, Debug, Default)]
pub(super) struct Units {
    members: BTreeMap<ServiceKey, Member>,
    services: BTreeMap<IpAddr, BTreeSet<ServiceKey>>,
    /// The Services that may share, by address.
    sharers: HashMap<IpAddr, BTreeSet<ServiceKey>>,
}

#[derive(Clone, Debug)]
struct Member {
    unit: IpAddr,
    first: IpAddr,
    /// All its addresses if it may share them.
    shared: Box<[IpAddr]>,
}

impl Units {
    /// The unit of a Service.
    pub(super) fn of(&self, key: &ServiceKey) -> Option<IpAddr> {
        self.members.get(key).map(|member| member.unit)
    }

    /// The Services of a unit.
    pub(super) fn services(&self, unit: IpAddr) -> impl Iterator<Item = &ServiceKey> {
        self.services.get(&unit).into_iter().flatten()
    }

    /// The units an address belongs to.
    pub(super) fn at(&self, address: IpAddr) -> impl Iterator<Item = IpAddr> {
        let sharer = self.sharers.get(&address).and_then(BTreeSet::first);
        let shared = sharer.and_then(|key| self.of(key)).filter(move |unit| *unit != address);
        self.services.contains_key(&address).then_some(address).into_iter().chain(shared)
    }

    /// All addresses of a unit that may share some; none if it has no other than its name.
    pub(super) fn addresses(&self, unit: IpAddr) -> Box<[IpAddr]> {
        let members = self.services(unit).filter_map(|key| self.members.get(key));
        let addresses = members.flat_map(|member| member.shared.iter().copied().chain([member.first]));
        let addresses: BTreeSet<IpAddr> = addresses.collect();
        if addresses.iter().eq([&unit]) { Box::default() } else { addresses.into_iter().collect() }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &ServiceKey> {
        self.members.keys()
    }

    /// Takes in the addresses a Service has now, none if it is not to be seen to, and whether it may share them. Returns
    /// the units that are others than before.
    pub(super) fn set(
        &mut self,
        key: &ServiceKey,
        addresses: &[IpAddr],
        may_share: bool,
    ) -> BTreeSet<IpAddr> {
        let before = self.of(key);
        let mut around = self.neighbours(key);
        self.take_out(key);
        if let Some(first) = addresses.first().copied() {
            let shared: Box<[IpAddr]> = if may_share { addresses.into() } else { Box::default() };
            for address in &shared {
                self.sharers.entry(*address).or_default().insert(key.clone());
            }
            self.members.insert(key.clone(), Member { unit: first, first, shared });
            self.services.entry(first).or_default().insert(key.clone());
            around.extend(self.neighbours(key));
        }
        let mut changed: BTreeSet<IpAddr> = before.into_iter().chain(self.of(key)).collect();
        for service in around {
            changed.extend(self.move_to_its_unit(&service));
        }
        changed
    }

    fn take_out(&mut self, key: &ServiceKey) {
        let Some(member) = self.members.remove(key) else { return };
        remove(&mut self.services, member.unit, key);
        for address in &member.shared {
            if let Some(sharers) = self.sharers.get_mut(address) {
                sharers.remove(key);
                if sharers.is_empty() {
                    self.sharers.remove(address);
                }
            }
        }
    }

    /// The units it leaves and comes to, if it does.
    fn move_to_its_unit(&mut self, key: &ServiceKey) -> Vec<IpAddr> {
        let connected = self.neighbours(key);
        let firsts = connected.iter().filter_map(|key| self.members.get(key)).map(|member| member.first);
        let (Some(unit), Some(member)) = (firsts.min(), self.members.get_mut(key)) else { return Vec::new() };
        let before = std::mem::replace(&mut member.unit, unit);
        if before == unit {
            return Vec::new();
        }
        remove(&mut self.services, before, key);
        self.services.entry(unit).or_default().insert(key.clone());
        vec![before, unit]
    }

    /// A Service and all that are connected with it by addresses.
    fn neighbours(&self, key: &ServiceKey) -> BTreeSet<ServiceKey> {
        let mut found = BTreeSet::from([key.clone()]);
        let mut next = vec![key.clone()];
        while let Some(member) = next.pop().and_then(|key| self.members.get(&key)) {
            for sharer in member.shared.iter().filter_map(|address| self.sharers.get(address)).flatten() {
                if found.insert(sharer.clone()) {
                    next.push(sharer.clone());
                }
            }
        }
        found
    }
}

fn remove(services: &mut BTreeMap<IpAddr, BTreeSet<ServiceKey>>, unit: IpAddr, key: &ServiceKey) {
    if let Some(members) = services.get_mut(&unit) {
        members.remove(key);
        if members.is_empty() {
            services.remove(&unit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::ip;

    fn key(name: &str) -> ServiceKey {
        ServiceKey { namespace: "default".into(), name: name.into() }
    }

    fn set(units: &mut Units, name: &str, addresses: &[&str], may_share: bool) -> BTreeSet<IpAddr> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| ip(address)).collect();
        units.set(&key(name), &addresses, may_share)
    }

    fn unit(units: &Units, name: &str) -> Option<String> {
        units.of(&key(name)).map(|unit| unit.to_string())
    }

    #[test]
    fn one_that_shares_nothing_is_a_unit_called_by_its_first_address() {
        let mut units = Units::default();
        assert_eq!(set(&mut units, "a", &["fd00::1", "10.0.0.1"], false), [ip("fd00::1")].into());
        set(&mut units, "b", &["10.0.0.1"], false);
        assert_eq!(
            (unit(&units, "a").unwrap(), unit(&units, "b").unwrap()),
            ("fd00::1".into(), "10.0.0.1".into())
        );
        assert_eq!(set(&mut units, "a", &[], false), [ip("fd00::1")].into());
        assert_eq!((unit(&units, "a"), units.services(ip("fd00::1")).count()), (None, 0));
    }

    #[test]
    fn those_that_share_are_one_unit_by_way_of_others_too_and_part_again() {
        let mut units = Units::default();
        set(&mut units, "both", &["fd00::1", "10.0.0.9"], true);
        set(&mut units, "four", &["10.0.0.9"], true);
        set(&mut units, "other", &["10.0.0.7"], true);
        let unit_of = |units: &Units| ["both", "four", "other"].map(|name| unit(units, name).unwrap());
        assert_eq!(unit_of(&units), ["10.0.0.9", "10.0.0.9", "10.0.0.7"]);
        let changed = set(&mut units, "bridge", &["fd00::1", "10.0.0.7"], true);
        assert_eq!(unit_of(&units), ["10.0.0.7"; 3]);
        assert!(changed.contains(&ip("10.0.0.9")) && changed.contains(&ip("10.0.0.7")), "{changed:?}");
        assert_eq!(units.services(ip("10.0.0.7")).count(), 4);
        set(&mut units, "bridge", &[], true);
        assert_eq!(unit_of(&units), ["10.0.0.9", "10.0.0.9", "10.0.0.7"]);
        assert_eq!((units.services(ip("10.0.0.9")).count(), units.services(ip("10.0.0.7")).count()), (2, 1));
    }
}
