//! Follows kinds of objects into stores, with one coalesced signal when any of them changed.

use std::fmt::{self, Debug};
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::runtime::watcher;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::errors::{explain, is_away, is_forbidden_watch};
use crate::pace::paced;
use crate::store::{Held, LastError, Packed, Progress, Store, Wire};

mod errors;
#[cfg(test)]
mod tests;

/// A store that has not seen a list it waits for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unsynced {
    /// What it follows.
    pub what: &'static str,
    /// Why the last try failed, if one did.
    pub last_error: Option<String>,
}

/// What is known of the API server by the stores that wait for their first list.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Reach {
    /// None of them reached it, or it is out of order.
    Away,
    /// As above, but some have heard nothing yet.
    Silent,
    /// It told something, if only a refusal.
    Answers,
}

/// Tells how far a store is.
type Ask = Box<dyn Fn() -> Progress + Send + Sync>;

/// Follows any number of kinds. Dropping it ends all its tasks.
pub struct Watches {
    /// Aborted on drop; a task ends only then, since every error is retried.
    tasks: JoinSet<()>,
    followed: Vec<(&'static str, Ask)>,
    signal: Signal,
    seen: watch::Receiver<Option<Instant>>,
    /// When the first of the changes was taken in that [`changed`](Self::changed) told of last.
    since: Option<Instant>,
    /// The round of lists that is wanted. In round 0 nobody lists.
    round: watch::Sender<u64>,
}

impl fmt::Debug for Watches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.followed.iter().map(|(what, progress)| (what, progress()))).finish()
    }
}

impl Default for Watches {
    fn default() -> Self {
        Self::in_round(1)
    }
}

impl Watches {
    /// Follows nothing before [`relist`](Self::relist) is called.
    #[must_use]
    pub fn on_hold() -> Self {
        Self::in_round(0)
    }

    fn in_round(round: u64) -> Self {
        let (signal, seen) = watch::channel(None);
        let (tasks, followed) = (JoinSet::new(), Vec::new());
        Self { tasks, followed, signal: Signal(signal), seen, since: None, round: watch::channel(round).0 }
    }

    /// Starts to follow the objects of `api` that `config` selects; `what` names them in logs and probes.
    ///
    /// The server's own bookkeeping (`managedFields`) is dropped: nobody reads it and it is half an object's size.
    pub fn add<K>(&mut self, api: Api<K>, config: watcher::Config, what: &'static str) -> Store<K>
    where
        K: Resource<DynamicType = ()> + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        self.follow(api, config, what)
    }

    /// As [`add`](Self::add), for a store that holds something else than the objects themselves.
    pub fn add_held<T: Held>(
        &mut self,
        api: Api<T::Kind>,
        config: watcher::Config,
        what: &'static str,
    ) -> Store<T> {
        self.follow(api, config, what)
    }

    /// As [`add`](Self::add), for kinds of which there are thousands: the store holds text.
    pub fn add_packed<K>(
        &mut self,
        api: Api<K>,
        config: watcher::Config,
        what: &'static str,
    ) -> Store<Packed<K>>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + 'static,
    {
        self.follow(api, config, what)
    }

    fn follow<T: Held>(
        &mut self,
        api: Api<T::Kind>,
        config: watcher::Config,
        what: &'static str,
    ) -> Store<T> {
        let store = Store::default();
        let progress = store.clone();
        self.followed.push((what, Box::new(move || progress.progress())));
        let namespace = api.namespace().map(str::to_owned);
        let client = api.into_client();
        let api = match namespace {
            Some(namespace) => Api::namespaced_with(client, &namespace, &()),
            None => Api::all_with(client, &()),
        };
        let (signal, round) = (self.signal.clone(), self.round.subscribe());
        let follower = Follower { store: store.clone(), what, signal, round, is_polling: false };
        self.tasks.spawn(follower.run(api, config));
        store
    }

