//! From the stores to what is written, and back.

use std::sync::Arc;

use metallb_announce::{Saved, SavedPod, SavedService, SavedSlice};
use metallb_api::L2Advertisement;
use metallb_cluster::{ObjectKey, Store};
use metallb_config::ServiceKey;

use crate::known::{KnownNode, KnownPod, KnownPool, KnownService, KnownSlice};
use crate::owner::{service_key, slice_key};
use crate::stores::Stores;

/// Everything that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    services: Store<KnownService>,
    slices: Store<KnownSlice>,
    nodes: Store<KnownNode>,
    pools: Store<KnownPool>,
    advertisements: Store<L2Advertisement>,
    pods: Option<Store<KnownPod>>,
    node: String,
    namespace: String,
}

impl Contents {
    /// What the stores of the speaker of a node hold; pools, advertisements and pods are in MetalLB's namespace.
    pub(crate) fn new(stores: &Stores, node: &str, namespace: &str) -> Self {
        let Stores { watches: _, services, slices, nodes, pools, advertisements, pods } = stores;
        Self {
            services: services.clone(),
            slices: slices.clone(),
            nodes: nodes.clone(),
            pools: pools.clone(),
            advertisements: advertisements.clone(),
            pods: pods.clone(),
            node: node.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    /// Whether the stores hold what the API server tells.
    pub(super) fn are_current(&self) -> bool {
        self.services.is_current()
            && self.slices.is_current()
            && self.nodes.is_current()
            && self.pools.is_current()
            && self.advertisements.is_current()
            && self.pods.as_ref().is_none_or(Store::is_current)
    }

    /// What is known now, in the order of names: the same knowledge is the same text.
    pub(super) fn take_down(&self) -> Saved {
        let Self { services, slices, nodes, pools, advertisements, pods, node, namespace: _ } = self;
        let service = |(key, known): (ObjectKey, Arc<KnownService>)| {
            let ServiceKey { namespace, name } = service_key(key);
            let (namespace, name) = (namespace.to_string(), name.to_string());
            SavedService { namespace, name, uid: known.uid.to_string().into(), facts: known.facts.clone() }
        };
        let pods = pods.as_ref().map(sorted).unwrap_or_default().into_iter();
        Saved {
            node: node.clone(),
            services: sorted(services).into_iter().map(service).collect(),
            slices: sorted(slices)
                .into_iter()
                .map(|(key, known)| SavedSlice::new(slice_key(key), known.view.clone()))
                .collect(),
            nodes: sorted(nodes).into_iter().map(|(_, known)| known.view.clone()).collect(),
            pools: sorted(pools).into_iter().map(|(_, pool)| pool.object.clone()).collect(),
            advertisements: sorted(advertisements).into_iter().map(|(_, ad)| ad).collect(),
            pods: pods
                .map(|(key, pod)| SavedPod { name: key.name.to_string(), address: pod.address.clone() })
                .collect(),
        }
    }

    /// Puts what was known into the stores that have not been listed yet.
    pub(crate) fn put_back(&self, saved: Saved) {
        let Saved { node: _, services, slices, nodes, pools, advertisements, pods } = saved;
        let known = |service: SavedService| {
            let SavedService { namespace, name, uid, facts } = service;
            let key = ObjectKey { namespace: Some(namespace.into()), name: name.into() };
            (key, KnownService::resumed(facts, &uid))
        };
        self.services.resume(services.into_iter().map(known));
        let known = |slice: SavedSlice| {
            let (key, view) = slice.into_parts();
            (ObjectKey { namespace: Some(key.namespace), name: key.name }, KnownSlice { view })
        };
        self.slices.resume(slices.into_iter().map(known));
        let nodes = nodes
            .into_iter()
            .map(|view| (ObjectKey { namespace: None, name: view.name.as_str().into() }, KnownNode { view }));
        self.nodes.resume(nodes);
        let own = |name: Option<String>| self.in_namespace(&name.unwrap_or_default());
        let pools = pools.into_iter().map(|object| (own(object.metadata.name.clone()), KnownPool { object }));
        self.pools.resume(pools);
        let advertisements =
            advertisements.into_iter().map(|ad| (own(ad.metadata.name.clone()), (*ad).clone()));
        self.advertisements.resume(advertisements);
        if let Some(store) = &self.pods {
            let pods = pods.into_iter();
            store.resume(
                pods.map(|SavedPod { name, address }| (self.in_namespace(&name), KnownPod { address })),
            );
        }
    }

    fn in_namespace(&self, name: &str) -> ObjectKey {
        ObjectKey { namespace: Some(self.namespace.as_str().into()), name: name.into() }
    }
}

fn sorted<T>(store: &Store<T>) -> Vec<(ObjectKey, Arc<T>)> {
    let mut entries = store.entries();
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    entries
}
