//! Finds addresses for a Service that needs some (contract 01 §4.3, §4.4).

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;

use metallb_config::service::{ClusterFamily, Families, FamilyPolicy, families_of};
use metallb_config::{Config, Pool, ServiceView};
use metallb_net::IpFamily;

use crate::book::Book;
use crate::decision::Assignment;
use crate::explain::{BOTH, hint_at_pools};
use crate::refusal::{AllocationError, Refused};

/// What would do, best first: the families to be had at once from one pool.
type Wishes = Vec<Vec<IpFamily>>;

/// The addresses the Service should have instead of `current`, of which it keeps what it may. Nothing is taken yet.
pub(crate) fn choose(
    book: &mut Book,
    view: &ServiceView,
    current: &[IpAddr],
) -> Result<Assignment, AllocationError> {
    let requested = view.requested_ips.clone()?;
    let families = match &view.cluster_family {
        ClusterFamily::Known(families) => *families,
        ClusterFamily::Unknown(error) => return Err(AllocationError::Cluster(error.clone())),
        ClusterFamily::NoAddress => return Err(AllocationError::NothingAvailable),
    };
    if !requested.is_empty() {
        return explicit(book, view, families, requested);
    }
    let config = Arc::clone(book.config());
    let named = book.requested_pool(view);
    let mut chooser = Chooser { book, view, current, wishes: wishes(view, families) };
    match named {
        Some(name) => chooser.in_named(&config, name),
        None => chooser.automatic(&config),
    }
}

/// An address of this family to add to the one the Service has, from the same pool.
pub(crate) fn choose_second(
    book: &mut Book,
    view: &ServiceView,
    pool: &Pool,
    family: IpFamily,
) -> Result<IpAddr, AllocationError> {
    let found = book.first_available(view, pool, family);
    found.ok_or_else(|| exhausted(pool, family))
}

/// Exactly the requested addresses, or nothing.
fn explicit(
    book: &Book,
    view: &ServiceView,
    families: Families,
    requested: Vec<IpAddr>,
) -> Result<Assignment, AllocationError> {
    if families_of(&requested)? != families {
        return Err(AllocationError::FamilyMismatch { addresses: requested });
    }
    // First what only an edit can mend, then what others may change: so the reason stays the same while it waits.
    let pool = book.place(view, &requested)?.name.clone();
    if let Some(wanted) = book.requested_pool(view).filter(|wanted| *wanted != pool) {
        return Err(AllocationError::PoolMismatch { addresses: requested, pool: wanted.to_owned() });
    }
    book.agree(view, &requested)?;
    Ok(Assignment { addresses: requested, pool: Some(pool) })
}

fn wishes(view: &ServiceView, families: Families) -> Wishes {
    let primary = view.primary_family;
    match (families, view.family_policy) {
        (Families::One(family), _) => vec![vec![family]],
        (Families::Both, FamilyPolicy::RequireDualStack) => vec![BOTH.to_vec()],
        (Families::Both, FamilyPolicy::PreferDualStack) => {
            vec![BOTH.to_vec(), vec![primary], vec![primary.other()]]
        }
        // The API server makes no such Service.
        (Families::Both, FamilyPolicy::SingleStack) => Vec::new(),
    }
}

struct Chooser<'a> {
    book: &'a mut Book,
    view: &'a ServiceView,
    current: &'a [IpAddr],
    wishes: Wishes,
}

impl Chooser<'_> {
    /// From the pool asked for; whether it assigns automatically is irrelevant.
    fn in_named(&mut self, config: &Config, name: &str) -> Result<Assignment, AllocationError> {
        let unknown =
            || AllocationError::UnknownPool { pool: name.to_owned(), hint: hint_at_pools(config, name) };
        let pool = config.pools.get(name).ok_or_else(unknown)?;
        if !pool.admits(self.view) {
            return Err(Refused::NotCompatible { pool: name.to_owned() }.into());
        }
        self.in_first_of(&[pool]).ok_or_else(|| self.why_nothing_in(pool))
    }

    /// From the pool it is in, if it may keep an address there; else from pools pinned to it; else from open ones.
    fn automatic(&mut self, config: &Config) -> Result<Assignment, AllocationError> {
        let candidates = || config.pools.values().filter(|pool| pool.auto_assign && pool.admits(self.view));
        let home: Vec<&Pool> = candidates().filter(|pool| self.keeps_something_in(pool)).take(1).collect();
        let mut pinned: Vec<&Pool> = candidates().filter(|pool| pool.allocation.is_some()).collect();
        pinned.sort_by_key(|pool| rank(pool));
        let open: Vec<&Pool> = candidates().filter(|pool| pool.allocation.is_none()).collect();
        let found = [home, pinned, open].iter().find_map(|group| self.in_first_of(group));
        found.ok_or(AllocationError::NothingAvailable)
    }

    /// The best wish that one of the pools grants; of several pools the first.
    fn in_first_of(&mut self, pools: &[&Pool]) -> Option<Assignment> {
        let wishes = std::mem::take(&mut self.wishes);
        let mut pairs = wishes.iter().flat_map(|wish| pools.iter().map(move |pool| (wish, *pool)));
        let found = pairs.find_map(|(wish, pool)| self.in_pool(pool, wish));
        self.wishes = wishes;
        found
    }

    fn in_pool(&mut self, pool: &Pool, wish: &[IpFamily]) -> Option<Assignment> {
        let addresses = wish.iter().map(|family| self.one_in(pool, *family)).collect::<Option<_>>()?;
        Some(Assignment { addresses, pool: Some(pool.name.clone()) })
    }

    fn one_in(&mut self, pool: &Pool, family: IpFamily) -> Option<IpAddr> {
        let kept =
            self.current.iter().find(|have| IpFamily::of(**have) == family && self.may_keep(pool, **have));
        kept.copied().or_else(|| self.book.first_available(self.view, pool, family))
    }

    fn may_keep(&self, pool: &Pool, have: IpAddr) -> bool {
        self.book.admit(self.view, &[have]).is_ok_and(|home| home.name == pool.name)
    }

    fn keeps_something_in(&self, pool: &Pool) -> bool {
        self.current.iter().any(|have| self.may_keep(pool, *have))
    }

    /// The same as long as it waits, whichever of two families is used up at the moment.
    fn why_nothing_in(&self, pool: &Pool) -> AllocationError {
        match self.wishes.first().map(Vec::as_slice) {
            None => AllocationError::NothingAvailable,
            Some([family]) => exhausted(pool, *family),
            Some(families) if families.iter().all(|family| pool.has_family(*family)) => {
                AllocationError::PoolFull { pool: pool.name.clone() }
            }
            Some(_) => lacks(pool, "dual"),
        }
    }
}

/// Positive priorities ascending, then none; of equals the first by name, which is the order they come in (D11).
fn rank(pool: &Pool) -> u64 {
    pool.allocation.as_ref().and_then(|allocation| allocation.priority).map_or(u64::MAX, NonZeroU64::get)
}

fn exhausted(pool: &Pool, family: IpFamily) -> AllocationError {
    if pool.has_family(family) {
        AllocationError::PoolFull { pool: pool.name.clone() }
    } else {
        lacks(pool, &family.to_string())
    }
}

fn lacks(pool: &Pool, families: &str) -> AllocationError {
    AllocationError::PoolLacksFamily { pool: pool.name.clone(), families: families.to_owned() }
}
