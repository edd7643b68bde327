use http::{Method, Request};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Secret, Service};
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::client::Body;
use metallb_api::{IPAddressPool, MetalLB};
use metallb_operator::disposition::Disposition;
use metallb_operator::operator::Report;
use metallb_render::DEFINITION;
use metallb_testkit::Failure;
use serde_json::json;

use crate::failures::told_in_events;
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
    assert_eq!(scenario.objects(), [""; 0]);
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());
}

#[tokio::test]
async fn section_1_8_what_users_made_is_not_touched_and_nothing_holds_the_resource() {
    let scenario = Scenario::with_resource();
    let labels = json!({"app": "metallb", "metallb.io/owned-by": NAMESPACE});
    let pool = json!({"metadata": {"name": "pool", "namespace": NAMESPACE, "labels": labels},
        "spec": {"addresses": ["192.0.2.0/24"]}});
    scenario.server.put::<IPAddressPool>(&serde_json::from_value(pool).unwrap());
    let service = json!({"metadata": {"name": "web", "namespace": NAMESPACE, "labels": labels},
        "spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}});
    scenario.server.put::<Service>(&serde_json::from_value(service).unwrap());
    let theirs = || {
        let pool: IPAddressPool = scenario.server.get(Some(NAMESPACE), "pool").unwrap();
        let service: Service = scenario.server.get(Some(NAMESPACE), "web").unwrap();
        (serde_json::to_value(pool).unwrap(), service)
    };
    let before = theirs();
    scenario.settle().await;
    assert_eq!(scenario.resource("metallb").metadata.finalizers, None);
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    scenario.pass().await;
    assert_eq!(theirs(), before);
}

#[tokio::test]
async fn nothing_is_left_when_the_definition_goes_and_no_operator_is_there_to_see_it() {
    let scenario = Scenario::settled().await;
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    assert!(!scenario.objects().is_empty(), "these can't belong to what is in a namespace");
    scenario.server.remove::<CustomResourceDefinition>(None, DEFINITION);
    assert_eq!(scenario.objects(), [""; 0]);
}

/// Its pod's rights went with the resource, so it could not give it back. Helm's controllers hold one of the same name.
#[tokio::test]
async fn the_lease_goes_with_the_last_controller() {
    for (holder, goes) in [("controller-7c9-x2", true), ("", true), ("metallb-controller-7c9-x2", false)] {
        let scenario = Scenario::settled().await;
        scenario.put_lease(holder);
        scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
        let changes = scenario.pass().await.changes;
        let deleted =
            changes.iter().any(|change| change == "Lease metallb-system/metallb-controller deleted");
        assert_eq!(deleted, goes, "{holder}: {changes:?}");
        assert_eq!(
            scenario.server.get::<Lease>(Some(NAMESPACE), "metallb-controller").is_none(),
            goes,
            "{holder}"
        );
    }
}

#[tokio::test]
async fn a_lease_that_somebody_takes_just_then_stays() {
    let mut scenario = Scenario::settled().await;
    scenario.put_lease("controller-7c9-x2");
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    let (behind, server) = (scenario.server.client(NAMESPACE), scenario.server.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (behind, server) = (behind.clone(), server.clone());
        async move {
            let is_read =
                request.uri().path().ends_with("/metallb-controller") && request.method() == Method::GET;
            let answer = behind.send(request).await;
            if is_read {
                let taken = json!({"spec": {"holderIdentity": "metallb-controller-6b"}});
                server.edit::<Lease>(Some(NAMESPACE), "metallb-controller", &taken);
            }
            answer
        }
    });
    scenario.operator.client = Client::new(service, NAMESPACE);
    assert_eq!(scenario.pass().await.disposition, Some(Disposition::Conflict));
    assert!(scenario.server.get::<Lease>(Some(NAMESPACE), "metallb-controller").is_some());
    assert_eq!(scenario.pass().await.disposition, None, "it is another's now");
    assert!(scenario.server.get::<Lease>(Some(NAMESPACE), "metallb-controller").is_some());
}

#[tokio::test]
async fn a_lease_that_resists_is_told_and_tried_again() {
    let scenario = Scenario::settled().await;
    scenario.put_lease("controller-7c9-x2");
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    scenario.server.fail_next("delete leases", Failure::Status(409));
    assert_eq!(scenario.pass().await.disposition, Some(Disposition::Conflict), "somebody took it just now");
    scenario.server.fail_next("delete leases", Failure::Status(500));
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Transient));
    assert!(
        report.problems[0].contains("could not delete Lease metallb-system/metallb-controller"),
        "{report:?}"
    );
    assert_eq!(scenario.pass().await.changes, ["Lease metallb-system/metallb-controller deleted"]);
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());
}

/// The resource is deleted, and what belongs to it is left behind.
fn orphan(scenario: &Scenario) {
    let nobody = json!({"metadata": {"ownerReferences": null}});
    scenario.server.edit::<Deployment>(Some(NAMESPACE), "controller", &nobody);
    scenario.server.edit::<DaemonSet>(Some(NAMESPACE), "speaker", &nobody);
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
}