    /// Lists everything anew: [`all_current`](Self::all_current) is true again when all lists are complete that
    /// began after this call.
    pub fn relist(&self) {
        self.round.send_modify(|round| *round = round.saturating_add(1));
    }

    /// Resolves when anything changed since the last call: any number of changes is one signal.
    /// Safe to cancel.
    pub async fn changed(&mut self) {
        // The sender lives in self.
        let _ = self.seen.changed().await;
        self.since = self.signal.take();
    }

    /// When the first change was taken in that was not there yet at the last call. To be called before the stores are
    /// read, whatever was the reason to read them.
    pub fn take_since(&mut self) -> Option<Instant> {
        let newer = self.signal.take();
        self.since.take().or(newer)
    }

    /// Another one to be told of changes.
    #[must_use]
    pub fn listen(&self) -> Listener {
        Listener(self.signal.0.subscribe())
    }

    /// What is known of the API server.
    #[must_use]
    pub fn reach(&self) -> Reach {
        let waiting =
            self.followed.iter().map(|(_, progress)| progress()).filter(|progress| progress.round == 0);
        let heard = waiting.map(|progress| match progress.last_error {
            Some(LastError { is_away: true, .. }) => Reach::Away,
            Some(_) => Reach::Answers,
            None => Reach::Silent,
        });
        heard.max().unwrap_or(Reach::Answers)
    }

    /// Asks for another round, as if something had changed: for work that must be tried again.
    pub fn nudge(&self) {
        self.signal.send();
    }

    /// Whether every store has seen its first list.
    #[must_use]
    pub fn all_synced(&self) -> bool {
        self.followed.iter().all(|(_, progress)| progress().round > 0)
    }

    /// Whether every store has seen a list that began after the last call of [`relist`](Self::relist).
    #[must_use]
    pub fn all_current(&self) -> bool {
        let wanted = (*self.round.borrow()).max(1);
        self.followed.iter().all(|(_, progress)| progress().round >= wanted)
    }

    /// The stores still waiting for their first list, with the reason where one is known.
    #[must_use]
    pub fn unsynced(&self) -> Vec<Unsynced> {
        self.behind(1)
    }

    /// The stores that have not seen a list that began after the last call of [`relist`](Self::relist).
    #[must_use]
    pub fn outdated(&self) -> Vec<Unsynced> {
        self.behind((*self.round.borrow()).max(1))
    }

    fn behind(&self, wanted: u64) -> Vec<Unsynced> {
        let waiting = self.followed.iter().filter_map(|(what, progress)| {
            let Progress { round, last_error } = progress();
            let last_error = last_error.map(|error| error.text);
            (round < wanted).then_some(Unsynced { what, last_error })
        });
        waiting.collect()
    }
}

/// That something changed, with the time of the first change nobody has looked at yet.
#[derive(Clone)]
struct Signal(watch::Sender<Option<Instant>>);

/// Is told of changes as [`Watches`] are, for somebody who is in no hurry.
#[derive(Debug)]
pub struct Listener(watch::Receiver<Option<Instant>>);

impl Listener {
    /// Resolves when anything changed since the last call; false once nobody follows any more. Safe to cancel.
    pub async fn changed(&mut self) -> bool {
        self.0.changed().await.is_ok()
    }

    /// Takes all changes so far for known.
    pub fn catch_up(&mut self) {
        self.0.mark_unchanged();
    }
}

impl Signal {
    fn send(&self) {
        self.0.send_modify(|since| {
            since.get_or_insert_with(Instant::now);
        });
    }

    fn take(&self) -> Option<Instant> {
        let mut since = None;
        self.0.send_if_modified(|waiting| {
            since = waiting.take();
            false
        });
        since
    }
}

/// The task behind one store.
struct Follower<T> {
    store: Store<T>,
    what: &'static str,
    signal: Signal,
    round: watch::Receiver<u64>,
    /// Whether it was said that only listing is allowed.
    is_polling: bool,
}

