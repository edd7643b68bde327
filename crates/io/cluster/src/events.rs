//! Events on objects, so that `kubectl describe` tells what happened and why.
//!
//! They are core/v1 Events with a source component, as the original writes them: its RBAC
//! allows no other kind. Repeats are counted on the first one instead of piling up.

mod backlog;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::api::core::v1::{Event as ApiEvent, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use tokio::sync::mpsc;

use crate::pace::Pace;
use backlog::Backlog;

/// How many events are sent at once. Those about one object are sent in order, by the same lane.
const LANES: usize = 16;
/// Events waiting in one lane: thousands of Services may get their addresses in the same second. When the API
/// server is further behind than that, further ones are dropped: telling must never hold up doing.
const WAITING: usize = 1024;
/// Events a lane remembers for counting repeats; beyond it counting starts over.
const REMEMBERED: usize = 256;
/// How often an event is sent anew where nobody answers, or nobody can: for some two minutes, as long as the original does.
const TRIES: usize = 28;
/// The same where the API server fails with this one: others of the lane may fare better.
const TRIES_OF_ONE: usize = 8;
/// Longest message, in bytes: what a user writes into an annotation may be a hundred times longer, and ends up here.
const LONGEST_MESSAGE: usize = 1024;

/// How serious an event is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EventType {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// Something worth telling about an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The object it is about.
    pub about: ObjectReference,
    /// How serious it is.
    pub kind: EventType,
    /// One word, machine-readable.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

/// Takes events and sends them in the background. Clones share the lanes; the sending tasks
/// end when the last clone is dropped.
#[derive(Clone, Debug)]
pub struct EventSink {
    lanes: Arc<[Lane]>,
}

/// Events sent one after the other.
#[derive(Debug)]
struct Lane {
    /// One for each event that waits.
    turns: mpsc::Sender<()>,
    waiting: Arc<Mutex<Backlog>>,
}

impl EventSink {
    /// Starts sending as `component` (the daemon) on `host` (its node; may be empty).
    #[must_use]
    pub fn new(client: Client, component: &'static str, host: &str) -> Self {
        let source = EventSource {
            component: Some(component.to_owned()),
            host: (!host.is_empty()).then(|| host.to_owned()),
        };
        let lane = |_| {
            let (turns, taken) = mpsc::channel(WAITING);
            let waiting = Arc::<Mutex<Backlog>>::default();
            let sender = Sender { client: client.clone(), source: source.clone(), sent: HashMap::new() };
            tokio::spawn(sender.run(taken, waiting.clone()));
            Lane { turns, waiting }
        };
        Self { lanes: (0..LANES).map(lane).collect() }
    }

    /// Whether no event waits for its turn.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lanes.iter().all(|lane| lane.turns.capacity() == lane.turns.max_capacity())
    }

    /// Sends an event when its turn comes; never waits. A message is cut after 1024 bytes.
    pub fn publish(&self, mut event: Event) {
        shorten(&mut event.message);
        let Some(lane) = self.lanes.get(lane_of(&event.about, self.lanes.len())) else { return };
        let Ok(turn) = lane.turns.try_reserve() else {
            let Event { reason, message: text, .. } = event;
            tracing::warn!(reason, text, "event dropped, too many are waiting");
            return;
        };
        lock(&lane.waiting).push(event);
        turn.send(());
    }
}

fn lock(waiting: &Mutex<Backlog>) -> MutexGuard<'_, Backlog> {
    // Nothing panics in between.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lane of all events about an object.
fn lane_of(about: &ObjectReference, lanes: usize) -> usize {
    let object = hash(&(&about.kind, &about.namespace, &about.name));
    usize::try_from(object).unwrap_or_default().checked_rem(lanes).unwrap_or_default()
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn shorten(message: &mut String) {
    if message.len() > LONGEST_MESSAGE {
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE.saturating_sub('…'.len_utf8())));
        message.push('…');
    }
}

/// What makes two events the same, as a hash: a rare collision counts one event on another.
type Key = u64;

