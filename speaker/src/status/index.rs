//! The status objects that exist, by the Service they are about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use metallb_announce::tighten;
use metallb_api::ServiceL2Status;
use metallb_cluster::{Changes, Held, Store};
use serde::Deserialize;
use serde_json::Value;

use super::steps::Live;
use crate::digest::Digest;

/// An object of any speaker, as far as it matters: one of each Service of the cluster.
#[derive(Debug)]
pub(super) struct KnownStatus {
    /// None without the labels of a speaker.
    live: Option<Live>,
}

impl Held for KnownStatus {
    type Kind = ServiceL2Status;

    fn read(object: &Value) -> Result<Self, serde_json::Error> {
        Ok(Self { live: Live::parse(&ServiceL2Status::deserialize(object)?) })
    }
}

/// All objects with the labels of a speaker.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_name: BTreeMap<Arc<str>, Arc<KnownStatus>>,
    /// Their names, behind the Service.
    by_service: BTreeSet<(Digest, Arc<str>)>,
}

impl Index {
    /// Takes in what changed in the store and returns the Services it is about.
    pub(super) fn refresh(&mut self, store: &Store<KnownStatus>, namespace: &str) -> BTreeSet<Digest> {
        let names: BTreeSet<Arc<str>> = match store.take_changes() {
            Changes::Keys(keys) => keys.into_iter().map(|key| key.name).collect(),
            Changes::All => {
                let now = store.entries().into_iter().map(|(key, _)| key.name);
                now.chain(self.by_name.keys().cloned()).collect()
            }
        };
        let set = |name: Arc<str>| {
            let known = store.get(namespace, &name);
            self.set(name, known)
        };
        names.into_iter().flat_map(set).collect()
    }

    /// The objects about a Service, by name.
    pub(super) fn of(&self, service: Digest) -> BTreeMap<String, Live> {
        let names = self.by_service.range((service, Arc::default())..);
        let names = names.take_while(|(of, _)| *of == service).map(|(_, name)| name);
        names.filter_map(|name| Some((name.to_string(), self.by_name.get(name)?.live?))).collect()
    }

    /// Gives room back.
    pub(super) fn tighten(&mut self) {
        tighten(&mut self.by_name);
        tighten(&mut self.by_service);
    }

    /// All Services there is an object about.
    pub(super) fn services(&self) -> impl Iterator<Item = Digest> {
        self.by_service.iter().map(|(service, _)| *service)
    }

    fn set(&mut self, name: Arc<str>, known: Option<Arc<KnownStatus>>) -> Vec<Digest> {
        let service = |known: &Arc<KnownStatus>| known.live.map(|live| live.service);
        let before = self.by_name.remove(&name).as_ref().and_then(service);
        let now = known.as_ref().and_then(service);
        if let Some(before) = before {
            self.by_service.remove(&(before, name.clone()));
        }
        if let (Some(now), Some(known)) = (now, known) {
            self.by_service.insert((now, name.clone()));
            self.by_name.insert(name, known);
        }
        before.into_iter().chain(now).collect()
    }
}
