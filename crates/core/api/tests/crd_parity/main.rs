//! Our definitions against the original's: every object the original accepts, ours accepts, but for the rules of
//! `tests/data/rules.yaml`.
//!
//! `tests/data` holds the original's definitions without their descriptions, as the interface to keep.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod added;
mod compare;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

const UPSTREAM: &[&str] = &[
    include_str!("../data/metallb.io_bfdprofiles.yaml"),
    include_str!("../data/metallb.io_bgpadvertisements.yaml"),
    include_str!("../data/metallb.io_bgppeers.yaml"),
    include_str!("../data/metallb.io_communities.yaml"),
    include_str!("../data/metallb.io_configurationstates.yaml"),
    include_str!("../data/metallb.io_ipaddresspools.yaml"),
    include_str!("../data/metallb.io_l2advertisements.yaml"),
    include_str!("../data/metallb.io_metallbs.yaml"),
    include_str!("../data/metallb.io_servicebgpstatuses.yaml"),
    include_str!("../data/metallb.io_servicel2statuses.yaml"),
];

fn by_name(definitions: impl Iterator<Item = Value>) -> BTreeMap<String, Value> {
    definitions.map(|crd| (crd["metadata"]["name"].as_str().unwrap().to_owned(), crd)).collect()
}

fn upstream() -> BTreeMap<String, Value> {
    by_name(UPSTREAM.iter().map(|text| serde_saphyr::from_str(text).unwrap()))
}

fn ours() -> BTreeMap<String, Value> {
    by_name(metallb_api::crds("metallb-system").into_iter().map(|crd| serde_json::to_value(crd).unwrap()))
}

#[test]
fn every_definition_has_a_counterpart() {
    assert_eq!(ours().keys().collect::<Vec<_>>(), upstream().keys().collect::<Vec<_>>());
}

#[test]
fn every_object_upstream_accepts_ours_accepts() {
    let mut ours = ours();
    added::take_off(&mut ours);
    for (name, upstream) in upstream() {
        let differences = compare::definitions(&upstream, &ours[&name]);
        assert!(differences.is_empty(), "{name}:\n{}", differences.join("\n"));
        assert_eq!(fields(&ours[&name]), fields(&upstream), "{name}: fields beyond those listed");
    }
}

/// Contract 02 §2.3: the API server alone looks at it, and above ours may be wider.
#[test]
fn contract_2_3_a_preference_weighs_1_to_100() {
    let (ours, path) = (ours(), "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties");
    let weight = format!("{path}/preferredNodeSelectors/items/properties/weight");
    let weight = ours["l2advertisements.metallb.io"].pointer(&weight).unwrap();
    assert_eq!(["minimum", "maximum"].map(|bound| weight[bound].as_f64()), [Some(1.0), Some(100.0)]);
}

/// Every field of a definition, by its path.
fn fields(definition: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![(String::new(), &definition["spec"])];
    while let Some((at, value)) = open.pop() {
        match value {
            Value::Object(entries) => {
                let paths = |name: &String| format!("{at}/{name}");
                if at.ends_with("/properties") {
                    found.extend(entries.keys().map(paths));
                }
                open.extend(entries.iter().map(|(name, value)| (paths(name), value)));
            }
            Value::Array(items) => {
                open.extend(items.iter().enumerate().map(|(i, item)| (format!("{at}/{i}"), item)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    found
}

#[test]
fn peers_are_converted_by_the_webhook_of_the_namespace_of_the_installation() {
    let webhook = |namespace: &str| {
        let service =
            json!({ "name": "metallb-webhook-service", "namespace": namespace, "path": "/convert" });
        json!({ "strategy": "Webhook", "webhook": {
            "clientConfig": { "service": service },
            "conversionReviewVersions": ["v1beta1", "v1beta2"],
        }})
    };
    for namespace in ["metallb-system", "elsewhere"] {
        let converting: Vec<_> = metallb_api::crds(namespace)
            .into_iter()
            .filter_map(|crd| Some((crd.metadata.name?, serde_json::to_value(crd.spec.conversion?).unwrap())))
            .collect();
        assert_eq!(converting, [("bgppeers.metallb.io".to_owned(), webhook(namespace))]);
    }
}
