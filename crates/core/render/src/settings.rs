//! The spec of a `MetalLB` resource, validated: behind this door nothing is checked or guessed again.
//!
//! The rules and their texts are those of the admission webhook, which shares this code.

use std::collections::BTreeMap;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::{
    Affinity, PreferredSchedulingTerm, ResourceRequirements, Toleration, WeightedPodAffinityTerm,
};
use metallb_api::{LogLevel, MetalLBSpec, WorkloadConfig};
use serde_json::{Map, Value};

use crate::backend::{Backend, Platform};
use crate::environment::Environment;

mod options;
#[cfg(test)]
mod tests;

pub use options::{Options, Policy};

/// A spec that makes sense, with its defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What it runs on.
    pub platform: Platform,
    /// Which BGP back-end serves.
    pub backend: Backend,
    /// What the daemons log.
    pub log_level: LogLevel,
    /// Only Services of this class are served.
    pub load_balancer_class: Option<String>,
    /// Pod settings of the controller.
    pub controller: Workload,
    /// Pod settings of the speakers.
    pub speaker: Workload,
    /// What the original has no field for.
    pub options: Options,
}

/// Pod settings of one workload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Workload {
    /// Nodes it runs on, by label.
    pub node_selector: BTreeMap<String, String>,
    /// Tolerations added to the built-in ones.
    pub tolerations: Vec<Toleration>,
    /// Priority class of its pods.
    pub priority_class: Option<String>,
    /// Runtime class of its pods.
    pub runtime_class: Option<String>,
    /// Affinity of its pods, as a whole.
    pub affinity: Option<Affinity>,
    /// Annotations of its pods.
    pub annotations: Option<BTreeMap<String, String>>,
    /// Resources of its main container.
    pub resources: Option<ResourceRequirements>,
}

/// A spec that cannot be used. The texts are those users know from the webhook.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SpecError {
    /// `tolerationSeconds` only makes sense for evictions.
    #[error("{component}Toleration effect must be NoExecute when tolerationSeconds is set")]
    TolerationEffect {
        /// `Controller` or `Speaker`.
        component: &'static str,
    },
    /// The API server allows weights from 1 to 100.
    #[error("{component}Config {kind} set with invalid weight for preferred scheduling term")]
    AffinityWeight {
        /// `Controller` or `Speaker`.
        component: &'static str,
        /// `NodeAffinity` or `PodAffinity`.
        kind: &'static str,
    },
    /// The name of the back-end is not known.
    #[error("invalid BGP Backend, must be one of native, frr, frr-k8s, frr-k8s-external")]
    UnknownBackend,
    /// An external frr-k8s needs to be found.
    #[error("bgp backend: frrk8s external and no default or user provided namespace")]
    ExternalNamespaceMissing,
    /// An entry of `frrk8sConfig.alwaysBlock` is not a prefix.
    #[error("invalid CIDR {entry} in AlwaysBlock")]
    AlwaysBlock {
        /// The entry as written.
        entry: String,
    },
    /// The original's rule for OpenShift.
    #[error("native mode is not supported on openshift: leave bgpBackend out")]
    NativeOnOpenShift,
    /// A pattern that speakers could not use.
    #[error("excludedInterfaces: {pattern:?} is no regular expression: {cause}")]
    ExcludedInterface {
        /// The entry as written.
        pattern: String,
        /// What is wrong with it.
        cause: String,
    },
    /// A pattern that leaves nothing to announce on.
    #[error(
        "excludedInterfaces: {pattern:?} is found in every name, so that nothing would be announced: take it out"
    )]
    ExcludesAll {
        /// The entry as written.
        pattern: String,
    },
    /// A number that nothing can be done with.
    #[error("{field} {value} is out of bounds: give {}", bounds(*.least, *.most))]
    OutOfBounds {
        /// The field, below `spec`.
        field: &'static str,
        /// What was asked for.
        value: i32,
        /// The least it may be.
        least: i32,
        /// The most it may be, if there is such a number.
        most: Option<i32>,
    },
    /// Two protocols can't share a UDP port.
    #[error(
        "livenessPort {port} is memberlist's port (MEMBER_LIST_BIND_PORT): give another one, or 0 for no heartbeats"
    )]
    LivenessPort {
        /// The port asked for.
        port: i32,
    },
    /// frr-k8s is not there yet.
    #[error(
        "unsupported bgp backend {name}: this release neither runs nor configures frr-k8s; leave bgpBackend out, or use native or frr"
    )]
    UnservedBackend {
        /// The name asked for.
        name: &'static str,
    },
}

fn bounds(least: i32, most: Option<i32>) -> String {
    most.map_or_else(|| format!("{least} or more"), |most| format!("{least} to {most}"))
}

/// Reads a spec as it is stored. The schema lets amounts of resources be numbers, the types want them as texts.
///
/// # Errors
/// When the spec does not have the form of this release.
pub fn read_spec(mut spec: Value) -> Result<MetalLBSpec, serde_json::Error> {
    if spec.is_null() {
        return Ok(MetalLBSpec::default());
    }
    for config in ["controllerConfig", "speakerConfig"] {
        for amounts in ["requests", "limits"] {
            let place = format!("/{config}/resources/{amounts}");
            spec.pointer_mut(&place).and_then(Value::as_object_mut).into_iter().for_each(numbers_to_texts);
        }
    }
    serde_json::from_value(spec)
}

