//! Who holds which address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use metallb_config::service::{Port, ServiceKey, SharingKey};
use metallb_config::{Config, Pool, ServiceView};
use metallb_net::IpFamily;

use crate::free::FreeSet;
use crate::refusal::Refused;
use crate::usage::PoolUsage;

/// All held addresses, and what is left of the pools.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    config: Arc<Config>,
    /// The Services that hold an address, by key; never empty. They all agreed to share it.
    holders: BTreeMap<IpAddr, Vec<Arc<ServiceView>>>,
    /// Addresses held under a sharing key, for those who come with the same key.
    shared: BTreeMap<SharingKey, BTreeSet<IpAddr>>,
    spaces: BTreeMap<String, Space>,
}

/// What is left of a pool.
#[derive(Clone, Debug, Default)]
struct Space {
    ipv4: FreeSet,
    ipv6: FreeSet,
    usage: PoolUsage,
}

impl Space {
    fn new(pool: &Pool) -> Self {
        Self {
            ipv4: FreeSet::new(&pool.ranges, IpFamily::V4),
            ipv6: FreeSet::new(&pool.ranges, IpFamily::V6),
            usage: PoolUsage::unused(pool),
        }
    }

    fn free(&mut self, family: IpFamily) -> &mut FreeSet {
        match family {
            IpFamily::V4 => &mut self.ipv4,
            IpFamily::V6 => &mut self.ipv6,
        }
    }
}

impl Book {
    /// A book in which nobody holds anything.
    pub(crate) fn new(config: Arc<Config>) -> Self {
        let spaces = config.pools.values().map(|pool| (pool.name.clone(), Space::new(pool))).collect();
        Self { config, spaces, ..Self::default() }
    }

    /// The configuration the book is kept under.
    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// How full the pools are.
    pub(crate) fn usage(&self) -> impl Iterator<Item = (&str, PoolUsage)> {
        self.spaces.iter().map(|(name, space)| (name.as_str(), space.usage))
    }

    /// Whether the Service may hold these very addresses; gives the pool they are in (contract 01 §4.5).
    pub(crate) fn admit(&self, view: &ServiceView, addresses: &[IpAddr]) -> Result<&Pool, Refused> {
        let pool = self.config.pool_of(addresses);
        let pool = pool.ok_or_else(|| Refused::NotInConfig { addresses: addresses.to_vec() })?;
        if !pool.admits(view) {
            return Err(Refused::NotCompatible { pool: pool.name.clone() });
        }
        self.agree(view, addresses)?;
        Ok(pool)
    }

    /// Whether those who hold these addresses would share them with the Service.
    pub(crate) fn agree(&self, view: &ServiceView, addresses: &[IpAddr]) -> Result<(), Refused> {
        addresses.iter().try_for_each(|address| self.agree_on(view, *address))
    }

    fn agree_on(&self, view: &ServiceView, address: IpAddr) -> Result<(), Refused> {
        let holders = self.holders.get(&address).map(Vec::as_slice).unwrap_or_default();
        let others = || holders.iter().filter(|holder| holder.key != view.key);
        if others().any(|other| !other.sharing_key.may_share(&view.sharing_key)) {
            let others = others().map(|other| other.key.clone()).collect();
            return Err(Refused::InUse { service: view.key.clone(), others });
        }
        let taken = |port: &&Port| others().any(|other| other.ports.contains(*port));
        let clash = view.ports.iter().find(taken);
        clash.map_or(Ok(()), |port| Err(Refused::PortInUse { port: port.clone(), address }))
    }

    /// The Service holds these addresses from now on; whether it may was asked before.
    pub(crate) fn hold(&mut self, view: &Arc<ServiceView>, addresses: &[IpAddr]) {
        for address in addresses {
            let holders = self.holders.entry(*address).or_default();
            if holders.is_empty() {
                self.occupy(*address);
            }
            self.add_holder(*address, view);
        }
    }

    /// A newer version of a Service that holds these addresses under the same conditions.
    pub(crate) fn update(&mut self, view: &Arc<ServiceView>, addresses: &[IpAddr]) {
        for address in addresses {
            let holders = self.holders.get_mut(address).map(Vec::as_mut_slice).unwrap_or_default();
            if let Some(holder) = holders.iter_mut().find(|holder| holder.key == view.key) {
                *holder = Arc::clone(view);
            }
        }
    }

    fn add_holder(&mut self, address: IpAddr, view: &Arc<ServiceView>) {
        let holders = self.holders.entry(address).or_default();
        match holders.binary_search_by(|holder| holder.key.cmp(&view.key)) {
            Ok(_) => {}
            Err(place) => holders.insert(place, Arc::clone(view)),
        }
        if !view.sharing_key.sharing.is_empty() {
            self.shared.entry(view.sharing_key.clone()).or_default().insert(address);
        }
    }

    /// The Service holds these addresses no longer.
    pub(crate) fn release(&mut self, key: &ServiceKey, addresses: &[IpAddr]) {
        for address in addresses {
            self.release_one(key, *address);
        }
    }

    fn release_one(&mut self, key: &ServiceKey, address: IpAddr) {
        let Some(holders) = self.holders.get_mut(&address) else { return };
        let Ok(place) = holders.binary_search_by(|holder| holder.key.cmp(key)) else { return };
        let gone = holders.remove(place);
        if !holders.is_empty() {
            return;
        }
        self.holders.remove(&address);
        self.vacate(address);
        if let Some(addresses) = self.shared.get_mut(&gone.sharing_key) {
            addresses.remove(&address);
            if addresses.is_empty() {
                self.shared.remove(&gone.sharing_key);
            }
        }
    }

    fn occupy(&mut self, address: IpAddr) {
        if let Some((space, family)) = self.space_of(address) {
            space.free(family).take(address);
            *space.usage.in_use_mut(family) += 1;
        }
    }

    fn vacate(&mut self, address: IpAddr) {
        if let Some((space, family)) = self.space_of(address) {
            space.free(family).give_back(address);
            *space.usage.in_use_mut(family) -= 1;
        }
    }

    fn space_of(&mut self, address: IpAddr) -> Option<(&mut Space, IpFamily)> {
        let pool = self.config.pool_of_one(address)?;
        Some((self.spaces.get_mut(&pool.name)?, IpFamily::of(address)))
    }

    /// The first address of the pool, in the order of giving out, that the Service could have: a free one, or one
    /// whose holders share with it (contract 01 §4.4).
    pub(crate) fn first_available(
        &mut self,
        view: &ServiceView,
        pool: &Pool,
        family: IpFamily,
    ) -> Option<IpAddr> {
        let shareable: Vec<IpAddr> = self.shareable(view, pool, family);
        let space = self.spaces.get_mut(&pool.name)?.free(family);
        let free = space.first(|address| pool.allows(address));
        let shared = shareable.into_iter().filter_map(|address| Some((space.position(address)?, address)));
        shared.chain(free).min().map(|(_, address)| address)
    }

    fn shareable(&self, view: &ServiceView, pool: &Pool, family: IpFamily) -> Vec<IpAddr> {
        let candidates = self.shared.get(&view.sharing_key).into_iter().flatten().copied();
        let of_pool = candidates.filter(|address| IpFamily::of(*address) == family && pool.allows(*address));
        of_pool.filter(|address| self.agree_on(view, *address).is_ok()).collect()
    }
}
