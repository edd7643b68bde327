use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{Method, Request};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::client::Body;
use metallb_operator::disposition::Disposition;
use metallb_operator::operator::Report;
use metallb_operator::register::Pending;
use metallb_operator::webhook::Answers;
use metallb_render::Platform;
use metallb_testkit::{ApiServer, Failure};
use metallb_webhook::{AdmissionRequest, Operation, Reviewer, Route};
use serde_json::{Value, json};

use crate::failures::told_in_events;
use crate::scenario::{AVAILABLE, NAMESPACE, Scenario, environment};

const CONFIGURATION: &str = "metallb-operator-webhook-configuration";

async fn asked(operation: Operation, new: &Value, old: &Value) -> Result<(), (u16, String)> {
    let answers = Answers { environment: environment(&[]), platform: Platform::Kubernetes };
    let object = |spec: &Value| if spec.is_null() { Value::Null } else { json!({"spec": spec}) };
    let request = AdmissionRequest {
        uid: "u".to_owned(),
        operation,
        namespace: "metallb-system".to_owned(),
        name: "metallb".to_owned(),
        object: object(new),
        old_object: object(old),
    };
    let denied = answers.admit((), request).await.denied;
    denied.map_or(Ok(()), |denial| Err((denial.code, denial.message)))
}

#[tokio::test]
async fn section_1_9_what_a_pass_would_refuse_is_refused_at_once_with_the_same_words() {
    let bad = json!({"bgpBackend": "bird"});
    let (good, none) = (json!({"bgpBackend": "native"}), Value::Null);
    let message = "invalid BGP Backend, must be one of native, frr, frr-k8s, frr-k8s-external";
    let denied = || Err((403, message.to_owned()));
    for (operation, new, old, expected) in [
        (Operation::Create, &good, &none, Ok(())),
        (Operation::Create, &none, &none, Ok(())),
        (Operation::Create, &bad, &none, denied()),
        (Operation::Update, &bad, &good, denied()),
        (Operation::Update, &good, &bad, Ok(())),
        (Operation::Update, &bad, &bad, Ok(())),
        (Operation::Delete, &none, &bad, Ok(())),
    ] {
        assert_eq!(asked(operation, new, old).await, expected, "{operation:?} {new} over {old}");
    }
    let (code, message) = asked(Operation::Create, &json!({"logLevel": "loud"}), &none).await.unwrap_err();
    assert!(code == 400 && message.contains("loud"), "{code} {message}");
}

#[tokio::test]
async fn section_1_9_names_are_no_matter_of_the_webhook_and_namespaces_are_all_the_same_and_nothing_is_warned_of()
 {
    let answers = Answers { environment: environment(&[]), platform: Platform::Kubernetes };
    for (namespace, name) in [(NAMESPACE, "other"), ("elsewhere", "metallb")] {
        for (spec, is_denied) in [(json!({}), false), (json!({"bgpBackend": "bird"}), true)] {
            let request = AdmissionRequest {
                uid: "u".to_owned(),
                operation: Operation::Create,
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                object: json!({"spec": spec}),
                old_object: Value::Null,
            };
            let verdict = answers.admit((), request).await;
            assert_eq!(
                (verdict.denied.is_some(), verdict.warnings),
                (is_denied, Vec::new()),
                "{namespace}/{name} {spec}"
            );
        }
    }
}

/// Another operator may do what this release can't; the documented rules hold for all.
#[tokio::test]
async fn section_1_9_what_this_release_can_t_do_is_no_matter_elsewhere() {
    let answers = Answers { environment: environment(&[]), platform: Platform::OpenShift };
    for (spec, is_denied_here, is_denied_elsewhere) in [
        (json!({"bgpBackend": "frr-k8s"}), true, false),
        (json!({"bgpBackend": "native"}), true, false),
        (json!({"livenessPeriod": 5}), true, false),
        (json!({"bgpBackend": "bird"}), true, true),
    ] {
        for (namespace, is_denied) in [(NAMESPACE, is_denied_here), ("elsewhere", is_denied_elsewhere)] {
            let request = AdmissionRequest {
                uid: "u".to_owned(),
                operation: Operation::Create,
                namespace: namespace.to_owned(),
                name: "metallb".to_owned(),
                object: json!({"spec": spec}),
                old_object: Value::Null,
            };
            assert_eq!(answers.admit((), request).await.denied.is_some(), is_denied, "{namespace} {spec}");
        }
    }
}

