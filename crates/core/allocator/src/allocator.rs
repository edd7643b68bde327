//! The state over all Services, and the pass that settles it.

use std::collections::{BTreeMap, BTreeSet, btree_set};
use std::iter::Peekable;
use std::net::IpAddr;
use std::sync::Arc;

use metallb_config::service::ServiceKey;
use metallb_config::{Config, ServiceView};

use crate::book::{Book, Hold};
use crate::condition::{Condition, ConditionReason};
use crate::decide::{Verdict, decide};
use crate::decision::{Assignment, Decision, Reason, Record};
use crate::event::Event;
use crate::growth::only_adds;
use crate::known::Known;
use crate::options::Options;
use crate::usage::PoolUsage;
use crate::wake::{Rank, Waiters, Wake};

#[cfg(test)]
mod tests;

/// Who has which address, and who waits for one.
///
/// Tell it what changed ([`observe`](Self::observe), [`forget`](Self::forget), [`set_config`](Self::set_config)) and
/// then [`settle`](Self::settle). The outcome of a settlement does not depend on the order in which changes were told,
/// and a second settlement without news decides nothing.
#[derive(Debug)]
pub struct Allocator {
    options: Options,
    book: Book,
    known: BTreeMap<ServiceKey, Known>,
    /// Services that can't be read, as far as they can: nothing is decided about them.
    reserved: BTreeMap<ServiceKey, Arc<ServiceView>>,
    /// Services whose recorded addresses have not been adopted yet.
    unadopted: BTreeSet<ServiceKey>,
    /// Services to decide about, or all.
    dirty: BTreeSet<ServiceKey>,
    all_dirty: bool,
    /// Services that may get something when addresses or ports are freed.
    waiters: Waiters,
    /// How often a Service was decided about.
    #[cfg(test)]
    looks: usize,
}

/// Services to be decided about in a round, in order.
type Due = Peekable<btree_set::IntoIter<Rank>>;

/// What one settlement found about a Service, before it is compared with what is recorded.
struct Finding {
    reason: Reason,
    record: Record,
    events: Vec<Event>,
}

impl Allocator {
    /// An allocator that knows no Service.
    #[must_use]
    pub fn new(options: Options, config: Arc<Config>) -> Self {
        Self {
            book: Book::new(config, options.unknown_pool),
            options,
            known: BTreeMap::new(),
            reserved: BTreeMap::new(),
            unadopted: BTreeSet::new(),
            dirty: BTreeSet::new(),
            all_dirty: false,
            waiters: Waiters::default(),
            #[cfg(test)]
            looks: 0,
        }
    }

    /// The configuration in force changes. What Services hold is not touched before the settlement.
    pub fn set_config(&mut self, config: Arc<Config>) {
        if **self.book.config() == *config {
            return;
        }
        if only_adds(self.book.config(), &config, self.options.unknown_pool) {
            self.book.grow(config);
            let wanting = self.known.values().filter(|known| !known.is_content);
            return self.dirty.extend(wanting.map(|known| known.view.key.clone()));
        }
        self.book = Book::new(config, self.options.unknown_pool);
        for known in self.known.values() {
            known.claim(&mut self.book);
        }
        for view in self.reserved.values() {
            self.book.claim(view, &view.recorded_ips(), Hold::Lingering);
        }
        self.all_dirty = true;
        // Everybody is looked at anyway.
        self.book.forget_freed();
        self.waiters = Waiters::default();
    }

    /// A Service can't be read, but for the addresses recorded in it. Nobody is given those; who has one of them
    /// recorded too keeps it, since they may share it.
    pub fn reserve(&mut self, view: Arc<ServiceView>) {
        self.forget(&view.key);
        self.book.claim(&view, &view.recorded_ips(), Hold::Lingering);
        self.reserved.insert(view.key.clone(), view);
    }

