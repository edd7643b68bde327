//! Where a Service's traffic can be served.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use metallb_api::names::LABEL_SLICE_SERVICE;
use metallb_config::ServiceKey;

use crate::tight::tighten;

/// Where something can serve: all slices of a Service together, or one of them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Endpoints {
    /// Whether any endpoint can serve, wherever it is.
    pub any: bool,
    /// The nodes with an endpoint that can serve.
    pub nodes: BTreeSet<String>,
}

/// One EndpointSlice.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SliceView {
    /// The name of the Service, empty if there is none, and those of the nodes in their order, each once. One text: there may be
    /// ten thousand slices, mostly with one to three nodes, and texts of their own would take twice the room.
    names: Box<str>,
    /// Whether any endpoint can serve, wherever it is.
    pub any: bool,
}

/// No name holds it.
const BETWEEN_NAMES: &str = "/";

/// Namespace and name of an EndpointSlice. Copies share their texts.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SliceKey {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl SliceView {
    /// Reads a slice, whatever address family it is for.
    #[must_use]
    pub fn parse(slice: &EndpointSlice) -> Self {
        let labels = slice.metadata.labels.as_ref();
        let service = labels.and_then(|labels| labels.get(LABEL_SLICE_SERVICE)).map(String::as_str);
        let serving: Vec<&Endpoint> = slice.endpoints.iter().filter(|e| can_serve(e)).collect();
        let nodes = serving.iter().filter_map(|endpoint| endpoint.node_name.as_deref());
        Self::new(service, !serving.is_empty(), nodes)
    }

    /// A slice of this Service in its namespace, if it is of any, with endpoints that can serve on these nodes.
    pub fn new<'a>(service: Option<&'a str>, any: bool, nodes: impl IntoIterator<Item = &'a str>) -> Self {
        let is_name = |name: &&str| !name.is_empty() && !name.contains(BETWEEN_NAMES);
        let nodes: BTreeSet<&str> = nodes.into_iter().filter(is_name).collect();
        let service = service.filter(is_name).unwrap_or_default();
        let names: Vec<&str> = std::iter::once(service).chain(nodes).collect();
        Self { names: names.join(BETWEEN_NAMES).into_boxed_str(), any }
    }

    /// The name of the Service it belongs to, which is in the same namespace; none without the label.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.names.split(BETWEEN_NAMES).next().filter(|name| !name.is_empty())
    }

    /// The nodes with an endpoint that can serve, in their order, each once.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.names.split(BETWEEN_NAMES).skip(1)
    }

    /// The Service it belongs to, if this is its key.
    fn service_key(&self, key: &SliceKey) -> Option<ServiceKey> {
        let name = self.service()?;
        Some(ServiceKey { namespace: key.namespace.clone(), name: name.into() })
    }
}

/// Ready (or unknown), else at least serving while it terminates (contract 02 §2.1).
fn can_serve(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    conditions.ready.unwrap_or(true) || conditions.serving == Some(true)
}

fn digest(service: &ServiceKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    service.hash(&mut hasher);
    hasher.finish()
}

/// All slices, by the Service they belong to.
#[derive(Clone, Debug, Default)]
pub struct EndpointIndex {
    slices: BTreeMap<SliceKey, Arc<SliceView>>,
    /// Their names, each behind a digest of the Service it belongs to, which is in the same namespace.
    by_service: BTreeSet<(u64, Arc<str>)>,
}

impl EndpointIndex {
    /// Takes in what a slice is now (none: it is gone) and names the Services that may be affected.
    pub fn set(&mut self, key: SliceKey, slice: Option<Arc<SliceView>>) -> Vec<ServiceKey> {
        if self.slices.get(&key) == slice.as_ref() {
            return Vec::new();
        }
        let mut touched = Vec::new();
        if let Some(service) = self.slices.remove(&key).and_then(|old| old.service_key(&key)) {
            self.by_service.remove(&(digest(&service), key.name.clone()));
            touched.push(service);
        }
        let Some(slice) = slice else { return touched };
        if let Some(service) = slice.service_key(&key) {
            self.by_service.insert((digest(&service), key.name.clone()));
            touched.push(service);
        }
        self.slices.insert(key, slice);
        touched
    }

    /// All slices of a Service together.
    #[must_use]
    pub fn of(&self, service: &ServiceKey) -> Endpoints {
        let mut all = Endpoints::default();
        let digest = digest(service);
        let names = self.by_service.range((digest, Arc::default())..);
        let names = names.take_while(|(of, _)| *of == digest).map(|(_, name)| name);
        let key = |name: &Arc<str>| SliceKey { namespace: service.namespace.clone(), name: name.clone() };
        let slices = names.filter_map(|name| self.slices.get(&key(name)));
        // Another Service may have the same digest.
        for slice in slices.filter(|slice| slice.service() == Some(&*service.name)) {
            all.any |= slice.any;
            all.nodes.extend(slice.nodes().map(str::to_owned));
        }
        all
    }

    /// Gives room back.
    pub fn tighten(&mut self) {
        tighten(&mut self.slices);
        tighten(&mut self.by_service);
    }

