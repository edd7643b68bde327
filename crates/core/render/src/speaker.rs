//! The speakers' DaemonSet.
//!
//! One container, whatever the back-end: no FRR runs beside it, so nothing of FRR's files, sockets or shared
//! process namespace is rendered.

use k8s_openapi::api::apps::v1::{DaemonSet, DaemonSetSpec, DaemonSetUpdateStrategy, RollingUpdateDaemonSet};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, PodSpec, PodTemplateSpec,
    ResourceRequirements, SecretVolumeSource, Toleration, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::json;

use crate::backend::Platform;
use crate::config_map::{EXCLUDED_ANNOTATION, EXCLUDED_INTERFACES};
use crate::environment::Environment;
use crate::labels::Component;
use crate::openshift;
use crate::pod;
use crate::settings::{Options, Settings};

const SECRET_KEY_PATH: &str = "/etc/ml_secret_key";
/// What a speaker knows of the cluster outlives its container here, not its pod.
const STATE_PATH: &str = "/var/lib/metallb";
const MEMBERLIST_CONFIG: &str = "metallb-memberlist-config";

pub(crate) fn daemon_set(settings: &Settings, environment: &Environment) -> DaemonSet {
    let component = Component::Speaker;
    DaemonSet {
        metadata: ObjectMeta {
            name: Some(component.name().to_owned()),
            namespace: Some(environment.namespace.clone()),
            labels: Some(component.object_labels()),
            ..ObjectMeta::default()
        },
        spec: Some(DaemonSetSpec {
            selector: component.selector(),
            update_strategy: Some(DaemonSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                // Said even where it is the default: a surge is excluded by it, and could never start beside the ports of the old pod.
                rolling_update: Some(at_once(settings.options.speaker_max_unavailable.unwrap_or(1))),
            }),
            template: template(settings, environment),
            ..DaemonSetSpec::default()
        }),
        status: None,
    }
}

fn at_once(speakers: i32) -> RollingUpdateDaemonSet {
    RollingUpdateDaemonSet {
        max_unavailable: Some(IntOrString::Int(speakers)),
        ..RollingUpdateDaemonSet::default()
    }
}

fn template(settings: &Settings, environment: &Environment) -> PodTemplateSpec {
    let base = PodSpec {
        host_network: Some(true),
        termination_grace_period_seconds: Some(0),
        tolerations: Some(["master", "control-plane"].map(tolerates_role).into()),
        ..PodSpec::default()
    };
    let (mut container, mut volumes) = (container(settings, environment), volumes(&settings.options));
    if openshift::has_certificates(settings.platform, environment) {
        container = openshift::with_certificate(container);
        volumes.insert(0, openshift::certificate_volume(Component::Speaker));
    }
    let parts = pod::Parts { component: Component::Speaker, container, volumes, base };
    let mut template = pod::template(parts, &settings.speaker, &settings.options);
    let metadata = template.metadata.get_or_insert_default();
    for (name, value) in annotations(settings) {
        metadata.annotations.get_or_insert_default().insert(name.to_owned(), value);
    }
    template
}

/// Annotations of the pods that are not the user's.
fn annotations(settings: &Settings) -> impl Iterator<Item = (&'static str, String)> {
    let constraints = (settings.platform == Platform::OpenShift)
        .then(|| (openshift::REQUIRED, openshift::SPEAKER_CONSTRAINTS.to_owned()));
    let patterns = settings.options.excluded_interfaces.as_ref();
    let patterns = patterns.map(|patterns| (EXCLUDED_ANNOTATION, json!(patterns).to_string()));
    constraints.into_iter().chain(patterns)
}

/// Control-plane nodes carry traffic too.
fn tolerates_role(role: &str) -> Toleration {
    Toleration {
        key: Some(format!("node-role.kubernetes.io/{role}")),
        operator: Some("Exists".to_owned()),
        effect: Some("NoSchedule".to_owned()),
        ..Toleration::default()
    }
}

fn container(settings: &Settings, environment: &Environment) -> Container {
    let ports = environment.ports;
    let container = Container {
        name: Component::Speaker.name().to_owned(),
        image: Some(environment.images.speaker.clone()),
        command: Some(vec!["/speaker".to_owned()]),
        args: Some(pod::args(settings, environment)),
        env: Some(variables(settings, environment)),
        ports: Some(container_ports(settings, environment)),
        security_context: Some(pod::locked_down(&["NET_RAW"])),
        volume_mounts: Some(mounts(&settings.options)),
        resources: Some(share()),
        ..Container::default()
    };
    pod::with_probes(container, ports.probes.get(), Some("127.0.0.1"))
}

