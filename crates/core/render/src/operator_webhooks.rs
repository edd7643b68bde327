//! How the API server finds the operator's own webhook, which reviews `MetalLB` resources.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, RuleWithOperations, ServiceReference, ValidatingWebhook, ValidatingWebhookConfiguration,
    WebhookClientConfig,
};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::build::{BuildError, definition, error};
use crate::desired::Desired;
use crate::labels;

/// Name of the configuration.
pub const OPERATOR_WEBHOOK_CONFIGURATION: &str = "metallb-operator-webhook-configuration";
/// Name of the Secret with the certificate.
pub const OPERATOR_WEBHOOK_CERT_SECRET: &str = "metallb-operator-webhook-server-cert";
/// Where the reviews are served.
pub const OPERATOR_WEBHOOK_PATH: &str = "/validate-metallb-io-v1beta1-metallb";

/// Name of the Service.
pub(crate) const SERVICE: &str = "metallb-operator-webhook-service";
/// Where the operator listens.
pub(crate) const PORT: u16 = 9443;

/// What is asked about. Edits that leave the spec alone are none of the operator's business, and must get through while none runs:
/// the garbage collector takes its finalizers off a resource that was deleted with `--cascade=foreground` or `orphan`.
const CHANGES_THE_SPEC: &str = "request.operation != 'UPDATE' || has(object.spec) != has(oldObject.spec) || \
                                (has(object.spec) && object.spec != oldObject.spec)";

/// What becomes of a change when the operator does not answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unanswered {
    /// It is made: the operator's own pass refuses later what the webhook would have refused.
    Allow,
    /// It is refused, as by the original.
    Refuse,
}

/// Which changes the API server asks the operator about. It belongs to the definition of the kind, by its UID. Whom to
/// trust is not said: who makes the certificates writes that.
///
/// # Errors
/// When the object can't be written as JSON.
pub fn operator_webhooks(
    namespace: &str,
    definition_uid: &str,
    unanswered: Unanswered,
) -> Result<Desired, BuildError> {
    let configuration = ValidatingWebhookConfiguration {
        metadata: ObjectMeta {
            name: Some(OPERATOR_WEBHOOK_CONFIGURATION.to_owned()),
            owner_references: Some(vec![definition(definition_uid)]),
            ..ObjectMeta::default()
        },
        webhooks: Some(vec![webhook(namespace, unanswered)]),
    };
    Desired::apply(&configuration).map_err(|source| error(&configuration, source))
}

fn webhook(namespace: &str, unanswered: Unanswered) -> ValidatingWebhook {
    let failure_policy = match unanswered {
        Unanswered::Allow => "Ignore",
        Unanswered::Refuse => "Fail",
    };
    let list = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
    ValidatingWebhook {
        name: "metallbvalidationwebhook.metallb.io".to_owned(),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: WebhookClientConfig {
            service: Some(ServiceReference {
                name: SERVICE.to_owned(),
                namespace: namespace.to_owned(),
                path: Some(OPERATOR_WEBHOOK_PATH.to_owned()),
                port: None,
            }),
            ..WebhookClientConfig::default()
        },
        failure_policy: Some(failure_policy.to_owned()),
        match_conditions: Some(vec![MatchCondition {
            name: "changes-the-spec".to_owned(),
            expression: CHANGES_THE_SPEC.to_owned(),
        }]),
        rules: Some(vec![RuleWithOperations {
            api_groups: list(&["metallb.io"]),
            api_versions: list(&["v1beta1"]),
            operations: list(&["CREATE", "UPDATE"]),
            resources: list(&["metallbs"]),
            scope: Some("*".to_owned()),
        }]),
        side_effects: "None".to_owned(),
        ..ValidatingWebhook::default()
    }
}

/// The Service in front of every operator that is ready.
pub(crate) fn service(namespace: &str) -> Service {
    let port = ServicePort {
        port: 443,
        target_port: Some(IntOrString::Int(PORT.into())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: ObjectMeta {
            name: Some(SERVICE.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            ports: Some(vec![port]),
            selector: Some(labels::map([("control-plane", "controller-manager")])),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
