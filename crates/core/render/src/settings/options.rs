//! Fields the original does not have. Absent, everything is as with the original.

use metallb_api::{MetalLBSpec, UnknownPool};

use crate::environment::Environment;

/// Where API servers usually listen.
const API_PORT: i32 = 6443;

/// What the original has no field for, with its defaults filled in. Bounds are the schema's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// Replicas of the controller, if given.
    pub controller_replicas: Option<i32>,
    /// Speakers replaced at once, if given.
    pub speaker_max_unavailable: Option<i32>,
    /// Patterns in place of the built-in ones.
    pub excluded_interfaces: Option<Vec<String>>,
    /// Names of the Secrets images are pulled with.
    pub pull_secrets: Vec<String>,
    /// The NetworkPolicy of the controller, by the port of the API server; `None` if there is none.
    pub network_policy: Option<i32>,
    /// Whether speakers know of each other by memberlist.
    pub memberlist: bool,
    /// What a Service gets that asks for a pool that does not exist, if given.
    pub unknown_pool: Option<UnknownPool>,
    /// UDP port of the heartbeats; 0 is none.
    pub liveness_port: i32,
    /// Milliseconds between heartbeats, if given.
    pub liveness_period: Option<i32>,
    /// Seconds a snapshot is good for, if given.
    pub snapshot_max_age: Option<i32>,
}

impl Options {
    pub(super) fn parse(spec: &MetalLBSpec, environment: &Environment) -> Self {
        let policy = spec.network_policy.clone().unwrap_or_default();
        let has_policy = policy.enabled.unwrap_or(environment.network_policies);
        let pull_secrets = spec.image_pull_secrets.iter().flatten();
        Self {
            controller_replicas: spec.controller_replicas,
            speaker_max_unavailable: spec.speaker_max_unavailable,
            excluded_interfaces: spec.excluded_interfaces.clone(),
            pull_secrets: pull_secrets.map(|secret| secret.name.clone()).collect(),
            network_policy: has_policy.then(|| policy.api_port.unwrap_or(API_PORT)),
            memberlist: spec.memberlist_enabled.unwrap_or(true),
            unknown_pool: spec.unknown_pool,
            liveness_port: spec.liveness_port.unwrap_or(environment.ports.liveness().get().into()),
            liveness_period: spec.liveness_period,
            snapshot_max_age: spec.snapshot_max_age,
        }
    }
}
