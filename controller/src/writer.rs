//! Carries decisions out: writes Services, many at a time, one at a time for each.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client};
use metallb_allocator::{Decision, Record};
use metallb_cluster::{Pace, Packed};
use metallb_config::service::ServiceKey;
use tokio::task::JoinSet;

use crate::leadership::{Leadership, Term};
use crate::record::build_recorded;
use crate::telling::brief;

#[cfg(test)]
mod tests;

/// Writes under way at once: enough to keep an API server busy over its latency, few enough that it still answers
/// others.
const AT_ONCE: usize = 32;

/// A decision to be written into the version of the Service it was taken on.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) service: Arc<Packed<Service>>,
    /// Taken out of the decision: thousands may wait at once.
    pub(crate) record: Record,
    pub(crate) decision: Decision,
}

/// How a write ended for good. Failures that may pass are repeated and never end.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It stands in the Service.
    Written(Write),
    /// The Service changed or went meanwhile: somebody has to look again.
    Outdated(Write),
}

/// What a single try came to.
#[derive(Debug)]
enum Tried {
    Written,
    Outdated,
    Failed(kube::Error),
    /// Not sent: the office has ended, or is in doubt.
    Withheld,
}

#[derive(Debug)]
struct Job {
    write: Write,
    pace: Pace,
    stage: Stage,
}

/// Where a job is. Only one that is not running can be withdrawn or replaced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Waiting,
    Resting,
}

/// The executor of writes. Its owner calls [`ended`](Self::ended) in its loop; the tasks end when it is dropped.
pub(crate) struct Writer {
    client: Client,
    leadership: Leadership,
    /// The term in which the decisions were taken: nothing is written beyond it.
    term: Term,
    /// Writes that wait for their turn, or rest after a failure.
    jobs: HashMap<Arc<ServiceKey>, Job>,
    /// Keys of waiting jobs in their order; a key without a waiting job is skipped.
    queue: VecDeque<Arc<ServiceKey>>,
    /// Pauses of Services whose write is under way: how often it failed before.
    running: HashMap<Arc<ServiceKey>, Pace>,
    tries: JoinSet<(Write, Tried)>,
    /// Failed writes pausing. Not bounded: a pause costs a timer, and must not keep others waiting.
    pauses: JoinSet<Arc<ServiceKey>>,
    pub(crate) failures: u64,
}

impl Writer {
    pub(crate) fn new(client: Client, leadership: Leadership, term: Term) -> Self {
        Self {
            client,
            leadership,
            term,
            jobs: HashMap::new(),
            queue: VecDeque::new(),
            running: HashMap::new(),
            tries: JoinSet::new(),
            pauses: JoinSet::new(),
            failures: 0,
        }
    }

    /// Writes this when its turn comes, instead of what is waiting for the same Service.
    pub(crate) fn submit(&mut self, write: Write) {
        match self.jobs.get_mut(&write.decision.key) {
            // It keeps its place in the queue, or its pause.
            Some(job) => job.write = write,
            None => {
                let key = Arc::new(write.decision.key.clone());
                self.jobs.insert(key.clone(), Job { write, pace: Pace::default(), stage: Stage::Waiting });
                self.queue.push_back(key);
            }
        }
        self.fill();
    }

    /// Takes back what is not under way: the Service has another version now.
    pub(crate) fn withdraw(&mut self, key: &ServiceKey) -> Option<Write> {
        self.jobs.remove(key).map(|job| job.write)
    }

