//! Stores that follow a kind of object, and one coalesced signal when any of them changed.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::pace::Pace;

/// All objects of one kind, as the API server last told.
#[derive(Debug)]
pub struct Store<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    reader: reflector::Store<K>,
    progress: Arc<Mutex<Progress>>,
}

impl<K> Clone for Store<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    fn clone(&self) -> Self {
        Self { reader: self.reader.clone(), progress: self.progress.clone() }
    }
}

#[derive(Debug, Default)]
struct Progress {
    synced: bool,
    last_error: Option<String>,
    changes: Changes,
}

/// Namespace and name of an object; no namespace when it is cluster-scoped.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectKey {
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// Where to look again. It never says what happened: the store tells what is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Changes {
    /// These objects were applied or deleted; empty when nothing happened.
    Keys(BTreeSet<ObjectKey>),
    /// Everything: after a relist, or when too much happened to keep a list.
    All,
}

impl Default for Changes {
    fn default() -> Self {
        Self::Keys(BTreeSet::new())
    }
}

/// Beyond so many changed objects a look at all of them is cheaper than the list.
const LISTED_CHANGES: usize = 1024;

impl Changes {
    fn add(&mut self, key: ObjectKey) {
        let Self::Keys(keys) = self else { return };
        keys.insert(key);
        if keys.len() > LISTED_CHANGES {
            *self = Self::All;
        }
    }
}

impl<K> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    /// Every object, in no particular order.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<K>> {
        self.reader.state()
    }

    /// One object of a namespace.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.reader.get(&ObjectRef::new(name).within(namespace))
    }

    /// Which objects may have changed since the last call. For one reader: each change is told once.
    #[must_use]
    pub fn take_changes(&self) -> Changes {
        std::mem::take(&mut lock(&self.progress).changes)
    }

    /// Whether the first complete list has arrived. Stays true through later outages.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        lock(&self.progress).synced
    }
}

/// A store that has not seen its first list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unsynced {
    /// What it follows.
    pub what: &'static str,
    /// Why the last try failed, if one did.
    pub last_error: Option<String>,
}

/// Follows any number of kinds. Dropping it ends all its tasks.
#[derive(Debug)]
pub struct Watches {
    /// Aborted on drop; a task ends only then, since every error is retried.
    tasks: JoinSet<()>,
    followed: Vec<(&'static str, Arc<Mutex<Progress>>)>,
    signal: watch::Sender<()>,
    seen: watch::Receiver<()>,
}

impl Default for Watches {
    fn default() -> Self {
        let (signal, seen) = watch::channel(());
        Self { tasks: JoinSet::new(), followed: Vec::new(), signal, seen }
    }
}

impl Watches {
    /// Starts to follow the objects of `api` that `config` selects; `what` names them in logs and probes.
    ///
    /// The server's own bookkeeping (`managedFields`) is dropped: nobody reads it and it is half an object's size.
    pub fn add<K>(&mut self, api: Api<K>, config: watcher::Config, what: &'static str) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let progress = Arc::new(Mutex::new(Progress::default()));
        let writer = reflector::store::Writer::default();
        let store = Store { reader: writer.as_reader(), progress: progress.clone() };
        self.followed.push((what, progress.clone()));
        self.tasks.spawn(Follower { writer, progress, what, signal: self.signal.clone() }.run(api, config));
        store
    }

    /// Resolves when anything changed since the last call: any number of changes is one signal.
    /// Safe to cancel.
    pub async fn changed(&mut self) {
        // The sender lives in self.
        let _ = self.seen.changed().await;
    }

    /// Asks for another round, as if something had changed: for work that must be tried again.
    pub fn nudge(&self) {
        self.signal.send_replace(());
    }

    /// Whether every store has seen its first list.
    #[must_use]
    pub fn all_synced(&self) -> bool {
        self.followed.iter().all(|(_, progress)| lock(progress).synced)
    }

    /// The stores still waiting, with the reason where one is known.
    #[must_use]
    pub fn unsynced(&self) -> Vec<Unsynced> {
        let waiting = self.followed.iter().filter_map(|(what, progress)| {
            let progress = lock(progress);
            (!progress.synced).then(|| Unsynced { what, last_error: progress.last_error.clone() })
        });
        waiting.collect()
    }
}

fn lock(progress: &Mutex<Progress>) -> std::sync::MutexGuard<'_, Progress> {
    // Every change is one assignment: a panic elsewhere cannot leave it half done.
    progress.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The task behind one store.
struct Follower<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    writer: reflector::store::Writer<K>,
    progress: Arc<Mutex<Progress>>,
    what: &'static str,
    signal: watch::Sender<()>,
}

impl<K> Follower<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    async fn run(mut self, api: Api<K>, config: watcher::Config) {
        let mut pace = tokio::time::interval(POLL);
        loop {
            // The first tick is due at once.
            pace.tick().await;
            self.follow(api.clone(), config.clone()).await;
        }
    }

    /// Follows until watching turns out to be forbidden: then only listing again helps.
    async fn follow(&mut self, api: Api<K>, config: watcher::Config) {
        let strip = |object: &mut K| object.meta_mut().managed_fields = None;
        let events = watcher(api, config).backoff(Pace::default()).map_ok(move |event| event.modify(strip));
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(event) => self.take(event),
                Err(error) => {
                    self.failed(&error);
                    if is_forbidden_watch(&error) {
                        return;
                    }
                }
            }
        }
    }

    fn take(&mut self, event: watcher::Event<K>) {
        self.writer.apply_watcher_event(&event);
        match event {
            // A relist is one batch: nobody looks before it is complete.
            watcher::Event::Init | watcher::Event::InitApply(_) => return,
            watcher::Event::InitDone => self.synced(),
            watcher::Event::Apply(object) | watcher::Event::Delete(object) => {
                let meta = object.meta();
                let (namespace, name) = (meta.namespace.clone(), meta.name.clone().unwrap_or_default());
                lock(&self.progress).changes.add(ObjectKey { namespace, name });
            }
        }
        self.signal.send_replace(());
    }

    fn synced(&self) {
        let mut progress = lock(&self.progress);
        if !progress.synced {
            tracing::info!(what = self.what, "in step with the API server");
        }
        progress.synced = true;
        progress.changes = Changes::All;
    }

    fn failed(&self, error: &watcher::Error) {
        let text = explain(self.what, error);
        let mut progress = lock(&self.progress);
        let news = progress.last_error.as_ref() != Some(&text);
        if news {
            tracing::warn!(what = self.what, error = text, "can't follow, trying again");
        }
        progress.last_error = Some(text);
        // Readiness tells the reason: let the owner look.
        if news && !progress.synced {
            self.signal.send_replace(());
        }
    }
}

/// The original's RBAC lets speakers list pods but not watch them: a list every two seconds serves.
const POLL: Duration = Duration::from_secs(2);

fn is_forbidden_watch(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchStartFailed(kube::Error::Api(status)) if status.code == 403)
}

/// The error in words that say what to do.
fn explain(what: &str, error: &watcher::Error) -> String {
    let status = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status,
        other => return chain(other),
    };
    match status.code {
        404 => format!("the API server does not know {what}: is its CRD installed?"),
        403 => format!("not allowed to list and watch {what}: {}", status.message),
        _ => format!("{} ({})", status.message, status.code),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let message = inner.to_string();
        // kube's own messages already hold their cause.
        if !text.contains(&message) {
            text = format!("{text}: {message}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests;
