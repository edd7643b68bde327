//! Stores that follow a kind of object: all of them, as the API server last told.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use tokio::time::Instant;

mod packed;
#[cfg(test)]
mod tests;
mod wire;

pub use packed::Packed;
pub use wire::Held;
pub(crate) use wire::Wire;

/// All objects of one kind, as the API server last told. Clones are the same.
#[derive(Debug)]
pub struct Store<T> {
    cache: Arc<Mutex<Cache<T>>>,
}

impl<T> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone() }
    }
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self { cache: Arc::default() }
    }
}

#[derive(Debug)]
struct Cache<T> {
    /// A hash table would mostly be half empty, and can't be made to fit.
    objects: BTreeMap<ObjectKey, Slot<T>>,
    /// What a list that is not complete yet holds so far.
    listed: BTreeMap<ObjectKey, Slot<T>>,
    /// Each namespace once.
    namespaces: HashSet<Arc<str>>,
    changes: Changes,
    progress: Progress,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            listed: BTreeMap::new(),
            namespaces: HashSet::new(),
            changes: Changes::default(),
            progress: Progress::default(),
        }
    }
}

impl<T> Cache<T> {
    /// The key with texts that are there already: whoever keeps a key keeps no texts of his own.
    fn share(&mut self, key: ObjectKey) -> ObjectKey {
        if let Some((known, _)) = self.objects.get_key_value(&key) {
            return known.clone();
        }
        let namespace = key.namespace.map(|namespace| match self.namespaces.get(&namespace) {
            Some(known) => known.clone(),
            None => {
                self.namespaces.insert(namespace.clone());
                namespace
            }
        });
        ObjectKey { namespace, ..key }
    }
}

/// How far a store is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// The round of lists that is complete; 0 before the first one.
    pub(crate) round: u64,
    /// The last error since something was heard.
    pub(crate) last_error: Option<LastError>,
}

/// Why the last try failed.
#[derive(Clone, Debug)]
pub(crate) struct LastError {
    pub(crate) text: String,
    /// Whether the API server could not be reached, or is out of order: a refusal is an answer.
    pub(crate) is_away: bool,
    at: Instant,
}

/// A watch that is taken up again says nothing until something changes. So long after an error without another one it has
/// been: a try takes some 15 s to fail at most, and follows the one before after 5 s.
const OVER: Duration = Duration::from_secs(60);

impl LastError {
    fn is_over(&self) -> bool {
        self.at.elapsed() >= OVER
    }
}

/// One object, or what is left of it.
#[derive(Debug)]
struct Slot<T> {
    /// Its last version that could be read.
    held: Option<Arc<T>>,
    stamp: Stamp,
    /// Why its newest version can't.
    malformed: Option<Arc<Malformed>>,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self { held: self.held.clone(), stamp: self.stamp, malformed: self.malformed.clone() }
    }
}

/// A [`Version`] as digests: there is one for each object, and texts take five times the room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    uid: u64,
    resource: u64,
}

impl Stamp {
    fn of(uid: &str, resource: &str) -> Self {
        let digest = |text: &str| {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            hasher.finish()
        };
        Self { uid: digest(uid), resource: digest(resource) }
    }
}

/// What tells one version of an object from another; one that was made anew has another uid.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Version {
    /// Its `uid`.
    pub uid: Box<str>,
    /// Its `resourceVersion`.
    pub resource: Box<str>,
}

/// An object that is not what its kind should be: perhaps its CRD was replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct Malformed {
    /// Name, namespace, uid, version and age; nothing else of it was read.
    pub metadata: ObjectMeta,
    /// The object as it came, without the server's bookkeeping.
    pub object: Value,
    /// What is wrong with it.
    pub why: String,
}

/// Namespace and name of an object; no namespace when it is cluster-scoped. Copies share their texts.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ObjectKey {
    /// Its namespace.
    pub namespace: Option<Arc<str>>,
    /// Its name.
    pub name: Arc<str>,
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

