//! An error at every request in turn, whatever the operator is about to do: it is noticed, and all is done in the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Method, Request as HttpRequest};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kube::Client;
use kube::client::Body;
use metallb_api::MetalLB;
use metallb_cluster::{Leadership, Tenure};
use metallb_operator::guard::guarded;
use metallb_operator::operator::Report;
use metallb_render::{ApiServer, Platform};
use metallb_testkit::{Failure, Request};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::drift::{EXCLUDED, set_variable};
use crate::others::{POD_MONITORS, account, put_binding, put_role, put_webhooks};
use crate::prune::put_orphaned_frr_k8s_webhooks;
use crate::rivals::{OPERATOR, man, man_for, put_elsewhere};
use crate::scenario::{NAMESPACE, SERVICE_MONITORS, Scenario, lines};
use crate::takeover::{made_by, put_original_service};
use crate::webhook::{LONG_AGO, note_as_applied, point_webhook_at, put_pod, trust};

/// Refused for now in several ways, and the two ways of a broken connection; a write may be outrun as well. For a read it
/// makes no difference how the connection breaks.
const FAILURES: [Failure; 6] = [
    Failure::Status(503),
    Failure::Unreachable,
    Failure::Status(429),
    Failure::Status(500),
    Failure::AnswerLost,
    Failure::Status(409),
];

/// After the first request of a verb they take turns.
fn failures_of(request: &Request, nth: usize, is_first: bool) -> Vec<Failure> {
    let count = if request.verb.writes() { 6 } else { 4 };
    match is_first {
        true => FAILURES[..count].to_vec(),
        false => vec![FAILURES[nth % count]],
    }
}

/// All that must come out the same.
fn outcome(scenario: &Scenario) -> Value {
    let resource: Option<MetalLB> = scenario.server.get(Some(NAMESPACE), "metallb");
    let account = |name| scenario.server.get::<ServiceAccount>(Some(NAMESPACE), name)?.metadata.uid;
    let accounts = [account("controller"), account("speaker")];
    json!({
        "objects": scenario.server.contents().into_iter().map(|it| essence(it, &accounts)).collect::<Vec<_>>(),
        "told": resource.map(|_| scenario.told("metallb")),
    })
}

/// An object without what only the server says of it, and what chance puts into a Secret.
fn essence(mut object: Value, accounts: &[Option<String>]) -> Value {
    if let Some(account) = object.pointer_mut("/spec/template/metadata/annotations/metallb.io~1account") {
        let nth = accounts.iter().position(|uid| uid.as_deref() == account.as_str());
        *account = json!(nth);
    }
    let metadata = object["metadata"].take();
    let owners = metadata["ownerReferences"].as_array().cloned().unwrap_or_default();
    let owner = |owner: Value| json!([owner["kind"], owner["name"], owner["controller"]]);
    let given = ["name", "namespace", "labels", "annotations"].map(|field| metadata[field].clone());
    object["metadata"] = json!([given, owners.into_iter().map(owner).collect::<Vec<_>>()]);
    object["status"] = Value::Null;
    if object["kind"] == "Secret" {
        object["data"] = Value::Null;
    }
    object
}

/// Whether the pass says that something went wrong, where it has to.
fn is_noticed(report: &Report, request: &Request, failure: Failure) -> bool {
    // What keeps pods away is only a hint; whether the operator's own are ready is none.
    let is_own = request.parameter("labelSelector").is_some_and(|labels| labels.contains("control-plane"));
    let is_hint = ["pods", "events"].contains(&request.resource.as_str()) && !is_own;
    // Who was outrun looks again at once.
    let is_overcome = failure == Failure::Status(409) && request.resource != "metallbs";
    report.disposition.is_some() || is_hint || is_overcome
}