struct Sender {
    client: Client,
    source: EventSource,
    /// Name and count of the event sent for each key.
    sent: HashMap<Key, (String, i32)>,
}

impl Sender {
    async fn run(mut self, mut turns: mpsc::Receiver<()>, waiting: Arc<Mutex<Backlog>>) {
        while turns.recv().await.is_some() {
            let Some(event) = lock(&waiting).pop() else { continue };
            if let Err(error) = self.insist(&event).await {
                // A field of the name `message` would stand in place of these words.
                tracing::warn!(%error, reason = event.reason, text = event.message, "event not sent");
            }
        }
    }

    /// Sends it, and again while that may help. Others of this lane wait meanwhile: they would fare no better.
    async fn insist(&mut self, event: &Event) -> Result<(), kube::Error> {
        // One name for all tries: an event whose answer was lost is not told twice.
        let fresh = first(event, &self.source);
        let mut failures = 0;
        for pause in Pace::default().take(TRIES) {
            match self.send(event, &fresh).await {
                Err(error) if is_worth_another_try(&error, &mut failures) => tokio::time::sleep(pause).await,
                outcome => return outcome,
            }
        }
        self.send(event, &fresh).await
    }

    async fn send(&mut self, event: &Event, fresh: &ApiEvent) -> Result<(), kube::Error> {
        let api: Api<ApiEvent> = Api::namespaced(self.client.clone(), namespace(&event.about));
        let key = key(event);
        if let Some((name, count)) = self.sent.get(&key).cloned() {
            match api.patch(&name, &PatchParams::default(), &repeat(count.saturating_add(1))).await {
                Ok(_) => {
                    self.sent.insert(key, (name, count.saturating_add(1)));
                    return Ok(());
                }
                // Expired meanwhile: begin anew.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        match api.create(&PostParams::default(), fresh).await {
            Ok(_) => {}
            // Nobody else uses this name: an earlier try arrived.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error),
        }
        self.remember(key, fresh.metadata.name.clone().unwrap_or_default());
        Ok(())
    }

    fn remember(&mut self, key: Key, name: String) {
        if self.sent.len() >= REMEMBERED {
            self.sent.clear();
        }
        self.sent.insert(key, (name, 1));
    }
}

/// Whether the same request may fare better the next time: nobody answered, or the server has too much to do. Those it fails by
/// an error of its own are counted in `failures`: of these only some are worth another try.
fn is_worth_another_try(error: &kube::Error, failures: &mut usize) -> bool {
    let kube::Error::Api(status) = error else { return true };
    match status.code {
        429 | 503 | 504 => true,
        code if code >= 500 => {
            *failures = failures.saturating_add(1);
            *failures <= TRIES_OF_ONE
        }
        _ => false,
    }
}

fn key(event: &Event) -> Key {
    let ObjectReference { kind, namespace, name, uid, .. } = &event.about;
    hash(&(kind, namespace, name, uid, event.kind, &event.reason, &event.message))
}

/// Events of cluster-scoped objects live in `default`, as Kubernetes has it.
fn namespace(about: &ObjectReference) -> &str {
    about.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or("default")
}

fn repeat(count: i32) -> Patch<serde_json::Value> {
    Patch::Merge(serde_json::json!({ "count": count, "lastTimestamp": Time(jiff::Timestamp::now()) }))
}

fn first(event: &Event, source: &EventSource) -> ApiEvent {
    let now = jiff::Timestamp::now();
    let about = event.about.name.as_deref().unwrap_or("unknown");
    ApiEvent {
        metadata: ObjectMeta {
            name: Some(format!("{about}.{:x}", now.as_nanosecond())),
            namespace: Some(namespace(&event.about).to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: event.about.clone(),
        type_: Some(event.kind.as_str().to_owned()),
        reason: Some(event.reason.clone()),
        message: Some(event.message.clone()),
        source: Some(source.clone()),
        reporting_component: source.component.clone(),
        reporting_instance: source.host.clone(),
        count: Some(1),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        ..ApiEvent::default()
    }
}

#[cfg(test)]
mod tests;
