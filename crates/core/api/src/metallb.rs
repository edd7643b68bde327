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
    /// Replicas of the controller: one works, the others stand by. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub controller_replicas: Option<i32>,
    /// Speakers that may be replaced at once. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub speaker_max_unavailable: Option<i32>,
    /// Regular expressions of interfaces the speakers never announce on, in place of the built-in ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded_interfaces: Option<Vec<String>>,
    /// Secrets the images are pulled with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_secrets: Option<Vec<PullSecret>>,
    /// The NetworkPolicies of the controller and of the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicyConfig>,
    /// Whether speakers know of each other by memberlist and heartbeats. Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memberlist_enabled: Option<bool>,
    /// What a Service gets that asks for a pool that does not exist. Default: Pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_pool: Option<UnknownPool>,
    /// UDP port of the heartbeats between speakers; 0 sends none. Default: memberlist's plus one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub liveness_port: Option<i32>,
    /// Milliseconds between two heartbeats. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 20, max = 10000))]
    pub liveness_period: Option<i32>,
    /// Seconds after which a speaker no longer goes on from what it knew before it was restarted. Default: 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub snapshot_max_age: Option<i32>,
}

/// A Secret the images are pulled with.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct PullSecret {
    /// Its name, in the namespace of the resource.
    pub name: String,
}

/// The NetworkPolicies of the controller and of the operator.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicyConfig {
    /// Whether there are any. Default: unless the operator's DISABLE_NETWORK_POLICIES is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Port of the API server behind its Service, which the controller's opens. Default: 6443 and those the operator finds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub api_port: Option<i32>,
}

/// What a Service gets that asks for a pool that does not exist.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum UnknownPool {
    /// It waits, and is told why.
    #[default]
    Pending,
    /// An address of any pool that assigns automatically.
    AnyAutoAssign,
}

impl UnknownPool {
    /// The value as the controller's `--unknown-pool` flag takes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::AnyAutoAssign => "AnyAutoAssign",
        }
    }
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
