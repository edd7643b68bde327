//! `MetalLB`: the resource an admin applies to get a running load balancer.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, ResourceRequirements, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the controller and the speakers run. Every field is optional.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "MetalLB",
    plural = "metallbs",
    doc = "A load balancer for the cluster: its controller and its speakers.",
    namespaced,
    derive = "Default",
    derive = "PartialEq",
    // An object may come without `spec`. kube-derive takes no serde attribute for the root, only this way round.
    attr = "cfg_attr(all(), serde(default))",
    status = "MetalLBStatus",
    printcolumn = r#"{"name":"Available","type":"string","jsonPath":".status.conditions[?(@.type=='Available')].status"}"#,
    printcolumn = r#"{"name":"Degraded","type":"string","jsonPath":".status.conditions[?(@.type=='Degraded')].status"}"#,
    printcolumn = r#"{"name":"Progressing","type":"string","jsonPath":".status.conditions[?(@.type=='Progressing')].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    crates(kube_core = "kube_core")
)]
#[serde(rename_all = "camelCase")]
pub struct MetalLBSpec {
    /// Deprecated and without effect; kept so that old objects are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Nodes the speakers run on, by label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// Tolerations of the speakers, added to those for control-plane nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker_tolerations: Option<Vec<Toleration>>,
    /// Log level of the controller and the speakers. Default: info.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LogLevel>,
    /// Only Services of this class are served; absent means only those without a class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(
        pattern = r"^([a-z0-9A-Z]([\w.\-]*[a-z0-9A-Z])?/)?[a-z0-9A-Z]([\w.\-]*[a-z0-9A-Z])?$"
    ))]
    pub load_balancer_class: Option<String>,
    /// Nodes the controller runs on, by label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_node_selector: Option<BTreeMap<String, String>>,
    /// Tolerations of the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_tolerations: Option<Vec<Toleration>>,
    /// Pod settings of the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller_config: Option<WorkloadConfig>,
    /// Pod settings of the speakers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaker_config: Option<WorkloadConfig>,
    /// One of native, frr, frr-k8s, frr-k8s-external.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bgp_backend: Option<String>,
    /// Settings of the frr-k8s back-ends.
    #[serde(default, rename = "frrk8sConfig", skip_serializing_if = "Option::is_none")]
    pub frrk8s_config: Option<FrrK8sConfig>,
}

/// Pod settings of one workload.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadConfig {
    /// Priority class of the pods; empty means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Runtime class of the pods; empty means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class_name: Option<String>,
    /// Affinity of the pods, as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Annotations of the pods (not of the workload object).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Resources of the main container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

/// Settings of the frr-k8s back-ends.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FrrK8sConfig {
    /// Prefixes frr-k8s never accepts from a peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub always_block: Option<Vec<String>>,
    /// Where the speakers write FRRConfigurations (external back-end).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Whether password Secrets are passed on by name (external back-end).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_passthrough: Option<bool>,
}

/// What the daemons log.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything.
    All,
    /// Decisions as well.
    Debug,
    /// Transitions.
    #[default]
    Info,
    /// What may need a look.
    Warn,
    /// What failed.
    Error,
    /// Nothing.
    None,
}

impl LogLevel {
    /// The value as the daemons' `--log-level` flag takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::None => "none",
        }
    }
}

/// Whether what was asked for is running.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct MetalLBStatus {
    /// Available, Upgradeable, Progressing and Degraded, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Vec<Condition>>,
}
