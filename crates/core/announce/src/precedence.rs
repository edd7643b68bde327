//! Who owns an address whose advertisements ask for more than the contract's election: that it stays with who holds it
//! (`preempt`), or that no node has many more than the others (`spread`). And who owns those that Services share: the
//! contract elects by the first address of each Service, which makes two owners of one that is another Service's second.
//!
//! All this only counts in a ring of our speakers. Nothing here costs anything for Services that share nothing and ask for
//! nothing.

mod stand;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use metallb_config::{L2Advertisement, ServiceKey, Spread};

use crate::decision::{Case, relevant};
use crate::endpoints::{EndpointIndex, Endpoints};
use crate::service::ServiceFacts;
use crate::shares::{Candidates, Shares};
use crate::tenure::Tenure;
use crate::world::World;
use stand::{Stand, Terms};
use units::Units;

#[cfg(test)]
mod tests;

/// Who holds addresses that no advertisement speaks of any more is kept in mind for so long: they are made anew, as a rule.
/// Where one speaks of them and asks for nothing, that counts at once: else it would be undone when it asks again.
const LAPSE: Duration = Duration::from_secs(10);

/// The owners chosen so, kept up to date.
#[derive(Clone, Debug, Default)]
pub struct Precedence {
    units: Units,
    stands: BTreeMap<IpAddr, Stand>,
    shares: BTreeMap<Candidates, Shares>,
    /// Units to be looked at again, and when: what their stands say.
    waiting: BTreeSet<(Duration, IpAddr)>,
    /// Addresses of Services that advertisements no longer speak of, and until when it is kept who holds them.
    lapsing: BTreeMap<IpAddr, Duration>,
}

/// What decisions are made on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) world: &'a World,
    pub(crate) services: &'a BTreeMap<ServiceKey, Arc<ServiceFacts>>,
    pub(crate) endpoints: &'a EndpointIndex,
}

impl Precedence {
    /// The owner of a Service's addresses, if that is chosen here.
    pub(crate) fn owner(&self, key: &ServiceKey) -> Option<&str> {
        self.stands.get(&self.units.of(key)?)?.owner.as_deref()
    }

