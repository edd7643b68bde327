//! The manifest that installs the operator itself: one `kubectl apply -f` of these objects, in this order.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, HTTPGetAction, Namespace, PodSecurityContext, PodSpec, PodTemplateSpec,
    Probe, ResourceRequirements, SeccompProfile, SecurityContext, ServiceAccount,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde::Serialize;
use serde_json::Value;

use crate::labels;
use crate::operator_webhooks;
use crate::pod;

mod rights;
#[cfg(test)]
mod tests;

/// The operator's Deployment, as the original's is called, and what is about its pods.
pub const OPERATOR_DEPLOYMENT: &str = "metallb-operator-controller-manager";
const NAME: &str = OPERATOR_DEPLOYMENT;
const SERVICE_ACCOUNT: &str = "manager-account";
const PROBE_PORT: i32 = 8080;

/// What an installation of the operator is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Install {
    /// Where the operator and what it runs live, `metallb-system` by custom.
    pub namespace: String,
    /// Which images run.
    pub images: InstallImages,
    /// The custom resource definitions, as they are to be applied.
    pub crds: Vec<Value>,
}

/// Images of an installation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InstallImages {
    /// The operator's.
    pub operator: String,
    /// The controller's.
    pub controller: String,
    /// The speakers'.
    pub speaker: String,
}

/// The manifest: namespace, CRDs, rights, and the operator last, when all it needs is there.
///
/// # Errors
/// When an object can't be written as JSON.
pub fn install(install: &Install) -> Result<Vec<Value>, serde_json::Error> {
    let namespace = install.namespace.as_str();
    let mut objects = vec![json(&home(namespace))?];
    objects.extend(install.crds.iter().cloned());
    objects.push(json(&service_account(namespace))?);
    objects.extend(rights::objects(namespace)?);
    objects.push(json(&operator_webhooks::service(namespace))?);
    objects.push(json(&disruption_budget(namespace))?);
    objects.push(json(&deployment(install))?);
    Ok(objects)
}

fn json(object: &impl Serialize) -> Result<Value, serde_json::Error> {
    serde_json::to_value(object)
}

/// Speakers use the host's network and send raw packets: the namespace must allow it.
fn home(namespace: &str) -> Namespace {
    let labels = labels::map([
        ("control-plane", "controller-manager"),
        ("pod-security.kubernetes.io/audit", "privileged"),
        ("pod-security.kubernetes.io/enforce", "privileged"),
        ("pod-security.kubernetes.io/warn", "privileged"),
    ]);
    let metadata =
        ObjectMeta { name: Some(namespace.to_owned()), labels: Some(labels), ..ObjectMeta::default() };
    Namespace { metadata, ..Namespace::default() }
}

fn service_account(namespace: &str) -> ServiceAccount {
    ServiceAccount { metadata: named(SERVICE_ACCOUNT, namespace), ..ServiceAccount::default() }
}

fn named(name: &str, namespace: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), namespace: Some(namespace.to_owned()), ..ObjectMeta::default() }
}

/// Labels by which the operator's pods are selected, which never change. Every operator made with the same tools has them.
pub(crate) fn operator_labels() -> BTreeMap<String, String> {
    labels::map([("control-plane", "controller-manager")])
}

/// Labels of the operator's pods, which no other operator of the namespace has.
pub(crate) fn operator_pod_labels() -> BTreeMap<String, String> {
    let mut labels = operator_labels();
    labels.extend(labels::map([("metallb.io/component", "operator")]));
    labels
}

/// Draining a node waits for the other operator, if there are several; one alone may always go.
fn disruption_budget(namespace: &str) -> PodDisruptionBudget {
    let selector = LabelSelector { match_labels: Some(operator_labels()), ..LabelSelector::default() };
    PodDisruptionBudget {
        metadata: named(NAME, namespace),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(selector),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    }
}

fn deployment(install: &Install) -> Deployment {
    let selector = LabelSelector { match_labels: Some(operator_labels()), ..LabelSelector::default() };
    let metadata = ObjectMeta { labels: Some(operator_labels()), ..named(NAME, &install.namespace) };
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(operator_pod_labels()), ..ObjectMeta::default() }),
        spec: Some(PodSpec {
            service_account_name: Some(SERVICE_ACCOUNT.to_owned()),
            termination_grace_period_seconds: Some(10),
            security_context: Some(identity()),
            containers: vec![container(&install.images)],
            ..PodSpec::default()
        }),
    };
    Deployment {
        metadata,
        spec: Some(DeploymentSpec { selector, template, ..DeploymentSpec::default() }),
        status: None,
    }
}

/// The image's own user, who is nobody: OpenShift's constraints choose another one, and refuse a pod that names one.
fn identity() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            ..SeccompProfile::default()
        }),
        ..PodSecurityContext::default()
    }
}

fn container(images: &InstallImages) -> Container {
    Container {
        name: "manager".to_owned(),
        image: Some(images.operator.clone()),
        command: Some(vec!["/manager".to_owned()]),
        args: Some(vec!["--enable-leader-election".to_owned()]),
        env: Some(variables(images)),
        ports: Some(vec![pod::port("webhook-server", operator_webhooks::PORT, "TCP")]),
        readiness_probe: Some(probe("/readyz", 1, 2)),
        liveness_probe: Some(probe("/healthz", 10, 10)),
        termination_message_policy: Some(pod::LAST_WORDS.to_owned()),
        resources: Some(ResourceRequirements {
            requests: Some(
                [("cpu", "50m"), ("memory", "20Mi")]
                    .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
                    .into(),
            ),
            ..ResourceRequirements::default()
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

fn variables(images: &InstallImages) -> Vec<EnvVar> {
    vec![
        pod::env("SPEAKER_IMAGE", images.speaker.as_str()),
        pod::env("CONTROLLER_IMAGE", images.controller.as_str()),
        pod::env("FRRK8S_EXTERNAL_NAMESPACE", "frr-k8s-system"),
        pod::env_from_field("OPERATOR_NAMESPACE", "metadata.namespace"),
    ]
}

/// Readiness is asked quicker than the original's, which waits 30 s: an installation should be usable as soon as it is.
fn probe(path: &str, initial_delay: i32, period: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(PROBE_PORT),
            ..HTTPGetAction::default()
        }),
        initial_delay_seconds: Some(initial_delay),
        period_seconds: Some(period),
        timeout_seconds: Some(1),
        success_threshold: Some(1),
        failure_threshold: Some(3),
        ..Probe::default()
    }
}