/// Why a follower stopped following.
enum Stopped {
    /// Only listing is allowed.
    WatchForbidden,
    /// A list is wanted.
    Relist,
}

impl<T: Held> Follower<T> {
    async fn run(mut self, api: Api<Wire<T>>, config: watcher::Config) {
        loop {
            let round = *self.round.borrow_and_update();
            let stopped = match round {
                0 => self.round.changed().await.map(|()| Stopped::Relist),
                round => self.follow(round, api.clone(), config.clone()).await,
            };
            match stopped {
                Ok(Stopped::Relist) => {}
                Ok(Stopped::WatchForbidden) => drop(tokio::time::timeout(POLL, self.round.changed()).await),
                // Nobody reads the store any more.
                Err(_) => return,
            }
        }
    }

    /// Follows until another round of lists is wanted, or watching turns out to be forbidden: then only listing
    /// again helps.
    async fn follow(
        &mut self,
        round: u64,
        api: Api<Wire<T>>,
        config: watcher::Config,
    ) -> Result<Stopped, watch::error::RecvError> {
        let mut events = std::pin::pin!(paced(watcher(api, config).boxed()));
        loop {
            let event = tokio::select! {
                changed = self.round.changed() => return changed.map(|()| Stopped::Relist),
                Some(event) = events.next() => event,
            };
            match event {
                Ok(event) => self.take(round, event),
                // No failure: what the list told is current, and so is the next one.
                Err(error) if is_forbidden_watch(&error) => {
                    self.poll(&error);
                    return Ok(Stopped::WatchForbidden);
                }
                Err(error) => self.failed(&error),
            }
        }
    }

    fn take(&mut self, round: u64, event: watcher::Event<Wire<T>>) {
        let has_failed = self.store.has_failed();
        match event {
            // A relist is one batch: nobody looks before it is complete.
            watcher::Event::Init => return self.store.begin_list(),
            watcher::Event::InitApply(object) => {
                self.complain(&object);
                return self.store.list(&object);
            }
            // Whoever lists again and again mostly hears what is known.
            watcher::Event::InitDone if self.is_polling && self.store.knows_list(round) => return,
            watcher::Event::InitDone => {
                self.follows(self.store.end_list(round) || has_failed);
            }
            watcher::Event::Apply(object) => {
                self.complain(&object);
                let is_news = self.store.apply(&object);
                self.follows(has_failed);
                if !is_news {
                    return;
                }
            }
            watcher::Event::Delete(object) => {
                self.store.delete(&object);
                self.follows(has_failed);
            }
        }
        self.signal.send();
    }

    fn follows(&self, is_news: bool) {
        if is_news {
            tracing::info!(what = self.what, "in step with the API server");
        }
    }

    fn complain(&self, object: &Wire<T>) {
        if let Err(malformed) = object.content() {
            let (namespace, name) =
                (object.metadata().namespace.as_deref(), object.metadata().name.as_deref());
            tracing::error!(
                what = self.what,
                namespace,
                name,
                error = malformed.why,
                "object can't be read, going on without it"
            );
        }
    }

    fn poll(&mut self, error: &watcher::Error) {
        if !std::mem::replace(&mut self.is_polling, true) {
            let (what, pause, error) = (self.what, POLL.as_secs(), explain(self.what, error));
            tracing::warn!(what, pause, error, "can't watch, listing again and again");
        }
    }

    fn failed(&self, error: &watcher::Error) {
        let text = explain(self.what, error);
        if !self.store.failed(&text, is_away(error)) {
            return;
        }
        tracing::warn!(what = self.what, error = text, "can't follow, trying again");
        // Readiness tells the reason: let the owner look.
        if !self.store.is_synced() {
            self.signal.send();
        }
    }
}

/// The original's RBAC lets speakers list pods but not watch them: a list every two seconds serves.
const POLL: Duration = Duration::from_secs(2);
