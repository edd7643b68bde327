//! What only OpenShift has: security context constraints, and certificates its service CA makes for Services.

use k8s_openapi::api::core::v1::{Container, SecretVolumeSource, Volume};
use serde_json::{Value, json};

use crate::backend::Platform;
use crate::environment::{Environment, Monitors};
use crate::labels::{Component, OWNED_BY};
use crate::pod;

/// Group of the constraints.
pub(crate) const SECURITY_GROUP: &str = "security.openshift.io";
/// Group of the cluster's configuration.
pub(crate) const CONFIG_GROUP: &str = "config.openshift.io";
/// Name of the speakers' constraints.
pub(crate) const SPEAKER_CONSTRAINTS: &str = "metallb-speaker";
/// Annotation by which a pod asks to be admitted by one set of constraints.
pub(crate) const REQUIRED: &str = "openshift.io/required-scc";
/// Annotation of a Service: the Secret its certificate is put into.
pub(crate) const SERVING_CERTIFICATE: &str = "service.beta.openshift.io/serving-cert-secret-name";

const CERTIFICATE_VOLUME: &str = "metrics-certs";
const CERTIFICATE_PATH: &str = "/etc/metrics";

/// The Secret with the certificate of a component's metrics.
pub(crate) fn certificate_secret(component: Component) -> String {
    format!("{}-certs-secret", component.name())
}

/// Whether the service CA makes certificates for the metrics: for the Services that exist only where ServiceMonitors do.
/// The original mounts them on every OpenShift, and its pods wait for ever without those Services.
pub(crate) fn has_certificates(platform: Platform, environment: &Environment) -> bool {
    platform == Platform::OpenShift && environment.monitors == Monitors::Services
}

/// The container that serves its metrics with that certificate.
pub(crate) fn with_certificate(mut container: Container) -> Container {
    let mount = pod::mount(CERTIFICATE_VOLUME, CERTIFICATE_PATH, true);
    container.volume_mounts.get_or_insert_default().push(mount);
    container.args.get_or_insert_default().push(format!("--metrics-cert-dir={CERTIFICATE_PATH}"));
    container
}

/// The volume that container mounts.
pub(crate) fn certificate_volume(component: Component) -> Volume {
    Volume {
        name: CERTIFICATE_VOLUME.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(certificate_secret(component)),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// What OpenShift lets the speakers' pods do: the host's network, and raw packets.
pub(crate) fn speaker_constraints(namespace: &str) -> Value {
    json!({
        "apiVersion": "security.openshift.io/v1",
        "kind": "SecurityContextConstraints",
        "metadata": {
            "name": SPEAKER_CONSTRAINTS,
            "labels": {OWNED_BY: namespace},
            "annotations": {"kubernetes.io/description": "Custom SCC for MetalLB speaker."},
        },
        "allowHostDirVolumePlugin": false,
        "allowHostIPC": false,
        "allowHostNetwork": true,
        "allowHostPID": false,
        "allowHostPorts": true,
        "allowPrivilegeEscalation": false,
        "allowPrivilegedContainer": false,
        "allowedCapabilities": ["NET_RAW"],
        "defaultAddCapabilities": [],
        "fsGroup": {"type": "RunAsAny"},
        "groups": [],
        "readOnlyRootFilesystem": false,
        "requiredDropCapabilities": ["ALL"],
        "runAsUser": {"type": "RunAsAny"},
        "seLinuxContext": {"type": "RunAsAny"},
        "supplementalGroups": {"type": "RunAsAny"},
        "users": [],
        "volumes": ["configMap", "downwardAPI", "emptyDir", "projected", "secret"],
    })
}
