//! Keeps the condition `metallb.io/Announced` of Services true: which node announces them, or why nobody does.
//!
//! What is to be said is compared with what is said whenever a Service is looked at, and only a difference is kept: it is
//! written in a task of its own, so that announcing never waits for it. The elected node speaks for itself. Where nobody was
//! elected, or the elected one keeps silent, all others wait for their turn and see meanwhile that it was said.

mod queue;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use metallb_announce::{Condition, Installed, Outlook, Said, SkipReason, Snapshot, Verdict};
use metallb_cluster::Store;
use metallb_config::ServiceKey;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::digest::Digest;
use crate::known::KnownService;
use queue::Write;
use writer::{Order, Task};

/// What passes sooner is not written: several changes in a row are one, and a Service that is created has no endpoints yet.
const SETTLE_ELECTED: Duration = Duration::from_millis(200);
const SETTLE_NOBODY: Duration = Duration::from_secs(1);
/// Whose turn comes later has this much more patience for each speaker ahead.
const TURN: Duration = Duration::from_secs(10);

/// The owner's side: finds what is not said rightly.
#[derive(Debug)]
pub(crate) struct Conditions {
    node: String,
    services: Store<KnownService>,
    /// Unbounded, since the owner must not wait; the task takes in at once what there is and keeps the last word on each
    /// Service only.
    orders: mpsc::UnboundedSender<Vec<Order>>,
    /// Whether the right to write is missing: nothing is looked at then.
    is_refused: watch::Receiver<bool>,
    /// The Services of which something else is said than should be.
    unsaid: BTreeSet<ServiceKey>,
    /// Whether anything may have changed that was not looked at: then all Services are, as soon as that has a point.
    has_missed: bool,
    words: Words,
}

/// What was to be said lately: mostly the same of thousands of Services, which share it while they wait.
#[derive(Debug, Default)]
struct Words(VecDeque<Arc<Condition>>);

/// So many are looked through.
const REMEMBERED: usize = 16;

impl Words {
    fn share(&mut self, condition: Condition) -> Arc<Condition> {
        if let Some(known) = self.0.iter().find(|known| ***known == condition) {
            return known.clone();
        }
        self.0.truncate(REMEMBERED - 1);
        let new = Arc::new(condition);
        self.0.push_front(new.clone());
        new
    }
}

impl Conditions {
    /// Starts the task. It ends when this is dropped.
    pub(crate) fn start(client: Client, node: String, services: Store<KnownService>) -> Self {
        let (orders, received) = mpsc::unbounded_channel();
        let (refused, is_refused) = watch::channel(false);
        tokio::spawn(Task::new(client, refused).run(received));
        Self {
            node,
            services,
            orders,
            is_refused,
            unsaid: BTreeSet::new(),
            has_missed: false,
            words: Words::default(),
        }
    }

    /// What changes now is not looked at.
    pub(crate) fn miss(&mut self) {
        self.has_missed = true;
    }

    /// Compares what is said of these Services with what is so.
    pub(crate) fn look(
        &mut self,
        snapshot: &Snapshot,
        installed: &Installed,
        mut services: BTreeSet<ServiceKey>,
    ) {
        // The task threw away what it had. That it has ended can't be.
        self.has_missed |= self.is_refused.has_changed().unwrap_or(false);
        if *self.is_refused.borrow_and_update() {
            self.unsaid.clear();
            self.has_missed = true;
            return;
        }
        let missed = std::mem::take(&mut self.has_missed).then_some(Order::Missed);
        if missed.is_some() {
            services.extend(snapshot.services.keys().cloned());
        }
        let now = Instant::now();
        let orders = services.iter().filter_map(|key| {
            let verdict = installed.verdict(key).unwrap_or(Verdict::Skip(SkipReason::ServiceDeleted));
            self.order(snapshot, key, &verdict, now)
        });
        let orders: Vec<Order> = missed.into_iter().chain(orders).collect();
        if !orders.is_empty() {
            // The task ends only after this.
            let _ = self.orders.send(orders);
        }
    }

    /// What the task must be told about a Service, if anything.
    fn order(
        &mut self,
        snapshot: &Snapshot,
        key: &ServiceKey,
        verdict: &Verdict,
        now: Instant,
    ) -> Option<Order> {
        // Of one resumed from a snapshot it is not known what is said: it is looked at again once the API server has told.
        let service = self.services.get(&key.namespace, &key.name);
        let service = service.filter(|service| !service.resource_version.is_empty());
        let write = service.and_then(|service| {
            let outlook = snapshot.outlook(key, verdict);
            let at = now.checked_add(patience(&outlook, snapshot, key))?;
            self.build_write(key, &service, &outlook).map(|write| (write, at))
        });
        match write {
            Some((write, at)) => {
                self.unsaid.insert(key.clone());
                Some(Order::Write(key.clone(), write, at))
            }
            None => self.unsaid.remove(key).then(|| Order::Settled(key.clone())),
        }
    }

    /// The write that makes what is said of a Service right; none if it is.
    fn build_write(&mut self, key: &ServiceKey, service: &KnownService, outlook: &Outlook) -> Option<Write> {
        if outlook.is_said(&self.node, service.said.as_ref().map(|(said, _)| *said)) {
            return None;
        }
        let condition = outlook.condition(&self.node);
        let keeps_status =
            |said: &Said| condition.as_ref().is_some_and(|condition| condition.status == said.status);
        let since =
            service.said.as_ref().filter(|(said, _)| keeps_status(said)).map(|(_, since)| since.clone());
        let condition = condition.map(|condition| self.words.share(condition));
        let about = Digest::of(&(key, &service.uid));
        Some(Write { about, condition, since, version: service.resource_version.clone() })
    }
}

/// How long to wait for others to say it, or for it to pass.
fn patience(outlook: &Outlook, snapshot: &Snapshot, key: &ServiceKey) -> Duration {
    let settle = match outlook {
        Outlook::Here { .. } | Outlook::NoInterface { .. } => SETTLE_ELECTED,
        Outlook::Nothing
        | Outlook::Unchanged
        | Outlook::NotHere
        | Outlook::There { .. }
        | Outlook::Nobody(_) => SETTLE_NOBODY,
    };
    let ahead = u32::try_from(outlook.turn(&snapshot.world, key)).unwrap_or(u32::MAX);
    settle.saturating_add(TURN.saturating_mul(ahead))
}