fn numbers_to_texts(amounts: &mut Map<String, Value>) {
    for amount in amounts.values_mut().filter(|amount| amount.is_number()) {
        *amount = Value::String(amount.to_string());
    }
}

impl Settings {
    /// Checks a spec by the documented rules, in their order: those that hold whatever a release can do.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(spec: &MetalLBSpec, environment: &Environment) -> Result<(), SpecError> {
        check_tolerations("Controller", spec.controller_tolerations.as_deref().unwrap_or_default())?;
        check_tolerations("Speaker", spec.speaker_tolerations.as_deref().unwrap_or_default())?;
        check_affinity("Speaker", spec.speaker_config.as_ref())?;
        check_affinity("Controller", spec.controller_config.as_ref())?;
        Backend::check(spec, environment)?;
        check_always_block(spec)
    }

    /// Validates a spec: the documented rules first, then what this release asks for beyond them.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn parse(
        spec: &MetalLBSpec,
        environment: &Environment,
        platform: Platform,
    ) -> Result<Self, SpecError> {
        Self::check(spec, environment)?;
        Ok(Self {
            platform,
            backend: Backend::resolve(spec, platform)?,
            log_level: spec.log_level.unwrap_or_default(),
            load_balancer_class: spec.load_balancer_class.clone().filter(|class| !class.is_empty()),
            controller: Workload {
                node_selector: spec.controller_node_selector.clone().unwrap_or_default(),
                tolerations: spec.controller_tolerations.clone().unwrap_or_default(),
                ..Workload::parse(spec.controller_config.as_ref())
            },
            speaker: Workload {
                node_selector: spec.node_selector.clone().unwrap_or_default(),
                tolerations: spec.speaker_tolerations.clone().unwrap_or_default(),
                ..Workload::parse(spec.speaker_config.as_ref())
            },
            options: Options::parse(spec, environment)?,
        })
    }

    /// What the user should know even if all goes well.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        let backend = self.backend.remark().to_owned();
        let ignored = &self.options.ignored;
        let ignored = (!ignored.is_empty())
            .then(|| format!("without effect while memberlistEnabled is false: {}", ignored.join(", ")));
        std::iter::once(backend).chain(ignored).collect()
    }
}

impl Workload {
    /// Everything but selector and tolerations, which the spec holds elsewhere. Empty names mean "not set".
    fn parse(config: Option<&WorkloadConfig>) -> Self {
        let WorkloadConfig { priority_class_name, runtime_class_name, affinity, annotations, resources } =
            config.cloned().unwrap_or_default();
        Self {
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            priority_class: priority_class_name.filter(|name| !name.is_empty()),
            runtime_class: runtime_class_name.filter(|name| !name.is_empty()),
            affinity,
            annotations: annotations.filter(|map| !map.is_empty()),
            resources,
        }
    }
}

fn check_tolerations(component: &'static str, tolerations: &[Toleration]) -> Result<(), SpecError> {
    let is_wrong = |toleration: &Toleration| {
        toleration.toleration_seconds.is_some_and(|seconds| seconds > 0)
            && toleration.effect.as_deref() != Some("NoExecute")
    };
    if tolerations.iter().any(is_wrong) {
        return Err(SpecError::TolerationEffect { component });
    }
    Ok(())
}

fn check_affinity(component: &'static str, config: Option<&WorkloadConfig>) -> Result<(), SpecError> {
    let Some(affinity) = config.and_then(|config| config.affinity.as_ref()) else { return Ok(()) };
    let nodes = affinity.node_affinity.as_ref();
    let node_terms =
        nodes.and_then(|nodes| nodes.preferred_during_scheduling_ignored_during_execution.as_ref());
    let pods = affinity.pod_affinity.as_ref();
    let pod_terms = pods.and_then(|pods| pods.preferred_during_scheduling_ignored_during_execution.as_ref());
    let node_weight = |term: &PreferredSchedulingTerm| term.weight;
    let pod_weight = |term: &WeightedPodAffinityTerm| term.weight;
    if !node_terms.into_iter().flatten().map(node_weight).all(is_weight) {
        return Err(SpecError::AffinityWeight { component, kind: "NodeAffinity" });
    }
    if !pod_terms.into_iter().flatten().map(pod_weight).all(is_weight) {
        return Err(SpecError::AffinityWeight { component, kind: "PodAffinity" });
    }
    Ok(())
}

fn is_weight(weight: i32) -> bool {
    (1..=100).contains(&weight)
}

fn check_always_block(spec: &MetalLBSpec) -> Result<(), SpecError> {
    let entries = spec.frrk8s_config.iter().flat_map(|config| config.always_block.iter().flatten());
    for entry in entries {
        if entry.trim().parse::<IpNet>().is_err() {
            return Err(SpecError::AlwaysBlock { entry: entry.clone() });
        }
    }
    Ok(())
}
