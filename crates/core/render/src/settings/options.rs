//! Fields the original does not have. Absent, everything is as with the original, but that one speaker at once is
//! insisted on.

use metallb_api::{MetalLBSpec, UnknownPool};
use regex::{Regex, RegexSet};

use super::SpecError;
use crate::environment::Environment;

/// The NetworkPolicies of the controller and of the operator.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// There are none.
    Off,
    /// They open the ports by which API servers are reached.
    Found,
    /// The controller's opens this port of API servers and no other.
    Port(i32),
}

/// What the original has no field for, with its defaults filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Options {
    /// Replicas of the controller, if given.
    pub controller_replicas: Option<i32>,
    /// Speakers replaced at once, if given.
    pub speaker_max_unavailable: Option<i32>,
    /// Patterns in place of the built-in ones, each known to be a regular expression.
    pub excluded_interfaces: Option<Vec<String>>,
    /// Names of the Secrets images are pulled with, each once.
    pub pull_secrets: Vec<String>,
    /// Whether there are NetworkPolicies.
    pub network_policy: Policy,
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
    /// Fields that were given and have no effect beside the others.
    pub ignored: Vec<&'static str>,
}

impl Options {
    pub(super) fn parse(spec: &MetalLBSpec, environment: &Environment) -> Result<Self, SpecError> {
        check_bounds(spec)?;
        check_patterns(spec.excluded_interfaces.as_deref().unwrap_or_default())?;
        let memberlist = spec.memberlist_enabled.unwrap_or(true);
        check_liveness_port(spec.liveness_port.filter(|_| memberlist), environment)?;
        let without_effect = [
            ("livenessPort", !memberlist && spec.liveness_port.is_some()),
            ("livenessPeriod", !memberlist && spec.liveness_period.is_some()),
        ];
        Ok(Self {
            controller_replicas: spec.controller_replicas,
            speaker_max_unavailable: spec.speaker_max_unavailable,
            excluded_interfaces: spec.excluded_interfaces.clone(),
            pull_secrets: pull_secrets(spec),
            network_policy: policy(spec, environment),
            memberlist,
            unknown_pool: spec.unknown_pool,
            liveness_port: spec.liveness_port.unwrap_or(environment.ports.liveness().get().into()),
            liveness_period: spec.liveness_period,
            snapshot_max_age: spec.snapshot_max_age,
            ignored: without_effect.into_iter().filter(|(_, given)| *given).map(|(field, _)| field).collect(),
        })
    }
}

/// The bounds of the schema, which a cluster's definition of an older release may not have: out of them, daemons would not start.
fn check_bounds(spec: &MetalLBSpec) -> Result<(), SpecError> {
    let api_port = spec.network_policy.as_ref().and_then(|policy| policy.api_port);
    for (field, value, least, most) in [
        ("controllerReplicas", spec.controller_replicas, 1, Some(10)),
        ("speakerMaxUnavailable", spec.speaker_max_unavailable, 1, None),
        ("networkPolicy.apiPort", api_port, 1, Some(65_535)),
        ("livenessPort", spec.liveness_port, 0, Some(65_535)),
        ("livenessPeriod", spec.liveness_period, 20, Some(10_000)),
        ("snapshotMaxAge", spec.snapshot_max_age, 1, None),
    ] {
        let is_within = |value: i32| least <= value && most.is_none_or(|most| value <= most);
        if let Some(value) = value.filter(|value| !is_within(*value)) {
            return Err(SpecError::OutOfBounds { field, value, least, most });
        }
    }
    Ok(())
}

fn policy(spec: &MetalLBSpec, environment: &Environment) -> Policy {
    let asked = spec.network_policy.clone().unwrap_or_default();
    match (asked.enabled.unwrap_or(environment.network_policies), asked.api_port) {
        (false, _) => Policy::Off,
        (true, None) => Policy::Found,
        (true, Some(port)) => Policy::Port(port),
    }
}

/// Names that people exclude all others of, one as long as names may be, and one without a letter.
const UNLIKE_NAMES: &str =
    "lo bond0 br0 em1 eno1 enp1s0 ens1 eth0 team0 tun0 veth0 vlan1 wlan0 aaaaaaaaaaaaaaa 7_-.";

/// A speaker does not start with a pattern it can't use: better to hear of it now than when pods are next replaced.
fn check_patterns(patterns: &[String]) -> Result<(), SpecError> {
    for pattern in patterns {
        let names = Regex::new(pattern).map_err(|error| wrong_pattern(pattern, &error))?;
        if is_found_everywhere(&names) {
            return Err(SpecError::ExcludesAll { pattern: pattern.clone() });
        }
    }
    // Each may be fine, and all together too much.
    RegexSet::new(patterns).map(drop).map_err(|error| wrong_pattern(&patterns.join(" "), &error))
}

/// Whether a pattern is found in all of many names that have no beginning, no end and no length in common.
///
/// Patterns can't look ahead: who wants one kind of name alone excludes everything that differs from it in some letter.
fn is_found_everywhere(pattern: &Regex) -> bool {
    let mut single = ('a'..='z').chain('A'..='Z').chain('0'..='9').map(String::from);
    single.all(|name| pattern.is_match(&name)) && UNLIKE_NAMES.split(' ').all(|name| pattern.is_match(name))
}

fn wrong_pattern(pattern: &str, error: &regex::Error) -> SpecError {
    // The last of several lines says why.
    let text = error.to_string();
    let cause = text.lines().last().unwrap_or_default();
    let cause = cause.strip_prefix("error: ").unwrap_or(cause).to_owned();
    SpecError::ExcludedInterface { pattern: pattern.to_owned(), cause }
}

/// Memberlist sends over UDP too.
fn check_liveness_port(port: Option<i32>, environment: &Environment) -> Result<(), SpecError> {
    let members = i32::from(environment.ports.memberlist.get());
    match port {
        Some(port) if port == members => Err(SpecError::LivenessPort { port }),
        _ => Ok(()),
    }
}

/// In the order given; the API server refuses a pod that names one twice.
fn pull_secrets(spec: &MetalLBSpec) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for secret in spec.image_pull_secrets.iter().flatten() {
        if !names.contains(&secret.name) {
            names.push(secret.name.clone());
        }
    }
    names
}
