//! How things stand with addresses that have one owner, and who that is.
//!
//! The owner is the candidate that claims them. Who is preferred and would take them claims them as well, behind the
//! holder; the holder gives its claim up when it sees the same, and not before. So it never lets go of what nobody takes,
//! whatever the two see of the cluster, and all others go by claims alone.

use std::net::IpAddr;
use std::time::Duration;

use metallb_config::{L2Advertisement, Preempt, Spread};

use crate::election::elect;
use crate::shares::Candidates;
use crate::tenure::Tenure;

/// Who is preferred by a bounded spread and claims nothing by then does not see that it is: the contract elects.
const VACANCY: Duration = Duration::from_secs(1);

/// How things stand with a unit.
#[derive(Clone, Debug)]
pub(super) struct Stand {
    terms: Terms,
    pub(super) candidates: Candidates,
    /// The addresses it is claimed under, if there are others than its name.
    pub(super) shared: Box<[IpAddr]>,
    /// Whom an election without memory gives it to, and since when it does.
    preferred: Option<String>,
    since: Duration,
    /// Since when nobody holds it.
    vacant_since: Option<Duration>,
    pub(super) owner: Option<String>,
    /// When to look at it again though nothing has changed.
    pub(super) again: Option<Duration>,
}

/// What the advertisements of a Service ask for: of several the strictest counts.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Terms {
    preempt: Preempt,
    pub(super) spread: Spread,
}

impl Terms {
    pub(super) fn of<'a>(advertisements: impl Iterator<Item = &'a L2Advertisement>) -> Self {
        let terms = advertisements.map(|ad| Self { preempt: ad.preempt, spread: ad.spread });
        terms.fold(Self::default(), Self::and)
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { preempt: self.preempt.max(other.preempt), spread: self.spread.max(other.spread) }
    }

    /// How long the holder keeps what another node is preferred for; none for ever.
    fn delay(self) -> Option<Duration> {
        match self.preempt {
            Preempt::Always => Some(Duration::ZERO),
            Preempt::Delayed(delay) => Some(delay),
            Preempt::Never => None,
        }
    }
}

impl Stand {
    /// After another one of the same unit, if there was one.
    pub(super) fn new(terms: Terms, candidates: Candidates, before: Option<Self>, now: Duration) -> Self {
        let fresh = Self {
            terms,
            candidates,
            shared: Box::default(),
            preferred: None,
            since: now,
            vacant_since: None,
            owner: None,
            again: None,
        };
        let Some(Self { preferred, since, vacant_since, owner, .. }) = before else { return fresh };
        // Who is no candidate any more is not preferred for the time until it is found who is: there may be nobody.
        let is_candidate = |name: &String| named(&fresh.candidates).any(|(node, _)| node == name);
        let preferred = preferred.filter(is_candidate);
        Self { preferred, since, vacant_since, owner, ..fresh }
    }

    /// Whether this is what stands between them, and under which addresses.
    pub(super) fn is_of(&self, (terms, candidates): &(Terms, Candidates), shared: &[IpAddr]) -> bool {
        self.terms == *terms && self.candidates == *candidates && *self.shared == *shared
    }

    pub(super) fn kept_under<'a>(&'a self, unit: &'a IpAddr) -> &'a [IpAddr] {
        if self.shared.is_empty() { std::slice::from_ref(unit) } else { &self.shared }
    }

    /// The contract's election is the one that prefers somebody.
    pub(super) fn elect(&mut self, unit: IpAddr, now: Duration) {
        self.prefer(elect(named(&self.candidates), unit).map(str::to_owned), now);
    }

    pub(super) fn prefer(&mut self, preferred: Option<String>, now: Duration) {
        if self.preferred != preferred {
            (self.preferred, self.since) = (preferred, now);
        }
    }

    /// Chooses the owner, and claims what is to be claimed. Whether it is another one now.
    pub(super) fn choose(&mut self, (me, unit): (&str, IpAddr), tenure: &mut Tenure, now: Duration) -> bool {
        if self.terms == Terms::default() {
            // An election without memory: nobody needs to say what he holds.
            self.kept_under(&unit).iter().for_each(|address| tenure.forget(*address));
            (self.vacant_since, self.again) = (None, None);
            return std::mem::replace(&mut self.owner, self.preferred.clone()) != self.preferred;
        }
        let candidates = self.candidates.clone();
        let kept_under = self.kept_under(&unit);
        let holder = tenure.holder(unit, kept_under, named(&candidates));
        let is_fresh = holder.is_some_and(|holder| tenure.is_fresh(holder, kept_under));
        let delay = if is_fresh { Some(Duration::ZERO) } else { self.terms.delay() };
        let is_mine = self.preferred.as_deref() == Some(me);
        let (owner, again) = match holder {
            None => self.fill((&candidates, unit), is_mine, now),
            Some(holder) if holder == me && !is_mine => {
                let due = delay.map(|delay| self.since + delay);
                let again = due.filter(|due| now < *due);
                let heir = self.preferred.as_deref().filter(|_| due.is_some() && again.is_none());
                (heir.filter(|heir| tenure.claims(heir, kept_under)).or(Some(holder)), again)
            }
            holder => (holder, None),
        };
        if owner == Some(me) {
            kept_under.iter().for_each(|address| tenure.claim(*address));
        } else if is_mine && delay.is_some() {
            kept_under.iter().for_each(|address| tenure.claim_behind(*address));
        } else {
            kept_under.iter().for_each(|address| tenure.release(*address));
        }
        let is_another = owner != self.owner.as_deref();
        if is_another {
            self.owner = owner.map(str::to_owned);
        }
        self.vacant_since = holder.is_none().then(|| self.vacant_since.unwrap_or(now));
        self.again = again;
        is_another
    }

    /// The owner of what nobody holds, and when to look again.
    fn fill<'a>(
        &'a self,
        (candidates, unit): (&'a Candidates, IpAddr),
        is_mine: bool,
        now: Duration,
    ) -> (Option<&'a str>, Option<Duration>) {
        let preferred = self.preferred.as_deref();
        if is_mine || self.terms.spread == Spread::None {
            return (preferred, None);
        }
        let due = self.vacant_since.unwrap_or(now) + VACANCY;
        if now < due { (preferred, Some(due)) } else { (elect(named(candidates), unit), None) }
    }
}

fn named(candidates: &Candidates) -> impl Iterator<Item = (&str, u64)> {
    candidates.iter().map(|(node, score)| (node.as_str(), *score))
}
