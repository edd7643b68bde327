//! How the API server finds the controller's webhooks.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use metallb_api::names::WEBHOOK_SERVICE;

use crate::labels::{self, Component};

/// Where the controller serves them.
pub(crate) const PORT: u16 = 9443;

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