    /// A new version of a Service was read. Its recorded addresses replace what was decided about older versions.
    ///
    /// Call it once for each version: a decision that is still being written is not in an old one.
    pub fn observe(&mut self, view: Arc<ServiceView>) {
        if !view.is_served_by(&self.options.class) || is_none_of_ours(&view) {
            return self.forget(&view.key);
        }
        let key = view.key.clone();
        self.unreserve(&key);
        self.dirty.insert(key.clone());
        self.waiters.remove(&key);
        if let Some(known) = self.known.get_mut(&key).filter(|known| known.claims_the_same(&view)) {
            return known.renew(view, &mut self.book);
        }
        let told = self.known.get_mut(&key).and_then(|known| known.told.take());
        self.release(&key);
        self.unadopted.insert(key.clone());
        self.known.insert(key, Known::unadopted(view, told));
    }

    /// A Service is gone.
    pub fn forget(&mut self, key: &ServiceKey) {
        self.unreserve(key);
        self.release(key);
        self.known.remove(key);
        self.unadopted.remove(key);
        self.dirty.remove(key);
        self.waiters.remove(key);
    }

    /// This record was written into a Service. If it is the last that was decided, no earlier one can arrive any more. A
    /// write that changes nothing makes no new version to observe, and so this is the only news of it.
    pub fn write_accepted(&mut self, key: &ServiceKey, record: &Record) {
        if let Some(known) = self.known.get_mut(key).filter(|known| known.issued.as_ref() == Some(record)) {
            known.settle_issues(&mut self.book);
        }
    }

    /// A decision was not carried out because the Service has changed meanwhile, and so the user was not told.
    pub fn write_lost(&mut self, key: &ServiceKey) {
        if let Some(known) = self.known.get_mut(key) {
            known.told = None;
            self.dirty.insert(key.clone());
        }
    }

    /// How full each pool is, by name.
    pub fn usage(&self) -> impl Iterator<Item = (&str, PoolUsage)> {
        self.book.usage()
    }

    /// The addresses a Service holds, as far as is decided.
    #[must_use]
    pub fn held(&self, key: &ServiceKey) -> &[IpAddr] {
        self.known.get(key).map_or(&[], |known| known.current.held())
    }

    /// Every address that is not free because of a Service: also those it still has to give up.
    #[cfg(test)]
    fn claims(&self, key: &ServiceKey) -> Vec<IpAddr> {
        self.known.get(key).map_or(Vec::new(), Known::claims)
    }

    /// Decides about every Service that changed or may get what it waits for. Gives what is to be done, by key.
    ///
    /// All recorded addresses are adopted before the first new one is chosen.
    pub fn settle(&mut self) -> Vec<Decision> {
        self.adopt_all();
        let mut findings = BTreeMap::new();
        while self.all_dirty || !self.dirty.is_empty() || self.book.has_freed() {
            self.decide_round(&mut findings);
        }
        let concluded = findings.into_iter().filter_map(|(rank, finding)| self.conclude(rank.key(), finding));
        let mut decisions: Vec<Decision> = concluded.collect();
        decisions.sort_by(|one, other| one.key.cmp(&other.key));
        decisions
    }

    /// Decides once about all that is dirty and all who may profit from what was freed before, in their order. Of those
    /// who wait for any free address of a pool only as many are asked as it takes to use them up.
    fn decide_round(&mut self, findings: &mut BTreeMap<Rank, Finding>) {
        let dirty = std::mem::take(&mut self.dirty);
        let mut due: BTreeSet<Rank> = if std::mem::take(&mut self.all_dirty) {
            self.known.values().map(|known| Rank::of(&known.view)).collect()
        } else {
            self.ranks(dirty.iter()).collect()
        };
        let (pools, others): (Vec<Wake>, Vec<Wake>) =
            self.book.take_freed().into_iter().partition(|wake| matches!(wake, Wake::Pool(..)));
        due.extend(others.iter().flat_map(|wake| self.waiters.all(wake)).cloned());
        let mut due = due.into_iter().peekable();
        let mut last = None;
        while let Some(rank) = self.next_due(&mut due, &pools, last.as_ref()) {
            self.decide_one(&rank, findings);
            last = Some(rank);
        }
    }

