//! Where a Service's traffic can be served.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use metallb_api::names::LABEL_SLICE_SERVICE;
use metallb_config::ServiceKey;

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
    /// The Service it belongs to; none without the label.
    pub service: Option<ServiceKey>,
    /// What it contributes.
    pub endpoints: Endpoints,
}

/// Namespace and name of an EndpointSlice.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SliceKey {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl SliceView {
    /// Reads a slice, whatever address family it is for.
    #[must_use]
    pub fn parse(slice: &EndpointSlice) -> Self {
        let labels = slice.metadata.labels.as_ref();
        let service = labels.and_then(|labels| labels.get(LABEL_SLICE_SERVICE)).map(|name| ServiceKey {
            namespace: slice.metadata.namespace.clone().unwrap_or_default(),
            name: name.clone(),
        });
        let serving: Vec<&Endpoint> = slice.endpoints.iter().filter(|e| can_serve(e)).collect();
        let nodes = serving.iter().filter_map(|endpoint| endpoint.node_name.clone()).collect();
        Self { service, endpoints: Endpoints { any: !serving.is_empty(), nodes } }
    }
}

/// Ready (or unknown), else at least serving while it terminates (contract 02 §2.1).
fn can_serve(endpoint: &Endpoint) -> bool {
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    conditions.ready.unwrap_or(true) || conditions.serving == Some(true)
}

/// All slices, by the Service they belong to.
#[derive(Clone, Debug, Default)]
pub struct EndpointIndex {
    slices: BTreeMap<SliceKey, Arc<SliceView>>,
    /// One or two each, seldom more: a set would take several times the room.
    by_service: BTreeMap<ServiceKey, Vec<SliceKey>>,
}

impl EndpointIndex {
    /// Takes in what a slice is now (none: it is gone) and names the Services that may be affected.
    pub fn set(&mut self, key: SliceKey, slice: Option<Arc<SliceView>>) -> Vec<ServiceKey> {
        if self.slices.get(&key) == slice.as_ref() {
            return Vec::new();
        }
        let mut touched = Vec::new();
        if let Some(service) = self.slices.remove(&key).and_then(|old| old.service.clone()) {
            if let Some(keys) = self.by_service.get_mut(&service) {
                keys.retain(|known| *known != key);
                if keys.is_empty() {
                    self.by_service.remove(&service);
                }
            }
            touched.push(service);
        }
        let Some(slice) = slice else { return touched };
        if let Some(service) = slice.service.clone() {
            self.by_service.entry(service.clone()).or_insert_with(|| Vec::with_capacity(1)).push(key.clone());
            touched.push(service);
        }
        self.slices.insert(key, slice);
        touched
    }

    /// All slices of a Service together.
    #[must_use]
    pub fn of(&self, service: &ServiceKey) -> Endpoints {
        let mut all = Endpoints::default();
        let keys = self.by_service.get(service).into_iter().flatten();
        for slice in keys.filter_map(|key| self.slices.get(key)) {
            all.any |= slice.endpoints.any;
            all.nodes.extend(slice.endpoints.nodes.iter().cloned());
        }
        all
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
        ServiceKey { namespace: "default".to_owned(), name: "web".to_owned() }
    }

    fn key(name: &str) -> SliceKey {
        SliceKey { namespace: "default".to_owned(), name: name.to_owned() }
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
            assert_eq!(view.endpoints.any, serves, "{conditions}");
            assert_eq!(view.endpoints.nodes.contains("n1"), serves, "{conditions}");
        }
    }

    #[test]
    fn an_endpoint_without_node_serves_but_is_on_no_node() {
        let view = slice(json!([{ "addresses": ["10.0.0.1"] }]));
        assert_eq!(view.endpoints, Endpoints { any: true, nodes: BTreeSet::new() });
        assert_eq!(view.service, Some(web()));
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
