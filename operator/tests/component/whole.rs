//! The owner task as it runs, woken by real watches.

use std::cell::Cell;
use std::time::Duration;

use http::{Method, Request, Response};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::client::Body;
use kube::{Client, Resource};
use metallb_api::MetalLB;
use metallb_cluster::{Leadership, Tenure};
use metallb_operator::disposition::Disposition;
use metallb_operator::guard::guarded;
use metallb_operator::operator::Operator;
use metallb_operator::owner::{Owner, STUCK};
use metallb_operator::watches::{Scope, follow};
use metallb_telemetry::health::Health;
use metallb_testkit::{ApiServer, Failure};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::others::{beside, put_webhooks};
use crate::rivals::{man, put_elsewhere};
use crate::scenario::{AVAILABLE, NAMESPACE, Scenario, lines};

fn start(scenario: &Scenario, health: &Health) -> JoinHandle<()> {
    start_with(scenario, health, STUCK)
}

fn start_with(scenario: &Scenario, health: &Health, longest_silence: Duration) -> JoinHandle<()> {
    start_as(Leadership::always().leader(), scenario, health, longest_silence)
}

fn start_as(
    leader: watch::Receiver<bool>,
    scenario: &Scenario,
    health: &Health,
    longest_silence: Duration,
) -> JoinHandle<()> {
    let operator = scenario.operator.clone();
    let Operator { platform, environment, .. } = &operator;
    let scope = Scope { namespace: NAMESPACE, platform: *platform, monitors: environment.monitors };
    let (watches, resources) = follow(&operator.client, &scope);
    let ready = health.ready_when("MetalLB resources");
    let alive = health.alive_within("operator loop", longest_silence);
    tokio::spawn(Owner { operator, watches, resources, ready, alive, leader }.run())
}

/// Time is virtual in these tests: waiting costs nothing and ends when nothing more is going on.
async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

#[tokio::test(start_paused = true)]
async fn everything_follows_from_what_happens_in_the_cluster() {
    let (scenario, health) = (Scenario::empty(), Health::default());
    let owner = start(&scenario, &health);
    until("ready without a resource", || health.readyz().ok).await;

    scenario.put("metallb", &json!({}));
    until("workloads", || scenario.speaker().is_some()).await;
    scenario.run_workloads();
    until("available", || scenario.told("metallb").len() == 2).await;

    scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    until("the speakers are back", || scenario.speaker().is_some()).await;

    scenario.server.remove::<MetalLB>(Some(NAMESPACE), "metallb");
    until("nothing is left", || scenario.objects().is_empty()).await;
    owner.abort();
}

#[tokio::test(start_paused = true)]
async fn our_own_webhook_comes_back_by_itself_when_somebody_deletes_it() {
    let (mut scenario, health) = (Scenario::settled().await, Health::default());
    scenario.operator.registers = true;
    let owner = start(&scenario, &health);
    let is_there = || {
        let name = "metallb-operator-webhook-configuration";
        scenario.server.get::<ValidatingWebhookConfiguration>(None, name).is_some()
    };
    until("registered", is_there).await;
    // Long after anything else would have led to another look.
    trust(&scenario);
    tokio::time::sleep(Duration::from_secs(600)).await;
    scenario.server.remove::<ValidatingWebhookConfiguration>(None, "metallb-operator-webhook-configuration");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(is_there(), "within a second");
    owner.abort();
}

#[tokio::test(start_paused = true)]
async fn webhooks_of_another_that_go_are_noticed_at_once() {
    let (scenario, health) = (beside("another"), Health::default());
    put_webhooks(&scenario, &json!({"metallb.io/owned-by": "another"}), "another");
    scenario.pass().await;
    let told = scenario.told("metallb");
    assert!(told[0].contains("metallb-webhook-configuration is not ours"), "{told:?}");
    let owner = start(&scenario, &health);
    until("ready", || health.readyz().ok).await;
    // In the middle of two looks.
    tokio::time::sleep(Duration::from_secs(630)).await;
    scenario.server.remove::<ValidatingWebhookConfiguration>(None, "metallb-webhook-configuration");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(scenario.told("metallb")[0].starts_with("Progressing"), "{:?}", scenario.told("metallb"));
    owner.abort();
}