impl<T> Store<T> {
    /// Every object, in the order of the keys. Of one that can't be read it is the last version that could, if any.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<T>> {
        self.lock().objects.values().filter_map(|slot| slot.held.clone()).collect()
    }

    /// Every object by its key, in their order.
    #[must_use]
    pub fn entries(&self) -> Vec<(ObjectKey, Arc<T>)> {
        let cache = self.lock();
        let entries = cache.objects.iter();
        entries.filter_map(|(key, slot)| Some((key.clone(), slot.held.clone()?))).collect()
    }

    /// One object of a namespace.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<T>> {
        let key = ObjectKey { namespace: Some(namespace.into()), name: name.into() };
        self.lock().objects.get(&key)?.held.clone()
    }

    /// Why the newest version of one object of a namespace can't be read; None if it can.
    #[must_use]
    pub fn get_malformed(&self, namespace: &str, name: &str) -> Option<Arc<Malformed>> {
        let key = ObjectKey { namespace: Some(namespace.into()), name: name.into() };
        self.lock().objects.get(&key)?.malformed.clone()
    }

    /// The objects whose newest version can't be read, by name.
    #[must_use]
    pub fn malformed(&self) -> Vec<Arc<Malformed>> {
        let cache = self.lock();
        let mut malformed: Vec<_> =
            cache.objects.values().filter_map(|slot| slot.malformed.clone()).collect();
        malformed.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
        malformed
    }

    /// Which objects may have changed since the last call. For one reader: each change is told once.
    #[must_use]
    pub fn take_changes(&self) -> Changes {
        std::mem::take(&mut self.lock().changes)
    }

    /// Gives room back that trees filled little by little leave free.
    pub fn tighten(&self) {
        let mut cache = self.lock();
        cache.objects = std::mem::take(&mut cache.objects).into_iter().collect();
    }

    /// Whether the first complete list has arrived. Stays true through later outages.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.lock().progress.round > 0
    }

    /// Whether the first complete list has arrived and the last thing heard since was no error, or none of the last minute.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let progress = self.progress();
        progress.round > 0 && progress.last_error.is_none_or(|error| error.is_over())
    }

    pub(crate) fn progress(&self) -> Progress {
        self.lock().progress.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Cache<T>> {
        // Every change is one assignment: a panic elsewhere cannot leave it half done.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Store<T> {
    /// Puts in what was known before, until the first list has arrived; does nothing afterwards. What was known counts
    /// as changed.
    pub fn resume(&self, known: impl IntoIterator<Item = (ObjectKey, T)>) {
        let mut cache = self.lock();
        if cache.progress.round > 0 {
            return;
        }
        // No version the API server gives: whatever it lists is looked at.
        let stamp = Stamp::of("", "known before");
        let slot = |held| Slot { held: Some(Arc::new(held)), stamp, malformed: None };
        cache.objects = known.into_iter().map(|(key, held)| (key, slot(held))).collect();
        cache.changes = Changes::All;
    }
}

/// What the follower of a store writes.
impl<T: Held> Store<T> {
    pub(crate) fn begin_list(&self) {
        self.lock().listed = BTreeMap::new();
    }

    pub(crate) fn list(&self, wire: &Wire<T>) {
        let mut cache = self.lock();
        let Some(key) = wire.key().map(|key| cache.share(key)) else { return };
        let slot = build_slot(wire, cache.objects.get(&key));
        cache.listed.insert(key, slot);
    }

    /// Whether the complete list tells nothing new, and ends no outage; it is dropped then.
    pub(crate) fn knows_list(&self, round: u64) -> bool {
        let mut cache = self.lock();
        let mut pairs = cache.objects.iter().zip(&cache.listed);
        let is_equal = cache.objects.len() == cache.listed.len()
            && pairs.all(|((key, known), (listed, slot))| key == listed && known.stamp == slot.stamp);
        let knows = is_equal && cache.progress.round == round && cache.progress.last_error.is_none();
        if knows {
            cache.listed = BTreeMap::new();
        }
        knows
    }

    /// Whether nothing was heard since the last error.
    pub(crate) fn has_failed(&self) -> bool {
        self.lock().progress.last_error.is_some()
    }

    /// Whether this is the first complete list.
    pub(crate) fn end_list(&self, round: u64) -> bool {
        let mut cache = self.lock();
        cache.objects = std::mem::take(&mut cache.listed).into_iter().collect();
        // Only this list and keys hold them.
        cache.namespaces.retain(|namespace| Arc::strong_count(namespace) > 1);
        cache.changes = Changes::All;
        cache.progress.last_error = None;
        std::mem::replace(&mut cache.progress.round, round) == 0
    }

    /// Whether there is something to look at.
    pub(crate) fn apply(&self, wire: &Wire<T>) -> bool {
        let mut cache = self.lock();
        let Some(key) = wire.key().map(|key| cache.share(key)) else { return false };
        cache.progress.last_error = None;
        let slot = build_slot(wire, cache.objects.get(&key));
        let is_news = !cache.objects.get(&key).is_some_and(|before| is_same(&slot, before));
        cache.objects.insert(key.clone(), slot);
        if is_news {
            cache.changes.add(key);
        }
        is_news
    }

    pub(crate) fn delete(&self, wire: &Wire<T>) {
        let mut cache = self.lock();
        let Some(key) = wire.key() else { return };
        cache.objects.remove(&key);
        cache.changes.add(key);
        cache.progress.last_error = None;
    }

    /// Whether this error is another one than the last since something was heard.
    pub(crate) fn failed(&self, text: &str, is_away: bool) -> bool {
        let mut cache = self.lock();
        let before = cache.progress.last_error.as_ref();
        let is_news = before.is_none_or(|before| before.text != text || before.is_over());
        cache.progress.last_error = Some(LastError { text: text.to_owned(), is_away, at: Instant::now() });
        is_news
    }
}

fn is_same<T: Held>(now: &Slot<T>, before: &Slot<T>) -> bool {
    let held = now.held.as_ref().zip(before.held.as_ref());
    held.is_some_and(|(now, before)| now.is_same(before))
        && now.malformed.is_none()
        && before.malformed.is_none()
}

/// A version that is known already is kept as it is: a relist costs no memory but the list.
fn build_slot<T: Held>(wire: &Wire<T>, known: Option<&Slot<T>>) -> Slot<T> {
    let stamp = wire.stamp();
    if let Some(known) = known.filter(|known| known.stamp == stamp) {
        return known.clone();
    }
    match wire.content() {
        Ok(held) => Slot { held: Some(held.clone()), stamp, malformed: None },
        Err(malformed) => {
            let same = known.filter(|known| known.stamp.uid == stamp.uid);
            let held = same.and_then(|known| known.held.clone());
            Slot { held, stamp, malformed: Some(malformed.clone()) }
        }
    }
}