    /// Whether nothing waits and nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.tries.is_empty()
    }

    /// Keeps no room for more than there is: thousands may have waited once.
    pub(crate) fn shrink(&mut self) {
        self.jobs.shrink_to_fit();
        self.queue.shrink_to_fit();
        self.running.shrink_to_fit();
    }

    /// The next write that ends; pending for ever while there is none. Safe to cancel: nothing is lost between
    /// awaits.
    pub(crate) async fn ended(&mut self) -> Ended {
        loop {
            self.fill();
            tokio::select! {
                Some(tried) = self.tries.join_next() => {
                    // A try neither panics nor is aborted while its set lives.
                    let Ok((write, tried)) = tried else { continue };
                    if let Some(ended) = self.conclude(write, tried) {
                        return ended;
                    }
                }
                Some(rested) = self.pauses.join_next() => {
                    let Ok(key) = rested else { continue };
                    self.wake(key);
                }
                else => std::future::pending().await,
            }
        }
    }

    fn conclude(&mut self, write: Write, tried: Tried) -> Option<Ended> {
        let pace = self.running.remove(&write.decision.key).unwrap_or_default();
        match tried {
            Tried::Written => Some(Ended::Written(write)),
            Tried::Outdated => Some(Ended::Outdated(write)),
            Tried::Failed(error) => {
                self.rest(write, pace, &error);
                None
            }
            Tried::Withheld => {
                let key = Arc::new(write.decision.key.clone());
                // A newer decision may wait already.
                self.jobs.entry(key.clone()).or_insert(Job { write, pace, stage: Stage::Waiting });
                self.queue.push_back(key);
                None
            }
        }
    }

    /// Starts as many waiting writes as may run at once, one for each Service.
    fn fill(&mut self) {
        if self.leadership.term() != Some(self.term) {
            return;
        }
        let mut busy = Vec::new();
        while self.tries.len() < AT_ONCE {
            let Some(key) = self.queue.pop_front() else { break };
            if self.running.contains_key(&key) {
                busy.push(key);
                continue;
            }
            let waits = |job: &Job| job.stage == Stage::Waiting;
            if self.jobs.get(&key).is_some_and(waits)
                && let Some(job) = self.jobs.remove(&key)
            {
                self.running.insert(key, job.pace);
                let (leadership, term) = (self.leadership.clone(), self.term);
                let may_send = move || leadership.term() == Some(term);
                self.tries.spawn(attempt(self.client.clone(), job.write, may_send));
            }
        }
        self.queue.extend(busy);
    }

    fn rest(&mut self, write: Write, mut pace: Pace, error: &kube::Error) {
        let key = Arc::new(write.decision.key.clone());
        self.failures += 1;
        let pause = pace.next().unwrap_or_default();
        tracing::error!(
            op = "updateServiceStatus", service = %key, error = brief(error), pause_ms = pause.as_millis(),
            "service not written, trying again"
        );
        // A newer decision may wait already: then that is what is tried after the pause.
        let write = self.jobs.remove(&key).map_or(write, |newer| newer.write);
        self.jobs.insert(key.clone(), Job { write, pace, stage: Stage::Resting });
        self.pauses.spawn(async move {
            tokio::time::sleep(pause).await;
            key
        });
    }

    fn wake(&mut self, key: Arc<ServiceKey>) {
        if let Some(job) = self.jobs.get_mut(&key) {
            job.stage = Stage::Waiting;
            self.queue.push_back(key);
        }
    }
}

/// The API keeps whole seconds.
fn now() -> Time {
    let seconds = Timestamp::now().as_second();
    Time(Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// `may_send` is asked last of all: a process may stand still anywhere, and others take over meanwhile.
async fn attempt(client: Client, write: Write, may_send: impl Fn() -> bool) -> (Write, Tried) {
    let api: Api<Service> = Api::namespaced(client, &write.decision.key.namespace);
    let Some(service) = write.service.unpack() else { return (write, Tried::Outdated) };
    let object = build_recorded(service, &write.record, now());
    if !may_send() {
        return (write, Tried::Withheld);
    }
    let tried = match api.replace_status(&write.decision.key.name, &PostParams::default(), &object).await {
        Ok(_) => Tried::Written,
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Tried::Outdated,
        Err(error) => Tried::Failed(error),
    };
    (write, tried)
}