#[test]
fn it_is_served_where_the_original_serves_it() {
    let answers = Answers { environment: environment(&[]), platform: Platform::Kubernetes };
    assert_eq!(answers.route("/validate-metallb-io-v1beta1-metallb"), Some(Route::Admission(())));
    assert_eq!(answers.route("/convert"), None);
}

/// An operator whose webhook is served.
fn serving() -> Scenario {
    let mut scenario = Scenario::with_resource();
    scenario.operator.registers = true;
    scenario
}

#[tokio::test]
async fn api_servers_are_told_to_ask_and_whom_to_trust_is_left_to_the_rotation() {
    let scenario = serving();
    scenario.settle().await;
    trust(&scenario, "eA==").await;
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await, Report { lenient: Some(Pending::Pods), ..Report::default() });
    let configuration: ValidatingWebhookConfiguration = scenario.server.get(None, CONFIGURATION).unwrap();
    let definition: CustomResourceDefinition = scenario.server.get(None, "metallbs.metallb.io").unwrap();
    assert_eq!(configuration.metadata.owner_references.unwrap()[0].uid, definition.metadata.uid.unwrap());
}

/// The rotation writes whom to trust.
pub(crate) async fn trust(scenario: &Scenario, bundle: &str) {
    edit(scenario, "/webhooks/0/clientConfig/caBundle", bundle).await;
}

/// The configuration asks a Service in another namespace.
pub(crate) async fn point_webhook_at(scenario: &Scenario, namespace: &str) {
    edit(scenario, "/webhooks/0/clientConfig/service/namespace", namespace).await;
}

/// Somebody sets a field of the configuration.
async fn edit(scenario: &Scenario, path: &str, value: &str) {
    let patch = json!([{"op": "add", "path": path, "value": value}]);
    let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
    let api: kube::Api<ValidatingWebhookConfiguration> = kube::Api::all(scenario.server.client("x"));
    let params = kube::api::PatchParams::apply("metallb-operator");
    api.patch(CONFIGURATION, &params, &kube::api::Patch::Json::<()>(patch)).await.unwrap();
}

/// The operator's pod, ready or not since then.
pub(crate) fn put_pod(scenario: &Scenario, ready: &str, since: &str) {
    let pod = json!({
        "metadata": {"name": "manager", "namespace": NAMESPACE, "labels": {"control-plane": "controller-manager"}},
        "status": {"conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": since}]},
    });
    scenario.server.put::<Pod>(&serde_json::from_value(pod).unwrap());
}

/// What API servers do without an answer, after a pass.
async fn policy(scenario: &Scenario) -> String {
    let report = scenario.pass().await;
    let configuration: ValidatingWebhookConfiguration = scenario.server.get(None, CONFIGURATION).unwrap();
    let policy = configuration.webhooks.unwrap()[0].failure_policy.clone().unwrap();
    assert_eq!(report.lenient.is_some(), policy == "Ignore");
    policy
}

pub(crate) const LONG_AGO: &str = "2020-01-01T00:00:00Z";

#[tokio::test]
async fn an_answer_is_insisted_on_once_one_can_be_had_and_from_then_on() {
    let scenario = serving();
    put_pod(&scenario, "True", LONG_AGO);
    assert_eq!(policy(&scenario).await, "Ignore", "nobody trusts the certificate yet");
    assert_eq!(policy(&scenario).await, "Ignore", "nor at the second look");
    trust(&scenario, "eA==").await;
    for (ready, since, expected, why) in [
        ("False", LONG_AGO, "Ignore", "the pod is not ready"),
        ("True", "2999-01-01T00:00:00Z", "Ignore", "it only just is"),
        ("True", LONG_AGO, "Fail", "it is behind its Service"),
        ("False", LONG_AGO, "Fail", "section 4.4: a pod that fails opens no door"),
    ] {
        put_pod(&scenario, ready, since);
        assert_eq!(policy(&scenario).await, expected, "{why}");
    }
    trust(&scenario, "").await;
    assert_eq!(policy(&scenario).await, "Ignore", "whom to trust was removed");
}