#[tokio::test(start_paused = true)]
async fn another_metallb_that_begins_or_ends_beside_ours_is_noticed_at_once() {
    let (scenario, health) = (Scenario::settled().await, Health::default());
    let owner = start(&scenario, &health);
    until("ready", || health.readyz().ok).await;
    // Long after anything else would have led to another look.
    tokio::time::sleep(Duration::from_secs(600)).await;
    man(&scenario, "another", "controller", 1);
    put_elsewhere(&scenario, "metallb", "Available");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let told = scenario.told("metallb");
    assert!(told[0].contains("MetalLB another/metallb runs as well"), "{told:?}");
    scenario.server.remove::<MetalLB>(Some("another"), "metallb");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
    owner.abort();
}

/// What the resource is told within a second after a workload came to this.
async fn told_of<K: Resource<DynamicType = ()>>(
    scenario: &Scenario,
    name: &str,
    status: &Value,
) -> Vec<String> {
    scenario.server.set_status::<K>(Some(NAMESPACE), name, status);
    tokio::time::sleep(Duration::from_secs(1)).await;
    scenario.told("metallb")
}

#[tokio::test(start_paused = true)]
async fn section_8_2_a_workload_that_fails_later_is_noticed_at_once_and_so_is_its_recovery() {
    let (scenario, health) = (Scenario::settled().await, Health::default());
    let owner = start(&scenario, &health);
    until("ready", || health.readyz().ok).await;
    // Long after anything else would have led to another look.
    tokio::time::sleep(Duration::from_secs(600)).await;
    let failing = ["Progressing Progressing: MetalLB speaker daemonset not ready: 2 of 3 speakers ready"];
    assert_eq!(told_of::<DaemonSet>(&scenario, "speaker", &json!({"numberReady": 2})).await, failing);
    assert_eq!(told_of::<DaemonSet>(&scenario, "speaker", &json!({"numberReady": 3})).await, AVAILABLE);
    let failing =
        ["Progressing Progressing: MetalLB controller deployment not ready: 0 of 1 controllers ready"];
    assert_eq!(told_of::<Deployment>(&scenario, "controller", &json!({"readyReplicas": 0})).await, failing);
    assert_eq!(told_of::<Deployment>(&scenario, "controller", &json!({"readyReplicas": 1})).await, AVAILABLE);
    owner.abort();
}

/// What runs in other namespaces is not followed.
#[tokio::test(start_paused = true)]
async fn another_metallb_that_no_longer_runs_beside_ours_is_no_longer_named_a_minute_later() {
    let (scenario, health) = (Scenario::settled().await, Health::default());
    man(&scenario, "another", "controller", 1);
    put_elsewhere(&scenario, "metallb", "Available");
    let owner = start(&scenario, &health);
    until("named", || scenario.told("metallb")[0].contains("MetalLB another/metallb runs as well")).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    man(&scenario, "another", "controller", 0);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
    owner.abort();
}

#[tokio::test(start_paused = true)]
async fn a_certificate_of_the_webhook_that_can_not_be_kept_is_told_at_once_and_until_it_can() {
    let (scenario, health) = (Scenario::settled().await, Health::default());
    let owner = start(&scenario, &health);
    until("ready", || health.readyz().ok).await;
    // Long after anything else would have led to another look.
    tokio::time::sleep(Duration::from_secs(600)).await;
    let why = "writing Secret metallb-operator-webhook-server-cert: no (403)";
    scenario.operator.memory.note_certificate(Some(why));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let remark = format!("the certificate of the operator's webhook could not be kept: {why}");
    assert_eq!(scenario.told("metallb")[0], format!("{}; {remark}", AVAILABLE[0]));
    scenario.operator.memory.note_certificate(None);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(scenario.told("metallb"), AVAILABLE);
    owner.abort();
}

/// The right to watch one kind is missing.
#[tokio::test(start_paused = true)]
async fn what_can_only_be_listed_leads_to_a_look_when_it_changes_and_not_with_every_list() {
    let (scenario, health) = (Scenario::settled().await, Health::default());
    scenario.server.forbid("watch configmaps");
    let owner = start(&scenario, &health);
    tokio::time::sleep(Duration::from_secs(600)).await;
    scenario.server.take_requests();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let requests = lines(&scenario.server.take_requests());
    let count = |what: &str| requests.iter().filter(|line| line.starts_with(what)).count();
    assert!(count("list configmaps ") > 200, "every two seconds: {}", count("list configmaps "));
    assert_eq!(count("list metallbs"), 0);
    scenario.server.remove::<ConfigMap>(Some(NAMESPACE), "metallb-excludel2");
    let is_back = || scenario.server.get::<ConfigMap>(Some(NAMESPACE), "metallb-excludel2").is_some();
    until("it is back", is_back).await;
    owner.abort();
}