    /// When [`Self::refresh`] has something to do though nothing has changed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let waiting = self.waiting.first().map(|(at, _)| *at);
        waiting.into_iter().chain(self.lapsing.values().copied()).min()
    }

    /// Whether it may matter again who holds addresses of which no advertisement speaks.
    #[must_use]
    pub fn is_lapsing(&self) -> bool {
        !self.lapsing.is_empty()
    }

    /// Chooses anew where something changed: in these Services, or in what the others hold. Returns the Services whose
    /// owner is another one now.
    pub(crate) fn refresh(
        &mut self,
        known: Known<'_>,
        touched: &BTreeSet<ServiceKey>,
        tenure: &mut Tenure,
        now: Duration,
    ) -> BTreeSet<ServiceKey> {
        let news = tenure.take_news();
        self.expire(tenure, now);
        self.waive(known, touched, tenure);
        if known.world.inputs().is_plain() {
            self.forget_strangers(news, tenure);
            return self.clear(known, tenure, now);
        }
        let me = known.world.inputs().me.as_str();
        let (mut units, mixed) = self.take_in(known, touched, tenure, now);
        units.extend(news.iter().flat_map(|address| self.units.at(*address)));
        self.forget_strangers(news, tenure);
        units.extend(self.spread(now));
        while let Some((at, unit)) = self.waiting.first().copied().filter(|(at, _)| *at <= now) {
            self.waiting.remove(&(at, unit));
            units.insert(unit);
        }
        // Who came from another unit may have another owner though its new unit has the one it had.
        units.retain(|unit| self.choose(me, *unit, tenure, now) || mixed.contains(unit));
        units.into_iter().flat_map(|unit| self.units.services(unit)).cloned().collect()
    }

    /// Takes in what Services have become; the units that are others than before, and those of them that Services came to
    /// or left.
    fn take_in(
        &mut self,
        known: Known<'_>,
        touched: &BTreeSet<ServiceKey>,
        tenure: &mut Tenure,
        now: Duration,
    ) -> (BTreeSet<IpAddr>, BTreeSet<IpAddr>) {
        let (mut changed, mut mixed, mut still_there) = <(BTreeSet<_>, BTreeSet<_>, BTreeSet<_>)>::default();
        for key in touched {
            let seen = seen_to(known, key);
            if seen.is_none() {
                if self.units.of(key).is_none() {
                    continue;
                }
                still_there.extend(unasked(known, key));
            }
            let (addresses, may_share) = seen.unwrap_or_default();
            let units = self.units.set(key, &addresses, may_share);
            if units.len() > 1 {
                mixed.extend(&units);
            }
            changed.extend(units);
        }
        let mut left: BTreeSet<IpAddr> = BTreeSet::new();
        for unit in &changed {
            left.extend(self.kept_under(*unit));
            self.examine(known, *unit, now);
        }
        for unit in &changed {
            let kept_under = self.kept_under(*unit);
            kept_under.iter().for_each(|address| _ = self.lapsing.remove(address));
        }
        left.retain(|address| self.units.at(*address).next().is_none());
        self.leave(left, &still_there, tenure, now);
        (changed, mixed)
    }

    /// Only the contract counts.
    fn clear(&mut self, known: Known<'_>, tenure: &mut Tenure, now: Duration) -> BTreeSet<ServiceKey> {
        if self.stands.is_empty() {
            return BTreeSet::new();
        }
        let left: BTreeSet<IpAddr> = self.stands.keys().flat_map(|unit| self.kept_under(*unit)).collect();
        let lapsing = std::mem::take(&mut self.lapsing);
        let Self { units, .. } = std::mem::replace(self, Self { lapsing, ..Self::default() });
        let still_there = units.keys().flat_map(|key| unasked(known, key)).collect();
        self.leave(left, &still_there, tenure, now);
        units.keys().cloned().collect()
    }

    /// These are no unit's any more. Who holds one that its Service still has is kept in mind for a while.
    fn leave(
        &mut self,
        left: BTreeSet<IpAddr>,
        still_there: &BTreeSet<IpAddr>,
        tenure: &mut Tenure,
        now: Duration,
    ) {
        for address in left {
            if still_there.contains(&address) {
                self.lapsing.insert(address, now + LAPSE);
            } else {
                tenure.forget(address);
            }
        }
    }

    /// Forgets who held what advertisements speak of again and ask nothing for.
    fn waive(&mut self, known: Known<'_>, touched: &BTreeSet<ServiceKey>, tenure: &mut Tenure) {
        if self.lapsing.is_empty() {
            return;
        }
        let services = touched.iter().filter_map(|key| known.services.get(key));
        for service in services.filter(|service| asks_for_nothing(known, service)) {
            for address in service.addresses.as_deref().unwrap_or_default() {
                if self.lapsing.remove(address).is_some() {
                    tenure.forget(*address);
                }
            }
        }
    }

    fn expire(&mut self, tenure: &mut Tenure, now: Duration) {
        self.lapsing.retain(|address, until| {
            if *until <= now {
                tenure.forget(*address);
            }
            *until > now
        });
    }

    /// Nothing is kept of addresses that are nobody's here.
    fn forget_strangers(&self, news: BTreeSet<IpAddr>, tenure: &mut Tenure) {
        let is_strange = |address: &IpAddr| {
            self.units.at(*address).next().is_none() && !self.lapsing.contains_key(address)
        };
        news.into_iter().filter(is_strange).for_each(|address| tenure.forget(address));
    }

    /// The addresses by which it is known who holds a unit.
    fn kept_under(&self, unit: IpAddr) -> Vec<IpAddr> {
        self.stands.get(&unit).map(|stand| stand.kept_under(&unit).to_vec()).unwrap_or_default()
    }

    /// Finds out who may own a unit.
    fn examine(&mut self, known: Known<'_>, unit: IpAddr, now: Duration) {
        let parts: Vec<Part<'_>> =
            self.units.services(unit).filter_map(|key| Part::new(known, key)).collect();
        let found = unlike(&parts).map(|part| part.standing(known.world)).reduce(both);
        let found = found.map(|(terms, candidates)| (terms, candidates.into_iter().collect()));
        let shared = self.units.addresses(unit);
        let is_like = |stand: &Stand| found.as_ref().is_some_and(|found| stand.is_of(found, &shared));
        if self.stands.get(&unit).is_some_and(is_like) {
            return;
        }
        let before = self.stands.remove(&unit);
        if let Some(before) = &before {
            self.leave_shares(before, unit);
            self.wake_at(unit, before.again, None);
        }
        let Some((terms, candidates)) = found else { return };
        let mut stand = Stand::new(terms, candidates, before, now);
        stand.shared = shared;
        match terms.spread {
            Spread::None => stand.elect(unit, now),
            Spread::Bounded => {
                // Who is preferred is found when all are in.
                let shares = self.shares.entry(stand.candidates.clone());
                shares.or_insert_with(|| Shares::over(stand.candidates.clone())).insert(unit);
            }
        }
        self.stands.insert(unit, stand);
    }

    fn leave_shares(&mut self, stand: &Stand, unit: IpAddr) {
        if let Some(shares) = self.shares.get_mut(&stand.candidates) {
            shares.remove(unit);
            if shares.is_empty() {
                self.shares.remove(&stand.candidates);
            }
        }
    }

    /// Spreads what is to be spread; the units that another node is preferred for now.
    fn spread(&mut self, now: Duration) -> BTreeSet<IpAddr> {
        let mut moved = BTreeSet::new();
        for shares in self.shares.values_mut() {
            for unit in shares.settle() {
                if let Some(stand) = self.stands.get_mut(&unit) {
                    stand.prefer(shares.owner(unit).map(str::to_owned), now);
                    moved.insert(unit);
                }
            }
        }
        moved
    }

    /// Chooses the owner of a unit. True if it is another one now.
    fn choose(&mut self, me: &str, unit: IpAddr, tenure: &mut Tenure, now: Duration) -> bool {
        let Some(stand) = self.stands.get_mut(&unit) else { return false };
        let before = stand.again;
        let is_another = stand.choose((me, unit), tenure, now);
        let after = stand.again;
        self.wake_at(unit, before, after);
        is_another
    }

    /// A unit is to be looked at again then, and no longer when it was before.
    fn wake_at(&mut self, unit: IpAddr, before: Option<Duration>, then: Option<Duration>) {
        before.into_iter().for_each(|at| _ = self.waiting.remove(&(at, unit)));
        self.waiting.extend(then.map(|at| (at, unit)));
    }
}

