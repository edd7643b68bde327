//! What is carried out already, and the steps from there to a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use metallb_config::{Interfaces, L2Advertisement, ServiceKey};

use crate::decision::{Announcement, Verdict};
use crate::effect::{Effect, Notice};
use crate::plan::{Plan, Services};
use crate::reason::SkipReason;
use crate::tight::tighten;

mod kept;
#[cfg(test)]
mod tests;

use kept::{AllTerms, Kept};

/// What this node announces, by Service and by address.
#[derive(Clone, Debug, Default)]
pub struct Installed {
    services: BTreeMap<ServiceKey, State>,
    /// Each announced address with who holds it: Services may share one.
    holders: BTreeSet<(IpAddr, ServiceKey)>,
    /// What was handed over, by the Services that have it: perhaps their other node is not heard yet.
    left: BTreeSet<(ServiceKey, IpAddr)>,
    terms: AllTerms,
}

/// Before all other addresses.
const LOWEST: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

#[derive(Clone, Debug, Eq, PartialEq)]
enum State {
    Announced { kept: Kept, is_orphan: bool },
    Skipped(SkipReason),
}

impl Installed {
    /// The steps that make a whole plan for these Services true. Taken as done: a second pass gives none.
    pub fn diff(&mut self, plan: &Plan, services: &Services) -> Vec<Effect> {
        let gone: Vec<ServiceKey> =
            self.services.keys().filter(|key| !plan.contains_key(*key)).cloned().collect();
        let deleted = Verdict::Skip(SkipReason::ServiceDeleted);
        self.advance(gone.iter().map(|key| (key, &deleted)).chain(plan), services)
    }