#[tokio::test]
async fn workloads_that_are_left_behind_keep_their_rights_until_they_go() {
    let scenario = Scenario::settled().await;
    scenario.put_lease("controller-7c9-x2");
    orphan(&scenario);
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());

    let scenario = Scenario::settled().await;
    orphan(&scenario);
    scenario.server.remove::<Deployment>(Some(NAMESPACE), "controller");
    let webhooks = ["ValidatingWebhookConfiguration metallb-webhook-configuration deleted"];
    assert_eq!(scenario.pass().await.changes, webhooks, "nobody answers them any more");
    scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    scenario.pass().await;
    assert_eq!(scenario.objects(), [""; 0]);
}

#[tokio::test]
async fn what_was_left_behind_goes_with_the_next_resource() {
    let scenario = Scenario::settled().await;
    let key = || scenario.server.get::<Secret>(Some(NAMESPACE), "metallb-memberlist");
    let before = key().unwrap().data;
    let nobody = json!({"metadata": {"ownerReferences": null}});
    scenario.server.edit::<Secret>(Some(NAMESPACE), "metallb-memberlist", &nobody);
    orphan(&scenario);
    scenario.put("metallb", &json!({}));
    scenario.settle().await;
    assert_eq!(key().unwrap().data, before, "the speakers that went on know no other");
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default(), "once is enough");

    let scenario = Scenario::settled().await;
    scenario.server.edit::<Secret>(Some(NAMESPACE), "metallb-memberlist", &nobody);
    orphan(&scenario);
    scenario.put("metallb", &json!({}));
    scenario.settle().await;
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    scenario.pass().await;
    assert_eq!(scenario.objects(), [""; 0]);
}

#[tokio::test]
async fn nothing_is_cleared_away_because_the_workloads_could_not_be_read() {
    let scenario = Scenario::settled().await;
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    scenario.server.forbid("list daemonsets");
    let report = scenario.pass().await;
    assert_eq!((report.changes.len(), report.disposition), (0, Some(Disposition::Refused)));
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
    assert_eq!(scenario.objects().len(), 2);
}

#[tokio::test]
async fn a_wrongly_named_resource_alone_does_not_keep_leftovers() {
    let scenario = Scenario::settled().await;
    scenario.put("other", &json!({}));
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    scenario.pass().await;
    assert_eq!(scenario.objects(), ["MetalLB metallb-system/other"]);
}

#[tokio::test]
async fn one_leftover_that_resists_does_not_keep_the_others() {
    let scenario = Scenario::settled().await;
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    scenario.server.fail_next("delete clusterrolebindings", Failure::Status(500));
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Transient));
    assert_eq!(scenario.objects(), ["ClusterRoleBinding kube-rbac-proxy"]);
    scenario.pass().await;
    assert_eq!(scenario.objects(), [""; 0]);
}

/// Nobody looks at an operator's log while pools are refused.
#[tokio::test]
async fn leftovers_that_resist_are_told_in_an_event_once() {
    let scenario = Scenario::settled().await;
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    scenario.server.forbid("delete validatingwebhookconfigurations");
    for _ in 0..2 {
        assert_eq!(scenario.pass().await.disposition, Some(Disposition::Refused));
    }
    scenario.server.allow("delete validatingwebhookconfigurations");
    scenario.pass().await;
    assert_eq!(scenario.objects(), [""; 0]);
    // Each other object went at once, this one in the end, and what is told comes in order.
    let event = |type_: &str, reason: &str| (type_.to_owned(), reason.to_owned(), Some(1));
    let expected = [
        event("Normal", "Available"),
        event("Normal", "Installed"),
        event("Normal", "Removed"),
        event("Normal", "Removed"),
        event("Warning", "FailedToSyncMetalLBResources"),
    ];
    assert_eq!(told_in_events(&scenario, 5).await, expected);
}

#[tokio::test]
async fn a_resource_that_a_finalizer_holds_says_so_and_nothing_is_repaired() {
    let scenario = Scenario::settled().await;
    let held =
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y", "x/z"]}});
    scenario.server.edit::<MetalLB>(Some(NAMESPACE), "metallb", &held);
    scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    assert_eq!(scenario.pass().await, Report::default());
    assert_eq!(scenario.writes(), ["merge-patch metallbs/status metallb-system/metallb"]);
    let expected = "Progressing Progressing: being deleted, held by finalizers x/y, x/z; nothing is repaired";
    assert_eq!(scenario.told("metallb"), [expected]);
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default(), "once is enough");
}

#[tokio::test]
async fn a_resource_on_its_way_out_is_not_served_again() {
    let scenario = Scenario::settled().await;
    let leaving = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    scenario.server.edit::<MetalLB>(Some(NAMESPACE), "metallb", &leaving);
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());
}

/// What runs is the other one's.
#[tokio::test]
async fn a_misnamed_resource_on_its_way_out_hides_nothing_of_what_runs() {
    let scenario = Scenario::settled().await;
    let ready = || scenario.operator.metrics.ready.with_label_values(&["speaker"]).get();
    assert_eq!(ready(), 1);
    scenario.put("metallb2", &json!({}));
    let held = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}});
    scenario.server.edit::<MetalLB>(Some(NAMESPACE), "metallb2", &held);
    scenario.pass().await;
    assert_eq!(ready(), 1);
}
