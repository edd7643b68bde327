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
    /// The name of the Service it belongs to, which is in the same namespace; none without the label.
    pub service: Option<Box<str>>,
    /// Whether any endpoint can serve, wherever it is.
    pub any: bool,
    /// The nodes with an endpoint that can serve.
    pub nodes: NodeNames,
}

/// Names of nodes in their order, each once. One text: most slices have one or two nodes, and a set of them would take
/// several times the room.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct NodeNames(Box<str>);

/// No name holds it.
const BETWEEN_NAMES: &str = "/";

impl NodeNames {
    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(BETWEEN_NAMES).filter(|name| !name.is_empty())
    }
}

impl<'a> FromIterator<&'a str> for NodeNames {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let names: BTreeSet<&str> = names.into_iter().filter(|name| !name.contains(BETWEEN_NAMES)).collect();
        Self(names.into_iter().collect::<Vec<_>>().join(BETWEEN_NAMES).into_boxed_str())
    }
}

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
        let service =
            labels.and_then(|labels| labels.get(LABEL_SLICE_SERVICE)).map(|name| name.as_str().into());
        let serving: Vec<&Endpoint> = slice.endpoints.iter().filter(|e| can_serve(e)).collect();
        let nodes = serving.iter().filter_map(|endpoint| endpoint.node_name.as_deref()).collect();
        Self { service, any: !serving.is_empty(), nodes }
    }

    /// The Service it belongs to, if this is its key.
    fn service(&self, key: &SliceKey) -> Option<ServiceKey> {
        let name = self.service.as_deref()?;
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
    /// Behind a digest of the Service each belongs to.
    by_service: BTreeSet<(u64, SliceKey)>,
}

impl EndpointIndex {
    /// Takes in what a slice is now (none: it is gone) and names the Services that may be affected.
    pub fn set(&mut self, key: SliceKey, slice: Option<Arc<SliceView>>) -> Vec<ServiceKey> {
        if self.slices.get(&key) == slice.as_ref() {
            return Vec::new();
        }
        let mut touched = Vec::new();
        if let Some(service) = self.slices.remove(&key).and_then(|old| old.service(&key)) {
            self.by_service.remove(&(digest(&service), key.clone()));
            touched.push(service);
        }
        let Some(slice) = slice else { return touched };
        if let Some(service) = slice.service(&key) {
            self.by_service.insert((digest(&service), key.clone()));
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
        let keys = self.by_service.range((digest, SliceKey::default())..);
        let keys = keys.take_while(|(of, _)| *of == digest).map(|(_, key)| key);
        // Another Service may have the same digest.
        let of_service = keys.filter(|key| key.namespace == service.namespace);
        let slices = of_service.filter_map(|key| self.slices.get(key));
        for slice in slices.filter(|slice| slice.service.as_deref() == Some(&*service.name)) {
            all.any |= slice.any;
            all.nodes.extend(slice.nodes.iter().map(str::to_owned));
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
        let object = json!({
            "addressType": "IPv4",
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
            (json!({ "ready": true }), true),
            (json!({ "ready": true, "serving": false }), true),
            (json!({ "ready": false }), false),
            (json!({ "ready": false, "serving": false }), false),
            (json!({ "ready": false, "serving": true, "terminating": true }), true),
        ] {
            let view =
                slice(json!([{ "addresses": ["10.0.0.1"], "nodeName": "n1", "conditions": conditions }]));
            assert_eq!(view.any, serves, "{conditions}");
            assert_eq!(view.nodes.iter().any(|node| node == "n1"), serves, "{conditions}");
        }
    }

    #[test]
    fn an_endpoint_without_node_serves_but_is_on_no_node() {
        let view = slice(json!([{ "addresses": ["10.0.0.1"] }]));
        assert_eq!(view, SliceView { service: Some("web".into()), any: true, nodes: NodeNames::default() });
    }

    #[test]
    fn names_of_nodes_are_in_order_and_each_is_there_once() {
        for (names, expected) in [
            (&[][..], &[][..]),
            (&["n2", "n1", "n2"], &["n1", "n2"]),
            (&["", "n1"], &["n1"]),
            // The API server lets no such name pass.
            (&["n/1", "n2"], &["n2"]),
        ] {
            let names: NodeNames = names.iter().copied().collect();
            assert_eq!(names.iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn slices_of_a_service_are_merged_and_those_that_go_are_forgotten() {
        let on = |node: &str| Arc::new(slice(json!([{ "addresses": ["10.0.0.1"], "nodeName": node }])));
        let mut index = EndpointIndex::default();
        assert_eq!(index.set(key("a"), Some(on("n1"))), [web()]);
        assert_eq!(index.set(key("b"), Some(on("n2"))), [web()]);
        assert_eq!(index.set(key("b"), Some(on("n2"))), [], "nothing changed");
        assert_eq!(index.of(&web()).nodes.len(), 2);
        let moved = Arc::new(SliceView { service: None, ..slice(json!([])) });
        assert_eq!(index.set(key("b"), Some(moved)), [web()], "the label is gone");
        assert_eq!(index.set(key("a"), None), [web()]);
        assert_eq!(index.of(&web()), Endpoints::default());
        assert_eq!(index.keys().count(), 1);
    }
}