/// The addresses of a Service, unless its advertisements are there and ask for nothing.
fn unasked<'a>(known: Known<'a>, key: &ServiceKey) -> impl Iterator<Item = IpAddr> + use<'a> {
    let service = known.services.get(key).filter(|service| !asks_for_nothing(known, service));
    service.and_then(|service| service.addresses.as_deref()).into_iter().flatten().copied()
}

fn asks_for_nothing(known: Known<'_>, service: &ServiceFacts) -> bool {
    let pool = service.addresses.as_deref().and_then(|all| known.world.inputs().config.pool_of(all));
    let advertisements = pool.map(|pool| relevant(pool, service)).unwrap_or_default();
    !advertisements.is_empty() && Terms::of(advertisements.into_iter()) == Terms::default()
}

/// The addresses of a Service whose advertisements ask for something, or that may share them, and whether it may.
fn seen_to(known: Known<'_>, key: &ServiceKey) -> Option<(Box<[IpAddr]>, bool)> {
    let may_be = |service: &Arc<ServiceFacts>| known.world.has_terms() || service.has_sharing_annotation;
    let service = known.services.get(key).filter(|service| may_be(service))?;
    let addresses = service.addresses.as_deref()?;
    let is_ours = service.is_load_balancer && service.is_served_by(&known.world.inputs().class);
    let pool = known.world.inputs().config.pool_of(addresses).filter(|_| is_ours)?;
    let terms = Terms::of(relevant(pool, service).into_iter());
    let may_share = service.has_sharing_annotation;
    (may_share || terms != Terms::default()).then(|| (addresses.into(), may_share))
}

/// What decides who may announce a Service.
struct Part<'a> {
    service: &'a ServiceFacts,
    endpoints: Endpoints,
    advertisements: Vec<&'a L2Advertisement>,
}

/// Two with the same have the same standing.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Likeness<'a> {
    advertisements: Vec<&'a str>,
    first: Option<&'a IpAddr>,
    /// Where endpoints matter.
    nodes: Option<&'a BTreeSet<String>>,
}

type Standing = (Terms, BTreeMap<String, u64>);

impl<'a> Part<'a> {
    fn new(known: Known<'a>, key: &ServiceKey) -> Option<Self> {
        let service = known.services.get(key)?;
        let pool = known.world.inputs().config.pool_of(service.addresses.as_deref()?)?;
        Some(Self { service, endpoints: known.endpoints.of(key), advertisements: relevant(pool, service) })
    }

    fn likeness(&self) -> Likeness<'_> {
        Likeness {
            advertisements: self.advertisements.iter().map(|ad| ad.name.as_str()).collect(),
            first: self.service.addresses.as_deref().and_then(<[IpAddr]>::first),
            nodes: self.service.is_local.then_some(&self.endpoints.nodes),
        }
    }

    fn standing(&self, world: &World) -> Standing {
        let (service, endpoints) = (self.service, &self.endpoints);
        let case = Case { world, service, endpoints, advertisements: self.advertisements.clone() };
        let candidates = case.candidates();
        let candidates = candidates.into_iter().map(|node| (node.to_owned(), case.score(node))).collect();
        (Terms::of(self.advertisements.iter().copied()), candidates)
    }
}

/// Those that differ in what decides. Of a thousand that share an address as a rule one is left, and only its candidates
/// are to be found.
fn unlike<'p, 'a>(parts: &'p [Part<'a>]) -> impl Iterator<Item = &'p Part<'a>> {
    let mut seen = BTreeSet::new();
    parts.iter().filter(move |part| seen.insert(part.likeness()))
}

/// Of two that share an address. Who may announce only one of them is no candidate, unless there is no other.
fn both((one_terms, mut one): Standing, (other_terms, other): Standing) -> Standing {
    let terms = one_terms.and(other_terms);
    if one.is_empty() {
        return (terms, other);
    }
    if one.keys().any(|node| other.contains_key(node)) {
        one.retain(|node, _| other.contains_key(node));
    }
    (terms, one)
}
