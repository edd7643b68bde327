//! The Services of the cluster, as the allocator was last told of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{LoadBalancerIngress, LoadBalancerStatus, Service, ServiceStatus};
use metallb_cluster::{Changes, Malformed, ObjectKey, Packed, Store};
use metallb_config::ServiceView;
use metallb_config::service::{self, ServiceKey};
use serde_json::Value;

/// A Service that changed.
pub(crate) enum News {
    /// It has a new version.
    Seen(Arc<ServiceView>),
    /// It is gone.
    Gone(ServiceKey),
    /// Its newest version can't be read.
    Garbled {
        key: ServiceKey,
        malformed: Arc<Malformed>,
        /// Whether no version of it ever could.
        unseen: bool,
    },
}

/// The version of each Service that decisions are based on.
pub(crate) struct Services {
    store: Store<Packed<Service>>,
    seen: HashMap<ServiceKey, Arc<Packed<Service>>>,
    /// Those whose newest version can't be read, as it was told.
    garbled: HashMap<ServiceKey, Arc<Malformed>>,
    /// Whether nothing was told yet.
    fresh: bool,
}

impl Services {
    pub(crate) fn new(store: Store<Packed<Service>>) -> Self {
        Self { store, seen: HashMap::new(), garbled: HashMap::new(), fresh: true }
    }

    /// The version that was last told as news.
    pub(crate) fn get(&self, key: &ServiceKey) -> Option<&Arc<Packed<Service>>> {
        self.seen.get(key)
    }

    /// Tells everything anew, next time.
    pub(crate) fn forget(&mut self) {
        self.seen = HashMap::new();
        self.garbled = HashMap::new();
        self.fresh = true;
    }

    /// What changed since the last call; each version is told once, however often the server sends it.
    pub(crate) fn refresh(&mut self) -> Vec<News> {
        match self.store.take_changes() {
            Changes::Keys(keys) if !self.fresh => {
                keys.into_iter().flat_map(|key| self.look_at(parse_key(key))).collect()
            }
            Changes::Keys(_) | Changes::All => self.look_at_all(),
        }
    }

    fn look_at(&mut self, key: ServiceKey) -> impl Iterator<Item = News> + use<> {
        let garbled = self.look_whether_garbled(key.clone());
        let news = match self.store.get(&key.namespace, &key.name) {
            Some(service) => self.see(key, service),
            None => self.seen.remove(&key).map(|_| News::Gone(key)),
        };
        news.into_iter().chain(garbled)
    }

    fn look_whether_garbled(&mut self, key: ServiceKey) -> Option<News> {
        let unseen = self.store.get(&key.namespace, &key.name).is_none();
        let Some(malformed) = self.store.get_malformed(&key.namespace, &key.name) else {
            return self.garbled.remove(&key).filter(|_| unseen).map(|_| News::Gone(key));
        };
        let told = self.garbled.insert(key.clone(), malformed.clone());
        let is_news = told.is_none_or(|told| !Arc::ptr_eq(&told, &malformed));
        is_news.then_some(News::Garbled { key, malformed, unseen })
    }

    fn look_at_all(&mut self) -> Vec<News> {
        self.fresh = false;
        let services: Vec<_> =
            self.store.entries().into_iter().map(|(key, service)| (parse_key(key), service)).collect();
        let there: HashSet<&ServiceKey> = services.iter().map(|(key, _)| key).collect();
        let gone: Vec<ServiceKey> = self.seen.keys().filter(|key| !there.contains(key)).cloned().collect();
        gone.iter().for_each(|key| drop(self.seen.remove(key)));
        let mut news: Vec<News> = gone.into_iter().map(News::Gone).collect();
        news.extend(services.into_iter().filter_map(|(key, service)| self.see(key, service)));
        let mut garbled: HashSet<ServiceKey> = self.garbled.keys().cloned().collect();
        garbled.extend(self.store.malformed().iter().map(|malformed| key_of(malformed)));
        news.extend(garbled.into_iter().filter_map(|key| self.look_whether_garbled(key)));
        news
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

/// What can be read of a Service that can't: whose it is, and the addresses recorded in it.
pub(crate) fn salvage(malformed: &Malformed) -> ServiceView {
    let entries = malformed.object.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    let addresses = entries.into_iter().flatten().filter_map(|entry| entry.get("ip")?.as_str());
    let entry = |ip: &str| LoadBalancerIngress { ip: Some(ip.to_owned()), ..LoadBalancerIngress::default() };
    let balancer = LoadBalancerStatus { ingress: Some(addresses.map(entry).collect()) };
    let status = ServiceStatus { load_balancer: Some(balancer), ..ServiceStatus::default() };
    service::parse(&Service { metadata: malformed.metadata.clone(), spec: None, status: Some(status) })
}

fn key_of(malformed: &Malformed) -> ServiceKey {
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
    ServiceKey { namespace: text(&malformed.metadata.namespace), name: text(&malformed.metadata.name) }
}

fn parse_key(key: ObjectKey) -> ServiceKey {
    ServiceKey { namespace: key.namespace.unwrap_or_default(), name: key.name }
}
