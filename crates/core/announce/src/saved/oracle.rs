//! Another writer and reader of the same file: the body as JSON without a type, the checksum bit by bit.

use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::endpoints::{SliceKey, SliceView};
use crate::testing::{advertisement, named_service, pool};

/// CRC-32 as ISO 3309 has it.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
}

/// What is written down, by hand.
#[derive(Clone, Debug)]
struct Plain {
    name: String,
    label: (String, String),
    address: IpAddr,
    class: Option<String>,
    switches: [bool; 5],
    nodes: Vec<String>,
}

fn plain() -> impl Strategy<Value = Plain> {
    let word = || "[a-z\"\\\\\u{e9}]{1,8}";
    let nodes = prop::collection::btree_set("n[1-9]", 0..3).prop_map(|nodes| nodes.into_iter().collect());
    let class = prop::option::of(word());
    let address = any::<IpAddr>().prop_map(|address| address.to_canonical());
    (word(), (word(), word()), address, class, any::<[bool; 5]>(), nodes).prop_map(
        |(name, label, address, class, switches, nodes)| Plain {
            name,
            label,
            address,
            class,
            switches,
            nodes,
        },
    )
}

impl Plain {
    fn saved(&self) -> Saved {
        let [is_local, is_shared, any, network_unavailable, seems_down] = self.switches;
        let (key, value) = &self.label;
        let spec = json!({ "externalTrafficPolicy": if is_local { "Local" } else { "Cluster" } });
        let shared = if is_shared { json!({ "metallb.io/allow-shared-ip": "x" }) } else { json!({}) };
        let metadata = json!({ "labels": { key: value }, "annotations": shared });
        let mut facts = named_service("web", &[&self.address.to_string()], spec, metadata);
        facts.class = self.class.clone().map(Into::into);
        let (namespace, name) = ("default".into(), self.name.clone());
        let view = SliceView::new(Some(&self.name), any, self.nodes.iter().map(String::as_str));
        let slice = SliceKey { namespace: "default".into(), name: self.name.as_str().into() };
        let labels = [(key.clone(), value.clone())].into();
        Saved {
            node: "n1".into(),
            services: vec![SavedService { namespace, name, uid: "u".into(), facts: Arc::new(facts) }],
            slices: vec![SavedSlice::new(slice, Arc::new(view))],
            nodes: vec![NodeView { name: self.name.clone(), labels, network_unavailable, seems_down }],
            pools: vec![pool("pool", &["192.0.2.0/24"])],
            advertisements: vec![advertisement("all", json!({ "preempt": "Never" }))],
            pods: vec![SavedPod { name: self.name.clone(), address: self.address.to_string().into() }],
        }
    }

    fn body(&self) -> Value {
        let [is_local, is_shared, any, network_unavailable, seems_down] = self.switches;
        let Self { name, label: (key, value), address, class, nodes, .. } = self;
        json!({
            "node": "n1",
            "services": [{
                "namespace": "default", "name": name, "uid": "u",
                "facts": {
                    "is_load_balancer": true, "is_local": is_local, "has_sharing_annotation": is_shared,
                    "class": class, "addresses": [address.to_string()], "labels": [[key, value]],
                },
            }],
            "slices": [{ "namespace": "default", "name": name, "service": name, "any": any, "nodes": nodes }],
            "nodes": [{
                "name": name, "labels": { key: value },
                "network_unavailable": network_unavailable, "seems_down": seems_down,
            }],
            "pools": [{
                "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool",
                "metadata": { "name": "pool", "namespace": "metallb-system" },
                "spec": { "addresses": ["192.0.2.0/24"] },
            }],
            "advertisements": [{
                "apiVersion": "metallb.io/v1beta1", "kind": "L2Advertisement",
                "metadata": { "name": "all", "namespace": "metallb-system" },
                "spec": { "preempt": "Never" },
            }],
            "pods": [{ "name": name, "address": address.to_string() }],
        })
    }
}

/// The four words of the first line, and the rest.
fn read_by_hand(text: &[u8]) -> (Vec<String>, &[u8]) {
    let end = text.iter().position(|byte| *byte == 10).unwrap();
    let line = String::from_utf8(text[..end].to_vec()).unwrap();
    (line.split(' ').map(str::to_owned).collect(), &text[end + 1..])
}

proptest! {
    #[test]
    fn what_is_written_is_what_another_reader_finds(plain in plain()) {
        let text = plain.saved().encode().unwrap();
        let (words, body) = read_by_hand(&text);
        let sum = format!("{:08x}", checksum(body));
        prop_assert_eq!(words, ["metallb-speaker-snapshot", "1", &body.len().to_string(), &sum]);
        prop_assert_eq!(serde_json::from_slice::<Value>(body).unwrap(), plain.body());
    }

    #[test]
    fn what_another_writer_wrote_is_read(plain in plain()) {
        let body = serde_json::to_string_pretty(&plain.body()).unwrap();
        let sum = checksum(body.as_bytes());
        let text = format!("metallb-speaker-snapshot 1 {} {sum:x}\n{body}", body.len());
        prop_assert_eq!(Saved::decode(text.as_bytes(), "n1").unwrap(), plain.saved());
    }
}
