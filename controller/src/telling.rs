//! Decisions as events and log lines (contract 01 §4.10, §5).

use k8s_openapi::api::core::v1::ObjectReference;
use metallb_allocator::{Assignment, Decision, Event, EventReason};
use metallb_cluster::{EventSink, EventType, Malformed, Version};
use metallb_config::Quoted;
use metallb_config::service::ServiceKey;

#[cfg(test)]
mod tests;

/// Tells what was decided about a Service: to its user as events, to the admin as log lines.
pub(crate) fn tell(events: &EventSink, service: &Version, decision: &Decision) {
    for event in &decision.events {
        log(decision, event);
        events.publish(metallb_cluster::Event {
            about: build_reference(&decision.key, service),
            kind: if event.reason.is_warning() { EventType::Warning } else { EventType::Normal },
            reason: event.reason.as_str().to_owned(),
            message: event.message.clone(),
        });
    }
}

fn log(decision: &Decision, event: &Event) {
    let (service, reason, message) = (&decision.key, decision.reason.as_str(), event.message.as_str());
    match event.reason {
        EventReason::IpAllocated => tracing::info!(event = "ipAllocated", %service, reason, "{message}"),
        EventReason::ClearAssignment => {
            tracing::info!(event = "clearAssignment", %service, reason, "{message}")
        }
        EventReason::AdditionalAssignFailed => {
            tracing::info!(event = "tryAssignAdditionalIP", %service, reason, "{message}");
        }
        EventReason::AllocationFailed => tracing::error!(op = "allocateIPs", %service, reason, "{message}"),
        EventReason::LoadBalancerFailed => {
            tracing::error!(event = "loadbalancerIP", %service, reason, "{message}")
        }
        EventReason::NotEnoughClusterIps => {
            tracing::error!(event = "clearAssignment", %service, reason, "{message}")
        }
        EventReason::UnknownIngressFamily | EventReason::UnknownClusterFamily => {
            tracing::error!(%service, reason, "{message}");
        }
        EventReason::DeprecatedAnnotation => {
            tracing::warn!(event = "deprecatedAnnotation", %service, reason, "{message}");
        }
    }
}

/// Logs that a decision now stands in the Service.
pub(crate) fn log_written(decision: &Decision, assignment: &Assignment) {
    let (service, reason) = (&decision.key, decision.reason.as_str());
    if assignment.addresses.is_empty() {
        tracing::info!(event = "clearAssignment", %service, reason, "removed loadbalancer from service");
    } else {
        let (ips, pool) = (Quoted(&assignment.addresses), assignment.pool.as_deref());
        tracing::info!(event = "serviceUpdated", %service, reason, %ips, pool, "updated service object");
    }
}

/// Tells the user of a Service that can't be read. The log has it from whoever tried.
pub(crate) fn tell_garbled(events: &EventSink, key: &ServiceKey, malformed: &Malformed) {
    let why = malformed.why.as_str();
    let text = |text: &Option<String>| text.as_deref().unwrap_or_default().into();
    let version =
        Version { uid: text(&malformed.metadata.uid), resource: text(&malformed.metadata.resource_version) };
    events.publish(metallb_cluster::Event {
        about: build_reference(key, &version),
        kind: EventType::Warning,
        reason: "UnreadableService".to_owned(),
        message: format!("Service can't be read and is left as it is, its addresses stay its own: {why}"),
    });
}

/// Tells the admin that an object is refused: in the log and on the object.
pub(crate) fn tell_refusal(events: &EventSink, kind: &str, about: &ObjectReference, error: &str) {
    tracing::error!(op = "setConfig", kind, name = about.name, error, "failed to parse the configuration");
    events.publish(metallb_cluster::Event {
        about: about.clone(),
        kind: EventType::Warning,
        reason: "ConfigurationError".to_owned(),
        message: error.to_owned(),
    });
}

fn build_reference(key: &ServiceKey, version: &Version) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Service".to_owned()),
        namespace: Some(key.namespace.to_string()),
        name: Some(key.name.to_string()),
        uid: Some(version.uid.clone().into()),
        resource_version: Some(version.resource.clone().into()),
        ..ObjectReference::default()
    }
}

/// What the API server said, without the structure it came in.
pub(crate) fn brief(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
        other => metallb_telemetry::logs::chain(other),
    }
}
