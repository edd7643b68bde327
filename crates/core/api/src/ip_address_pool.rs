//! `IPAddressPool`: addresses an admin lends to Services.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which addresses the pool holds and which Services may get them.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "IPAddressPool",
    plural = "ipaddresspools",
    doc = "Addresses an admin lends to Services.",
    namespaced,
    derive = "Default",
    derive = "PartialEq",
    status = "IPAddressPoolStatus",
    printcolumn = r#"{"name":"Auto Assign","type":"boolean","jsonPath":".spec.autoAssign"}"#,
    printcolumn = r#"{"name":"Avoid Buggy IPs","type":"boolean","jsonPath":".spec.avoidBuggyIPs"}"#,
    printcolumn = r#"{"name":"Addresses","type":"string","jsonPath":".spec.addresses"}"#,
    crates(kube_core = "kube_core")
)]
#[serde(rename_all = "camelCase")]
pub struct IPAddressPoolSpec {
    /// Each entry is a prefix (`192.0.2.0/24`) or an inclusive range (`192.0.2.10-192.0.2.20`).
    pub addresses: Vec<String>,
    /// Whether Services that name no pool may get an address from this one. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub auto_assign: Option<bool>,
    /// Whether IPv4 addresses that end in .0 or .255 stay unused. Default: false.
    #[serde(default, rename = "avoidBuggyIPs", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub avoid_buggy_ips: Option<bool>,
    /// Pins the pool to some Services; absent means any Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_allocation: Option<ServiceAllocation>,
}

/// Which Services a pool is pinned to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAllocation {
    /// Among pinned pools the lowest positive value is tried first; 0 or absent comes last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = crate::crds::without_format)]
    pub priority: Option<i64>,
    /// Namespaces by name; united with `namespaceSelectors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// Namespaces by label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selectors: Option<Vec<LabelSelector>>,
    /// Services by label; a Service must satisfy this and the namespace condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_selectors: Option<Vec<LabelSelector>>,
}

/// How much of the pool is in use, written by the controller. Counts saturate at the int64 maximum.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IPAddressPoolStatus {
    /// Distinct IPv4 addresses in use.
    #[serde(rename = "assignedIPv4")]
    pub assigned_ipv4: i64,
    /// Distinct IPv6 addresses in use.
    #[serde(rename = "assignedIPv6")]
    pub assigned_ipv6: i64,
    /// IPv4 addresses still free.
    #[serde(rename = "availableIPv4")]
    pub available_ipv4: i64,
    /// IPv6 addresses still free.
    #[serde(rename = "availableIPv6")]
    pub available_ipv6: i64,
}