/// What was read at the beginning of a pass may have changed by the time it is written.
#[tokio::test]
async fn who_registers_looks_once_more_before_he_writes() {
    // Whom to trust goes meanwhile.
    let (report, configuration) = changed_meanwhile(|server| {
        server.remove::<ValidatingWebhookConfiguration>(None, CONFIGURATION);
    })
    .await;
    assert_eq!(report.changes, [format!("ValidatingWebhookConfiguration {CONFIGURATION} created")]);
    assert_eq!(configuration.webhooks.unwrap()[0].failure_policy.as_deref(), Some("Ignore"));

    // Another operator was quicker.
    let (report, configuration) = changed_meanwhile(|server| {
        let namespace = json!({"metadata": {"name": "another"}});
        server.put::<Namespace>(&serde_json::from_value(namespace).unwrap());
        let mut theirs: ValidatingWebhookConfiguration = server.get(None, CONFIGURATION).unwrap();
        let service = theirs.webhooks.as_mut().unwrap()[0].client_config.service.as_mut().unwrap();
        service.namespace = "another".to_owned();
        server.put_as("metallb-operator", &theirs);
    })
    .await;
    assert_eq!(report.disposition, Some(Disposition::Refused));
    let service = configuration.webhooks.unwrap().remove(0).client_config.service.unwrap();
    assert_eq!(service.namespace, "another");
}

/// A pass in which something is to be written, and `change` is made once the configuration was read; what there is afterwards.
async fn changed_meanwhile(change: fn(&ApiServer)) -> (Report, ValidatingWebhookConfiguration) {
    let mut scenario = serving();
    put_pod(&scenario, "True", LONG_AGO);
    scenario.pass().await;
    trust(&scenario, "eA==").await;
    assert_eq!(policy(&scenario).await, "Fail");
    edit(&scenario, "/webhooks/0/failurePolicy", "Ignore").await;
    let (behind, is_made) = (scenario.server.client(NAMESPACE), Arc::new(AtomicBool::new(false)));
    let server = scenario.server.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let (behind, is_made, server) = (behind.clone(), is_made.clone(), server.clone());
        async move {
            let is_read = request.uri().path().ends_with(CONFIGURATION) && request.method() == Method::GET;
            let answer = behind.send(request).await;
            if is_read && !is_made.swap(true, Ordering::Relaxed) {
                change(&server);
            }
            answer
        }
    });
    scenario.operator.client = Client::new(service, NAMESPACE);
    let report = scenario.pass().await;
    (report, scenario.server.get(None, CONFIGURATION).unwrap())
}

#[tokio::test]
async fn a_policy_that_somebody_edits_is_put_right() {
    let scenario = serving();
    put_pod(&scenario, "True", LONG_AGO);
    scenario.pass().await;
    trust(&scenario, "eA==").await;
    assert_eq!(policy(&scenario).await, "Fail");
    edit(&scenario, "/webhooks/0/failurePolicy", "Ignore").await;
    assert_eq!(policy(&scenario).await, "Fail");
}

/// Somebody applies what is there, with the certificates of somebody else.
pub(crate) fn note_as_applied(scenario: &Scenario) {
    let mut copy: ValidatingWebhookConfiguration = scenario.server.get(None, CONFIGURATION).unwrap();
    let note = ("kubectl.kubernetes.io/last-applied-configuration".to_owned(), "{}".to_owned());
    copy.metadata.annotations.get_or_insert_default().extend([note]);
    copy.webhooks.as_mut().unwrap()[0].client_config.ca_bundle = Some(ByteString(b"y".to_vec()));
    scenario.server.put_as("kubectl-client-side-apply", &copy);
}

/// `kubectl apply` of what is there leaves a note by which the next one takes fields away, and whom it says to trust.
#[tokio::test]
async fn what_somebody_applied_over_it_is_taken_over_once() {
    let scenario = serving();
    scenario.settle().await;
    put_pod(&scenario, "True", LONG_AGO);
    trust(&scenario, "eA==").await;
    assert_eq!(policy(&scenario).await, "Fail");
    note_as_applied(&scenario);
    let taken = format!("ValidatingWebhookConfiguration {CONFIGURATION} taken over");
    assert_eq!(scenario.pass().await.changes, [taken]);
    let live: ValidatingWebhookConfiguration = scenario.server.get(None, CONFIGURATION).unwrap();
    let managers = live.metadata.managed_fields.unwrap().into_iter().map(|entry| entry.manager);
    assert_eq!(managers.collect::<Vec<_>>(), [Some("metallb-operator".to_owned())]);
    assert_eq!(live.metadata.annotations.unwrap_or_default(), [].into());
    let webhook = live.webhooks.unwrap().remove(0);
    assert_eq!(webhook.client_config.ca_bundle, Some(ByteString(b"y".to_vec())));
    assert_eq!(webhook.failure_policy.as_deref(), Some("Fail"));
    scenario.server.forbid_writes();
    assert_eq!(scenario.pass().await.changes, [""; 0]);
}