/// In a cluster in which something is to be done, lets every request of the next pass fail in turn; which these are.
async fn overcome(make: impl AsyncFn() -> Scenario) -> Vec<String> {
    let reference = make().await;
    reference.server.take_requests();
    reference.pass().await;
    let requests = reference.server.take_requests();
    assert!(requests.iter().any(|request| request.verb.writes()), "something is to be done");
    reference.passes_until_settled().await;
    let expected = outcome(&reference);
    let mut verbs = BTreeMap::new();
    for (nth, request) in requests.iter().enumerate() {
        let seen: &mut usize = verbs.entry(format!("{:?}", request.verb)).or_default();
        *seen += 1;
        for failure in failures_of(request, nth, *seen == 1) {
            let scenario = make().await;
            scenario.server.take_requests();
            scenario.server.fail_nth(nth, failure);
            let report = scenario.pass().await;
            let failed = scenario.server.take_requests().swap_remove(nth).to_string();
            assert_eq!(failed, request.to_string(), "requests come in the same order every time");
            assert!(is_noticed(&report, request, failure), "{failure:?} at {request} went unnoticed");
            assert!(scenario.passes_until_settled().await <= 2, "{failure:?} at {request}");
            assert_eq!(outcome(&scenario), expected, "{failure:?} at {request}");
        }
    }
    lines(&requests)
}

/// An operator that leads until so many writes were made; the sender makes it lead again.
fn leads_until(scenario: &mut Scenario, writes: usize) -> watch::Sender<Tenure> {
    let (term, tenure) = watch::channel(Tenure::Open(1));
    let leadership = Leadership::told_by(watch::channel(true).1, tenure);
    let behind = guarded(scenario.server.client(NAMESPACE), leadership);
    let (made, last) = (Arc::new(AtomicUsize::new(0)), term.clone());
    let service = tower::service_fn(move |request: HttpRequest<Body>| {
        let is_write = request.method() != Method::GET;
        if is_write && made.fetch_add(1, Ordering::Relaxed) == writes {
            last.send_replace(Tenure::None);
        }
        let behind = behind.clone();
        async move { behind.send(request).await }
    });
    scenario.operator.client = Client::new(service, NAMESPACE);
    term
}

/// In a cluster in which something is to be done, lets the operator lose its office before every write in turn.
async fn left_to_others(make: impl AsyncFn() -> Scenario) {
    let reference = make().await;
    reference.server.take_requests();
    reference.pass().await;
    let writes = reference.writes().len();
    reference.passes_until_settled().await;
    let expected = outcome(&reference);
    for nth in 0..writes {
        let mut scenario = make().await;
        let term = leads_until(&mut scenario, nth);
        scenario.server.take_requests();
        let report = scenario.pass().await;
        assert!(report.disposition.is_some(), "{nth}: {report:?}");
        assert_eq!(scenario.writes().len(), nth, "who does not lead writes nothing");
        term.send_replace(Tenure::Open(2));
        scenario.passes_until_settled().await;
        assert_eq!(outcome(&scenario), expected, "{nth}");
    }
}

async fn fresh() -> Scenario {
    Scenario::with_resource()
}

/// What a switch brought that is off now.
async fn with_leftovers() -> Scenario {
    let mut scenario = Scenario::settled().await;
    scenario.restart_with(&[SERVICE_MONITORS]);
    scenario.settle().await;
    scenario.restart_with(&[]);
    scenario
}

/// What plain manifests, or the original, made before.
async fn of_others() -> Scenario {
    made_by("manager")
}

/// A role, its binding and both webhooks of an installation whose namespace is gone.
async fn of_one_that_is_gone() -> Scenario {
    let scenario = with_a_webhook().await;
    scenario.pass().await;
    point_webhook_at(&scenario, "gone").await;
    let name = "metallb-system:controller";
    scenario.server.remove::<ClusterRole>(None, name);
    scenario.server.remove::<ClusterRoleBinding>(None, name);
    scenario.server.remove::<ValidatingWebhookConfiguration>(None, "metallb-webhook-configuration");
    put_role(&scenario, name, &json!({}));
    put_binding(&scenario, name, &json!({}), &account("controller", "gone"));
    put_webhooks(&scenario, &json!({"metallb.io/owned-by": "gone"}), "gone");
    scenario
}

/// The original's webhook has its own server until our controller runs.
async fn with_a_late_service() -> Scenario {
    let scenario = Scenario::with_resource();
    put_original_service(&scenario);
    scenario.pass().await;
    scenario.run_workloads();
    scenario
}

/// What the original's frr-k8s left, with the resource or without it.
async fn beside_frr_k8s(has_resource: bool) -> Scenario {
    let scenario = with_a_webhook().await;
    scenario.pass().await;
    if !has_resource {
        scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    }
    put_orphaned_frr_k8s_webhooks(&scenario, NAMESPACE);
    scenario
}

/// Somebody applied the operator's own webhook.
async fn applied_over() -> Scenario {
    let scenario = with_a_trusted_webhook().await;
    note_as_applied(&scenario);
    scenario
}

