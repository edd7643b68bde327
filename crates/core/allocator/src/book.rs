//! Who holds which address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use metallb_config::service::{Port, ServiceKey, SharingKey};
use metallb_config::{Config, Pool, ServiceView};
use metallb_net::IpFamily;

use crate::free::FreeSet;
use crate::options::UnknownPool;
use crate::refusal::Refused;
use crate::usage::PoolUsage;
use crate::wake::Wake;

/// All claimed addresses, and what is left of the pools.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    config: Arc<Config>,
    unknown_pool: UnknownPool,
    /// The Services that claim an address, by key; never empty.
    claims: BTreeMap<IpAddr, Vec<Claim>>,
    /// Addresses claimed under a sharing key, for those who come with the same key.
    shared: BTreeMap<SharingKey, BTreeSet<IpAddr>>,
    spaces: BTreeMap<String, Space>,
    /// What became available since it was last [asked](Self::take_freed).
    freed: Vec<Wake>,
}

/// One Service's part in an address.
#[derive(Clone, Debug)]
struct Claim {
    view: Arc<ServiceView>,
    hold: Hold,
}

/// How a Service claims an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Hold {
    /// It has it; all who hold an address agreed to share it.
    Firm,
    /// It is to give it up, but the address still stands in its status: no newcomer gets it.
    Lingering,
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
    /// A book in which nobody claims anything.
    pub(crate) fn new(config: Arc<Config>, unknown_pool: UnknownPool) -> Self {
        let spaces = config.pools.values().map(|pool| (pool.name.clone(), Space::new(pool))).collect();
        Self { config, unknown_pool, spaces, ..Self::default() }
    }

    /// The configuration changes and [only adds](crate::growth::only_adds) to what the pools have: claims stay.
    pub(crate) fn grow(&mut self, config: Arc<Config>) {
        let before = std::mem::replace(&mut self.config, config);
        let has_changed =
            |pool: &Pool| before.pools.get(&pool.name).is_none_or(|before| before.ranges != pool.ranges);
        let changed = self.config.pools.values().filter(|pool| has_changed(pool));
        self.spaces.extend(changed.map(|pool| (pool.name.clone(), Space::new(pool))));
        let in_changed = |address: &&IpAddr| self.config.pool_of_one(**address).is_some_and(has_changed);
        let claimed: Vec<IpAddr> = self.claims.keys().filter(in_changed).copied().collect();
        claimed.into_iter().for_each(|address| self.occupy(address));
    }

    /// The configuration the book is kept under.
    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// How full the pools are.
    pub(crate) fn usage(&self) -> impl Iterator<Item = (&str, PoolUsage)> {
        self.spaces.iter().map(|(name, space)| (name.as_str(), space.usage))
    }

    /// How full the pool is; nothing at all if there is none of this name.
    pub(crate) fn usage_of(&self, pool: &str) -> PoolUsage {
        self.spaces.get(pool).map(|space| space.usage).unwrap_or_default()
    }

    /// The pool that the Service insists on. The name of no pool may count for nothing; a refused pool is one.
    pub(crate) fn requested_pool<'a>(&self, view: &'a ServiceView) -> Option<&'a str> {
        let name = view.requested_pool.as_deref()?;
        let exists = self.config.pools.contains_key(name) || self.config.refused_pools.contains(name);
        (exists || self.unknown_pool == UnknownPool::Pending).then_some(name)
    }

    /// What became available since the last call, without repetition.
    pub(crate) fn take_freed(&mut self) -> Vec<Wake> {
        let mut freed = std::mem::take(&mut self.freed);
        freed.sort_unstable();
        freed.dedup();
        freed
    }

    /// Nobody has to be woken.
    pub(crate) fn forget_freed(&mut self) {
        self.freed.clear();
    }

    /// Whether anything became available.
    pub(crate) fn has_freed(&self) -> bool {
        !self.freed.is_empty()
    }

    /// Whether the Service may hold these very addresses; gives the pool they are in (contract 01 §4.5).
    pub(crate) fn admit(&self, view: &ServiceView, addresses: &[IpAddr]) -> Result<&Pool, Refused> {
        let pool = self.place(view, addresses)?;
        self.agree(view, addresses)?;
        Ok(pool)
    }

    /// The pool of these addresses, whoever holds them, if it may serve the Service.
    pub(crate) fn place(&self, view: &ServiceView, addresses: &[IpAddr]) -> Result<&Pool, Refused> {
        let pool = self.config.pool_of(addresses);
        let pool = pool.ok_or_else(|| Refused::NotInConfig { addresses: addresses.to_vec() })?;
        if pool.admits(view) { Ok(pool) } else { Err(Refused::NotCompatible { pool: pool.name.clone() }) }
    }

    /// Whether those who have these addresses would share them with the Service. A newcomer has to agree also with
    /// those who are about to leave.
    pub(crate) fn agree(&self, view: &ServiceView, addresses: &[IpAddr]) -> Result<(), Refused> {
        addresses.iter().try_for_each(|address| self.agree_on(view, *address, !self.holds(view, *address)))
    }

    /// Whether those who hold these addresses, and stay, would share them with a Service in which they stand already.
    pub(crate) fn agree_to_adopt(&self, view: &ServiceView, addresses: &[IpAddr]) -> Result<(), Refused> {
        addresses.iter().try_for_each(|address| self.agree_on(view, *address, false))
    }

    fn agree_on(&self, view: &ServiceView, address: IpAddr, newcomer: bool) -> Result<(), Refused> {
        let counts = |claim: &&Claim| claim.view.key != view.key && (newcomer || claim.hold == Hold::Firm);
        let others = || self.claims_on(address).iter().filter(counts).map(|claim| &claim.view);
        if others().any(|other| !other.sharing_key.may_share(&view.sharing_key)) {
            let others = others().map(|other| other.key.clone()).collect();
            return Err(Refused::InUse { service: view.key.clone(), others });
        }
        let taken = |port: &&Port| others().any(|other| other.ports.binary_search(port).is_ok());
        let clash = view.ports.iter().find(taken);
        clash.map_or(Ok(()), |port| Err(Refused::PortInUse { port: port.clone(), address }))
    }

    fn claims_on(&self, address: IpAddr) -> &[Claim] {
        self.claims.get(&address).map(Vec::as_slice).unwrap_or_default()
    }

    fn holds(&self, view: &ServiceView, address: IpAddr) -> bool {
        self.claims_on(address).iter().any(|claim| claim.view.key == view.key && claim.hold == Hold::Firm)
    }

    /// The Service claims these addresses from now on, in this version; whether it may was asked before.
    pub(crate) fn claim(&mut self, view: &Arc<ServiceView>, addresses: &[IpAddr], hold: Hold) {
        for address in addresses {
            self.claim_one(view, *address, hold);
        }
    }

    fn claim_one(&mut self, view: &Arc<ServiceView>, address: IpAddr, hold: Hold) {
        if self.claims_on(address).is_empty() {
            self.occupy(address);
        }
        let claims = self.claims.entry(address).or_default();
        let claim = Claim { view: Arc::clone(view), hold };
        let before = match claims.binary_search_by(|other| other.view.key.cmp(&view.key)) {
            Ok(place) => claims.get_mut(place).map(|there| std::mem::replace(there, claim).view),
            Err(place) => {
                claims.insert(place, claim);
                None
            }
        };
        if !view.sharing_key.sharing.is_empty() {
            self.shared.entry(view.sharing_key.clone()).or_default().insert(address);
        }
        match before {
            Some(before) => self.note_change(&before, view, address),
            None => {
                // Who waits for it may have to be told of another holder.
                self.freed.push(Wake::Address(address));
                self.note_sharing(&view.sharing_key);
            }
        }
    }

    /// Another version of the same Service claims the address: on other ports, or under another key?
    fn note_change(&mut self, before: &ServiceView, now: &ServiceView, address: IpAddr) {
        let same_key = before.sharing_key == now.sharing_key;
        if same_key && before.ports == now.ports {
            return;
        }
        if !same_key
            && !self.claims_on(address).iter().any(|claim| claim.view.sharing_key == before.sharing_key)
        {
            self.unshare(&before.sharing_key, address);
        }
        self.freed.push(Wake::Address(address));
        self.note_sharing(&now.sharing_key);
    }

    /// There may be a place among those who share under this key.
    fn note_sharing(&mut self, key: &SharingKey) {
        if !key.sharing.is_empty() {
            self.freed.push(Wake::Sharing(key.clone()));
        }
    }

    /// The Service claims these addresses no longer.
    pub(crate) fn release(&mut self, key: &ServiceKey, addresses: &[IpAddr]) {
        for address in addresses {
            self.release_one(key, *address);
        }
    }

    fn release_one(&mut self, key: &ServiceKey, address: IpAddr) {
        let Some(claims) = self.claims.get_mut(&address) else { return };
        let Ok(place) = claims.binary_search_by(|claim| claim.view.key.cmp(key)) else { return };
        let gone = claims.remove(place).view;
        let key_is_left = claims.iter().any(|claim| claim.view.sharing_key == gone.sharing_key);
        let left: Vec<SharingKey> = claims.iter().map(|claim| claim.view.sharing_key.clone()).collect();
        if left.is_empty() {
            self.claims.remove(&address);
            self.vacate(address);
        }
        if !key_is_left {
            self.unshare(&gone.sharing_key, address);
        }
        self.freed.push(Wake::Address(address));
        left.iter().for_each(|key| self.note_sharing(key));
    }

    fn unshare(&mut self, key: &SharingKey, address: IpAddr) {
        let Some(addresses) = self.shared.get_mut(key) else { return };
        addresses.remove(&address);
        if addresses.is_empty() {
            self.shared.remove(key);
        }
    }

    fn occupy(&mut self, address: IpAddr) {
        if let Some((space, family)) = self.space_of(address) {
            space.free(family).take(address);
            *space.usage.in_use_mut(family) += 1;
        }
    }

    fn vacate(&mut self, address: IpAddr) {
        let Some((space, family)) = self.space_of(address) else { return };
        space.free(family).give_back(address);
        *space.usage.in_use_mut(family) -= 1;
        if let Some(pool) = self.config.pool_of_one(address) {
            self.freed.push(Wake::Pool(pool.name.clone(), family));
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

    /// Everything in it, as text.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> Vec<String> {
        let claim = |Claim { view, hold }: &Claim| {
            format!("{} {hold:?} {:?} {:?}", view.key, view.ports, view.sharing_key)
        };
        let claims = self.claims.iter().map(|(address, claims)| {
            format!("{address}: {:?}", claims.iter().map(claim).collect::<Vec<_>>())
        });
        let shared = self.shared.iter().map(|shared| format!("{shared:?}"));
        let spaces = self.spaces.iter().map(|(name, Space { ipv4, ipv6, usage })| {
            let free = [ipv4, ipv6].into_iter().flat_map(|free| (0..).map_while(|place| free.nth(place)));
            let pool = self.config.pools.get(name);
            let free = free.filter(|address| pool.is_some_and(|pool| pool.allows(*address)));
            format!("{name}: {usage:?} {:?}", free.collect::<Vec<_>>())
        });
        claims.chain(shared).chain(spaces).collect()
    }

    fn shareable(&self, view: &ServiceView, pool: &Pool, family: IpFamily) -> Vec<IpAddr> {
        let candidates = self.shared.get(&view.sharing_key).into_iter().flatten().copied();
        let of_pool = candidates.filter(|address| IpFamily::of(*address) == family && pool.allows(*address));
        of_pool.filter(|address| self.agree(view, &[*address]).is_ok()).collect()
    }
}