    /// The steps that make these verdicts on some of the Services true and leave the others as they are. Taken as done.
    pub fn advance<'a>(
        &mut self,
        verdicts: impl IntoIterator<Item = (&'a ServiceKey, &'a Verdict)>,
        services: &Services,
    ) -> Vec<Effect> {
        let verdicts: Vec<_> = verdicts.into_iter().collect();
        let moving = self.moving(&verdicts, services);
        let mut steps: Vec<Effect> =
            verdicts.iter().flat_map(|(key, verdict)| self.step(key, verdict)).collect();
        steps.extend(self.give_up(&verdicts, services));
        let effects: Vec<Effect> =
            in_order(steps).into_iter().map(|effect| with_heir(effect, &moving)).collect();
        self.leave(&effects, &verdicts, services);
        effects
    }

    /// The addresses of ours that another node announces from now on. When several Services share one, one of them is
    /// enough. An address that its Service has no more is nobody's.
    fn moving(&self, verdicts: &[(&ServiceKey, &Verdict)], services: &Services) -> BTreeSet<IpAddr> {
        let now = verdicts.iter().flat_map(|(key, verdict)| elsewhere(key, verdict, services));
        now.copied().filter(|address| self.holders(*address).next().is_some()).collect()
    }

    /// Withdraws what was handed over for Services that have it no more, or that no other node announces any more: no heir
    /// will be heard. What another Service left as well, or announces here, stays.
    fn give_up(&mut self, verdicts: &[(&ServiceKey, &Verdict)], services: &Services) -> Vec<Effect> {
        if self.left.is_empty() {
            return Vec::new();
        }
        let mut gone = Vec::new();
        for (key, verdict) in verdicts {
            let still = elsewhere(key, verdict, services);
            let over = self.left_by(key).filter(|address| !still.contains(address));
            gone.extend(over.map(|address| ((*key).clone(), address)));
        }
        if gone.is_empty() {
            return Vec::new();
        }
        for entry in &gone {
            self.left.remove(entry);
        }
        let others: BTreeSet<IpAddr> = self.left.iter().map(|(_, address)| *address).collect();
        let addresses = gone.into_iter().map(|(_, address)| address);
        let unclaimed =
            addresses.filter(|address| !others.contains(address) && self.holders(*address).next().is_none());
        unclaimed.map(|address| Effect::Withdraw { address }).collect()
    }

    /// Keeps in mind what is handed over, for each Service that has it.
    fn leave(&mut self, effects: &[Effect], verdicts: &[(&ServiceKey, &Verdict)], services: &Services) {
        let handed_over = |effect: &Effect| {
            if let Effect::HandOver { address } = effect { Some(*address) } else { None }
        };
        let handed_over: BTreeSet<IpAddr> = effects.iter().filter_map(handed_over).collect();
        if handed_over.is_empty() {
            return;
        }
        for (key, verdict) in verdicts {
            let addresses = elsewhere(key, verdict, services).iter();
            let left = addresses.filter(|address| handed_over.contains(*address));
            self.left.extend(left.map(|address| ((*key).clone(), *address)));
        }
    }

    /// What was handed over of a Service.
    fn left_by(&self, key: &ServiceKey) -> impl Iterator<Item = IpAddr> {
        let left = self.left.range((key.clone(), LOWEST)..);
        left.take_while(move |(service, _)| service == key).map(|(_, address)| *address)
    }

    /// The steps for one Service, in any order.
    fn step(&mut self, key: &ServiceKey, verdict: &Verdict) -> Vec<Effect> {
        match verdict {
            Verdict::Announce(announcement) => self.announce(key, announcement),
            Verdict::Skip(reason) => self.skip(key, reason),
            Verdict::Orphan(addresses) => self.orphan(key, addresses),
        }
    }

    /// Gives room back. It is calm by then: what was handed over is over, or nearly.
    pub fn tighten(&mut self) {
        self.left.clear();
        tighten(&mut self.services);
        tighten(&mut self.holders);
    }

    /// The Services announced, with how.
    pub fn announced(&self) -> impl Iterator<Item = (&ServiceKey, Announcement)> {
        self.services.iter().filter_map(|(key, state)| match state {
            State::Announced { kept, .. } => Some((key, kept.announcement())),
            State::Skipped(_) => None,
        })
    }

    /// How a Service is announced, if it is.
    #[must_use]
    pub fn announcement(&self, key: &ServiceKey) -> Option<Announcement> {
        self.kept(key).map(Kept::announcement)
    }

    /// All Services something is known about.
    pub fn keys(&self) -> impl Iterator<Item = &ServiceKey> {
        self.services.keys()
    }

    /// The verdict on a Service that was carried out last.
    #[must_use]
    pub fn verdict(&self, key: &ServiceKey) -> Option<Verdict> {
        self.services.get(key).map(|state| match state {
            State::Announced { kept, is_orphan: false } => Verdict::Announce(kept.announcement()),
            State::Announced { kept, is_orphan: true } => Verdict::Orphan(kept.addresses.to_vec()),
            State::Skipped(reason) => Verdict::Skip(reason.clone()),
        })
    }

    /// The addresses of a Service that are announced from here.
    pub(crate) fn announced_addresses(&self, key: &ServiceKey) -> Option<&[IpAddr]> {
        self.kept(key).map(|kept| &*kept.addresses)
    }

    /// The other node that was elected for a Service when it was looked at last.
    pub(crate) fn owner_elsewhere(&self, key: &ServiceKey) -> Option<&str> {
        match self.services.get(key)? {
            State::Announced { .. } => None,
            State::Skipped(reason) => reason.owner(),
        }
    }

    fn kept(&self, key: &ServiceKey) -> Option<&Kept> {
        match self.services.get(key) {
            Some(State::Announced { kept, .. }) => Some(kept),
            Some(State::Skipped(_)) | None => None,
        }
    }

    fn announce(&mut self, key: &ServiceKey, new: &Announcement) -> Vec<Effect> {
        let state = State::Announced { kept: self.terms.keep(new), is_orphan: false };
        if self.services.get(key) == Some(&state) {
            return Vec::new();
        }
        let old = self.kept(key).map(Kept::announcement);
        let dropped: Vec<IpAddr> = old.iter().flat_map(|old| old.addresses.iter().copied()).collect();
        let dropped: Vec<IpAddr> = dropped.into_iter().filter(|ip| !new.addresses.contains(ip)).collect();
        let before = self.all_wanted(new.addresses.iter().chain(&dropped));
        self.services.insert(key.clone(), state);
        self.holders.extend(new.addresses.iter().map(|ip| (*ip, key.clone())));
        dropped.iter().for_each(|ip| self.release(*ip, key));
        let mut effects = self.steps(before);
        if old.as_ref().is_some_and(|old| old.contest != new.contest) {
            effects.extend(new.addresses.iter().map(|ip| Effect::Remind { address: *ip }));
        }
        if !dropped.is_empty() {
            let reason = SkipReason::LoadBalancerIpChanged;
            effects.push(tell(key, Notice::Withdrawn { addresses: dropped, reason }));
        }
        let is_new = old.as_ref().is_none_or(|old| old.addresses != new.addresses);
        if is_new
            || old.is_some_and(|old| old.interfaces != new.interfaces || old.off_subnet != new.off_subnet)
        {
            effects.push(tell(key, Notice::Announced { announcement: new.clone(), is_new }));
        }
        effects
    }

    fn skip(&mut self, key: &ServiceKey, reason: &SkipReason) -> Vec<Effect> {
        let old = self.kept(key).map(|kept| kept.addresses.to_vec());
        let before_wanted = self.all_wanted(old.iter().flatten());
        let state = State::Skipped(reason.clone());
        let before = match reason {
            SkipReason::ServiceDeleted => self.services.remove(key),
            _ => self.services.insert(key.clone(), state.clone()),
        };
        let Some(old) = old else {
            let is_news = before.as_ref() != Some(&state) && *reason != SkipReason::ServiceDeleted;
            return is_news
                .then(|| tell(key, Notice::Skipped { reason: reason.clone() }))
                .into_iter()
                .collect();
        };
        old.iter().for_each(|ip| self.release(*ip, key));
        let mut effects = self.steps(before_wanted);
        effects.push(tell(key, Notice::Withdrawn { addresses: old, reason: reason.clone() }));
        effects
    }

    fn orphan(&mut self, key: &ServiceKey, addresses: &[IpAddr]) -> Vec<Effect> {
        match self.services.get_mut(key) {
            Some(State::Announced { kept, is_orphan }) if *kept.addresses == *addresses => {
                let is_news = !std::mem::replace(is_orphan, true);
                let notice = Notice::Orphaned { addresses: addresses.to_vec() };
                is_news.then(|| tell(key, notice)).into_iter().collect()
            }
            Some(_) | None => self.skip(key, &SkipReason::IpNotAllowed),
        }
    }

    /// What is announced of the Services that hold an address.
    fn holders(&self, address: IpAddr) -> impl Iterator<Item = &Kept> {
        let holders = self.holders.range((address, ServiceKey::default())..);
        let holders = holders.take_while(move |(held, _)| *held == address);
        holders.filter_map(|(_, service)| self.kept(service))
    }

    fn release(&mut self, address: IpAddr, key: &ServiceKey) {
        self.holders.remove(&(address, key.clone()));
    }

    /// Wherever one of its holders wants it, and as often as the one that wants it most.
    fn wanted(&self, address: IpAddr) -> Wanted {
        let interfaces = union(self.holders(address).map(|kept| &kept.terms.interfaces))?;
        Some((interfaces, self.holders(address).filter_map(|kept| kept.terms.refresh).min()))
    }

    fn all_wanted<'a>(&self, addresses: impl Iterator<Item = &'a IpAddr>) -> Vec<(IpAddr, Wanted)> {
        addresses.map(|address| (*address, self.wanted(*address))).collect()
    }

    /// The steps from what was wanted of addresses to what is.
    fn steps(&self, before: Vec<(IpAddr, Wanted)>) -> Vec<Effect> {
        before
            .into_iter()
            .flat_map(|(address, before)| steps(address, before, self.wanted(address)))
            .collect()
    }
}

