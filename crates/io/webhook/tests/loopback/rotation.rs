//! Rotation against an API server in memory: what is written, what is presented, and who trusts it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::{Judge, NAME, Running, ask, review, start, trusting};
use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use metallb_certificates::Policy;
use metallb_testkit::{ApiServer, Verb};
use metallb_webhook::{Limits, Presenter, Rotation, RotationSettings, Target};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const NAMESPACE: &str = "metallb-system";
const SECRET: &str = "metallb-webhook-cert";
const WEBHOOKS: &str = "metallb-webhook-configuration";
const CRD: &str = "bgppeers.metallb.io";

/// A replica: its rotation and what it says about itself.
struct Replica {
    presenter: Presenter,
    verdict: watch::Receiver<Result<(), String>>,
    trouble: watch::Receiver<Option<String>>,
    leader: watch::Sender<bool>,
    task: JoinHandle<()>,
}

fn replica(server: &ApiServer, leads: bool) -> Replica {
    let settings = RotationSettings {
        namespace: NAMESPACE.to_owned(),
        secret: SECRET.to_owned(),
        names: vec![NAME.to_owned()],
        targets: vec![Target::ValidatingWebhooks(WEBHOOKS.to_owned()), Target::Conversion(CRD.to_owned())],
        manager: "MetalLB".to_owned(),
        policy: Policy { settle: Duration::from_secs(2), ..Policy::default() },
    };
    let presenter = Presenter::default();
    let (leader, leads) = watch::channel(leads);
    let (say, verdict) = watch::channel(Err("nothing yet".to_owned()));
    let rotation = Rotation::start(server.client(NAMESPACE), settings, presenter.clone());
    let (note, trouble) = watch::channel(None);
    let task = tokio::spawn(rotation.run(leads, move |outcome, trouble| {
        drop(say.send_replace(outcome));
        note.send_replace(trouble.map(str::to_owned));
    }));
    Replica { presenter, verdict, trouble, leader, task }
}

impl Replica {
    async fn ready(&mut self) {
        let ready = self.verdict.wait_for(|verdict| verdict.is_ok());
        tokio::time::timeout(Duration::from_secs(20), ready).await.expect("never ready").unwrap();
    }
}

fn put_targets(server: &ApiServer) {
    let webhook = |name: &str| {
        json!({"name": name, "admissionReviewVersions": ["v1"], "sideEffects": "None",
               "clientConfig": {"service": {"name": "s", "namespace": NAMESPACE}}})
    };
    let webhooks = json!({"metadata": {"name": WEBHOOKS}, "webhooks": [webhook("a"), webhook("b")]});
    server.put(&serde_json::from_value::<ValidatingWebhookConfiguration>(webhooks).unwrap());
    let crd = json!({"metadata": {"name": CRD}, "spec": {
        "group": "metallb.io", "scope": "Namespaced", "versions": [], "names": {"kind": "BGPPeer", "plural": "bgppeers"},
        "conversion": {"strategy": "Webhook", "webhook": {
            "conversionReviewVersions": ["v1"],
            "clientConfig": {"service": {"name": "s", "namespace": NAMESPACE}}}}}});
    server.put(&serde_json::from_value::<CustomResourceDefinition>(crd).unwrap());
}

fn put_secret(server: &ApiServer, data: &[(&str, &str)]) {
    let data = data.iter().map(|(name, text)| ((*name).to_owned(), ByteString(text.as_bytes().to_vec())));
    let mut secret = Secret { data: Some(data.collect()), ..Secret::default() };
    secret.metadata.name = Some(SECRET.to_owned());
    secret.metadata.namespace = Some(NAMESPACE.to_owned());
    server.put(&secret);
}

fn data(server: &ApiServer) -> BTreeMap<String, String> {
    let secret: Secret = server.get(Some(NAMESPACE), SECRET).unwrap();
    let text = |(name, bytes): (String, ByteString)| (name, String::from_utf8(bytes.0).unwrap());
    secret.data.unwrap_or_default().into_iter().map(text).collect()
}

/// Every `caBundle` there is.
fn bundles(server: &ApiServer) -> Vec<Vec<u8>> {
    let webhooks: ValidatingWebhookConfiguration = server.get(None, WEBHOOKS).unwrap();
    let crd: CustomResourceDefinition = server.get(None, CRD).unwrap();
    let webhooks = webhooks.webhooks.unwrap().into_iter().map(|webhook| webhook.client_config.ca_bundle);
    let conversion = crd.spec.conversion.unwrap().webhook.unwrap().client_config.unwrap().ca_bundle;
    webhooks.chain([conversion]).map(|bundle| bundle.unwrap_or_default().0).collect()
}

