//! What events and log lines call a situation (contract 01 §4.10, columns event and log; §5).

use serde_json::json;

use super::world::*;
use crate::event::EventReason;

/// §5, the reasons and their types.
#[test]
fn every_reason_is_spelled_and_typed_as_the_original_s() {
    let table = [
        (EventReason::IpAllocated, "IPAllocated", false),
        (EventReason::ClearAssignment, "ClearAssignment", false),
        (EventReason::AdditionalAssignFailed, "AdditionalAssignFailed", false),
        (EventReason::AllocationFailed, "AllocationFailed", true),
        (EventReason::LoadBalancerFailed, "LoadBalancerFailed", true),
        (EventReason::NotEnoughClusterIps, "not enough clusterips", true),
        (EventReason::UnknownIngressFamily, "nolbIPsIPFamily", true),
        (EventReason::UnknownClusterFamily, "noclusterIPsIPFamily", true),
        (EventReason::DeprecatedAnnotation, "deprecatedAnnotation", true),
    ];
    for (reason, text, is_warning) in table {
        assert_eq!((reason.as_str(), reason.is_warning()), (text, is_warning));
    }
}

/// §4.10, the `reason` of log lines.
#[test]
fn every_situation_has_its_reason_in_the_log() {
    let headless = json!({"spec": {"clusterIPs": ["None"]}});
    let several = json!({"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.0"}, {"ip": "10.0.0.1"}]}}});
    let mut prefers = dual("PreferDualStack");
    merge(&mut prefers, recorded("p", &["10.0.0.0"]));
    let table = [
        (json!({"spec": {"type": "ClusterIP"}}), "notLoadBalancer"),
        (json!({"spec": {"clusterIPs": [], "clusterIP": ""}}), "noClusterIPs"),
        (several, "nolbIPsIPFamily"),
        (headless, "noclusterIPsIPFamily"),
        (from_pool("q"), "differentPoolRequested"),
        (requesting("10.0.0.5"), "differentIPRequested"),
        (prefers, "tryAssignAdditionalIP"),
    ];
    for (patch, reason) in table {
        let mut world = World::new(&[plain("p", &["10.0.0.0/24"]), plain("q", &["10.1.0.0/24"])]);
        world.put("a", recorded("p", &["10.0.0.0"])).run();
        world.put("a", patch.clone());
        let reasons: Vec<_> =
            world.allocator.settle().iter().map(|decision| decision.reason.as_str()).collect();
        assert_eq!(reasons, [reason], "{patch}");
    }
    let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
    world.put("a", recorded("p", &["10.0.0.0"])).run();
    world.configure(&[]);
    assert_eq!(world.allocator.settle()[0].reason.as_str(), "noConfig");
}
