//! How Prometheus learns of the metrics: ServiceMonitors with Services, or PodMonitors with an account of their own.
//!
//! Both kinds come from prometheus-operator's CRDs, which a cluster may not have.
//!
//! Neither names a job label: the original's is on no Service and no pod, so that Prometheus calls its jobs the same without one.

use k8s_openapi::api::core::v1::{Secret, Service, ServiceAccount, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use crate::backend::Platform;
use crate::environment::Environment;
use crate::labels::{self, Component};
use crate::openshift;

/// Group of the monitors.
pub(crate) const GROUP: &str = "monitoring.coreos.com";
/// Account, role and binding of whoever reads metrics by a PodMonitor.
pub(crate) const READER: &str = "metrics-reader";

const API_VERSION: &str = "monitoring.coreos.com/v1";
/// Secret with that account's token.
const TOKEN: &str = "metrics-token";
const PORT: &str = "metricshttps";

/// Both are named like this: `speaker-monitor`, `speaker-monitor-service`.
fn monitor_name(component: Component) -> String {
    format!("{}-monitor", component.name())
}

fn service_name(component: Component) -> String {
    format!("{}-service", monitor_name(component))
}

/// The headless Service that a ServiceMonitor selects, by the label `name`.
pub(crate) fn service(component: Component, environment: &Environment, platform: Platform) -> Service {
    let name = service_name(component);
    // The original's Service for the controller bears nothing but its name.
    let mut labels = match component {
        Component::Speaker => labels::common(),
        Component::Controller => std::collections::BTreeMap::new(),
    };
    labels.insert("name".to_owned(), name.clone());
    let mut annotations = labels::map([("prometheus.io/scheme", "https"), ("prometheus.io/scrape", "true")]);
    if platform == Platform::OpenShift {
        let secret = openshift::certificate_secret(component);
        annotations.insert(openshift::SERVING_CERTIFICATE.to_owned(), secret);
    }
    let port = i32::from(environment.ports.metrics.get());
    let port = ServicePort {
        name: Some(PORT.to_owned()),
        port,
        target_port: Some(IntOrString::Int(port)),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    };
    Service {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(environment.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            type_: Some("ClusterIP".to_owned()),
            session_affinity: Some("None".to_owned()),
            selector: Some(component.pod_labels()),
            ports: Some(vec![port]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// The ServiceMonitor of that Service.
pub(crate) fn service_monitor(component: Component, namespace: &str, platform: Platform) -> Value {
    let service = service_name(component);
    let mut object = json!({
        "apiVersion": API_VERSION,
        "kind": "ServiceMonitor",
        "metadata": {"name": monitor_name(component), "namespace": namespace, "labels": monitor_labels(component)},
        "spec": {
            "endpoints": [{
                "bearerTokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token",
                "honorLabels": true,
                "port": PORT,
                "scheme": "https",
                "tlsConfig": tls(&service, namespace, platform),
            }],
            "namespaceSelector": {"matchNames": [namespace]},
            "selector": {"matchLabels": {"name": service}},
        },
    });
    if let (Platform::OpenShift, Some(metadata)) = (platform, object.get_mut("metadata")) {
        let annotation = json!({openshift::SERVING_CERTIFICATE: openshift::certificate_secret(component)});
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("annotations".to_owned(), annotation);
        }
    }
    object
}

/// Only the speaker's monitor bears its component, as in the original.
fn monitor_labels(component: Component) -> std::collections::BTreeMap<String, String> {
    match component {
        Component::Speaker => component.object_labels(),
        Component::Controller => labels::common(),
    }
}

/// On OpenShift both sides know each other by the cluster's authorities; elsewhere the certificates are self-signed.
fn tls(service: &str, namespace: &str, platform: Platform) -> Value {
    match platform {
        Platform::Kubernetes => json!({"insecureSkipVerify": true}),
        Platform::OpenShift => json!({
            "caFile": "/etc/prometheus/configmaps/serving-certs-ca-bundle/service-ca.crt",
            "certFile": "/etc/prometheus/secrets/metrics-client-certs/tls.crt",
            "keyFile": "/etc/prometheus/secrets/metrics-client-certs/tls.key",
            "serverName": format!("{service}.{namespace}.svc"),
            "insecureSkipVerify": false,
        }),
    }
}

/// A PodMonitor. The original's select by a label that pods don't bear, and find none.
pub(crate) fn pod_monitor(component: Component, namespace: &str) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "PodMonitor",
        "metadata": {
            "name": component.name(), "namespace": namespace, "labels": component.object_labels(),
        },
        "spec": {
            "namespaceSelector": {"matchNames": [namespace]},
            "selector": {"matchLabels": component.pod_labels()},
            "podMetricsEndpoints": [{
                "authorization": {"credentials": {"name": TOKEN, "key": "token"}},
                "path": "/metrics",
                "port": PORT,
                "scheme": "https",
                "tlsConfig": {"insecureSkipVerify": true},
            }],
        },
    })
}

/// In whose name Prometheus reads by PodMonitors; nobody runs as it.
pub(crate) fn reader(namespace: &str) -> ServiceAccount {
    ServiceAccount {
        automount_service_account_token: Some(false),
        metadata: of_reader(READER, namespace),
        ..ServiceAccount::default()
    }
}

/// Its token, which Kubernetes fills in.
pub(crate) fn token(namespace: &str) -> Secret {
    let annotations = labels::map([("kubernetes.io/service-account.name", READER)]);
    Secret {
        metadata: ObjectMeta { annotations: Some(annotations), ..of_reader(TOKEN, namespace) },
        type_: Some("kubernetes.io/service-account-token".to_owned()),
        ..Secret::default()
    }
}

fn of_reader(name: &str, namespace: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        labels: Some(labels::app()),
        ..ObjectMeta::default()
    }
}