/// Where an address is answered for, and how often it is made known. None without holders.
type Wanted = Option<(Interfaces, Option<Duration>)>;

/// From what was wanted of an address to what is.
fn steps(address: IpAddr, before: Wanted, after: Wanted) -> Vec<Effect> {
    // An address begins with the usual interval and has it again when it is withdrawn.
    let refresh =
        |wanted: &Wanted| wanted.as_ref().map_or(Some(L2Advertisement::REFRESH), |(_, every)| *every);
    let every = refresh(&after);
    let refresh = (refresh(&before) != every).then_some(Effect::Refresh { address, every });
    let before = before.map(|(interfaces, _)| interfaces);
    let first = match after {
        None => before.map(|_| Effect::Withdraw { address }),
        Some((interfaces, _)) => {
            (before.as_ref() != Some(&interfaces)).then_some(Effect::Announce { address, interfaces })
        }
    };
    first.into_iter().chain(refresh).collect()
}

/// Where an address is answered for: wherever one of its holders wants it. None without holders.
fn union<'a>(wanted: impl IntoIterator<Item = &'a Interfaces>) -> Option<Interfaces> {
    let mut names = None;
    for interfaces in wanted {
        match interfaces {
            Interfaces::All => return Some(Interfaces::All),
            Interfaces::Only(more) => names.get_or_insert_with(BTreeSet::new).extend(more.iter().cloned()),
        }
    }
    names.map(Interfaces::Only)
}