#[tokio::test]
async fn it_stays_registered_without_a_resource_and_comes_back_when_deleted() {
    let scenario = serving();
    scenario.settle().await;
    scenario.server.remove::<metallb_api::MetalLB>(Some(crate::scenario::NAMESPACE), "metallb");
    scenario.pass().await;
    assert_eq!(scenario.objects(), ["ValidatingWebhookConfiguration metallb-operator-webhook-configuration"]);
    scenario.server.remove::<ValidatingWebhookConfiguration>(None, CONFIGURATION);
    scenario.pass().await;
    assert_eq!(scenario.objects(), ["ValidatingWebhookConfiguration metallb-operator-webhook-configuration"]);
}

#[tokio::test]
async fn the_webhook_of_another_operator_is_left_to_it_while_its_namespace_is_there() {
    let scenario = serving();
    scenario.pass().await;
    point_webhook_at(&scenario, "another").await;
    let namespace = json!({"metadata": {"name": "another"}});
    scenario.server.put::<Namespace>(&serde_json::from_value(namespace).unwrap());
    scenario.run_workloads();
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Refused));
    let named = "is another operator's: it asks Service another/metallb-operator-webhook-service";
    assert!(report.problems[0].contains(named), "{report:?}");
    assert_eq!(scenario.told("metallb")[0], format!("{}; {}", AVAILABLE[0], report.problems[0]));
    scenario.server.remove::<Namespace>(None, "another");
    assert_eq!(scenario.pass().await.changes.len(), 1);
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}

#[tokio::test]
async fn a_webhook_that_can_not_be_registered_keeps_nothing_else() {
    let scenario = serving();
    scenario.server.forbid("apply validatingwebhookconfigurations metallb-operator-webhook-configuration");
    scenario.pass().await;
    scenario.run_workloads();
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Refused));
    assert!(report.problems[0].starts_with("could not register the operator's webhook: "), "{report:?}");
    let told = || {
        let told = scenario.told("metallb");
        let status = scenario.resource("metallb").status.unwrap();
        (told, status.conditions.unwrap()[0].last_transition_time.clone())
    };
    let (before, since) = told();
    assert_eq!(before[0], format!("{}; {}", AVAILABLE[0], report.problems[0]), "the user looks here");
    scenario.server.allow("apply validatingwebhookconfigurations metallb-operator-webhook-configuration");
    scenario.pass().await;
    assert_eq!(told(), (AVAILABLE.map(str::to_owned).to_vec(), since));
}

#[tokio::test]
async fn a_webhook_that_could_not_be_looked_at_is_told_if_it_lasts_and_is_no_event() {
    let scenario = serving();
    scenario.settle().await;
    let fail = || {
        let read = "get validatingwebhookconfigurations metallb-operator-webhook-configuration";
        scenario.server.fail_next(read, Failure::Status(503));
    };
    for _ in 0..2 {
        fail();
        assert_eq!(scenario.pass().await.disposition, Some(Disposition::Transient));
        scenario.pass().await;
    }
    assert_eq!(scenario.writes(), [""; 0], "the next time it was well");
    fail();
    scenario.pass().await;
    fail();
    let report = scenario.pass().await;
    assert_eq!(scenario.told("metallb")[0], format!("{}; {}", AVAILABLE[0], report.problems[0]));
    scenario.pass().await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
    scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    scenario.pass().await;
    let event = |reason: &str| ("Normal".to_owned(), reason.to_owned(), Some(1));
    let expected = ["Available", "Installed", "Repaired"].map(event);
    assert_eq!(told_in_events(&scenario, 3).await, expected);
}

#[tokio::test]
async fn of_who_was_quicker_to_register_nothing_is_told() {
    let scenario = serving();
    scenario.settle().await;
    scenario.server.remove::<ValidatingWebhookConfiguration>(None, CONFIGURATION);
    let write = "apply validatingwebhookconfigurations metallb-operator-webhook-configuration";
    scenario.server.fail_next(write, Failure::Status(409));
    assert_eq!(scenario.pass().await.disposition, Some(Disposition::Conflict));
    assert_eq!(scenario.told("metallb"), AVAILABLE);
}
