//! What keeps a drained node from taking all controllers with it.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::labels::Component;
use crate::settings::Options;

/// Of several controllers one may go at a time. One alone has none: it could only be in the way of a drain.
pub(crate) fn controller(options: &Options, namespace: &str) -> Option<PodDisruptionBudget> {
    options.controller_replicas.filter(|&replicas| replicas > 1)?;
    let component = Component::Controller;
    Some(PodDisruptionBudget {
        metadata: ObjectMeta {
            name: Some(component.name().to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(component.object_labels()),
            ..ObjectMeta::default()
        },
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(component.selector()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}
