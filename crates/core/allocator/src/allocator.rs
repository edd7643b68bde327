//! The state over all Services, and the pass that settles it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use metallb_config::service::ServiceKey;
use metallb_config::{Config, ServiceView};

use crate::book::Book;
use crate::decide::{Verdict, decide};
use crate::decision::{Assignment, Decision, Reason};
use crate::event::Event;
use crate::known::Known;
use crate::usage::PoolUsage;

#[cfg(test)]
mod tests;

/// Who has which address, and who waits for one.
///
/// Tell it what changed ([`observe`](Self::observe), [`forget`](Self::forget), [`set_config`](Self::set_config)) and
/// then [`settle`](Self::settle). The outcome of a settlement does not depend on the order in which changes were told,
/// and a second settlement without news decides nothing.
#[derive(Debug)]
pub struct Allocator {
    /// The `--lb-class` served; empty for none.
    class: String,
    book: Book,
    known: BTreeMap<ServiceKey, Known>,
    /// Services whose recorded addresses have not been adopted yet.
    unadopted: BTreeSet<ServiceKey>,
    /// Services to decide about.
    dirty: BTreeSet<ServiceKey>,
    /// Services that may get something when addresses or ports are freed.
    waiting: BTreeSet<ServiceKey>,
    /// Whether addresses or ports were freed since those who wait were last asked.
    freed: bool,
}

/// What one settlement found about a Service, before it is compared with what is recorded.
struct Finding {
    reason: Reason,
    assignment: Assignment,
    events: Vec<Event>,
}

impl Allocator {
    /// An allocator that knows no Service. `class` is the `--lb-class` it serves, empty for none.
    #[must_use]
    pub fn new(class: &str, config: Arc<Config>) -> Self {
        Self {
            class: class.to_owned(),
            book: Book::new(config),
            known: BTreeMap::new(),
            unadopted: BTreeSet::new(),
            dirty: BTreeSet::new(),
            waiting: BTreeSet::new(),
            freed: false,
        }
    }

    /// The configuration in force changes. What Services hold is not touched before the settlement.
    pub fn set_config(&mut self, config: Arc<Config>) {
        if **self.book.config() == *config {
            return;
        }
        self.book = Book::new(config);
        for known in self.known.values() {
            known.claim(&mut self.book);
        }
        self.dirty.extend(self.known.keys().cloned());
    }

    /// A new version of a Service was read. Its recorded addresses replace what was decided about older versions.
    ///
    /// Call it once for each version: a decision that is still being written is not in an old one.
    pub fn observe(&mut self, view: Arc<ServiceView>) {
        if !view.is_served_by(&self.class) || is_none_of_ours(&view) {
            return self.forget(&view.key);
        }
        let key = view.key.clone();
        self.dirty.insert(key.clone());
        if let Some(known) = self.known.get_mut(&key).filter(|known| known.claims_the_same(&view)) {
            self.freed |= known.renew(view, &mut self.book);
            return;
        }
        let told = self.known.get_mut(&key).and_then(|known| known.told.take());
        self.release(&key);
        self.unadopted.insert(key.clone());
        self.known.insert(key, Known::unadopted(view, told));
    }

    /// A Service is gone.
    pub fn forget(&mut self, key: &ServiceKey) {
        self.release(key);
        self.known.remove(key);
        for set in [&mut self.unadopted, &mut self.dirty, &mut self.waiting] {
            set.remove(key);
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
        loop {
            if std::mem::take(&mut self.freed) {
                self.dirty.extend(self.waiting.iter().cloned());
            }
            if self.dirty.is_empty() {
                break;
            }
            let dirty = std::mem::take(&mut self.dirty);
            for key in self.in_order(dirty) {
                self.decide_one(&key, &mut findings);
            }
        }
        findings.into_iter().filter_map(|(key, finding)| self.conclude(key, finding)).collect()
    }

    /// Those with more recorded addresses first, then by key.
    fn in_order(&self, keys: BTreeSet<ServiceKey>) -> Vec<ServiceKey> {
        let recorded = |key: &ServiceKey| self.known.get(key).map_or(0, |known| known.view.ingress.len());
        let mut keys: Vec<ServiceKey> = keys.into_iter().collect();
        // The sort is stable: equals stay in the order of the set.
        keys.sort_by_cached_key(|key| Reverse(recorded(key)));
        keys
    }

    fn adopt_all(&mut self) {
        let unadopted = std::mem::take(&mut self.unadopted);
        for key in self.in_order(unadopted) {
            if let Some(known) = self.known.get_mut(&key) {
                known.adopt(&mut self.book);
            }
        }
    }

    fn decide_one(&mut self, key: &ServiceKey, findings: &mut BTreeMap<ServiceKey, Finding>) {
        let Some(known) = self.known.get_mut(key) else { return };
        let Verdict { assignment, reason, events, waits } =
            decide(&mut self.book, &known.view, &known.current);
        self.freed |= known.hold(&mut self.book, assignment.clone());
        if waits {
            self.waiting.insert(key.clone());
        } else {
            self.waiting.remove(key);
        }
        let before = findings.remove(key).map(|finding| finding.events).unwrap_or_default();
        // What an earlier look of this settlement found wanting is not true any more, or is said again.
        let transitions = before.into_iter().filter(|event| !event.reason.is_state());
        let events = transitions.chain(events).collect();
        findings.insert(key.clone(), Finding { reason, assignment, events });
    }

    /// Compares the finding with what is recorded or on its way, and leaves out what the user knows.
    fn conclude(&mut self, key: ServiceKey, finding: Finding) -> Option<Decision> {
        let known = self.known.get_mut(&key)?;
        let Finding { reason, assignment, mut events } = finding;
        let done = match &known.issued {
            Some(issued) => *issued == assignment,
            None => assignment.is_recorded_in(&known.view),
        };
        let trouble = events.iter().find(|event| event.reason.is_state()).cloned();
        if trouble == known.told {
            events.retain(|event| !event.reason.is_state());
        }
        known.told = trouble;
        let write = (!done).then_some(assignment);
        if write.is_some() {
            known.issued.clone_from(&write);
            events.extend(known.view.deprecated_annotations.iter().map(|key| Event::deprecated(key)));
        }
        (write.is_some() || !events.is_empty()).then_some(Decision { key, reason, write, events })
    }

    fn release(&mut self, key: &ServiceKey) {
        let Some(known) = self.known.get_mut(key) else { return };
        let claims = known.claims();
        self.freed |= !claims.is_empty();
        self.book.release(key, &claims);
    }
}

/// Not a load balancer, and nothing of ours in it.
fn is_none_of_ours(view: &ServiceView) -> bool {
    !view.is_load_balancer && view.ingress.is_empty() && view.recorded_pool.is_none()
}