fn count(pem: &str) -> usize {
    pem.matches("BEGIN CERTIFICATE").count()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn an_empty_secret_is_filled_and_every_ca_bundle_follows() {
    let server = ApiServer::default();
    put_targets(&server);
    put_secret(&server, &[]);
    let mut leader = replica(&server, true);
    leader.ready().await;
    let data = data(&server);
    assert_eq!(
        data.keys().map(String::as_str).collect::<Vec<_>>(),
        ["ca.crt", "ca.key", "tls.crt", "tls.key"]
    );
    assert_eq!(bundles(&server), vec![data["ca.crt"].as_bytes().to_vec(); 3]);
    let writes = server.take_requests().into_iter().filter(|request| request.verb.writes());
    assert!(writes.clone().all(|write| write.manager.as_deref() == Some("MetalLB")));
    assert_eq!(writes.count(), 3, "one for the Secret, one for each target");
}

#[tokio::test]
async fn a_good_secret_costs_no_write_at_the_next_start() {
    let server = ApiServer::default();
    put_targets(&server);
    put_secret(&server, &[]);
    let mut first = replica(&server, true);
    first.ready().await;
    first.task.abort();
    server.forbid_writes();
    let mut second = replica(&server, true);
    second.ready().await;
    assert_eq!(server.forbidden_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn a_missing_secret_is_made_and_missing_targets_are_left_out() {
    let server = ApiServer::default();
    let mut leader = replica(&server, true);
    leader.ready().await;
    assert_eq!(data(&server).len(), 4);
}

/// Contract 03: nothing stays when the resource goes, though what serves the webhooks outlives their Secret by a moment.
#[tokio::test]
async fn a_secret_made_in_place_of_another_belongs_to_the_same_owner() {
    let server = ApiServer::default();
    put_targets(&server);
    put_secret(&server, &[]);
    let owner = |is_controller: Option<bool>| {
        json!([{"apiVersion": "metallb.io/v1beta1", "kind": "MetalLB", "name": "metallb", "uid": "u1",
                "controller": is_controller, "blockOwnerDeletion": is_controller}])
    };
    let owned = json!({"metadata": {"ownerReferences": owner(Some(true))}});
    server.edit::<Secret>(Some(NAMESPACE), SECRET, &owned);
    let mut leader = replica(&server, true);
    leader.ready().await;
    let there = || server.get::<Secret>(Some(NAMESPACE), SECRET);
    server.remove::<Secret>(Some(NAMESPACE), SECRET);
    until("it is made anew", || there().is_some()).await;
    let expected: Vec<OwnerReference> = serde_json::from_value(owner(None)).unwrap();
    assert_eq!(there().unwrap().metadata.owner_references, Some(expected));
    // The owner is gone, and with it goes what belongs to it; whoever serves the webhooks is not.
    server.take_requests();
    server.remove::<Secret>(Some(NAMESPACE), SECRET);
    until("it is made without an owner", || there().is_some()).await;
    assert_eq!(there().unwrap().metadata.owner_references, None);
    let made = server.take_requests().into_iter().filter(|request| request.verb == Verb::Create);
    assert_eq!(made.count(), 1);
}

#[tokio::test]
async fn a_replica_that_does_not_lead_presents_what_the_leader_made_and_writes_nothing() {
    let server = ApiServer::default();
    put_targets(&server);
    put_secret(&server, &[]);
    let mut follower = replica(&server, false);
    until("the follower has looked", || {
        follower.verdict.borrow().as_ref().is_err_and(|why| why.contains("no certificate"))
    })
    .await;
    assert!(server.take_requests().iter().all(|request| !request.verb.writes()));
    let mut leader = replica(&server, true);
    leader.ready().await;
    follower.ready().await;
    let cert = |replica: &Replica| replica.presenter.presented().unwrap().cert.clone();
    assert_eq!(cert(&leader), cert(&follower));
    leader.task.abort();
    server.remove::<Secret>(Some(NAMESPACE), SECRET);
    follower.leader.send_replace(true);
    until("the new leader makes the Secret", || server.get::<Secret>(Some(NAMESPACE), SECRET).is_some())
        .await;
}

#[tokio::test]
async fn a_ca_bundle_that_somebody_removes_comes_back() {
    let server = ApiServer::default();
    put_targets(&server);
    put_secret(&server, &[]);
    let mut leader = replica(&server, true);
    leader.ready().await;
    put_targets(&server);
    until("all are back", || bundles(&server).iter().all(|bundle| !bundle.is_empty())).await;
    leader.ready().await;
}

#[tokio::test]
async fn what_can_not_be_read_is_made_anew() {
    let server = ApiServer::default();
    put_targets(&server);
    put_secret(&server, &[("ca.crt", "rubbish"), ("ca.key", "rubbish"), ("tls.crt", ""), ("other", "kept")]);
    let mut leader = replica(&server, true);
    leader.ready().await;
    let data = data(&server);
    assert_eq!((count(&data["ca.crt"]), data["other"].as_str()), (1, "kept"));
}

#[tokio::test]
async fn a_target_that_can_not_be_written_keeps_no_certificate_from_being_made() {
    let server = ApiServer::default();
    put_targets(&server);
    put_secret(&server, &[]);
    let mut leader = replica(&server, true);
    leader.ready().await;
    leader.task.abort();
    put_targets(&server);
    server.forbid("json-patch customresourcedefinitions");
    server.edit::<Secret>(Some(NAMESPACE), SECRET, &json!({"data": {"tls.key": null}}));
    let mut leader = replica(&server, true);
    until("the key is there", || data(&server).len() == 4).await;
    until("the other target is told", || bundles(&server)[0] == data(&server)["ca.crt"].as_bytes()).await;
    let refused = leader.verdict.wait_for(|verdict| {
        verdict.as_ref().is_err_and(|why| why.contains("writing the caBundle of CustomResourceDefinition"))
    });
    let refused = tokio::time::timeout(Duration::from_secs(5), refused).await.is_ok();
    assert!(refused, "{:?}", leader.verdict.borrow());
}

/// What is served is good for months yet, and nobody would look before that.
#[tokio::test]
async fn a_secret_that_can_not_be_written_is_told_though_the_certificate_is_good() {
    let server = ApiServer::default();
    put_targets(&server);
    put_secret(&server, &[]);
    let mut leader = replica(&server, true);
    leader.ready().await;
    server.forbid("merge-patch secrets");
    server.edit::<Secret>(Some(NAMESPACE), SECRET, &json!({"data": {"ca.key": null}}));
    let told = tokio::time::timeout(Duration::from_secs(20), leader.trouble.wait_for(Option::is_some)).await;
    let told = told.expect("never told").unwrap().clone().unwrap();
    let is_plain = told.starts_with("writing Secret metallb-webhook-cert: ") && told.ends_with(" (403)");
    assert!(is_plain, "the API server's words alone: {told}");
    assert_eq!(*leader.verdict.borrow(), Ok(()));
    server.allow("merge-patch secrets");
    let over = tokio::time::timeout(Duration::from_secs(20), leader.trouble.wait_for(Option::is_none)).await;
    over.expect("never over").unwrap();
}

#[tokio::test]
async fn an_authority_that_can_not_be_read_is_told_to_nobody() {
    let server = ApiServer::default();
    put_targets(&server);
    // API servers refuse a definition with such a caBundle.
    put_secret(&server, &[("ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")]);
    let mut leader = replica(&server, true);
    leader.ready().await;
    let writes = server.take_requests().into_iter().filter(|request| request.verb.writes());
    assert_eq!(writes.count(), 3, "one for the Secret, one for each target");
    assert_eq!(bundles(&server), vec![data(&server)["ca.crt"].as_bytes().to_vec(); 3]);
}

#[tokio::test]
async fn of_authorities_those_that_can_be_read_are_told() {
    let server = ApiServer::default();
    put_targets(&server);
    put_secret(&server, &[]);
    let mut first = replica(&server, true);
    first.ready().await;
    first.task.abort();
    let good = data(&server).remove("ca.crt").unwrap();
    for rubbish in [
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "-----BEGIN CERTIFICATE-----\n====\n-----END CERTIFICATE-----\n",
    ] {
        let spoilt = ByteString(format!("{good}{rubbish}").into_bytes());
        server.edit::<Secret>(Some(NAMESPACE), SECRET, &json!({"data": {"ca.crt": spoilt}}));
        put_targets(&server);
        let leader = replica(&server, true);
        until("all are told", || bundles(&server).iter().all(|bundle| !bundle.is_empty())).await;
        leader.task.abort();
        assert_eq!(bundles(&server), vec![good.as_bytes().to_vec(); 3], "{rubbish}");
    }
}

#[tokio::test]
async fn readiness_says_why_nobody_trusts_what_is_served_d18() {
    let server = ApiServer::default();
    put_targets(&server);
    put_secret(&server, &[]);
    let mut leader = replica(&server, true);
    leader.ready().await;
    leader.task.abort();
    put_targets(&server);
    let follower = replica(&server, false);
    let says = |text: &'static str| {
        let verdict = follower.verdict.clone();
        move || verdict.borrow().as_ref().is_err_and(|why| why.contains(text))
    };
    until("the reason", says("its caBundle does not vouch for the certificate that is served")).await;
}

/// Asks all the time, each time trusting what the `caBundle`s say at that moment; counts the answers.
fn keep_asking(server: &ApiServer, address: SocketAddr, answered: Arc<AtomicUsize>) -> JoinHandle<()> {
    let server = server.clone();
    tokio::spawn(async move {
        loop {
            for place in 0..bundles(&server).len() {
                let client = trusting(&bundles(&server)[place], &["http/1.1"]);
                assert_eq!(ask(address, client, "/validate", &review("good")).await.0, 200);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_key_refuses_no_request_of_clients_that_know_only_the_ca_bundle() {
    rotate_under_load("", |server| {
        server.edit::<Secret>(Some(NAMESPACE), SECRET, &json!({"data": {"ca.key": null}}));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_secret_refuses_no_request_either() {
    rotate_under_load("", |server| server.remove::<Secret>(Some(NAMESPACE), SECRET)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_somebody_replaces_refuses_no_request_either() {
    let elsewhere = ApiServer::default();
    put_targets(&elsewhere);
    put_secret(&elsewhere, &[]);
    replica(&elsewhere, true).ready().await;
    let foreign = data(&elsewhere);
    rotate_under_load(&foreign["tls.crt"], |server| {
        let theirs = |name: &str| ByteString(foreign[name].as_bytes().to_vec());
        let (leaf, key, authority) = (theirs("tls.crt"), theirs("tls.key"), theirs("ca.crt"));
        let data = json!({"tls.crt": leaf, "tls.key": key, "ca.crt": authority, "ca.key": null});
        server.edit::<Secret>(Some(NAMESPACE), SECRET, &json!({"data": data}));
    })
    .await;
}

/// Two replicas answer all the time while the Secret is damaged and a new authority takes over from it, and from the one
/// that made the leaf `foreign`.
async fn rotate_under_load(foreign: &str, damage: impl FnOnce(&ApiServer)) {
    let server = ApiServer::default();
    put_targets(&server);
    put_secret(&server, &[]);
    let (mut leader, mut follower) = (replica(&server, true), replica(&server, false));
    leader.ready().await;
    follower.ready().await;
    let mut running: Vec<Running> = Vec::new();
    for replica in [&leader, &follower] {
        let presenter = Arc::new(replica.presenter.clone());
        running.push(start(Judge::default(), presenter, &["http/1.1"], Limits::default()).await);
    }
    let counts = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let clients: Vec<_> = std::iter::zip(&running, &counts)
        .map(|(running, count)| keep_asking(&server, running.address, count.clone()))
        .collect();
    let answered = || counts.each_ref().map(|count| count.load(Ordering::Relaxed));
    let before = data(&server);
    damage(&server);
    until("a new leaf by a new authority", || {
        let Some(now) = server.get::<Secret>(Some(NAMESPACE), SECRET).map(|_| data(&server)) else {
            return false;
        };
        ![&before["tls.crt"], foreign].contains(&now["tls.crt"].as_str()) && count(&now["ca.crt"]) == 2
    })
    .await;
    let leaf = data(&server)["tls.crt"].clone();
    let made = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
    let shown = |replica: &Replica| replica.presenter.presented().unwrap().cert[0] == made;
    until("both present it", || shown(&leader) && shown(&follower)).await;
    let so_far = answered();
    until("both go on answering", || std::iter::zip(answered(), so_far).all(|(now, then)| now > then + 6))
        .await;
    // One that was refused has ended by panic.
    assert!(clients.iter().all(|client| !client.is_finished()));
}
