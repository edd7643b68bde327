//! `L2Advertisement`: announce the addresses of pools by ARP and NDP.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which pools are announced, from which nodes and interfaces.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "L2Advertisement",
    plural = "l2advertisements",
    doc = "Announces the addresses of pools by ARP and NDP.",
    namespaced,
    derive = "Default",
    derive = "PartialEq",
    // An object may come without `spec`. kube-derive takes no serde attribute for the root, only this way round.
    attr = "cfg_attr(all(), serde(default))",
    status = "L2AdvertisementStatus",
    printcolumn = r#"{"name":"IPAddressPools","type":"string","jsonPath":".spec.ipAddressPools"}"#,
    printcolumn = r#"{"name":"IPAddressPool Selectors","type":"string","jsonPath":".spec.ipAddressPoolSelectors"}"#,
    printcolumn = r#"{"name":"Interfaces","type":"string","jsonPath":".spec.interfaces"}"#,
    printcolumn = r#"{"name":"Node Selectors","type":"string","jsonPath":".spec.nodeSelectors","priority":10}"#,
    crates(kube_core = "kube_core")
)]
#[serde(rename_all = "camelCase")]
pub struct L2AdvertisementSpec {
    /// Pools by name; united with the selectors. Neither field set means every pool.
    #[serde(default, rename = "ipAddressPools", skip_serializing_if = "Option::is_none")]
    pub ip_address_pools: Option<Vec<String>>,
    /// Pools by label.
    #[serde(default, rename = "ipAddressPoolSelectors", skip_serializing_if = "Option::is_none")]
    pub ip_address_pool_selectors: Option<Vec<LabelSelector>>,
    /// Nodes that may announce; empty means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selectors: Option<Vec<LabelSelector>>,
    /// Interfaces announced on; empty means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interfaces: Option<Vec<String>>,
    /// Services the advertisement is for; empty means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_selectors: Option<Vec<LabelSelector>>,
    /// Nodes that announce rather than others, by summed weight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_node_selectors: Option<Vec<PreferredNodeSelector>>,
    /// Whether an address goes back to the node the election prefers when that returns: at once, after `preemptDelay`,
    /// or not before its owner is gone. Default: Always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Always", "Delayed", "Never"]))]
    pub preempt: Option<String>,
    /// How long the preferred node must have been back, as a Go duration from 1s to 24h; with `preempt: Delayed` only.
    /// Default: 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preempt_delay: Option<String>,
    /// Whether the election keeps the number of addresses of each node within bounds. Default: None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["None", "Bounded"]))]
    pub spread: Option<String>,
    /// How often addresses are made known again unasked, as a Go duration from 10s to 24h, or 0s for never.
    /// Default: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_interval: Option<String>,
    /// Whether nodes with an interface in the subnet of an address announce it rather than others. Default: Ignore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Ignore", "Prefer"]))]
    pub subnets: Option<String>,
}

/// A preference for some nodes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct PreferredNodeSelector {
    /// 1 to 100; weights of all matching entries add up.
    #[schemars(range(min = 1, max = 100))]
    pub weight: i32,
    /// The nodes preferred; an empty selector matches every node.
    pub preference: LabelSelector,
}

/// Nothing is reported so far.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct L2AdvertisementStatus {}
