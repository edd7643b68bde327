//! Who owns an address whose advertisements ask for more than the contract's election: that it stays with who holds it
//! (`preempt`), or that no node has many more than the others (`spread`).
//!
//! Both only count in a ring of our speakers. Nothing here costs anything while no advertisement asks for it.

mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use metallb_config::{Preempt, ServiceKey, Spread};

use crate::decision::{Case, relevant};
use crate::election::elect;
use crate::endpoints::{EndpointIndex, Endpoints};
use crate::service::ServiceFacts;
use crate::shares::{Candidates, Shares};
use crate::tenure::Tenure;
use crate::world::World;
use units::Units;

#[cfg(test)]
mod tests;

/// The owners chosen so, kept up to date.
#[derive(Clone, Debug, Default)]
pub struct Precedence {
    units: Units,
    stands: BTreeMap<IpAddr, Stand>,
    shares: BTreeMap<Candidates, Shares>,
    /// Units whose holder makes way for the preferred node, by when.
    waiting: BTreeSet<(Duration, IpAddr)>,
}

/// How things stand with a unit.
#[derive(Clone, Debug)]
struct Stand {
    terms: Terms,
    candidates: Candidates,
    /// Whom an election without memory gives it to, and since when it does.
    preferred: Option<String>,
    since: Duration,
    owner: Option<String>,
}

/// What the advertisements of a Service ask for: of several the strictest counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Terms {
    preempt: Preempt,
    spread: Spread,
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
        self.waiting.first().map(|(at, _)| *at)
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
        let mut units = tenure.take_news();
        if !known.world.has_terms() {
            return self.clear(tenure);
        }
        let mut changed = BTreeSet::new();
        for key in touched {
            let (addresses, may_share) = seen_to(known, key).unwrap_or_default();
            changed.extend(self.units.set(key, &addresses, may_share));
        }
        for unit in &changed {
            self.examine(known, *unit, tenure, now);
        }
        units.extend(changed);
        units.extend(self.spread(now));
        while let Some((at, unit)) = self.waiting.first().copied().filter(|(at, _)| *at <= now) {
            self.waiting.remove(&(at, unit));
            units.insert(unit);
        }
        let moved =
            units.into_iter().filter(|unit| self.choose(&known.world.inputs().me, *unit, tenure, now));
        let moved: Vec<IpAddr> = moved.collect();
        moved.into_iter().flat_map(|unit| self.units.services(unit)).cloned().collect()
    }

    /// Only the contract counts.
    fn clear(&mut self, tenure: &mut Tenure) -> BTreeSet<ServiceKey> {
        if self.stands.is_empty() {
            return BTreeSet::new();
        }
        let Self { units, stands, .. } = std::mem::take(self);
        stands.keys().for_each(|unit| tenure.forget(*unit));
        units.keys().cloned().collect()
    }

    /// Finds out who may own a unit.
    fn examine(&mut self, known: Known<'_>, unit: IpAddr, tenure: &mut Tenure, now: Duration) {
        let found = self.units.services(unit).filter_map(|key| standing(known, key)).reduce(both);
        let Some((terms, candidates)) = found else {
            if let Some(gone) = self.stands.remove(&unit) {
                self.leave_shares(&gone, unit);
            }
            return tenure.forget(unit);
        };
        let candidates: Candidates = candidates.into_iter().collect();
        let before = self.stands.get(&unit);
        if before.is_some_and(|before| (&before.candidates, before.terms) == (&candidates, terms)) {
            return;
        }
        let before = self.stands.remove(&unit);
        if let Some(before) = &before {
            self.leave_shares(before, unit);
        }
        let (was_preferred, since, owner) =
            before.map_or((None, now, None), |before| (before.preferred, before.since, before.owner));
        let preferred = match terms.spread {
            Spread::None => elect(named(&candidates), unit).map(str::to_owned),
            Spread::Bounded => {
                let shares = self.shares.entry(candidates.clone());
                shares.or_insert_with(|| Shares::over(candidates.clone())).insert(unit);
                // Another one is found when all are in.
                was_preferred.clone().filter(|_| !candidates.is_empty())
            }
        };
        let since = if preferred == was_preferred { since } else { now };
        self.stands.insert(unit, Stand { terms, candidates, preferred, since, owner });
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
                    let preferred = shares.owner(unit).map(str::to_owned);
                    if stand.preferred != preferred {
                        (stand.preferred, stand.since) = (preferred, now);
                    }
                    moved.insert(unit);
                }
            }
        }
        moved
    }

    /// Chooses the owner of a unit. True if it is another one now.
    fn choose(&mut self, me: &str, unit: IpAddr, tenure: &mut Tenure, now: Duration) -> bool {
        let Some(stand) = self.stands.get_mut(&unit) else {
            tenure.forget(unit);
            return false;
        };
        let preferred = stand.preferred.as_deref();
        let holder = || tenure.holder(unit, named(&stand.candidates));
        let owner = match stand.terms.preempt {
            Preempt::Always => preferred,
            Preempt::Never => holder().or(preferred),
            Preempt::Delayed(delay) => match holder() {
                // Only who holds it knows when to let go of it: the others hear of that.
                Some(holder) if holder == me && preferred != Some(me) => {
                    let until = stand.since + delay;
                    let is_due = now >= until;
                    if !is_due {
                        self.waiting.insert((until, unit));
                    }
                    if is_due { preferred } else { Some(holder) }
                }
                holder => holder.or(preferred),
            },
        };
        if owner == Some(me) && stand.terms.preempt != Preempt::Always {
            tenure.claim(unit);
        } else {
            tenure.release(unit);
        }
        let is_another = owner != stand.owner.as_deref();
        if is_another {
            stand.owner = owner.map(str::to_owned);
        }
        is_another
    }
}

