//! The Services of the cluster, as the allocator was last told of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use metallb_cluster::{Changes, ObjectKey, Packed, Store};
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
    store: Store<Packed<Service>>,
    seen: HashMap<ServiceKey, Arc<Packed<Service>>>,
    /// Whether nothing was told yet.
    fresh: bool,
}

impl Services {
    pub(crate) fn new(store: Store<Packed<Service>>) -> Self {
        Self { store, seen: HashMap::new(), fresh: true }
    }

    /// The version that was last told as news.
    pub(crate) fn get(&self, key: &ServiceKey) -> Option<&Arc<Packed<Service>>> {
        self.seen.get(key)
    }

    /// Tells everything anew, next time.
    pub(crate) fn forget(&mut self) {
        self.seen = HashMap::new();
        self.fresh = true;
    }

    /// What changed since the last call; each version is told once, however often the server sends it.
    pub(crate) fn refresh(&mut self) -> Vec<News> {
        match self.store.take_changes() {
            Changes::Keys(keys) if !self.fresh => {
                keys.into_iter().filter_map(|key| self.look_at(key)).collect()
            }
            Changes::Keys(_) | Changes::All => self.look_at_all(),
        }
    }

    fn look_at(&mut self, key: ObjectKey) -> Option<News> {
        let key = parse_key(key);
        match self.store.get(&key.namespace, &key.name) {
            Some(service) => self.see(key, service),
            None => self.seen.remove(&key).map(|_| News::Gone(key)),
        }
    }

    fn look_at_all(&mut self) -> Vec<News> {
        self.fresh = false;
        let services: Vec<_> =
            self.store.entries().into_iter().map(|(key, service)| (parse_key(key), service)).collect();
        let there: HashSet<&ServiceKey> = services.iter().map(|(key, _)| key).collect();
        let gone: Vec<ServiceKey> = self.seen.keys().filter(|key| !there.contains(key)).cloned().collect();
        gone.iter().for_each(|key| drop(self.seen.remove(key)));
        let seen = services.into_iter().filter_map(|(key, service)| self.see(key, service));
        seen.collect::<Vec<_>>().into_iter().chain(gone.into_iter().map(News::Gone)).collect()
    }

    fn see(&mut self, key: ServiceKey, service: Arc<Packed<Service>>) -> Option<News> {
        if self.seen.get(&key).is_some_and(|known| known.version() == service.version()) {
            return None;
        }
        let view = Arc::new(service::parse(&service.unpack()?));
        self.seen.insert(key, service);
        Some(News::Seen(view))
    }
}

fn parse_key(key: ObjectKey) -> ServiceKey {
    ServiceKey { namespace: key.namespace.unwrap_or_default(), name: key.name }
}
