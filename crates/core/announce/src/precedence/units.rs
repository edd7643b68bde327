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
    /// its unit and all that are others than before. Takes no longer than its unit is large, and no time if nothing is new.
    pub(super) fn set(
        &mut self,
        key: &ServiceKey,
        addresses: &[IpAddr],
        may_share: bool,
    ) -> BTreeSet<IpAddr> {
        let shared = if may_share { addresses } else { &[] };
        let first = addresses.first().copied();
        if let Some(member) = self.members.get(key).filter(|member| Some(member.first) == first)
            && *member.shared == *shared
        {
            return [member.unit].into();
        }
        let mut changed = self.take_out(key);
        if let Some(first) = first {
            self.put_in(key, first, shared, &mut changed);
        }
        changed
    }

    /// The units that are others without it.
    fn take_out(&mut self, key: &ServiceKey) -> BTreeSet<IpAddr> {
        let Some(member) = self.members.remove(key) else { return BTreeSet::new() };
        remove(&mut self.services, member.unit, key);
        for address in &member.shared {
            if let Some(sharers) = self.sharers.get_mut(address) {
                sharers.remove(key);
                if sharers.is_empty() {
                    self.sharers.remove(address);
                }
            }
        }
        let mut changed = [member.unit].into();
        if !self.has_stand_in(&member) {
            self.part(member.unit, &mut changed);
        }
        changed
    }

    /// Whether another one keeps the unit together, and its name, without this one: as a rule all that share have the same
    /// addresses.
    fn has_stand_in(&self, gone: &Member) -> bool {
        let tied: Vec<&IpAddr> = gone.shared.iter().filter(|it| self.sharers.contains_key(it)).collect();
        let Some(address) = tied.first() else { return true };
        let sharers = self.sharers.get(address).into_iter().flatten();
        sharers.filter_map(|key| self.members.get(key)).any(|other| {
            let keeps_name = gone.first != gone.unit || other.first == gone.first;
            keeps_name && tied.iter().all(|it| other.shared.contains(it))
        })
    }

    fn put_in(&mut self, key: &ServiceKey, first: IpAddr, shared: &[IpAddr], changed: &mut BTreeSet<IpAddr>) {
        // Whoever shares an address is in the same unit already.
        let one_of = |address: &IpAddr| self.sharers.get(address).and_then(BTreeSet::first);
        let met: BTreeSet<IpAddr> = shared.iter().filter_map(one_of).filter_map(|key| self.of(key)).collect();
        let unit = met.iter().copied().fold(first, IpAddr::min);
        for before in met.into_iter().filter(|before| *before != unit) {
            for key in self.sharing(before) {
                self.move_to(&key, unit, changed);
            }
        }
        for address in shared {
            self.sharers.entry(*address).or_default().insert(key.clone());
        }
        self.members.insert(key.clone(), Member { unit, first, shared: shared.into() });
        self.services.entry(unit).or_default().insert(key.clone());
        changed.insert(unit);
    }

    /// What was one unit may be several now, or be called otherwise.
    fn part(&mut self, unit: IpAddr, changed: &mut BTreeSet<IpAddr>) {
        let mut left = self.sharing(unit);
        while let Some(key) = left.first() {
            let connected = self.connected(key);
            let firsts = connected.iter().filter_map(|key| self.members.get(key)).map(|member| member.first);
            let unit = firsts.min().unwrap_or(unit);
            for key in connected {
                left.remove(&key);
                self.move_to(&key, unit, changed);
            }
        }
    }

    /// The Services of a unit that may share: all are connected.
    fn sharing(&self, unit: IpAddr) -> BTreeSet<ServiceKey> {
        let may_share = |key: &&ServiceKey| self.members.get(*key).is_some_and(|it| !it.shared.is_empty());
        self.services(unit).filter(may_share).cloned().collect()
    }

    fn move_to(&mut self, key: &ServiceKey, unit: IpAddr, changed: &mut BTreeSet<IpAddr>) {
        let Some(member) = self.members.get_mut(key).filter(|member| member.unit != unit) else { return };
        let before = std::mem::replace(&mut member.unit, unit);
        remove(&mut self.services, before, key);
        self.services.entry(unit).or_default().insert(key.clone());
        changed.extend([before, unit]);
    }

    /// A Service and all that are connected with it by addresses. Each address is looked at once.
    fn connected(&self, key: &ServiceKey) -> BTreeSet<ServiceKey> {
        let mut found = BTreeSet::from([key.clone()]);
        let (mut next, mut looked_at) = (vec![key.clone()], BTreeSet::new());
        while let Some(member) = next.pop().and_then(|key| self.members.get(&key)) {
            for address in member.shared.iter().filter(|address| looked_at.insert(**address)) {
                for sharer in self.sharers.get(address).into_iter().flatten() {
                    if found.insert(sharer.clone()) {
                        next.push(sharer.clone());
                    }
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
    use proptest::prelude::*;

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

    /// With a walk through all for each of them this takes hours.
    #[test]
    fn thousands_may_share_one_address_and_be_touched_all_at_once() {
        let mut units = Units::default();
        let names: Vec<String> = (0..3000).map(|number| format!("s{number}")).collect();
        let later = format!("10.0.0.{}", 9);
        for _ in 0..5 {
            for name in &names {
                assert_eq!(set(&mut units, name, &[&later, "fd00::1"], true), [ip(&later)].into());
            }
        }
        set(&mut units, "first", &["10.0.0.1", "fd00::1"], true);
        assert_eq!(units.services(ip("10.0.0.1")).count(), names.len() + 1);
        set(&mut units, "first", &[], true);
        assert_eq!(units.services(ip(&later)).count(), names.len());
        for name in &names {
            assert_eq!(set(&mut units, name, &[], true), [ip(&later)].into());
        }
        assert_eq!((units.keys().count(), units.services.len(), units.sharers.len()), (0, 0, 0));
    }

    /// The units by their meaning: the lowest first address of all that are connected.
    fn expected(services: &BTreeMap<String, (Vec<IpAddr>, bool)>) -> BTreeMap<String, IpAddr> {
        let unit = |name: &String| {
            let mut found = BTreeSet::from([name.clone()]);
            loop {
                let meets = |(other, (addresses, may_share)): &(&String, &(Vec<IpAddr>, bool))| {
                    let is_met = |name: &String| {
                        let (theirs, they_may) = &services[name];
                        *they_may && addresses.iter().any(|address| theirs.contains(address))
                    };
                    !found.contains(*other) && *may_share && found.iter().any(is_met)
                };
                let Some((other, _)) = services.iter().find(meets) else { break };
                found.insert(other.clone());
            }
            found.iter().map(|name| services[name].0[0]).min().unwrap()
        };
        services.keys().map(|name| (name.clone(), unit(name))).collect()
    }

    proptest! {
        #[test]
        fn whatever_comes_changes_and_goes_units_are_what_is_connected(
            steps in proptest::collection::vec((0_u8..8, proptest::collection::vec(0_u8..6, 0..3), any::<bool>()), 1..60),
        ) {
            let (mut units, mut services) = (Units::default(), BTreeMap::new());
            for (number, addresses, may_share) in steps {
                let name = format!("s{number}");
                let mut addresses: Vec<IpAddr> = addresses.iter().map(|last| [10, 0, 0, *last].into()).collect();
                addresses.dedup();
                let before = expected(&services);
                let changed = units.set(&key(&name), &addresses, may_share);
                match addresses.is_empty() {
                    true => services.remove(&name),
                    false => services.insert(name.clone(), (addresses, may_share)),
                };
                let now = expected(&services);
                for (name, unit) in &now {
                    prop_assert_eq!(units.of(&key(name)), Some(*unit), "{}", name);
                    prop_assert!(units.services(*unit).any(|other| *other == key(name)));
                    // Whoever is in another one than before is told of both.
                    let was = before.get(name);
                    let is_told = changed.contains(unit) && was.is_none_or(|was| changed.contains(was));
                    prop_assert!(was == Some(unit) || is_told, "{} {:?}", name, changed);
                }
                prop_assert_eq!(units.keys().count(), now.len());
                prop_assert_eq!(units.services.values().map(BTreeSet::len).sum::<usize>(), now.len());
            }
        }
    }
}
