//! What the speaker follows in the cluster.

use std::collections::BTreeSet;
use std::net::IpAddr;

use kube::runtime::watcher;
use kube::{Api, Client};
use metallb_api::L2Advertisement;
use metallb_cluster::{Changes, Store, Watches};

use crate::flags::MemberSettings;
use crate::known::{KnownNode, KnownPod, KnownPool, KnownService, KnownSlice};

/// Slices may have a thousand endpoints and nodes name all their images: a list comes in pages of so many, because a page
/// is held whole while it is read.
const LARGE_AT_ONCE: u32 = 100;

/// The stores, and the one signal that something in them changed.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(crate) watches: Watches,
    pub(crate) services: Store<KnownService>,
    pub(crate) slices: Store<KnownSlice>,
    pub(crate) nodes: Store<KnownNode>,
    pub(crate) pools: Store<KnownPool>,
    pub(crate) advertisements: Store<L2Advertisement>,
    /// The speakers' pods, to find the other members; none when every node counts as one.
    pub(crate) pods: Option<Store<KnownPod>>,
}

impl Stores {
    /// Starts to follow everything.
    pub(crate) fn follow(client: &Client, namespace: &str, members: Option<&MemberSettings>) -> Self {
        let mut watches = Watches::default();
        let everything = watcher::Config::default;
        let services = watches.add_held(Api::all(client.clone()), everything(), "services");
        let paged = everything().page_size(LARGE_AT_ONCE);
        let slices =
            watches.add_held(Api::all(client.clone()), paged.clone(), "endpointslices.discovery.k8s.io");
        let nodes = watches.add_held(Api::all(client.clone()), paged, "nodes");
        let api = Api::namespaced(client.clone(), namespace);
        let pools = watches.add_held(api, everything(), "ipaddresspools.metallb.io");
        let api = Api::namespaced(client.clone(), namespace);
        let advertisements = watches.add(api, everything(), "l2advertisements.metallb.io");
        let pods = members.map(|members| {
            let labelled = everything().labels(&members.labels);
            watches.add_held(Api::namespaced(client.clone(), namespace), labelled, "pods")
        });
        Self { watches, services, slices, nodes, pools, advertisements, pods }
    }

    /// Why not everything is known yet, for the readiness probe.
    pub(crate) fn why_waiting(&self) -> String {
        let waiting = self.watches.unsynced().into_iter().map(|store| match store.last_error {
            Some(error) => format!("{} not listed: {error}", store.what),
            None => format!("{} not listed yet", store.what),
        });
        waiting.collect::<Vec<_>>().join("; ")
    }

    /// Where speakers may be, if that may have changed since the last call: the addresses of their pods, whatever state
    /// those are in (contract 02 §1.3).
    pub(crate) fn take_pod_addresses(&self) -> Option<BTreeSet<IpAddr>> {
        let pods = self.pods.as_ref()?;
        if pods.take_changes() == Changes::default() {
            return None;
        }
        Some(pods.all().iter().filter_map(|pod| pod.address.parse().ok()).collect())
    }

    /// Whether anything a configuration is made of may have changed since the last call.
    pub(crate) fn take_shared_changes(&self) -> bool {
        let changes =
            [self.nodes.take_changes(), self.pools.take_changes(), self.advertisements.take_changes()];
        changes.iter().any(|changes| *changes != Changes::default())
    }
}
