use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Secret;
use metallb_operator::operator::Report;
use serde_json::json;

use crate::scenario::{NAMESPACE, Scenario, lines};

#[tokio::test]
async fn it_makes_exactly_the_documented_objects_in_order() {
    let scenario = Scenario::with_resource();
    let report = scenario.pass().await;
    assert_eq!(report.problems, [""; 0]);
    let expected = [
        "apply networkpolicies metallb-system/controller",
        "apply networkpolicies metallb-system/metallb-operator-controller-manager",
        "apply serviceaccounts metallb-system/controller",
        "apply serviceaccounts metallb-system/speaker",
        "create secrets metallb-system/metallb-memberlist",
        "apply secrets metallb-system/metallb-webhook-cert",
        "apply configmaps metallb-system/metallb-excludel2",
        "apply clusterroles metallb-system:controller",
        "apply clusterrolebindings metallb-system:controller",
        "apply clusterroles metallb-system:speaker",
        "apply clusterrolebindings metallb-system:speaker",
        "apply clusterroles metallb-system:kube-rbac-proxy",
        "apply clusterrolebindings kube-rbac-proxy",
        "apply roles metallb-system/controller",
        "apply rolebindings metallb-system/controller",
        "apply roles metallb-system/pod-lister",
        "apply rolebindings metallb-system/pod-lister",
        "apply roles metallb-system/speaker",
        "apply rolebindings metallb-system/speaker",
        "apply services metallb-system/metallb-webhook-service",
        "apply deployments metallb-system/controller",
        "apply daemonsets metallb-system/speaker",
        "apply validatingwebhookconfigurations metallb-webhook-configuration",
        "merge-patch metallbs/status metallb-system/metallb",
    ];
    assert_eq!(scenario.writes(), expected);
}

#[tokio::test]
async fn every_write_bears_the_field_manager_and_every_object_its_owner() {
    let scenario = Scenario::with_resource();
    let uid = scenario.resource("metallb").metadata.uid.unwrap();
    scenario.pass().await;
    for request in scenario.server.take_requests().iter().filter(|request| request.verb.writes()) {
        assert_eq!(request.manager.as_deref(), Some("metallb-operator"), "{request}");
        if request.namespace.is_some() && request.subresource.is_none() {
            assert_eq!(request.content["metadata"]["ownerReferences"][0]["uid"], json!(uid), "{request}");
        }
    }
}

#[tokio::test]
async fn the_second_pass_writes_nothing() {
    let scenario = Scenario::with_resource();
    scenario.pass().await;
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report { settling: true, ..Report::default() });
    assert_eq!(scenario.server.forbidden_writes(), [""; 0]);
}

#[tokio::test]
async fn a_settled_cluster_is_left_alone_and_nothing_is_read_twice() {
    let scenario = Scenario::settled().await;
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report::default());
    let requests = lines(&scenario.server.take_requests());
    assert_eq!(requests.first().map(String::as_str), Some("list metallbs"));
    let lists = requests.iter().filter(|request| request.starts_with("list ")).count();
    let reads = requests.iter().filter(|request| request.starts_with("get ")).count();
    assert_eq!(
        (lists, reads),
        (17, 5),
        "the resources, the API servers and 15 kinds, the definition and what was not listed whole: {requests:#?}"
    );
    assert_eq!(requests.iter().collect::<BTreeSet<_>>().len(), requests.len(), "{requests:#?}");
}

#[tokio::test]
async fn an_edit_changes_only_what_it_is_about() {
    let scenario = Scenario::settled().await;
    scenario.put("metallb", &json!({"nodeSelector": {"role": "edge"}}));
    scenario.pass().await;
    let expected =
        ["apply daemonsets metallb-system/speaker", "merge-patch metallbs/status metallb-system/metallb"];
    assert_eq!(scenario.writes(), expected);
    scenario.put("metallb", &json!({}));
    scenario.pass().await;
    assert_eq!(scenario.writes()[0], "apply daemonsets metallb-system/speaker");
    let speaker = serde_json::to_value(scenario.speaker().unwrap()).unwrap();
    let selector = &speaker["spec"]["template"]["spec"]["nodeSelector"];
    assert_eq!(*selector, json!({"kubernetes.io/os": "linux"}), "what is no longer asked for is gone");
}

#[tokio::test]
async fn amounts_the_server_writes_in_its_own_way_are_no_difference() {
    let scenario = Scenario::with_resource();
    scenario.server.default_fields(|object| {
        if let Some(limits) = object.pointer_mut("/spec/template/spec/containers/0/resources/limits") {
            limits["cpu"] = json!("1");
        }
    });
    scenario.put("metallb", &json!({"speakerConfig": {"resources": {"limits": {"cpu": "1000m"}}}}));
    scenario.pass().await;
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report { settling: true, ..Report::default() });
}

#[tokio::test]
async fn the_speakers_key_is_made_once_and_never_changed() {
    let scenario = Scenario::with_resource();
    scenario.pass().await;
    let key = |scenario: &Scenario| {
        let secret: Secret = scenario.server.get(Some(NAMESPACE), "metallb-memberlist").unwrap();
        String::from_utf8(secret.data.unwrap().remove("secretkey").unwrap().0).unwrap()
    };
    let first = key(&scenario);
    assert_eq!(first.len(), 22);
    scenario.put("metallb", &json!({"logLevel": "debug"}));
    scenario.pass().await;
    assert_eq!(key(&scenario), first);
}
