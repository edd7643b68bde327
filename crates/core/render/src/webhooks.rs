//! How the API server finds the controller's webhooks.

use k8s_openapi::api::admissionregistration::v1::{
    RuleWithOperations, ServiceReference, ValidatingWebhook, ValidatingWebhookConfiguration,
    WebhookClientConfig,
};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use metallb_api::names::{WEBHOOK_CONFIGURATION, WEBHOOK_SERVICE};

use crate::labels::{self, Component, OWNED_BY};

/// Where the controller serves them.
pub(crate) const PORT: u16 = 9443;
/// The port's name in the pod.
pub(crate) const PORT_NAME: &str = "webhook-server";

/// One kind that is reviewed: resource, kind in lower case, version, and which operations.
struct Reviewed {
    webhook: &'static str,
    resource: &'static str,
    kind: &'static str,
    version: &'static str,
    operations: [&'static str; 2],
}

const fn reviewed(webhook: &'static str, resource: &'static str, kind: &'static str) -> Reviewed {
    Reviewed { webhook, resource, kind, version: "v1beta1", operations: ["CREATE", "UPDATE"] }
}

/// Names, paths and operations are the original's (contract 01 §9).
const REVIEWED: [Reviewed; 6] = [
    Reviewed { version: "v1beta2", ..reviewed("bgppeersvalidationwebhook", "bgppeers", "bgppeer") },
    reviewed("bgpadvertisementvalidationwebhook", "bgpadvertisements", "bgpadvertisement"),
    // What a profile says the schema checks; what matters is whether a peer still names it.
    Reviewed {
        operations: ["CREATE", "DELETE"],
        ..reviewed("bfdprofilevalidationwebhook", "bfdprofiles", "bfdprofile")
    },
    reviewed("communityvalidationwebhook", "communities", "community"),
    reviewed("ipaddresspoolvalidationwebhook", "ipaddresspools", "ipaddresspool"),
    reviewed("l2advertisementvalidationwebhook", "l2advertisements", "l2advertisement"),
];

/// The Service in front of every controller that is ready.
pub(crate) fn service(namespace: &str) -> Service {
    let port = ServicePort {
        port: 443,
        target_port: Some(IntOrString::Int(PORT.into())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: ObjectMeta {
            name: Some(WEBHOOK_SERVICE.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(labels::common()),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            ports: Some(vec![port]),
            selector: Some(Component::Controller.pod_labels()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// Which changes the API server asks the webhooks about. Whom to trust is not said: the controller, which makes the
/// certificates, writes that and owns it.
pub(crate) fn configuration(namespace: &str) -> ValidatingWebhookConfiguration {
    let mut labels = labels::common();
    labels.insert(OWNED_BY.to_owned(), namespace.to_owned());
    ValidatingWebhookConfiguration {
        metadata: ObjectMeta {
            name: Some(WEBHOOK_CONFIGURATION.to_owned()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        webhooks: Some(REVIEWED.iter().map(|reviewed| webhook(reviewed, namespace)).collect()),
    }
}

fn webhook(reviewed: &Reviewed, namespace: &str) -> ValidatingWebhook {
    let Reviewed { webhook, resource, kind, version, operations } = reviewed;
    let one = |word: &str| Some(vec![word.to_owned()]);
    ValidatingWebhook {
        name: format!("{webhook}.metallb.io"),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: WebhookClientConfig {
            service: Some(ServiceReference {
                name: WEBHOOK_SERVICE.to_owned(),
                namespace: namespace.to_owned(),
                path: Some(format!("/validate-metallb-io-{version}-{kind}")),
                port: None,
            }),
            ..WebhookClientConfig::default()
        },
        failure_policy: Some("Fail".to_owned()),
        rules: Some(vec![RuleWithOperations {
            api_groups: one("metallb.io"),
            api_versions: one(version),
            operations: Some(operations.iter().map(|&operation| operation.to_owned()).collect()),
            resources: one(resource),
            // The API server's own default, said because the list is owned as a whole.
            scope: Some("*".to_owned()),
        }]),
        side_effects: "None".to_owned(),
        ..ValidatingWebhook::default()
    }
}
