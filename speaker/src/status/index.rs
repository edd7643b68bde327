//! The status objects that exist, by the Service they are about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use metallb_api::ServiceL2Status;
use metallb_cluster::{Changes, Held, Store};
use metallb_config::ServiceKey;
use serde::Deserialize;
use serde_json::Value;

use super::steps::Live;

/// An object of any speaker, as far as it matters: one of each Service of the cluster.
#[derive(Debug)]
pub(super) struct KnownStatus {
    /// None without the labels of a speaker.
    live: Option<Arc<Live>>,
}

impl Held for KnownStatus {
    type Kind = ServiceL2Status;

    fn read(object: &Value) -> Result<Self, serde_json::Error> {
        let object = ServiceL2Status::deserialize(object)?;
        Ok(Self { live: Live::parse(&object).map(Arc::new) })
    }
}

/// All objects with the labels of a speaker.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_name: BTreeMap<Arc<str>, Arc<Live>>,
    /// Their names. Most Services have one: a set would take many times the room.
    by_service: BTreeMap<ServiceKey, Vec<Arc<str>>>,
}

impl Index {
    /// Takes in what changed in the store and returns the Services it is about.
    pub(super) fn refresh(&mut self, store: &Store<KnownStatus>, namespace: &str) -> BTreeSet<ServiceKey> {
        let names: BTreeSet<Arc<str>> = match store.take_changes() {
            Changes::Keys(keys) => keys.into_iter().map(|key| key.name).collect(),
            Changes::All => {
                let now = store.entries().into_iter().map(|(key, _)| key.name);
                now.chain(self.by_name.keys().cloned()).collect()
            }
        };
        let set = |name: Arc<str>| {
            let live = store.get(namespace, &name).and_then(|known| known.live.clone());
            self.set(name, live)
        };
        names.into_iter().flat_map(set).collect()
    }

    /// The objects about a Service, by name.
    pub(super) fn of(&self, service: &ServiceKey) -> BTreeMap<String, Live> {
        let names = self.by_service.get(service).into_iter().flatten();
        let named = names.filter_map(|name| Some((name.to_string(), self.by_name.get(name)?)));
        named.map(|(name, live)| (name, live.as_ref().clone())).collect()
    }

    /// All Services there is an object about.
    pub(super) fn services(&self) -> impl Iterator<Item = &ServiceKey> {
        self.by_service.keys()
    }

    fn set(&mut self, name: Arc<str>, live: Option<Arc<Live>>) -> Vec<ServiceKey> {
        let mut touched = Vec::new();
        if let Some(before) = self.by_name.remove(&name) {
            if let Some(names) = self.by_service.get_mut(&before.service) {
                names.retain(|known| *known != name);
                if names.is_empty() {
                    self.by_service.remove(&before.service);
                }
            }
            touched.push(before.service.clone());
        }
        if let Some(live) = live {
            touched.push(live.service.clone());
            let names = self.by_service.entry(live.service.clone()).or_insert_with(|| Vec::with_capacity(1));
            names.push(name.clone());
            self.by_name.insert(name, live);
        }
        touched
    }
}
