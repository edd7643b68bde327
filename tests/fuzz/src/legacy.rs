//! Configurations from before there were custom resources.

use metallb_legacy::{Source, convert};

use crate::text;

pub(crate) const SEEDS: &[&str] = &[
    "peers:\n- my-asn: 64512\n  peer-asn: 64513\n  peer-address: 10.0.0.1\n  hold-time: 90s\n  keepalive-time: 30s\n",
    "peers: [{my-asn: 1, peer-asn: 2, peer-address: 10.0.0.1, peer-port: 0, bfd-profile: fast, password: 12}]\nbfd-profiles: [{name: fast}]\n",
    "address-pools:\n- name: My_Pool\n  protocol: layer2\n  addresses: [192.0.2.0/24, 192.0.3.1-192.0.3.9]\n  auto-assign: no\n",
    "address-pools: [{name: red, protocol: bgp, addresses: ['2001:db8::/64'], bgp-advertisements: [{aggregation-length: 32, localpref: 100, communities: [none]}]}]\nbgp-communities: {none: '65535:65281'}\n",
    "bfd-profiles: [{name: full, receive-interval: 280, detect-multiplier: 37, echo-mode: true, minimum-ttl: 253}]\n",
    "kind: ConfigMap\nmetadata: {namespace: lb}\ndata:\n  config: |\n    address-pools: [{name: red, protocol: layer2, addresses: [10.0.0.0/24]}]\n",
    "&a [*a]",
    "? : !!binary |",
];

/// A configuration, with and without the `ConfigMap` around it. What is converted is converted alike again, and the
/// text made of it is one YAML document for each object.
pub fn legacy(data: &[u8]) {
    let text = text::of(data);
    for source in [Ok(Source::only_data(&text)), Source::in_config_map(&text)].into_iter().flatten() {
        let Ok(resources) = convert(&source) else { continue };
        assert_eq!(convert(&source).ok().as_ref(), Some(&resources), "converted twice");
        let written = resources.to_yaml();
        assert!(written.is_ok(), "{written:?}");
        let written = written.unwrap_or_default();
        let objects = resources.peers.len()
            + resources.pools.len()
            + resources.bgp_advertisements.len()
            + resources.l2_advertisements.len()
            + resources.bfd_profiles.len()
            + usize::from(resources.communities.is_some());
        let documents = written.strip_suffix("---\n").unwrap_or_default().split("\n---\n");
        let read: Vec<Result<serde_json::Value, _>> = match objects {
            0 => Vec::new(),
            _ => documents.map(serde_saphyr::from_str).collect(),
        };
        assert_eq!(read.len(), objects, "{written}");
        assert!(
            read.iter().all(|object| object.as_ref().is_ok_and(|object| object.get("status").is_some())),
            "{written}"
        );
    }
}
