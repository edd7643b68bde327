//! The status objects that exist, by the Service they are about.

use std::collections::{BTreeMap, BTreeSet};

use metallb_api::ServiceL2Status;
use metallb_cluster::{Changes, Store};
use metallb_config::ServiceKey;

use super::steps::Live;

/// All objects with the labels of a speaker.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_service: BTreeMap<ServiceKey, BTreeMap<String, Live>>,
    service_of: BTreeMap<String, ServiceKey>,
}

impl Index {
    /// Takes in what changed in the store and returns the Services it is about.
    pub(super) fn refresh(
        &mut self,
        store: &Store<ServiceL2Status>,
        namespace: &str,
    ) -> BTreeSet<ServiceKey> {
        let names: BTreeSet<String> = match store.take_changes() {
            Changes::Keys(keys) => keys.into_iter().map(|key| key.name).collect(),
            Changes::All => {
                let now = store.all().into_iter().filter_map(|object| object.metadata.name.clone());
                now.chain(self.service_of.keys().cloned()).collect()
            }
        };
        let set = |name: String| {
            let object = store.get(namespace, &name).and_then(|object| Live::parse(&object));
            self.set(name, object)
        };
        names.into_iter().flat_map(set).collect()
    }

    /// The objects about a Service, by name.
    pub(super) fn of(&self, service: &ServiceKey) -> BTreeMap<String, Live> {
        self.by_service.get(service).cloned().unwrap_or_default()
    }

    /// All Services there is an object about.
    pub(super) fn services(&self) -> impl Iterator<Item = &ServiceKey> {
        self.by_service.keys()
    }

    fn set(&mut self, name: String, live: Option<Live>) -> Vec<ServiceKey> {
        let mut touched = Vec::new();
        if let Some(service) = self.service_of.remove(&name) {
            if let Some(objects) = self.by_service.get_mut(&service) {
                objects.remove(&name);
                if objects.is_empty() {
                    self.by_service.remove(&service);
                }
            }
            touched.push(service);
        }
        if let Some(live) = live {
            let service = live.service.clone();
            self.by_service.entry(service.clone()).or_default().insert(name.clone(), live);
            self.service_of.insert(name, service.clone());
            touched.push(service);
        }
        touched
    }
}
