//! `ConfigurationState`: whether a component accepted the configuration, written by that component.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Always empty and not part of the object: the resource carries status only.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[kube(
    group = "metallb.io",
    version = "v1beta1",
    kind = "ConfigurationState",
    plural = "configurationstates",
    doc = "Whether a component accepted the configuration, written by that component.",
    namespaced,
    no_spec,
    derive = "Default",
    derive = "PartialEq",
    status = "ConfigurationStateStatus",
    printcolumn = r#"{"name":"Result","type":"string","jsonPath":".status.result"}"#,
    printcolumn = r#"{"name":"ErrorSummary","type":"string","jsonPath":".status.errorSummary"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    crates(kube_core = "kube_core")
)]
pub struct ConfigurationStateSpec {}

/// The verdict on the configuration.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationStateStatus {
    /// The verdict over all conditions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<ConfigurationResult>,
    /// Messages of the conditions that make the result Invalid, joined by newlines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_summary: Option<String>,
    /// One condition for each reporter, keyed by type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
}

/// The verdict over all conditions of a component.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum ConfigurationResult {
    /// Every object is accepted.
    Valid,
    /// At least one object is refused.
    Invalid,
    /// Nothing has been reported yet.
    Unknown,
}