/// All that is not there by default.
async fn with_extras() -> Scenario {
    let mut scenario = Scenario::empty();
    scenario.put("metallb", &json!({"controllerReplicas": 2}));
    scenario.restart_with(&[POD_MONITORS]);
    scenario
}

async fn without_extras() -> Scenario {
    let mut scenario = with_extras().await;
    scenario.settle().await;
    scenario.put("metallb", &json!({}));
    scenario.restart_with(&[]);
    scenario
}

/// On its way out, and not to go yet.
fn held() -> Value {
    json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["x/y"]}})
}

async fn edited() -> Scenario {
    let scenario = Scenario::settled().await;
    scenario.put("metallb", &json!({"nodeSelector": {"role": "edge"}, "excludedInterfaces": ["^eth9$"]}));
    scenario
}

/// Somebody deleted one object of each kind of trouble.
async fn damaged() -> Scenario {
    let scenario = Scenario::settled().await;
    scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    scenario.server.remove::<ConfigMap>(Some(NAMESPACE), "metallb-excludel2");
    scenario.server.remove::<ServiceAccount>(Some(NAMESPACE), "controller");
    scenario.server.remove::<ValidatingWebhookConfiguration>(None, "metallb-webhook-configuration");
    scenario
}

/// Somebody wrote what excludes our fields, so that ours can't be applied beside it.
async fn excluded() -> Scenario {
    let scenario = Scenario::settled().await;
    set_variable(&scenario);
    scenario.server.refuse(|object| {
        let env = object.pointer("/spec/template/spec/containers/0/env").and_then(Value::as_array);
        let is_both =
            |variable: &Value| variable.get("value").is_some() && variable.get("valueFrom").is_some();
        env.is_some_and(|env| env.iter().any(is_both)).then_some(EXCLUDED)
    });
    scenario
}

/// Another MetalLB is there, which serves others, and runs.
async fn beside_another() -> Scenario {
    let scenario = Scenario::with_resource();
    put_elsewhere(&scenario, "metallb", "Available");
    man_for(&scenario, "another", "controller", 1, "x/y");
    man(&scenario, "another", OPERATOR, 1);
    scenario
}

async fn removed() -> Scenario {
    let scenario = with_a_webhook().await;
    scenario.pass().await;
    scenario.put_lease("controller-7c9-x2");
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    scenario
}

/// The resource was deleted, its dependents were left behind, and another one came.
async fn orphaned() -> Scenario {
    let scenario = Scenario::settled().await;
    let nobody = json!({"metadata": {"ownerReferences": null}});
    scenario.server.edit::<Deployment>(Some(NAMESPACE), "controller", &nobody);
    scenario.server.edit::<DaemonSet>(Some(NAMESPACE), "speaker", &nobody);
    scenario.server.edit::<Secret>(Some(NAMESPACE), "metallb-memberlist", &nobody);
    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    scenario.put("metallb", &json!({}));
    scenario
}

async fn on_openshift() -> Scenario {
    let mut scenario = Scenario::with_resource();
    scenario.operator.platform = Platform::OpenShift;
    scenario.restart_with(&[SERVICE_MONITORS]);
    let profile = json!({"apiVersion": "config.openshift.io/v1", "kind": "APIServer", "metadata": {"name": "cluster"},
        "spec": {"tlsSecurityProfile": {"type": "Modern"}}});
    scenario.server.put_raw::<ApiServer>("cluster", &profile);
    scenario
}

/// The operator's webhook is to be registered.
async fn with_a_webhook() -> Scenario {
    let mut scenario = Scenario::settled().await;
    scenario.operator.registers = true;
    put_pod(&scenario, "True", LONG_AGO);
    scenario
}

/// An answer of it can be insisted on.
async fn with_a_trusted_webhook() -> Scenario {
    let scenario = with_a_webhook().await;
    scenario.pass().await;
    trust(&scenario, "eA==").await;
    scenario
}

#[tokio::test]
async fn at_an_installation() {
    overcome(fresh).await;
    left_to_others(fresh).await;
}

#[tokio::test]
async fn while_something_is_cleared_away() {
    overcome(with_leftovers).await;
    left_to_others(with_leftovers).await;
}

#[tokio::test]
async fn at_a_takeover() {
    overcome(of_others).await;
    left_to_others(of_others).await;
}

