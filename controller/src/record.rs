//! What a decided Service looks like in the API.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{LoadBalancerIngress, LoadBalancerStatus, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use metallb_allocator::Record;
use metallb_api::names::{ALLOCATED_FROM_POOL, ALLOCATED_FROM_POOL_DEPRECATED, CONDITION_ALLOCATED};

/// The Service with the record written into it, everything else as it was read: what is sent for its status.
///
/// It carries the resourceVersion the decision was taken on, so that it is refused when the Service has changed.
pub(crate) fn build_recorded(mut service: Service, record: &Record, now: Time) -> Service {
    let Record { assignment, condition } = record;
    let annotations = service.metadata.annotations.get_or_insert_default();
    // What old releases left behind goes with a write that happens anyway.
    annotations.remove(ALLOCATED_FROM_POOL_DEPRECATED);
    match &assignment.pool {
        Some(pool) => drop(annotations.insert(ALLOCATED_FROM_POOL.to_owned(), pool.clone())),
        None => drop(annotations.remove(ALLOCATED_FROM_POOL)),
    }
    let ingress: Vec<LoadBalancerIngress> = assignment.addresses.iter().map(build_entry).collect();
    let status = service.status.get_or_insert_default();
    status.load_balancer = Some(LoadBalancerStatus { ingress: (!ingress.is_empty()).then_some(ingress) });
    let conditions = status.conditions.take().unwrap_or_default();
    let (ours, mut others): (Vec<Condition>, Vec<_>) =
        conditions.into_iter().partition(|condition| condition.type_ == CONDITION_ALLOCATED);
    others.extend(condition.as_ref().map(|condition| build_condition(condition, ours.first(), now)));
    status.conditions = (!others.is_empty()).then_some(others);
    service
}

/// The time of the last transition stays while the status does.
fn build_condition(new: &metallb_allocator::Condition, old: Option<&Condition>, now: Time) -> Condition {
    let status = if new.allocated { "True" } else { "False" };
    let since = old.filter(|old| old.status == status).map(|old| old.last_transition_time.clone());
    Condition {
        type_: CONDITION_ALLOCATED.to_owned(),
        status: status.to_owned(),
        reason: new.reason.as_str().to_owned(),
        message: new.message.clone(),
        last_transition_time: since.unwrap_or(now),
        observed_generation: None,
    }
}

fn build_entry(address: &IpAddr) -> LoadBalancerIngress {
    LoadBalancerIngress { ip: Some(address.to_string()), ..LoadBalancerIngress::default() }
}

#[cfg(test)]
mod tests {
    use metallb_allocator::{Assignment, ConditionReason};
    use metallb_config::service;
    use serde_json::{Value, json};

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

    fn at(text: &str) -> Time {
        serde_json::from_value(json!(text)).unwrap()
    }

    fn now() -> Time {
        at("2026-02-02T00:00:00Z")
    }

    fn condition(allocated: bool) -> Option<metallb_allocator::Condition> {
        let reason = if allocated { ConditionReason::Allocated } else { ConditionReason::NoPool };
        Some(metallb_allocator::Condition { allocated, reason, message: "why".into() })
    }

    #[test]
    fn an_assignment_replaces_the_ingress_and_keeps_everything_else() {
        let assignment = Assignment {
            addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            pool: Some("p".into()),
        };
        let record = Record { assignment, condition: condition(true) };
        let written = build_recorded(given(), &record, now());
        assert!(record.is_recorded_in(&service::parse(&written)));
        let metadata = written.metadata;
        assert_eq!(metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(metadata.annotations.unwrap()["mine"], "yes");
        assert_eq!(written.spec, given().spec);
        let conditions = written.status.unwrap().conditions.unwrap();
        assert_eq!(conditions[..1], given().status.unwrap().conditions.unwrap()[..]);
        let ours = serde_json::to_value(&conditions[1]).unwrap();
        let expected = json!({
            "type": "metallb.io/Allocated", "status": "True", "reason": "Allocated", "message": "why",
            "lastTransitionTime": "2026-02-02T00:00:00Z",
        });
        assert_eq!(ours, expected);
    }

    #[test]
    fn the_condition_changes_its_time_only_with_its_status() {
        let first = Record { condition: condition(false), ..Record::default() };
        let written = build_recorded(given(), &first, now());
        let later = at("2026-03-03T00:00:00Z");
        let table = [(false, "2026-02-02T00:00:00Z"), (true, "2026-03-03T00:00:00Z")];
        for (allocated, since) in table {
            let record = Record { condition: condition(allocated), ..Record::default() };
            let again = build_recorded(written.clone(), &record, later.clone());
            let conditions = serde_json::to_value(again.status.unwrap().conditions).unwrap();
            assert_eq!(conditions[1]["lastTransitionTime"], Value::from(since));
            assert_eq!(conditions.as_array().unwrap().len(), 2);
        }
    }

    #[test]
    fn no_assignment_and_no_condition_leave_no_trace() {
        let mut assigned = given();
        let annotations = assigned.metadata.annotations.get_or_insert_default();
        annotations.insert(ALLOCATED_FROM_POOL.into(), "p".into());
        annotations.insert(ALLOCATED_FROM_POOL_DEPRECATED.into(), "p".into());
        let record = Record { condition: condition(false), ..Record::default() };
        let assigned = build_recorded(assigned, &record, now());
        let cleared = build_recorded(assigned, &Record::default(), now());
        assert_eq!(cleared.status.as_ref().unwrap().load_balancer.as_ref().unwrap().ingress, None);
        assert_eq!(cleared.metadata.annotations, given().metadata.annotations);
        assert_eq!(cleared.status.unwrap().conditions, given().status.unwrap().conditions);
    }
}
