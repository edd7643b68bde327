//! What a Service that waits is waiting for, so that what is freed wakes those who can profit and nobody else (D6).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

use metallb_config::service::{FamilyPolicy, ServiceKey, SharingKey};
use metallb_config::{Pool, ServiceView};
use metallb_net::IpFamily;

use crate::book::Book;
use crate::explain::families_wanted;

/// Something that may become available.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Wake {
    /// An address of this pool and family without any holder.
    Pool(String, IpFamily),
    /// This address, or a port of it.
    Address(IpAddr),
    /// A place on an address that Services with this key share.
    Sharing(SharingKey),
}

/// The order in which Services are decided: those with more recorded addresses first, then by key.
#[derive(Clone, Debug)]
pub(crate) struct Rank(Arc<ServiceView>);

impl Rank {
    pub(crate) fn of(view: &Arc<ServiceView>) -> Self {
        Self(Arc::clone(view))
    }

    pub(crate) fn key(&self) -> &ServiceKey {
        &self.0.key
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        let recorded = other.0.ingress.len().cmp(&self.0.ingress.len());
        recorded.then_with(|| self.key().cmp(other.key()))
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rank {}

/// Who waits for what.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_wake: BTreeMap<Wake, BTreeSet<Rank>>,
    known: HashMap<ServiceKey, (Rank, Vec<Wake>)>,
}

impl Waiters {
    /// The Service waits for these from now on, instead of what it waited for before.
    pub(crate) fn set(&mut self, view: &Arc<ServiceView>, wakes: Vec<Wake>) {
        self.remove(&view.key);
        if wakes.is_empty() {
            return;
        }
        let rank = Rank::of(view);
        for wake in &wakes {
            self.by_wake.entry(wake.clone()).or_default().insert(rank.clone());
        }
        self.known.insert(view.key.clone(), (rank, wakes));
    }

    pub(crate) fn remove(&mut self, key: &ServiceKey) {
        let Some((rank, wakes)) = self.known.remove(key) else { return };
        for wake in wakes {
            let Some(ranks) = self.by_wake.get_mut(&wake) else { continue };
            ranks.remove(&rank);
            if ranks.is_empty() {
                self.by_wake.remove(&wake);
            }
        }
    }

    /// All who wait for this.
    pub(crate) fn all(&self, wake: &Wake) -> impl Iterator<Item = &Rank> {
        self.by_wake.get(wake).into_iter().flatten()
    }

    /// The next one who waits for this, in order.
    pub(crate) fn next(&self, wake: &Wake, after: Option<&Rank>) -> Option<&Rank> {
        let bounds = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        self.by_wake.get(wake)?.range(bounds).next()
    }
}

/// What could give the Service what it asked for in vain. `lost` are recorded addresses that it had to give up.
pub(crate) fn hopes(book: &Book, view: &ServiceView, lost: &[IpAddr]) -> Vec<Wake> {
    let mut hopes: Vec<Wake> = lost.iter().map(|address| Wake::Address(*address)).collect();
    match (&view.requested_ips, book.requested_pool(view)) {
        (Err(_), _) => {}
        (Ok(requested), _) if !requested.is_empty() => {
            hopes.extend(requested.iter().map(|address| Wake::Address(*address)));
        }
        (Ok(_), Some(name)) => {
            let pool = book.config().pools.get(name).filter(|pool| pool.admits(view));
            hopes.extend(pool.into_iter().flat_map(|pool| hopes_in(book, view, pool, lost)));
            hopes.extend(hope_to_share(view));
        }
        (Ok(_), None) => {
            let pools = book.config().pools.values().filter(|pool| pool.auto_assign && pool.admits(view));
            hopes.extend(pools.flat_map(|pool| hopes_in(book, view, pool, lost)));
            hopes.extend(hope_to_share(view));
        }
    }
    hopes
}

/// What could give a Service an address of one more family.
pub(crate) fn hopes_of_second(view: &ServiceView, pool: &Pool, family: IpFamily) -> Vec<Wake> {
    let addresses = pool.has_family(family).then(|| Wake::Pool(pool.name.clone(), family));
    addresses.into_iter().chain(hope_to_share(view)).collect()
}

fn hope_to_share(view: &ServiceView) -> Option<Wake> {
    (!view.sharing_key.sharing.is_empty()).then(|| Wake::Sharing(view.sharing_key.clone()))
}

/// Free addresses of the pool that help. Who needs both families, and can have neither otherwise, waits for one that
/// is used up, and for the other when that is had: a free address of one family alone wakes it once, not each time.
fn hopes_in(book: &Book, view: &ServiceView, pool: &Pool, lost: &[IpAddr]) -> Vec<Wake> {
    let families = families_wanted(view);
    let any_will_do = view.family_policy == FamilyPolicy::PreferDualStack;
    let usage = book.usage_of(&pool.name);
    if !any_will_do && families.iter().any(|family| usage.capacity(*family) == 0) {
        return Vec::new();
    }
    let is_used_up = |family: &IpFamily| usage.capacity(*family) > 0 && usage.available(*family) == 0;
    let wakes = families.into_iter().filter(is_used_up).map(|family| Wake::Pool(pool.name.clone(), family));
    let one_is_enough = !any_will_do && lost.is_empty() && hope_to_share(view).is_none();
    wakes.take(if one_is_enough { 1 } else { 2 }).collect()
}