/// API servers trust the certificate of the webhook, and insist on an answer: it is not looked at again for that.
fn trust(scenario: &Scenario) {
    let name = "metallb-operator-webhook-configuration";
    let mut configuration: ValidatingWebhookConfiguration = scenario.server.get(None, name).unwrap();
    let webhook = &mut configuration.webhooks.as_mut().unwrap()[0];
    webhook.client_config.ca_bundle = Some(k8s_openapi::ByteString(b"x".to_vec()));
    webhook.failure_policy = Some("Fail".to_owned());
    scenario.server.put(&configuration);
}

#[tokio::test(start_paused = true)]
async fn a_wrongly_named_resource_keeps_no_eye_off_the_pods_of_the_right_one() {
    let (scenario, health) = (Scenario::with_resource(), Health::default());
    scenario.put("other", &json!({}));
    let owner = start(&scenario, &health);
    until("told", || {
        scenario.resource("metallb").status.is_some() && scenario.resource("other").status.is_some()
    })
    .await;
    // Pods are not followed: only another look shows what keeps them.
    let waiting = json!({"reason": "ImagePullBackOff", "message": "x"});
    let pod = json!({
        "metadata": {"name": "speaker-x", "namespace": NAMESPACE, "labels": {"app": "metallb", "component": "speaker"}},
        "spec": {"nodeName": "n1", "containers": []},
        "status": {"containerStatuses": [{"name": "speaker", "ready": false, "restartCount": 0, "image": "x",
            "imageID": "", "state": {"waiting": waiting}}]},
    });
    tokio::time::sleep(Duration::from_secs(60)).await;
    scenario.server.put::<Pod>(&serde_json::from_value(pod).unwrap());
    until("told why", || scenario.told("metallb")[0].contains("ImagePullBackOff")).await;
    owner.abort();
}

#[tokio::test(start_paused = true)]
async fn who_was_stopped_until_another_led_writes_nothing_when_he_goes_on() {
    let mut scenario = Scenario::with_resource();
    let (lead, leader) = watch::channel(true);
    let (term, tenure) = watch::channel(Tenure::Until(Instant::now() + Duration::from_secs(10), 1));
    scenario.operator.client =
        guarded(scenario.server.client(NAMESPACE), Leadership::told_by(leader, tenure));
    // The signal still says that it leads: the loop that would change it was stopped as well.
    tokio::time::advance(Duration::from_secs(11)).await;
    let report = scenario.pass().await;
    assert_eq!(report.disposition, Some(Disposition::Transient));
    assert!(report.problems[0].contains("this operator does not lead any more"), "{report:?}");
    assert_eq!(scenario.writes(), [""; 0]);
    term.send_replace(Tenure::Open(2));
    scenario.settle().await;
    assert_eq!(scenario.told("metallb").len(), 2);
    drop(lead);
}

