//! The controller's Deployment.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, PodSecurityContext, PodSpec, PodTemplateSpec, SecretVolumeSource, Volume,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::backend::Platform;
use crate::environment::Environment;
use crate::labels::Component;
use crate::openshift;
use crate::pod;
use crate::secrets::WEBHOOK_CERT_SECRET;
use crate::settings::Settings;
use crate::webhooks;

/// Nobody: the user the controller runs as.
const NOBODY: i64 = 65534;
/// How long a stop may take. The original's pods are killed at once; here a stop finishes the writes and the webhook requests under
/// way and gives the Lease back, or every rollout would cost what a crash costs.
const STOP_SECONDS: i64 = 10;

pub(crate) fn deployment(settings: &Settings, environment: &Environment) -> Deployment {
    let component = Component::Controller;
    Deployment {
        metadata: ObjectMeta {
            name: Some(component.name().to_owned()),
            namespace: Some(environment.namespace.clone()),
            labels: Some(component.object_labels()),
            ..ObjectMeta::default()
        },
        spec: Some(DeploymentSpec {
            replicas: settings.options.controller_replicas,
            selector: component.selector(),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: None,
            }),
            template: template(settings, environment),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn template(settings: &Settings, environment: &Environment) -> PodTemplateSpec {
    let base = PodSpec {
        security_context: Some(identity(settings.platform)),
        termination_grace_period_seconds: Some(STOP_SECONDS),
        ..PodSpec::default()
    };
    let certificate = Volume {
        name: "cert".to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(WEBHOOK_CERT_SECRET.to_owned()),
            default_mode: Some(pod::MODE_READABLE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    };
    let (mut container, mut volumes) = (container(settings, environment), vec![certificate]);
    if openshift::has_certificates(settings.platform, environment) {
        container = openshift::with_certificate(container);
        volumes.push(openshift::certificate_volume(Component::Controller));
    }
    let parts = pod::Parts { component: Component::Controller, container, volumes, base };
    pod::template(parts, &settings.controller, &settings.options)
}

/// Nobody; on OpenShift somebody its restricted constraints choose, who is nobody in particular either.
fn identity(platform: Platform) -> PodSecurityContext {
    let user = (platform == Platform::Kubernetes).then_some(NOBODY);
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: user,
        fs_group: user,
        ..PodSecurityContext::default()
    }
}

fn container(settings: &Settings, environment: &Environment) -> Container {
    let mut args = pod::args(settings, environment);
    args.extend(settings.options.unknown_pool.map(|what| format!("--unknown-pool={}", what.as_str())));
    let on_openshift = settings.platform == Platform::OpenShift;
    let container = Container {
        name: Component::Controller.name().to_owned(),
        image: Some(environment.images.controller.clone()),
        command: on_openshift.then(|| vec!["/controller".to_owned()]),
        args: Some(args),
        env: Some(variables(settings)),
        ports: Some(vec![
            pod::port("metricshttps", environment.ports.metrics.get(), "TCP"),
            pod::port(webhooks::PORT_NAME, webhooks::PORT, "TCP"),
        ]),
        security_context: Some(pod::locked_down(&[])),
        volume_mounts: Some(vec![pod::mount("cert", "/tmp/k8s-webhook-server/serving-certs", true)]),
        ..Container::default()
    };
    pod::with_probes(container, environment.ports.probes.get(), None)
}

fn variables(settings: &Settings) -> Vec<EnvVar> {
    let mut variables = vec![pod::env_from_field("METALLB_POD_NAME", "metadata.name")];
    if settings.options.memberlist {
        variables.push(pod::env("METALLB_ML_SECRET_NAME", pod::MEMBERLIST_SECRET));
    }
    variables.push(pod::env("METALLB_DEPLOYMENT", Component::Controller.name()));
    variables.extend(settings.backend.bgp_type().map(|name| pod::env("METALLB_BGP_TYPE", name)));
    variables
}
