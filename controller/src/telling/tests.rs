//! Contract 01 §4.10, column log.

use metallb_allocator::Reason;

use super::*;
use crate::logged::Log;

fn decision(reason: Reason) -> Decision {
    let key = ServiceKey { namespace: "default".into(), name: "web".into() };
    Decision { key, reason, write: None, events: Vec::new() }
}

#[test]
fn what_is_told_is_logged_with_the_level_and_the_keys_of_the_contract() {
    // (what is told, level, event, op)
    let table = [
        (EventReason::IpAllocated, "info ipAllocated -"),
        (EventReason::ClearAssignment, "info clearAssignment -"),
        (EventReason::AdditionalAssignFailed, "info tryAssignAdditionalIP -"),
        (EventReason::AllocationFailed, "error - allocateIPs"),
        (EventReason::LoadBalancerFailed, "error loadbalancerIP -"),
        (EventReason::NotEnoughClusterIps, "error clearAssignment -"),
        (EventReason::UnknownIngressFamily, "error - -"),
        (EventReason::UnknownClusterFamily, "error - -"),
        (EventReason::DeprecatedAnnotation, "warn deprecatedAnnotation -"),
    ];
    for (reason, line) in table {
        let (logged, _guard) = Log::begin();
        let event = Event { reason, message: "in words".to_owned() };
        log(&decision(Reason::UnknownIngressFamily), &event);
        let about = ("service", "default/web");
        assert_eq!(logged.lines(about, &["level", "event", "op"]), [line]);
        assert_eq!(logged.lines(about, &["reason", "message"]), ["nolbIPsIPFamily in words"]);
    }
}

#[test]
fn what_was_written_is_logged_with_its_reason() {
    let (log, _guard) = Log::begin();
    let assigned = Assignment { addresses: vec!["192.0.2.1".parse().unwrap()], pool: Some("p".to_owned()) };
    log_written(&decision(Reason::Pending), &assigned);
    log_written(&decision(Reason::NoClusterIps), &Assignment::default());
    let expected = [
        "info serviceUpdated updated service object",
        "info clearAssignment removed loadbalancer from service",
    ];
    assert_eq!(log.lines(("service", "default/web"), &["level", "event", "message"]), expected);
    let cleared = log.lines(("event", "clearAssignment"), &["reason"]);
    assert_eq!(cleared, ["noClusterIPs"]);
}