#[tokio::test(start_paused = true)]
async fn a_missing_crd_is_named_and_waited_for() {
    let (scenario, health) = (Scenario::empty(), Health::default());
    scenario.server.forget_kind("metallbs");
    let owner = start(&scenario, &health);
    let named = "the API server does not know metallbs.metallb.io: is its CRD installed?";
    until("named", || health.readyz().text.contains(named)).await;
    scenario.server.learn_kind("metallbs");
    scenario.put("metallb", &json!({}));
    until("workloads", || scenario.speaker().is_some()).await;
    until("ready", || health.readyz().ok).await;
    owner.abort();
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_server_is_waited_for() {
    let (scenario, health) = (Scenario::with_resource(), Health::default());
    scenario.server.fail_all(Some(Failure::Unreachable));
    let owner = start(&scenario, &health);
    until("not ready", || health.readyz().text.contains("MetalLB resources: ")).await;
    assert!(!health.readyz().ok);
    scenario.server.fail_all(None);
    until("workloads", || scenario.speaker().is_some()).await;
    owner.abort();
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_passes_is_overcome_without_any_change_in_the_cluster() {
    let (scenario, health) = (Scenario::with_resource(), Health::default());
    let owner = start(&scenario, &health);
    until("workloads", || scenario.speaker().is_some()).await;
    until("told", || scenario.resource("metallb").status.is_some()).await;
    scenario.server.fail_all(Some(Failure::Status(503)));
    scenario.put("metallb", &json!({"logLevel": "debug"}));
    scenario.server.take_requests();
    let tries = Cell::new(0);
    let count = || {
        lines(&scenario.server.take_requests())
            .iter()
            .filter(|line| line.starts_with("list metallbs"))
            .count()
    };
    until("tried several times", || tries.replace(tries.get() + count()) >= 3).await;
    scenario.server.fail_all(None);
    let debug = || {
        let speaker = serde_json::to_value(scenario.speaker()).unwrap();
        speaker["spec"]["template"]["spec"]["containers"][0]["args"][2] == "--log-level=debug"
    };
    until("applied in the end", debug).await;
    owner.abort();
}

/// A client of the server that is told, as by a real one, that the selector of a Deployment can't be changed.
fn heeding_selectors(server: &ApiServer) -> Client {
    let (behind, server) = (server.client(NAMESPACE), server.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (behind, server) = (behind.clone(), server.clone());
        async move {
            let is_patch = request.method() == Method::PATCH;
            match request.uri().path().rsplit_once("/deployments/") {
                Some((_, name)) if is_patch && is_of_others(&server, name) => Ok(refusal()),
                _ => behind.send(request).await,
            }
        }
    });
    Client::new(service, NAMESPACE)
}

fn is_of_others(server: &ApiServer, name: &str) -> bool {
    let live: Option<Deployment> = server.get(Some(NAMESPACE), name);
    let labels = live.and_then(|live| live.spec?.selector.match_labels);
    labels.is_some_and(|labels| labels.get("app").is_some_and(|app| app != "metallb"))
}

fn refusal() -> Response<Body> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Invalid",
        "message": "spec.selector: field is immutable", "code": 422,
    });
    Response::builder().status(422).body(Body::from(status.to_string().into_bytes())).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_way_may_go_without_the_operator_being_told() {
    let (mut scenario, health) = (Scenario::with_resource(), Health::default());
    scenario.operator.client = heeding_selectors(&scenario.server);
    let labels = json!({"app": "somebody-elses"});
    let foreign = json!({
        "metadata": {"name": "controller", "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "theirs"}]}},
        },
    });
    scenario.server.put::<Deployment>(&serde_json::from_value(foreign).unwrap());
    let owner = start(&scenario, &health);
    until("told", || scenario.resource("metallb").status.is_some()).await;
    let told = scenario.told("metallb");
    assert!(told[0].starts_with("Degraded") && told[0].ends_with("field is immutable (422)"), "{told:?}");
    assert!(health.readyz().ok, "one object refused is not the operator's trouble: {:?}", health.readyz());

    // Long enough for every change so far to have been looked at.
    tokio::time::sleep(Duration::from_secs(300)).await;
    scenario.server.take_requests();
    tokio::time::sleep(Duration::from_secs(300)).await;
    let tries = lines(&scenario.server.take_requests());
    let tries = tries.iter().filter(|line| line.starts_with("list metallbs")).count();
    assert_eq!(tries, 5, "once a minute");

    scenario.server.remove::<Deployment>(Some(NAMESPACE), "controller");
    until("ours takes its place", || scenario.controller().is_some()).await;
    scenario.run_workloads();
    until("available", || scenario.told("metallb").len() == 2).await;
    owner.abort();
}

#[tokio::test(start_paused = true)]
async fn readiness_says_that_the_api_server_shut_us_out_until_it_lets_us_in_again() {
    let (scenario, health) = (Scenario::settled().await, Health::default());
    let owner = start(&scenario, &health);
    until("ready", || health.readyz().ok).await;
    for (failure, named) in [
        (Failure::Status(401), "(401)"),
        (Failure::Status(403), "(403)"),
        (Failure::Unreachable, "connection reset"),
    ] {
        scenario.server.fail_all(Some(failure));
        scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
        until("not ready", || !health.readyz().ok).await;
        let text = health.readyz().text;
        let expected = "MetalLB resources: could not read the MetalLB resources: ";
        assert!(text.starts_with(expected) && text.contains(named), "{text}");
        scenario.server.fail_all(None);
        until("ready again", || health.readyz().ok).await;
        until("the speakers are back", || scenario.speaker().is_some()).await;
    }
    owner.abort();
}

