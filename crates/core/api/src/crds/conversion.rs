//! The one kind of two versions, and who turns one into the other.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, ServiceReference, WebhookClientConfig,
    WebhookConversion,
};
use kube_core::CustomResourceExt as _;

use crate::names::{CONVERSION_PATH, WEBHOOK_SERVICE};

/// `BGPPeer`: the older version first, as the original has it.
pub(super) fn both_versions(namespace: &str) -> CustomResourceDefinition {
    let mut crd = crate::BGPPeer::crd();
    crd.spec.versions.splice(..0, crate::bgp_peer_v1beta1::BGPPeer::crd().spec.versions);
    crd.spec.conversion = Some(by_webhook(namespace));
    crd
}

/// Whom to trust is not said: the controller writes that once it has a certificate.
fn by_webhook(namespace: &str) -> CustomResourceConversion {
    let service = ServiceReference {
        name: WEBHOOK_SERVICE.to_owned(),
        namespace: namespace.to_owned(),
        path: Some(CONVERSION_PATH.to_owned()),
        port: None,
    };
    CustomResourceConversion {
        strategy: "Webhook".to_owned(),
        webhook: Some(WebhookConversion {
            client_config: Some(WebhookClientConfig {
                service: Some(service),
                ..WebhookClientConfig::default()
            }),
            // Versions of the review, not of the resource; the API server takes the first it knows.
            conversion_review_versions: vec!["v1beta1".to_owned(), "v1beta2".to_owned()],
        }),
    }
}
