//! What a decided Service looks like in the API.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{LoadBalancerIngress, LoadBalancerStatus, Service};
use metallb_allocator::Assignment;
use metallb_api::names::ALLOCATED_FROM_POOL;

/// The Service with the assignment written into it, everything else as it was read: what is sent for its status.
///
/// It carries the resourceVersion the decision was taken on, so that it is refused when the Service has changed.
pub(crate) fn build_recorded(service: &Service, assignment: &Assignment) -> Service {
    let mut service = service.clone();
    let annotations = service.metadata.annotations.get_or_insert_default();
    match &assignment.pool {
        Some(pool) => drop(annotations.insert(ALLOCATED_FROM_POOL.to_owned(), pool.clone())),
        None => drop(annotations.remove(ALLOCATED_FROM_POOL)),
    }
    let ingress: Vec<LoadBalancerIngress> = assignment.addresses.iter().map(build_entry).collect();
    let status = service.status.get_or_insert_default();
    status.load_balancer = Some(LoadBalancerStatus { ingress: (!ingress.is_empty()).then_some(ingress) });
    service
}

fn build_entry(address: &IpAddr) -> LoadBalancerIngress {
    LoadBalancerIngress { ip: Some(address.to_string()), ..LoadBalancerIngress::default() }
}

#[cfg(test)]
mod tests {
    use metallb_config::service;
    use serde_json::json;

    use super::*;

    fn given() -> Service {
        let object = json!({
            "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "7", "annotations": {"mine": "yes"}},
            "spec": {"type": "LoadBalancer"},
            "status": {
                "conditions": [{"type": "x", "status": "True", "reason": "r", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
                "loadBalancer": {"ingress": [{"hostname": "foreign"}]},
            },
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn an_assignment_replaces_the_ingress_and_keeps_everything_else() {
        let assignment = Assignment {
            addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            pool: Some("p".into()),
        };
        let written = build_recorded(&given(), &assignment);
        assert!(assignment.is_recorded_in(&service::parse(&written)));
        let metadata = written.metadata;
        assert_eq!(metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(metadata.annotations.unwrap()["mine"], "yes");
        assert_eq!(written.spec, given().spec);
        assert_eq!(written.status.unwrap().conditions, given().status.unwrap().conditions);
    }

    #[test]
    fn no_assignment_leaves_no_trace() {
        let mut assigned = given();
        assigned.metadata.annotations.get_or_insert_default().insert(ALLOCATED_FROM_POOL.into(), "p".into());
        let cleared = build_recorded(&assigned, &Assignment::default());
        assert_eq!(cleared.status.unwrap().load_balancer.unwrap().ingress, None);
        assert!(!cleared.metadata.annotations.unwrap().contains_key(ALLOCATED_FROM_POOL));
    }
}