    /// The slices known.
    pub fn keys(&self) -> impl Iterator<Item = &SliceKey> {
        self.slices.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn slice(endpoints: serde_json::Value) -> SliceView {
        slice_of("IPv4", endpoints)
    }

    fn slice_of(family: &str, endpoints: serde_json::Value) -> SliceView {
        let object = json!({
            "addressType": family,
            "metadata": { "name": "web-x", "namespace": "default", "labels": { "kubernetes.io/service-name": "web" } },
            "endpoints": endpoints,
        });
        SliceView::parse(&serde_json::from_value(object).unwrap())
    }

    fn web() -> ServiceKey {
        ServiceKey { namespace: "default".into(), name: "web".into() }
    }

    fn key(name: &str) -> SliceKey {
        SliceKey { namespace: "default".into(), name: name.into() }
    }

    #[test]
    fn an_endpoint_serves_when_it_is_ready_or_unknown_or_serving_while_it_ends() {
        for (conditions, serves) in [
            (json!({}), true),
            (json!({ "serving": false }), true),
            (json!({ "ready": null, "serving": false, "terminating": true }), true),
            (json!({ "ready": true }), true),
            (json!({ "ready": true, "serving": false }), true),
            (json!({ "ready": false }), false),
            (json!({ "ready": false, "serving": false }), false),
            (json!({ "ready": false, "serving": true, "terminating": true }), true),
        ] {
            let view =
                slice(json!([{ "addresses": ["10.0.0.1"], "nodeName": "n1", "conditions": conditions }]));
            assert_eq!(view.any, serves, "{conditions}");
            assert_eq!(view.nodes().any(|node| node == "n1"), serves, "{conditions}");
        }
    }

    #[test]
    fn an_endpoint_without_node_serves_but_is_on_no_node() {
        let view = slice(json!([{ "addresses": ["10.0.0.1"] }]));
        assert_eq!(view, SliceView::new(Some("web"), true, []));
    }

    #[test]
    fn names_of_nodes_are_in_order_and_each_is_there_once() {
        for service in [None, Some("web")] {
            for (names, expected) in [
                (&[][..], &[][..]),
                (&["n2", "n1", "n2"], &["n1", "n2"]),
                (&["", "n1"], &["n1"]),
                // The API server lets no such name pass.
                (&["n/1", "n2"], &["n2"]),
            ] {
                let view = SliceView::new(service, true, names.iter().copied());
                assert_eq!((view.service(), view.nodes().collect::<Vec<_>>()), (service, expected.to_vec()));
            }
        }
        assert_eq!((SliceView::default().service(), SliceView::default().nodes().count()), (None, 0));
        assert_eq!(SliceView::new(Some("a/b"), true, []).service(), None);
    }

    #[test]
    fn slices_of_every_kind_of_address_count() {
        let mut index = EndpointIndex::default();
        for (family, address, node) in
            [("IPv4", "10.0.0.1", "n1"), ("IPv6", "fd00::1", "n2"), ("FQDN", "web.example.com", "n3")]
        {
            let slice = slice_of(family, json!([{ "addresses": [address], "nodeName": node }]));
            assert_eq!(index.set(key(family), Some(Arc::new(slice))), [web()], "{family}");
        }
        let nodes = ["n1", "n2", "n3"].map(str::to_owned).into();
        assert_eq!(index.of(&web()), Endpoints { any: true, nodes });
    }

    #[test]
    fn a_slice_of_the_same_name_elsewhere_is_another_one() {
        let on = |node: &str| Arc::new(SliceView::new(Some("web"), true, [node]));
        let elsewhere = |name: &str| ("shop".into(), Arc::<str>::from(name));
        let (namespace, name) = elsewhere("a");
        let mut index = EndpointIndex::default();
        index.set(key("a"), Some(on("n1")));
        index.set(SliceKey { namespace, name }, Some(on("n2")));
        let (namespace, name) = elsewhere("web");
        let other = ServiceKey { namespace, name };
        let nodes = |service: &ServiceKey| index.of(service).nodes.into_iter().collect::<Vec<_>>();
        assert_eq!((nodes(&web()), nodes(&other)), (vec!["n1".to_owned()], vec!["n2".to_owned()]));
    }

    #[test]
    fn slices_of_a_service_are_merged_and_those_that_go_are_forgotten() {
        let on = |node: &str| Arc::new(slice(json!([{ "addresses": ["10.0.0.1"], "nodeName": node }])));
        let mut index = EndpointIndex::default();
        assert_eq!(index.set(key("a"), Some(on("n1"))), [web()]);
        assert_eq!(index.set(key("b"), Some(on("n2"))), [web()]);
        assert_eq!(index.set(key("b"), Some(on("n2"))), [], "nothing changed");
        assert_eq!(index.of(&web()).nodes.len(), 2);
        let moved = Arc::new(SliceView::new(None, false, []));
        assert_eq!(index.set(key("b"), Some(moved)), [web()], "the label is gone");
        assert_eq!(index.set(key("a"), None), [web()]);
        assert_eq!(index.of(&web()), Endpoints::default());
        assert_eq!(index.keys().count(), 1);
    }
}
