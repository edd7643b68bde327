//! The Services of the cluster, as the allocator was last told of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use metallb_cluster::{Changes, ObjectKey, Store};
use metallb_config::ServiceView;
use metallb_config::service::{self, ServiceKey};

/// A Service that changed.
pub(crate) enum News {
    /// It has a new version.
    Seen(Arc<ServiceView>),
    /// It is gone.
    Gone(ServiceKey),
}

/// The version of each Service that decisions are based on.
pub(crate) struct Services {
    store: Store<Service>,
    seen: HashMap<ServiceKey, Arc<Service>>,
}

impl Services {
    pub(crate) fn new(store: Store<Service>) -> Self {
        Self { store, seen: HashMap::new() }
    }

    /// The version that was last told as news.
    pub(crate) fn get(&self, key: &ServiceKey) -> Option<&Arc<Service>> {
        self.seen.get(key)
    }

    /// What changed since the last call; each version is told once, however often the server sends it.
    pub(crate) fn refresh(&mut self) -> Vec<News> {
        match self.store.take_changes() {
            Changes::Keys(keys) => keys.into_iter().filter_map(|key| self.look_at(key)).collect(),
            Changes::All => self.look_at_all(),
        }
    }

    fn look_at(&mut self, key: ObjectKey) -> Option<News> {
        let key = ServiceKey { namespace: key.namespace.unwrap_or_default(), name: key.name };
        match self.store.get(&key.namespace, &key.name) {
            Some(service) => self.see(service),
            None => self.seen.remove(&key).map(|_| News::Gone(key)),
        }
    }

    fn look_at_all(&mut self) -> Vec<News> {
        let services = self.store.all();
        let there: HashSet<ServiceKey> = services.iter().map(|service| ServiceKey::of(service)).collect();
        let gone: Vec<ServiceKey> = self.seen.keys().filter(|key| !there.contains(key)).cloned().collect();
        gone.iter().for_each(|key| drop(self.seen.remove(key)));
        let seen = services.into_iter().filter_map(|service| self.see(service));
        seen.collect::<Vec<_>>().into_iter().chain(gone.into_iter().map(News::Gone)).collect()
    }

    fn see(&mut self, service: Arc<Service>) -> Option<News> {
        let key = ServiceKey::of(&service);
        if self.seen.get(&key).is_some_and(|known| version(known) == version(&service)) {
            return None;
        }
        let view = Arc::new(service::parse(&service));
        self.seen.insert(key, service);
        Some(News::Seen(view))
    }
}

/// What tells one version of a Service from another; one that was made anew has another uid.
fn version(service: &Service) -> (Option<&str>, Option<&str>) {
    (service.metadata.uid.as_deref(), service.metadata.resource_version.as_deref())
}