    /// The next of those who are due and those who wait for a pool that still has something; nobody twice.
    fn next_due(&self, due: &mut Due, pools: &[Wake], after: Option<&Rank>) -> Option<Rank> {
        while due.next_if(|rank| after == Some(rank)).is_some() {}
        let open = pools.iter().filter(|wake| match wake {
            Wake::Pool(pool, family) => self.book.usage_of(pool).available(*family) > 0,
            Wake::Address(_) | Wake::Sharing(_) => false,
        });
        let waiting = open.filter_map(|wake| self.waiters.next(wake, after)).min();
        match (waiting, due.peek()) {
            (Some(waiting), Some(first)) if waiting < first => Some(waiting.clone()),
            (Some(waiting), None) => Some(waiting.clone()),
            (_, Some(_)) | (None, None) => due.next(),
        }
    }

    fn ranks<'a>(&self, keys: impl Iterator<Item = &'a ServiceKey>) -> impl Iterator<Item = Rank> {
        keys.filter_map(|key| self.known.get(key).map(|known| Rank::of(&known.view)))
    }

    fn adopt_all(&mut self) {
        let unadopted = std::mem::take(&mut self.unadopted);
        let order: BTreeSet<Rank> = self.ranks(unadopted.iter()).collect();
        for rank in order {
            if let Some(known) = self.known.get_mut(rank.key()) {
                known.adopt(&mut self.book);
            }
        }
    }

    fn decide_one(&mut self, rank: &Rank, findings: &mut BTreeMap<Rank, Finding>) {
        let Some(known) = self.known.get_mut(rank.key()) else { return };
        let Verdict { assignment, reason, condition, events, hopes } =
            decide(&mut self.book, &known.view, &known.current, &known.lingering);
        known.hold(&mut self.book, assignment.clone());
        known.is_content = is_content(self.book.config(), &assignment, condition.as_ref());
        self.waiters.set(&known.view, hopes);
        #[cfg(test)]
        {
            self.looks += 1;
        }
        let before = findings.remove(rank).map(|finding| finding.events).unwrap_or_default();
        // What an earlier look of this settlement found wanting is not true any more, or is said again.
        let transitions = before.into_iter().filter(|event| !event.reason.is_state());
        let events = transitions.chain(events).collect();
        findings.insert(rank.clone(), Finding { reason, record: Record { assignment, condition }, events });
    }

    /// Compares the finding with what is recorded or on its way, and leaves out what the user knows.
    fn conclude(&mut self, key: &ServiceKey, finding: Finding) -> Option<Decision> {
        let known = self.known.get_mut(key)?;
        let Finding { reason, mut record, mut events } = finding;
        let done = known.issued.is_none() && record.is_satisfied_by(&known.view) || {
            record = record.complete();
            known.issued.as_ref() == Some(&record)
        };
        let trouble = events.iter().find(|event| event.reason.is_state()).cloned();
        // What the condition says was told by whoever wrote it, before this process began.
        let was_told = trouble == known.told || known.told.is_none() && record.is_recorded_in(&known.view);
        if was_told {
            events.retain(|event| !event.reason.is_state());
        }
        known.told = trouble;
        let write = (!done).then_some(record);
        if let Some(record) = &write {
            known.issue(record);
            events.extend(known.view.deprecated_annotations.iter().map(|key| Event::deprecated(key)));
        }
        (write.is_some() || !events.is_empty()).then(|| Decision { key: key.clone(), reason, write, events })
    }

    fn unreserve(&mut self, key: &ServiceKey) {
        if let Some(view) = self.reserved.remove(key) {
            self.book.release(key, &view.recorded_ips());
        }
    }

    fn release(&mut self, key: &ServiceKey) {
        let Some(known) = self.known.get_mut(key) else { return };
        let claims = known.claims();
        self.book.release(key, &claims);
    }
}

/// Whether the Service has all it wants, from a pool in force: no further address changes that.
fn is_content(config: &Config, assignment: &Assignment, condition: Option<&Condition>) -> bool {
    let allocated = condition.is_some_and(|condition| condition.reason == ConditionReason::Allocated);
    let pool = config.pool_of(&assignment.addresses);
    allocated && pool.is_some_and(|pool| assignment.pool.as_ref() == Some(&pool.name))
}

/// Not a load balancer, and nothing of ours in it.
fn is_none_of_ours(view: &ServiceView) -> bool {
    let clean = view.ingress.is_empty() && view.recorded_pool.is_none() && view.recorded_condition.is_none();
    !view.is_load_balancer && clean
}