/// Without a share of its own a speaker stands still wherever the node's processors are busy, and one that stands still
/// answers nothing: heartbeats and answers need this much at most, and it is asked for, not taken.
fn share() -> ResourceRequirements {
    let cpu = ("cpu".to_owned(), Quantity("50m".to_owned()));
    ResourceRequirements { requests: Some([cpu].into()), ..ResourceRequirements::default() }
}

fn container_ports(settings: &Settings, environment: &Environment) -> Vec<ContainerPort> {
    let (ports, liveness) = (environment.ports, settings.options.liveness_port);
    let mut named = vec![pod::port("metricshttps", ports.metrics.get(), "TCP")];
    if settings.options.memberlist {
        named.push(pod::port("memberlist-tcp", ports.memberlist.get(), "TCP"));
        named.push(pod::port("memberlist-udp", ports.memberlist.get(), "UDP"));
    }
    if let (true, Some(port)) =
        (settings.options.memberlist, u16::try_from(liveness).ok().filter(|&port| port > 0))
    {
        named.push(pod::port("liveness-udp", port, "UDP"));
    }
    named
}

fn variables(settings: &Settings, environment: &Environment) -> Vec<EnvVar> {
    let mut variables = vec![
        pod::env_from_field("METALLB_NODE_NAME", "spec.nodeName"),
        pod::env_from_field("METALLB_HOST", "status.hostIP"),
    ];
    if settings.options.memberlist {
        variables.extend(membership(&settings.options, environment));
    }
    variables.push(pod::env("METALLB_SNAPSHOT_PATH", format!("{STATE_PATH}/snapshot")));
    let age = settings.options.snapshot_max_age;
    variables.extend(age.map(|seconds| pod::env("METALLB_SNAPSHOT_MAX_AGE", seconds.to_string())));
    variables.extend(settings.backend.bgp_type().map(|name| pod::env("METALLB_BGP_TYPE", name)));
    variables.push(pod::env_from_field("METALLB_POD_NAME", "metadata.name"));
    variables
}

/// How speakers find each other. Without these they don't look for any other.
fn membership(options: &Options, environment: &Environment) -> Vec<EnvVar> {
    let mut variables = vec![
        pod::env_from_field("METALLB_ML_BIND_ADDR", "status.podIP"),
        pod::env("METALLB_ML_LABELS", "app=metallb,component=speaker"),
        pod::env("METALLB_ML_BIND_PORT", environment.ports.memberlist.to_string()),
        pod::env("METALLB_ML_SECRET_KEY_PATH", SECRET_KEY_PATH),
        pod::env("METALLB_LIVENESS_PORT", options.liveness_port.to_string()),
    ];
    let period = options.liveness_period;
    variables.extend(period.map(|millis| pod::env("METALLB_LIVENESS_PERIOD", millis.to_string())));
    variables
}

fn mounts(options: &Options) -> Vec<VolumeMount> {
    let membership = [
        pod::mount("memberlist-config", "/etc/metallb/memberlist", true),
        pod::mount("memberlist", SECRET_KEY_PATH, false),
    ];
    let mut mounts = if options.memberlist { Vec::from(membership) } else { Vec::new() };
    mounts.push(pod::mount(EXCLUDED_INTERFACES, "/etc/metallb", false));
    mounts.push(pod::mount("state", STATE_PATH, false));
    mounts
}

fn volumes(options: &Options) -> Vec<Volume> {
    let key = Volume {
        name: "memberlist".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(pod::MEMBERLIST_SECRET.to_owned()),
            default_mode: Some(pod::MODE_READABLE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    let excluded = config_map_volume(EXCLUDED_INTERFACES, EXCLUDED_INTERFACES, |source| {
        source.default_mode = Some(pod::MODE_OWNER_ONLY);
    });
    let settings =
        config_map_volume("memberlist-config", MEMBERLIST_CONFIG, |source| source.optional = Some(true));
    let state = Volume {
        name: "state".to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    };
    match options.memberlist {
        true => vec![key, excluded, settings, state],
        false => vec![excluded, state],
    }
}

fn config_map_volume(
    name: &str,
    config_map: &str,
    adjust: impl FnOnce(&mut ConfigMapVolumeSource),
) -> Volume {
    let mut source =
        ConfigMapVolumeSource { name: config_map.to_owned(), ..ConfigMapVolumeSource::default() };
    adjust(&mut source);
    Volume { name: name.to_owned(), config_map: Some(source), ..Volume::default() }
}