fn named(candidates: &Candidates) -> impl Iterator<Item = (&str, u64)> {
    candidates.iter().map(|(node, score)| (node.as_str(), *score))
}

/// The addresses of a Service whose advertisements ask for something, and whether it may share them.
fn seen_to(known: Known<'_>, key: &ServiceKey) -> Option<(Box<[IpAddr]>, bool)> {
    let service = known.services.get(key)?;
    let addresses = service.addresses.as_deref()?;
    let is_ours = service.is_load_balancer && service.is_served_by(&known.world.inputs().class);
    let pool = known.world.inputs().config.pool_of(addresses).filter(|_| is_ours)?;
    let terms = terms(relevant(pool, service).into_iter());
    (terms != Terms::default()).then(|| (addresses.into(), service.has_sharing_annotation))
}

fn terms<'a>(advertisements: impl Iterator<Item = &'a metallb_config::L2Advertisement>) -> Terms {
    advertisements.fold(Terms::default(), |terms, advertisement| Terms {
        preempt: terms.preempt.max(advertisement.preempt),
        spread: terms.spread.max(advertisement.spread),
    })
}

type Standing = (Terms, BTreeMap<String, u64>);

fn standing(known: Known<'_>, key: &ServiceKey) -> Option<Standing> {
    let service = known.services.get(key)?;
    let pool = known.world.inputs().config.pool_of(service.addresses.as_deref()?)?;
    let endpoints: Endpoints = known.endpoints.of(key);
    let case =
        Case { world: known.world, service, endpoints: &endpoints, advertisements: relevant(pool, service) };
    let candidates = case.candidates();
    let candidates = candidates.into_iter().map(|node| (node.to_owned(), case.score(node))).collect();
    Some((terms(case.advertisements.iter().copied()), candidates))
}

/// Of two that share an address. Who may announce only one of them is no candidate, unless there is no other.
fn both((one_terms, one): Standing, (other_terms, other): Standing) -> Standing {
    let terms = Terms {
        preempt: one_terms.preempt.max(other_terms.preempt),
        spread: one_terms.spread.max(other_terms.spread),
    };
    let common: BTreeMap<String, u64> = one
        .iter()
        .filter(|(node, _)| other.contains_key(*node))
        .map(|(node, score)| (node.clone(), *score))
        .collect();
    let candidates = match (common.is_empty(), one.is_empty()) {
        (false, _) => common,
        (true, false) => one,
        (true, true) => other,
    };
    (terms, candidates)
}
