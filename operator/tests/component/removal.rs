use k8s_openapi::api::rbac::v1::ClusterRole;
use metallb_api::MetalLB;
use metallb_operator::disposition::Disposition;
use metallb_operator::operator::Report;
use metallb_testkit::Failure;
use serde_json::json;

use crate::scenario::{NAMESPACE, Scenario};

#[tokio::test]
async fn deleting_the_resource_leaves_nothing() {
    let scenario = Scenario::settled().await;
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    let expected = [
        "ValidatingWebhookConfiguration metallb-webhook-configuration deleted",
        "ClusterRoleBinding kube-rbac-proxy deleted",
        "ClusterRoleBinding metallb-system:controller deleted",
        "ClusterRoleBinding metallb-system:speaker deleted",
        "ClusterRole metallb-system:controller deleted",
        "ClusterRole metallb-system:kube-rbac-proxy deleted",
        "ClusterRole metallb-system:speaker deleted",
    ];
    assert_eq!(scenario.pass().await.changes, expected);
    assert_eq!(scenario.server.objects(), [""; 0]);
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());
}

#[tokio::test]
async fn leftovers_of_others_are_left_alone() {
    let scenario = Scenario::empty();
    for (name, labels) in [
        ("metallb-system:controller", json!({"app": "metallb"})),
        ("metallb-system:speaker", json!({"metallb.io/owned-by": "another-namespace"})),
    ] {
        let role = json!({"metadata": {"name": name, "labels": labels}});
        scenario.server.put::<ClusterRole>(&serde_json::from_value(role).unwrap());
    }
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());
    assert_eq!(scenario.server.objects().len(), 2);
}

#[tokio::test]
async fn a_wrongly_named_resource_alone_does_not_keep_leftovers() {
    let scenario = Scenario::settled().await;
    scenario.put("other", &json!({}));
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    scenario.pass().await;
    assert_eq!(scenario.server.objects(), ["MetalLB metallb-system/other"]);
}

#[tokio::test]
async fn one_leftover_that_resists_does_not_keep_the_others() {
    let scenario = Scenario::settled().await;
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    // Five come first: the lists of the resources, the webhooks, the bindings and the roles, and the webhooks' end.
    scenario.server.fail_nth(5, Failure::Status(500));
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Transient));
    assert_eq!(scenario.server.objects(), ["ClusterRoleBinding kube-rbac-proxy"]);
    scenario.pass().await;
    assert_eq!(scenario.server.objects(), [""; 0]);
}

#[tokio::test]
async fn a_resource_on_its_way_out_is_not_served_again() {
    let scenario = Scenario::settled().await;
    let leaving = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    scenario.server.edit::<MetalLB>(Some(NAMESPACE), "metallb", &leaving);
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());
}