#[tokio::test]
async fn after_an_edit() {
    overcome(edited).await;
    left_to_others(edited).await;
}

#[tokio::test]
async fn at_a_repair() {
    overcome(damaged).await;
    left_to_others(damaged).await;
}

#[tokio::test]
async fn at_a_repair_of_what_excludes_our_fields() {
    let requests = overcome(excluded).await;
    assert!(requests.iter().any(|it| it == "json-patch daemonsets metallb-system/speaker"), "{requests:?}");
    left_to_others(excluded).await;
}

#[tokio::test]
async fn where_one_that_is_gone_left_what_bears_our_names() {
    let requests = overcome(of_one_that_is_gone).await;
    for request in ["get namespaces gone", "get clusterrolebindings metallb-system:controller"] {
        assert!(requests.iter().any(|it| it == request), "{request}: {requests:?}");
    }
    left_to_others(of_one_that_is_gone).await;
}

#[tokio::test]
async fn when_our_controller_is_ready_to_answer_instead_of_another_server() {
    let requests = overcome(with_a_late_service).await;
    assert!(requests.iter().any(|it| it.starts_with("apply services ")), "{requests:?}");
    left_to_others(with_a_late_service).await;
}

#[tokio::test]
async fn beside_what_frr_k8s_left() {
    for has_resource in [true, false] {
        let make = async || beside_frr_k8s(has_resource).await;
        let requests = overcome(make).await;
        for verb in ["get", "delete"] {
            let webhooks =
                format!("{verb} validatingwebhookconfigurations frr-k8s-validating-webhook-configuration");
            assert!(requests.contains(&webhooks), "{requests:?}");
        }
        left_to_others(make).await;
    }
}

#[tokio::test]
async fn with_what_is_not_there_by_default_and_back() {
    let requests = overcome(with_extras).await;
    for what in ["podmonitors", "poddisruptionbudgets", "clusterroles metrics-reader"] {
        assert!(requests.iter().any(|it| it.starts_with(&format!("apply {what}"))), "{what}: {requests:?}");
    }
    left_to_others(with_extras).await;
    let requests = overcome(without_extras).await;
    for what in ["podmonitors", "poddisruptionbudgets"] {
        assert!(requests.iter().any(|it| it.starts_with(&format!("delete {what}"))), "{what}: {requests:?}");
    }
    left_to_others(without_extras).await;
}

#[tokio::test]
async fn where_there_is_only_something_to_tell() {
    for failure in FAILURES {
        for (name, expected) in
            [("other", "IncorrectMetalLBResourceName"), ("metallb", "held by finalizers x/y")]
        {
            let scenario = Scenario::settled().await;
            match name {
                "other" => scenario.put(name, &json!({})),
                name => scenario.server.edit::<MetalLB>(Some(NAMESPACE), name, &held()),
            }
            scenario.server.fail_next(&format!("merge-patch metallbs/status metallb-system/{name}"), failure);
            assert!(scenario.pass().await.disposition.is_some(), "{failure:?} went unnoticed");
            scenario.pass().await;
            let told = scenario.told(name);
            assert!(told.iter().any(|it| it.contains(expected)), "{failure:?}: {told:?}");
        }
    }
}

#[tokio::test]
async fn beside_another_metallb() {
    let requests = overcome(beside_another).await;
    assert!(requests.iter().any(|it| it == "list deployments another/"), "{requests:?}");
    left_to_others(beside_another).await;
}

#[tokio::test]
async fn after_the_resource_went() {
    overcome(removed).await;
    left_to_others(removed).await;
}

#[tokio::test]
async fn after_the_resource_went_without_its_dependents_and_came_back() {
    overcome(orphaned).await;
    left_to_others(orphaned).await;
}

#[tokio::test]
async fn on_openshift_with_monitors() {
    overcome(on_openshift).await;
    left_to_others(on_openshift).await;
}

#[tokio::test]
async fn while_the_webhook_is_registered() {
    overcome(with_a_webhook).await;
    overcome(with_a_trusted_webhook).await;
    let requests = overcome(applied_over).await;
    let inherits = "json-patch validatingwebhookconfigurations metallb-operator-webhook-configuration";
    assert!(requests.iter().any(|it| it == inherits), "{requests:?}");
    left_to_others(with_a_trusted_webhook).await;
    left_to_others(applied_over).await;
}
