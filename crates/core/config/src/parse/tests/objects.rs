//! Objects as JSON makes them.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::labels;
use crate::parse::{Parsed, parse};
use crate::{BgpType, Config, Node, RawConfig, Refusal};

pub(super) fn object<K: DeserializeOwned>(kind: &str, name: &str, spec: Value) -> Arc<K> {
    created(kind, name, None, spec)
}

/// An object created in this year.
pub(super) fn created<K: DeserializeOwned>(kind: &str, name: &str, year: Option<u32>, spec: Value) -> Arc<K> {
    let version = if kind == "BGPPeer" { "metallb.io/v1beta2" } else { "metallb.io/v1beta1" };
    let created_at = year.map(|year| format!("{year}-01-01T00:00:00Z"));
    let metadata = json!({"name": name, "namespace": "metallb-system", "creationTimestamp": created_at, "labels": {"name": name}});
    let object = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec});
    Arc::new(serde_json::from_value(object).unwrap())
}

/// A peer with what every peer needs, and this.
pub(super) fn peer_spec(extra: Value) -> Value {
    merged(json!({"myASN": 64500, "peerASN": 64501, "peerAddress": "192.0.2.1"}), extra)
}

pub(super) fn merged(mut base: Value, extra: Value) -> Value {
    let fields = base.as_object_mut().unwrap();
    for (key, value) in extra.as_object().unwrap() {
        if value.is_null() {
            fields.remove(key);
        } else {
            fields.insert(key.clone(), value.clone());
        }
    }
    base
}

/// Two nodes in zone a, one in zone b.
pub(super) fn nodes() -> Vec<Node> {
    let node = |name: &str, zone: &str| Node { name: name.into(), labels: labels(&[("zone", zone)]) };
    vec![node("n1", "a"), node("n2", "a"), node("n3", "b")]
}

pub(super) fn in_zone(zone: &str) -> Value {
    json!([{"matchLabels": {"zone": zone}}])
}

pub(super) fn frr() -> RawConfig {
    RawConfig { bgp_type: BgpType::Frr, nodes: nodes(), ..RawConfig::default() }
}

pub(super) fn fresh(raw: &RawConfig) -> Parsed {
    parse(raw, &Config::default())
}

/// The exact texts of what is refused, with the names.
pub(super) fn errors(parsed: &Parsed) -> Vec<(String, String)> {
    parsed
        .refusals
        .iter()
        .map(|refusal: &Refusal| (refusal.name.clone(), refusal.error.to_string()))
        .collect()
}

pub(super) fn error(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}