/// The addresses of a Service that another node announces.
fn elsewhere<'a>(key: &ServiceKey, verdict: &Verdict, services: &'a Services) -> &'a [IpAddr] {
    let service = verdict.heir().and_then(|_| services.get(key));
    service.and_then(|service| service.addresses.as_deref()).unwrap_or_default()
}

/// What has an heir is not given up before that is heard.
fn with_heir(effect: Effect, moving: &BTreeSet<IpAddr>) -> Effect {
    match effect {
        Effect::Withdraw { address } if moving.contains(&address) => Effect::HandOver { address },
        Effect::Announce { .. }
        | Effect::Withdraw { .. }
        | Effect::HandOver { .. }
        | Effect::Remind { .. }
        | Effect::Refresh { .. }
        | Effect::Tell { .. } => effect,
    }
}

fn tell(service: &ServiceKey, notice: Notice) -> Effect {
    Effect::Tell { service: service.clone(), notice }
}

/// Packets before words, so that neighbours know as soon as possible, and announcements before withdrawals.
///
/// When an address went from one Service to another in the same pass, only where it ended up counts.
fn in_order(effects: Vec<Effect>) -> Vec<Effect> {
    let (mut settled, mut reminders, mut intervals) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut words = Vec::new();
    for effect in effects {
        match effect {
            Effect::Announce { address, .. }
            | Effect::Withdraw { address }
            | Effect::HandOver { address } => {
                settled.insert(address, effect);
            }
            Effect::Remind { address } => {
                reminders.insert(address, effect);
            }
            Effect::Refresh { address, .. } => {
                intervals.insert(address, effect);
            }
            Effect::Tell { .. } => words.push(effect),
        }
    }
    // What is withdrawn has none.
    intervals.retain(|address, _| settled.get(address).is_none_or(is_announcement));
    reminders.retain(|address, _| !settled.contains_key(address));
    let (announce, withdraw): (Vec<Effect>, Vec<Effect>) = settled.into_values().partition(is_announcement);
    let packets = announce.into_iter().chain(intervals.into_values()).chain(reminders.into_values());
    packets.chain(withdraw).chain(words).collect()
}

fn is_announcement(effect: &Effect) -> bool {
    matches!(effect, Effect::Announce { .. })
}