/// A client of the server that takes so long for each answer.
fn slow(server: &ApiServer, pause: Duration) -> Client {
    let behind = server.client(NAMESPACE);
    let service = tower::service_fn(move |request: Request<Body>| {
        let behind = behind.clone();
        async move {
            tokio::time::sleep(pause).await;
            behind.send(request).await
        }
    });
    Client::new(service, NAMESPACE)
}

#[tokio::test(start_paused = true)]
async fn a_pass_that_comes_to_no_end_is_told_on_the_resource() {
    let (mut scenario, health) = (Scenario::with_resource(), Health::default());
    scenario.operator.client = slow(&scenario.server, Duration::from_secs(3));
    let owner = start(&scenario, &health);
    let started = Instant::now();
    until("told", || scenario.resource("metallb").status.is_some()).await;
    // The watches are slow as well.
    assert!(started.elapsed() < Duration::from_secs(85), "{:?}", started.elapsed());
    let told = scenario.told("metallb");
    let expected = "Degraded FailedToSyncMetalLBResources: FailedToSyncMetalLBResources: \
                    the API server answers too slowly: a pass was not through after 60 s";
    assert_eq!(told, [expected]);
    until("done in the end", || scenario.told("metallb")[0].starts_with("Progressing ")).await;
    owner.abort();
}

/// Looks at the resource in ten minutes, half an hour after everything came to rest.
async fn looks(scenario: &Scenario) -> usize {
    tokio::time::sleep(Duration::from_secs(1800)).await;
    scenario.server.take_requests();
    tokio::time::sleep(Duration::from_secs(600)).await;
    let mut requests = lines(&scenario.server.take_requests());
    // API servers end them after some minutes.
    requests.retain(|line| !line.starts_with("watch "));
    let looks = requests.iter().filter(|line| line.starts_with("list metallbs")).count();
    assert!(looks > 0 || requests.is_empty(), "what is followed asks for nothing by itself: {requests:?}");
    looks
}

#[tokio::test(start_paused = true)]
async fn a_steady_operator_asks_for_nothing_and_one_in_a_sick_cluster_for_little() {
    let states: [(&str, usize); 4] = [
        ("nothing is wrong", 0),
        ("a node is away", 20),
        ("nobody makes a certificate for the webhook", 1),
        ("the spec makes no sense", 0),
    ];
    for (state, expected) in states {
        let (mut scenario, health) = (Scenario::settled().await, Health::default());
        match state {
            "a node is away" => {
                let status = json!({"numberReady": 2});
                scenario.server.set_status::<DaemonSet>(Some(NAMESPACE), "speaker", &status);
            }
            "the spec makes no sense" => scenario.put("metallb", &json!({"bgpBackend": "bird"})),
            other => scenario.operator.registers = other.contains("certificate"),
        }
        let owner = start(&scenario, &health);
        assert_eq!(looks(&scenario).await, expected, "{state}");
        owner.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_operator_shows_that_it_is_alive() {
    let (scenario, health) = (Scenario::empty(), Health::default());
    // The probe goes by the real clock, the loop by the virtual one.
    let owner = start_with(&scenario, &health, Duration::from_millis(50));
    until("ready", || health.readyz().ok).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    scenario.server.take_requests();
    while health.healthz().ok {}
    assert!(health.healthz().text.starts_with("operator loop: no sign of life"));
    until("alive", || health.healthz().ok).await;
    assert_eq!(lines(&scenario.server.take_requests()), [""; 0], "no pass was needed for that");
    owner.abort();
}

#[tokio::test(start_paused = true)]
async fn only_who_leads_works_and_the_others_are_ready_to() {
    let (scenario, health) = (Scenario::with_resource(), Health::default());
    let (lead, leader) = watch::channel(false);
    let owner = start_as(leader, &scenario, &health, STUCK);
    until("ready without leading", || health.readyz().ok).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(scenario.writes(), [""; 0]);
    lead.send_replace(true);
    until("workloads", || scenario.speaker().is_some()).await;
    lead.send_replace(false);
    tokio::time::sleep(Duration::from_secs(60)).await;
    scenario.server.take_requests();
    scenario.server.remove::<DaemonSet>(Some(NAMESPACE), "speaker");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(scenario.writes(), [""; 0], "whose time is over leaves the work to others");
    assert!(health.readyz().ok);
    owner.abort();
}
