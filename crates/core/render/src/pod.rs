//! Parts the pods of the controller and the speakers have in common.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, LocalObjectReference,
    ObjectFieldSelector, PodSpec, PodTemplateSpec, Probe, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::environment::{Environment, Tls};
use crate::labels::{self, Component};
use crate::settings::{Options, Settings, Workload};

/// Name of the Secret that holds the key of the speakers' membership protocol.
pub(crate) const MEMBERLIST_SECRET: &str = "metallb-memberlist";

/// Read access for everybody: 0644.
pub(crate) const MODE_READABLE: i32 = 0o644;
/// Read access for the owner alone: 0400.
pub(crate) const MODE_OWNER_ONLY: i32 = 0o400;

/// How a container that ended says why: by the end of its log, which the resource's condition quotes.
pub(crate) const LAST_WORDS: &str = "FallbackToLogsOnError";

/// Flags of both daemons.
pub(crate) fn args(settings: &Settings, environment: &Environment) -> Vec<String> {
    let mut args = vec![
        format!("--port={}", environment.ports.metrics),
        format!("--health-probe-port={}", environment.ports.probes),
        format!("--log-level={}", settings.log_level.as_str()),
    ];
    args.extend(settings.load_balancer_class.as_ref().map(|class| format!("--lb-class={class}")));
    args.extend(tls_args(&environment.tls));
    args
}

fn tls_args(tls: &Tls) -> impl Iterator<Item = String> {
    let Tls { cipher_suites, curve_preferences, min_version } = tls;
    [
        ("--tls-cipher-suites", cipher_suites),
        ("--tls-curve-preferences", curve_preferences),
        ("--tls-min-version", min_version),
    ]
    .into_iter()
    .filter_map(|(flag, value)| Some(format!("{flag}={}", value.as_ref()?)))
}

pub(crate) fn env(name: &str, value: impl Into<String>) -> EnvVar {
    EnvVar { name: name.to_owned(), value: Some(value.into()), ..EnvVar::default() }
}

pub(crate) fn env_from_field(name: &str, path: &str) -> EnvVar {
    let field = ObjectFieldSelector { api_version: Some("v1".to_owned()), field_path: path.to_owned() };
    EnvVar {
        name: name.to_owned(),
        value_from: Some(EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() }),
        ..EnvVar::default()
    }
}

pub(crate) fn port(name: &str, number: u16, protocol: &str) -> ContainerPort {
    ContainerPort {
        name: Some(name.to_owned()),
        container_port: i32::from(number),
        protocol: Some(protocol.to_owned()),
        ..ContainerPort::default()
    }
}

pub(crate) fn mount(volume: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// How patient a probe is.
#[derive(Clone, Copy)]
struct Pace {
    initial_delay: i32,
    period: i32,
}

/// Adds both probes; a host-networked pod is asked on its loopback address.
///
/// Readiness is asked quicker than by the original: which speakers announce follows from it.
pub(crate) fn with_probes(container: Container, port: u16, host: Option<&str>) -> Container {
    let patient = Pace { initial_delay: 10, period: 10 };
    let quick = Pace { initial_delay: 1, period: 2 };
    Container {
        liveness_probe: Some(probe("/healthz", port, host, patient)),
        readiness_probe: Some(probe("/readyz", port, host, quick)),
        ..container
    }
}

fn probe(path: &str, port: u16, host: Option<&str>, pace: Pace) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(i32::from(port)),
            host: host.map(str::to_owned),
            ..HTTPGetAction::default()
        }),
        initial_delay_seconds: Some(pace.initial_delay),
        period_seconds: Some(pace.period),
        timeout_seconds: Some(1),
        success_threshold: Some(1),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}

/// No privileges but the capabilities named.
pub(crate) fn locked_down(capabilities: &[&str]) -> SecurityContext {
    let add = capabilities.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    SecurityContext {
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities {
            drop: Some(vec!["ALL".to_owned()]),
            add: (!add.is_empty()).then_some(add),
        }),
        ..SecurityContext::default()
    }
}

/// What differs between the two pods.
pub(crate) struct Parts {
    pub(crate) component: Component,
    /// With what it asks for where the user says nothing.
    pub(crate) container: Container,
    pub(crate) volumes: Vec<Volume>,
    /// Everything about the pod that is neither container, volume nor the user's choice.
    pub(crate) base: PodSpec,
}

/// Puts a pod together: built-in parts first, then what the user chose.
pub(crate) fn template(parts: Parts, workload: &Workload, options: &Options) -> PodTemplateSpec {
    let Parts { component, mut container, volumes, base } = parts;
    container.resources = workload.resources.clone().or(container.resources);
    container.termination_message_policy = Some(LAST_WORDS.to_owned());
    let mut tolerations = base.tolerations.clone().unwrap_or_default();
    tolerations.extend(workload.tolerations.iter().cloned());
    let spec = PodSpec {
        service_account_name: Some(component.name().to_owned()),
        node_selector: Some(node_selector(&workload.node_selector)),
        tolerations: (!tolerations.is_empty()).then_some(tolerations),
        priority_class_name: workload.priority_class.clone(),
        runtime_class_name: workload.runtime_class.clone(),
        affinity: workload.affinity.clone(),
        containers: vec![container],
        volumes: Some(volumes),
        image_pull_secrets: (!options.pull_secrets.is_empty()).then(|| pull_secrets(options)),
        ..base
    };
    let metadata = ObjectMeta {
        labels: Some(component.pod_labels()),
        annotations: workload.annotations.clone(),
        ..ObjectMeta::default()
    };
    PodTemplateSpec { metadata: Some(metadata), spec: Some(spec) }
}

fn pull_secrets(options: &Options) -> Vec<LocalObjectReference> {
    options.pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() }).collect()
}

/// Linux nodes, and what the user asks for; the user wins.
fn node_selector(asked: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut selector = labels::map([("kubernetes.io/os", "linux")]);
    selector.extend(asked.clone());
    selector
}
