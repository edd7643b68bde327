//! The whole speaker but packets and flags, against an API server.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Event, Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use metallb_announce::plan;
use metallb_api::{ConfigurationResult, ConfigurationState, IPAddressPool, L2Advertisement};
use metallb_linux::Interface;
use metallb_telemetry::health::Health;
use metallb_telemetry::metrics::Metrics;
use metallb_testkit::{ApiServer, Failure};
use serde_json::json;

use super::*;
use crate::flags::{Flags, Settings};
use crate::layer2::{Command, Layer2};
use crate::membership::{Members, Membership};
use crate::testing::{NAMESPACE, advertisement, node, object, pod, pool, service, slice, statuses, until};

mod holders;
mod nodes;
mod resume;
mod subnets;
mod told;

const ADDRESS: &str = "192.0.2.200";

/// A speaker on node `n1` and what can be seen of it.
struct Speaker {
    server: ApiServer,
    health: Health,
    metrics: Metrics,
    interfaces: watch::Sender<Interfaces>,
    history: Box<dyn Fn() -> String>,
    shutdown: Shutdown,
    task: Option<tokio::task::JoinHandle<Result<(), Lost>>>,
}

fn settings(more: &[&str]) -> Settings {
    use clap::Parser;
    let args = ["speaker", "--node-name=n1"].iter().chain(more);
    Flags::try_parse_from(args).unwrap().parse_settings().unwrap()
}

/// An interface that is listed but down: no socket is opened for it.
fn interface(name: &str) -> Interface {
    let subnets = ["192.0.2.0/24".parse().unwrap()].into();
    Interface { index: 2, name: name.to_owned(), subnets, ..Interface::default() }
}

/// One node, one pool, one advertisement.
fn cluster() -> ApiServer {
    let server = ApiServer::default();
    server.put(&node("n1"));
    server.put(&pool("pool", &["192.0.2.0/24"]));
    server.put(&advertisement(json!({})));
    server
}

impl Speaker {
    fn build(server: &ApiServer, more: &[&str], membership: Option<Membership>) -> (Self, Owner) {
        let (interfaces, receiver) = watch::channel(Arc::new(vec![interface("eth0")]));
        let (health, metrics) = (Health::default(), Metrics::default());
        let client = server.client(NAMESPACE);
        let membership = membership.map(|membership| (membership, metrics.members().unwrap()));
        let (settings, reports) = (settings(more), (&health, &metrics));
        let owner =
            crate::run::build_owner(&client, &settings, NAMESPACE, (receiver, membership), reports).unwrap();
        let (shutdown, history) = (Shutdown::default(), Box::new(owner.history.reader()));
        (Self { server: server.clone(), health, metrics, interfaces, history, shutdown, task: None }, owner)
    }

    fn start(server: &ApiServer, more: &[&str]) -> Self {
        let (mut speaker, owner) = Self::build(server, more, None);
        speaker.task = Some(tokio::spawn(owner.run(speaker.shutdown.clone())));
        speaker
    }

    /// One that is told who the members are.
    fn start_in_ring(server: &ApiServer) -> (Self, watch::Sender<Members>) {
        let (membership, members) = Membership::scripted();
        let flags = ["--ml-labels=component=speaker", "--ml-bindaddr=::1"];
        let (mut speaker, owner) = Self::build(server, &flags, Some(membership));
        speaker.task = Some(tokio::spawn(owner.run(speaker.shutdown.clone())));
        (speaker, members)
    }

    /// From where, to where and why each move of `default/web` was.
    fn moves(&self) -> Vec<String> {
        let document: serde_json::Value = serde_json::from_str(&(self.history)()).unwrap();
        let moves = document["moves"].as_array().unwrap().iter();
        let moves = moves.filter(|entry| entry["service"] == "default/web");
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("nobody").to_owned();
        moves.map(|entry| ["from", "to", "cause"].map(|field| text(&entry[field])).join(" ")).collect()
    }

    fn announces(&self, name: &str, address: &str) -> bool {
        let labels = format!("ip=\"{address}\",node=\"n1\",protocol=\"layer2\",service=\"default/{name}\"");
        self.metrics.encode().contains(&format!("metallb_speaker_announced{{{labels}}} 1"))
    }

    async fn until_announced(&self, name: &str, address: &str) {
        until(&format!("{name} is announced"), || self.announces(name, address), |seen| *seen).await;
    }

    /// Contract 02 §7: a withdrawn address has no series, not even one that says 0.
    async fn until_silent(&self, name: &str, address: &str) {
        let labels = [format!("ip=\"{address}\""), format!("service=\"default/{name}\"")];
        let is_about = |line: &&str| labels.iter().all(|label| line.contains(label));
        let series = || self.metrics.encode().lines().filter(is_about).map(str::to_owned).collect::<Vec<_>>();
        until(&format!("{name} is withdrawn"), series, Vec::is_empty).await;
    }

    /// How many times a Service was decided about.
    fn decisions(&self) -> u64 {
        let text = self.metrics.encode();
        let line = text.lines().find_map(|line| line.strip_prefix("metallb_k8s_client_updates_total "));
        line.unwrap().parse().unwrap()
    }

    /// Reason and message of every event.
    fn events(&self) -> Vec<(String, String)> {
        let events = events_about(&self.server, "").into_iter();
        events.map(|event| (event.reason.unwrap_or_default(), event.message.unwrap_or_default())).collect()
    }
}

/// A speaker that knows all objects, its owner, and the ring as the test tells it.
async fn listed(server: &ApiServer) -> (Speaker, Owner, watch::Sender<Members>) {
    let (membership, told) = Membership::scripted();
    let flags = ["--ml-labels=component=speaker", "--ml-bindaddr=::1"];
    let (speaker, mut owner) = Speaker::build(server, &flags, Some(membership));
    while !owner.stores.watches.all_synced() {
        owner.stores.watches.changed().await;
    }
    (speaker, owner, told)
}

/// A pass with these members.
async fn pass_with(owner: &mut Owner, told: &watch::Sender<Members>, members: Members) {
    told.send_replace(members);
    assert!(owner.refresh_ring(since_boot()) && owner.pass().await);
}

/// The events about a Service, or all Services.
fn events_about(server: &ApiServer, service: &str) -> Vec<Event> {
    let is_event = |name: &String| name.contains(&format!("default/{service}")) && name.contains('.');
    let names = server.objects().into_iter().filter(is_event);
    let names = names.filter_map(|name| name.rsplit('/').next().map(str::to_owned));
    names.filter_map(|name| server.get::<Event>(Some("default"), &name)).collect()
}

/// How many events there are about anything.
fn all_events(server: &ApiServer) -> usize {
    server.objects().iter().filter(|name| name.to_lowercase().starts_with("event")).count()
}

#[tokio::test]
async fn a_service_with_an_address_is_announced_told_and_recorded() {
    let server = cluster();
    server.put(&service("web", ADDRESS));
    server.put(&slice("web", "n1", true));
    let speaker = Speaker::start(&server, &[]);
    speaker.until_announced("web", ADDRESS).await;
    let expected = "announcing from node \"n1\" with protocol \"layer2\"";
    until(
        "the event",
        || speaker.events(),
        |seen| *seen == [("nodeAssigned".to_owned(), expected.to_owned())],
    )
    .await;
    until(
        "the status object",
        || statuses(&server),
        |seen| *seen == [("n1".to_owned(), "web".to_owned(), vec![])],
    )
    .await;
    server.remove::<Service>(Some("default"), "web");
    speaker.until_silent("web", ADDRESS).await;
    until("no status object", || statuses(&server), Vec::is_empty).await;
    // Contract 02 §6: no event tells of a withdrawal. It would be there before one about the same name that comes later.
    server.put(&service("web", ADDRESS));
    until("the second event", || speaker.events().len(), |seen| *seen == 2).await;
    assert!(speaker.events().iter().all(|(reason, _)| reason == "nodeAssigned"), "{:?}", speaker.events());
}

#[tokio::test]
async fn a_second_look_at_the_same_cluster_writes_nothing() {
    let server = cluster();
    server.put(&service("web", ADDRESS));
    server.put(&slice("web", "n1", true));
    let speaker = Speaker::start(&server, &[]);
    until("the status object", || statuses(&server), |seen| seen.len() == 1).await;
    until("the event", || speaker.events(), |seen| seen.len() == 1).await;
    let verdict =
        || server.get::<ConfigurationState>(Some(NAMESPACE), "speaker-n1").and_then(|state| state.status);
    until("the verdict", verdict, |seen| seen.is_some()).await;
    let conditions = || server.get::<Service>(Some("default"), "web").and_then(|web| web.status?.conditions);
    until("the condition", conditions, |seen| seen.is_some()).await;
    server.forbid_writes();
    // Changes that change nothing, and then one that shows that they were looked at.
    server.edit::<Node>(None, "n1", &json!({ "metadata": { "annotations": { "a": "b" } } }));
    server.edit::<IPAddressPool>(Some(NAMESPACE), "pool", &json!({ "metadata": { "labels": { "a": "b" } } }));
    server.edit::<Service>(Some("default"), "web", &json!({ "metadata": { "annotations": { "a": "b" } } }));
    let before = speaker.decisions();
    server.put(&object::<Service>(json!({ "metadata": { "name": "other", "namespace": "default" } })));
    until("another decision", || speaker.decisions(), |count| *count > before).await;
    assert_eq!(server.forbidden_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_decided_before_everything_is_listed_and_readiness_says_what_is_missing() {
    let server = cluster();
    server.forget_kind("l2advertisements");
    server.put(&service("web", ADDRESS));
    server.put(&slice("web", "n1", true));
    let speaker = Speaker::start(&server, &[]);
    let ready = || speaker.health.readyz();
    let report = until("the reason", ready, |seen| seen.text.contains("CRD")).await;
    assert!(!report.ok && report.text.contains("l2advertisements.metallb.io"), "{report:?}");
    assert!(!speaker.announces("web", ADDRESS));
    server.learn_kind("l2advertisements");
    speaker.until_announced("web", ADDRESS).await;
    assert!(speaker.health.readyz().ok);
}

#[tokio::test]
async fn an_api_server_that_goes_away_takes_no_address_with_it() {
    let server = cluster();
    server.put(&service("web", ADDRESS));
    server.put(&slice("web", "n1", true));
    let speaker = Speaker::start(&server, &[]);
    speaker.until_announced("web", ADDRESS).await;
    server.fail_all(Some(Failure::Unreachable));
    // Every Service is looked at again, and nothing found that would be a reason.
    let before = speaker.decisions();
    speaker.interfaces.send_replace(Arc::new(vec![interface("eth0"), interface("eth1")]));
    until("another decision", || speaker.decisions(), |count| *count > before).await;
    assert!(speaker.announces("web", ADDRESS));
    assert!(speaker.health.readyz().ok && speaker.health.healthz().ok);
    server.fail_all(None);
    server.edit::<EndpointSlice>(Some("default"), "web-x", &json!({ "endpoints": [] }));
    speaker.until_silent("web", ADDRESS).await;
}

#[tokio::test]
async fn a_broken_pool_is_reported_by_name_and_the_others_serve_on() {
    let server = cluster();
    server.put(&service("web", ADDRESS));
    server.put(&slice("web", "n1", true));
    server.put(&pool("broken", &["10.0.0.9-10.0.0.2"]));
    let speaker = Speaker::start(&server, &[]);
    speaker.until_announced("web", ADDRESS).await;
    let summary = || {
        let state = server.get::<ConfigurationState>(Some(NAMESPACE), "speaker-n1");
        state.and_then(|state| state.status?.error_summary).unwrap_or_default()
    };
    until("the refusal", summary, |seen| seen.contains("\"broken\"")).await;
    assert!(speaker.metrics.encode().contains("metallb_k8s_client_config_stale_bool 1"));
    server.remove::<IPAddressPool>(Some(NAMESPACE), "broken");
    let metrics = || speaker.metrics.encode();
    until("the metric", metrics, |seen| seen.contains("metallb_k8s_client_config_stale_bool 0")).await;
    let result =
        || server.get::<ConfigurationState>(Some(NAMESPACE), "speaker-n1").and_then(|s| s.status?.result);
    until("the verdict", result, |seen| *seen == Some(ConfigurationResult::Valid)).await;
    assert!(speaker.metrics.encode().contains("metallb_k8s_client_config_loaded_bool 1"));
    // Contract 02 §6: nor does one tell of a refused configuration.
    let told: Vec<String> = speaker.events().into_iter().map(|(reason, _)| reason).collect();
    assert_eq!((told, all_events(&server)), (vec!["nodeAssigned".to_owned()], 1));
}

#[tokio::test]
async fn a_pool_edit_that_orphans_an_announced_address_does_not_withdraw_it() {
    let server = cluster();
    server.put(&service("web", ADDRESS));
    server.put(&slice("web", "n1", true));
    let speaker = Speaker::start(&server, &[]);
    speaker.until_announced("web", ADDRESS).await;
    server.edit::<IPAddressPool>(
        Some(NAMESPACE),
        "pool",
        &json!({ "spec": { "addresses": ["192.0.2.0/28"] } }),
    );
    // A Service that is announced by the new pool shows that the edit was seen.
    server.put(&service("later", "192.0.2.9"));
    server.put(&slice("later", "n1", true));
    speaker.until_announced("later", "192.0.2.9").await;
    assert!(speaker.announces("web", ADDRESS));
    let moved = json!({ "loadBalancer": { "ingress": [{ "ip": "192.0.2.10" }] } });
    server.set_status::<Service>(Some("default"), "web", &moved);
    speaker.until_announced("web", "192.0.2.10").await;
    assert!(!speaker.announces("web", ADDRESS));
}

#[tokio::test]
async fn an_advertisement_for_interfaces_this_node_lacks_is_complained_about() {
    const BOTH: [&str; 2] = [ADDRESS, "192.0.2.201"];
    let server = cluster();
    server.put(&advertisement(json!({ "interfaces": ["eth7"] })));
    server.put(&service("web", ADDRESS));
    let entries = BOTH.map(|address| json!({ "ip": address }));
    let status = json!({ "loadBalancer": { "ingress": entries } });
    server.set_status::<Service>(Some("default"), "web", &status);
    server.put(&slice("web", "n1", true));
    let speaker = Speaker::start(&server, &[]);
    let expected = BOTH.map(|address| {
        let message = format!(
            "the interfaces specified by LB IP \"{address}\" doesn't exist in assigned node \"n1\" with protocol \"layer2\""
        );
        ("announceFailed".to_owned(), message)
    });
    let told = || {
        let mut events = speaker.events();
        events.sort();
        events
    };
    until("an event for each address", told, |seen| *seen == expected).await;
    assert!(BOTH.iter().all(|address| !speaker.announces("web", address)));
    speaker.interfaces.send_replace(Arc::new(vec![interface("eth7")]));
    for address in BOTH {
        speaker.until_announced("web", address).await;
    }
    let named = ("n1".to_owned(), "web".to_owned(), vec!["eth7".to_owned()]);
    until("the status object", || statuses(&server), |seen| *seen == [named.clone()]).await;
    // Contract 02 §2.4: the same when they go.
    speaker.interfaces.send_replace(Arc::new(vec![interface("eth0")]));
    for address in BOTH {
        speaker.until_silent("web", address).await;
    }
    until("no status object", || statuses(&server), Vec::is_empty).await;
    let complaints = || {
        let events = events_about(&server, "web").into_iter();
        let failed = events.filter(|event| event.reason.as_deref() == Some("announceFailed"));
        failed.filter_map(|event| event.count).sum::<i32>()
    };
    until("the second complaint about each", complaints, |seen| *seen == 4).await;
}

/// A settled list of members.
fn members(alive: &[&str]) -> Members {
    let alive = alive.iter().map(|name| (*name).to_owned()).collect();
    Members { alive, is_settled: true, ..Members::default() }
}

/// Of the two nodes, `n2` is first in line for this address, by contract 02 §2.2.
const OF_N2: &str = "192.0.2.3";

fn two_nodes() -> ApiServer {
    let server = cluster();
    server.put(&node("n2"));
    server.put(&service("web", OF_N2));
    server.put(&slice("web", "n1", true));
    server
}

#[tokio::test]
async fn nothing_is_announced_before_the_other_speakers_had_time_to_answer() {
    let (speaker, told) = Speaker::start_in_ring(&two_nodes());
    told.send_replace(Members { is_settled: false, ..members(&["n1"]) });
    let ready = || speaker.health.readyz();
    until("the reason", ready, |seen| seen.text.contains("other speakers not heard")).await;
    assert!(!speaker.announces("web", OF_N2));
    told.send_replace(members(&["n1"]));
    speaker.until_announced("web", OF_N2).await;
}

#[tokio::test]
async fn an_address_moves_here_with_the_loss_of_its_owner_and_back_when_it_returns() {
    let server = two_nodes();
    let (speaker, told) = Speaker::start_in_ring(&server);
    told.send_replace(members(&["n1", "n2"]));
    until("readiness", || speaker.health.readyz().ok, |ok| *ok).await;
    assert!(!speaker.announces("web", OF_N2));
    // Neither the API server nor its watches have a say in it.
    server.fail_all(Some(Failure::Unreachable));
    told.send_replace(members(&["n1"]));
    speaker.until_announced("web", OF_N2).await;
    assert!(speaker.metrics.encode().contains("metallb_speaker_takeover_seconds_count 1"));
    told.send_replace(members(&["n1", "n2"]));
    speaker.until_silent("web", OF_N2).await;
    told.send_replace(Members { left: ["n2".to_owned()].into(), ..members(&["n1"]) });
    speaker.until_announced("web", OF_N2).await;
    let expected = ["n2 n1 MemberFailed", "n1 n2 MemberJoined", "n2 n1 MemberLeft"];
    assert_eq!(speaker.moves(), expected);
}

#[tokio::test]
async fn who_starts_leaves_its_addresses_where_they_are_until_it_answers() {
    let (speaker, told) = Speaker::start_in_ring(&two_nodes());
    let starting = |name: &str| Members { starting: [name.to_owned()].into(), ..members(&["n1", "n2"]) };
    for (list, is_ours, why) in [
        (starting("n2"), true, "its owner starts"),
        (members(&["n1", "n2"]), false, "its owner answers"),
        (starting("n2"), true, "its owner starts anew"),
        (
            Members { has_foreign: true, ..starting("n2") },
            false,
            "the original's speakers leave it to its owner",
        ),
        (starting("n1"), false, "we start"),
        (Members { starting: ["n1".to_owned()].into(), ..members(&["n1"]) }, true, "we start, alone"),
    ] {
        told.send_replace(list);
        until(why, || speaker.announces("web", OF_N2), |seen| *seen == is_ours).await;
    }
}

#[tokio::test]
async fn a_new_speaker_says_that_it_answers_and_is_ready_once_its_fence_is_open_and_what_it_owns_announced() {
    let (membership, told) = Membership::scripted();
    let says_it_answers = membership.says_it_answers();
    let flags = ["--ml-labels=component=speaker", "--ml-bindaddr=::1"];
    let (mut speaker, owner) = Speaker::build(&two_nodes(), &flags, Some(membership));
    speaker.task = Some(tokio::spawn(owner.run(speaker.shutdown.clone())));
    let fenced = Members { starting: ["n1".to_owned()].into(), is_fenced: true, ..members(&["n1"]) };
    told.send_replace(fenced);
    let ready = || speaker.health.readyz();
    until("the reason", ready, |seen| seen.text.contains("not confirmed")).await;
    assert!(!ready().ok && !says_it_answers());
    assert!(!speaker.announces("web", OF_N2), "it answers nothing yet");
    told.send_replace(members(&["n1"]));
    speaker.until_announced("web", OF_N2).await;
    until("its word", &says_it_answers, |says| *says).await;
    until("readiness", || ready().ok, |ok| *ok).await;
    // A fence that closes later is another matter: what it owns moves only if others find it dead.
    told.send_replace(Members { is_fenced: true, ..members(&["n1", "n2"]) });
    speaker.until_silent("web", OF_N2).await;
    assert!(ready().ok && says_it_answers());
}

/// The heir of a node that answered nothing may have announced itself long ago.
#[tokio::test]
async fn an_address_is_handed_over_unless_nothing_was_answered_until_it_moved() {
    let address = OF_N2.parse().unwrap();
    for (is_fenced, expected) in
        [(false, Command::HandOver { address }), (true, Command::Withdraw { address })]
    {
        let (_speaker, mut owner, told) = listed(&two_nodes()).await;
        let (layer2, mut commands) = Layer2::recorded();
        owner.executor.layer2 = layer2;
        pass_with(&mut owner, &told, Members { is_fenced, ..members(&["n1"]) }).await;
        let announced = Command::Announce { address, interfaces: metallb_l2::Interfaces::All };
        assert_eq!(commands(), [announced]);
        pass_with(&mut owner, &told, members(&["n1", "n2"])).await;
        assert_eq!(commands(), [expected]);
        assert!(owner.ring.is_some_and(|ring| !ring.is_fenced()));
    }
}

/// Every status that is written makes another version of its Service.
#[tokio::test]
async fn of_a_service_of_which_nothing_changed_that_matters_there_is_one_copy() {
    let server = two_nodes();
    let (_speaker, mut owner, told) = listed(&server).await;
    let facts =
        |owner: &Owner| owner.stores.services.get("default", "web").map(|service| service.facts.clone());
    let known = |owner: &Owner| owner.view.snapshot()?.services.values().next().cloned();
    pass_with(&mut owner, &told, members(&["n1"])).await;
    let before = facts(&owner).unwrap();
    server.edit::<Service>(Some("default"), "web", &json!({ "metadata": { "annotations": { "a": "b" } } }));
    while facts(&owner).is_some_and(|now| Arc::ptr_eq(&now, &before)) {
        owner.stores.watches.changed().await;
    }
    pass_with(&mut owner, &told, members(&["n1"])).await;
    assert!(Arc::ptr_eq(&facts(&owner).unwrap(), &known(&owner).unwrap()));
}

/// Others may have taken over while it was closed, however short that was.
#[tokio::test]
async fn a_fence_that_the_ring_closed_during_a_pass_or_between_two_is_closed() {
    let (membership, told) = Membership::scripted();
    let flags = ["--ml-labels=component=speaker", "--ml-bindaddr=::1"];
    let (_speaker, mut owner) = Speaker::build(&two_nodes(), &flags, Some(membership));
    told.send_replace(members(&["n1"]));
    assert!(owner.refresh_ring(since_boot()) && owner.pass().await);
    let is_fenced = |owner: &Owner| owner.ring.as_ref().is_some_and(Ring::is_fenced);
    assert!(!is_fenced(&owner));

    told.send_replace(Members { closings: 1, ..members(&["n1"]) });
    assert!(owner.refresh_ring(since_boot()) && is_fenced(&owner));
    for (is_over, why) in [(false, "closed since the pass began"), (true, "and open again")] {
        told.send_replace(Members { is_fenced: !is_over, closings: 2, ..members(&["n1"]) });
        owner.ring.as_mut().unwrap().passed(false);
        assert!(is_fenced(&owner), "{why}");
    }
    assert!(owner.refresh_ring(since_boot()) && owner.pass().await && !is_fenced(&owner));
}

/// Contract 02 §1.3, memberlist disabled: every node counts; what the cluster says of a node is evidence against it.
#[tokio::test]
async fn without_membership_an_address_leaves_a_node_that_is_not_ready_or_out_of_service() {
    let server = two_nodes();
    let speaker = Speaker::start(&server, &[]);
    until("readiness", || speaker.health.readyz().ok, |ok| *ok).await;
    assert!(!speaker.announces("web", OF_N2));
    let ready = |status: &str| json!({ "conditions": [{ "type": "Ready", "status": status }] });
    let taint = json!({ "spec": { "taints": [{ "key": "node.kubernetes.io/out-of-service", "effect": "NoExecute" }] } });
    for (down, up) in [
        (json!({ "status": ready("Unknown") }), json!({ "status": ready("True") })),
        (taint, json!({ "spec": { "taints": null } })),
    ] {
        let write = |change: &serde_json::Value| match change.get("status") {
            Some(status) => server.set_status::<Node>(None, "n2", status),
            None => server.edit::<Node>(None, "n2", change),
        };
        write(&down);
        speaker.until_announced("web", OF_N2).await;
        write(&up);
        speaker.until_silent("web", OF_N2).await;
    }
    assert_eq!(speaker.moves(), ["n2 n1 Node", "n1 n2 Node", "n2 n1 Node", "n1 n2 Node"]);
}

#[tokio::test]
async fn the_pods_of_speakers_are_where_others_are_looked_for_whatever_their_state() {
    let server = two_nodes();
    let with_address = |node: &str, address: &str| {
        let mut pod = pod(node, false);
        pod.status.get_or_insert_default().pod_ip = Some(address.to_owned());
        pod
    };
    server.put(&with_address("n1", "192.0.2.11"));
    server.put(&with_address("n2", "2001:db8::12"));
    server.put(&pod("n3", true));
    let (membership, told) = Membership::scripted();
    let candidates = membership.candidates();
    let (mut speaker, owner) =
        Speaker::build(&server, &["--ml-labels=component=speaker", "--ml-bindaddr=::1"], Some(membership));
    speaker.task = Some(tokio::spawn(owner.run(speaker.shutdown.clone())));
    told.send_replace(members(&["n1"]));
    let known = || candidates.borrow().clone().unwrap_or_default();
    let of = |addresses: &[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
    until("both", known, |seen| *seen == of(&["192.0.2.11", "2001:db8::12"])).await;
    server.put(&with_address("n3", "192.0.2.13"));
    until("the third", known, |seen| *seen == of(&["192.0.2.11", "192.0.2.13", "2001:db8::12"])).await;
}

#[tokio::test]
async fn a_membership_thread_that_ended_ends_the_speaker() {
    let (mut speaker, told) = Speaker::start_in_ring(&two_nodes());
    drop(told);
    let task = speaker.task.take().unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(2), task).await.expect("still running").unwrap();
    assert_eq!(ended, Err(Lost::Membership));
}

/// Contract 02 §8: what is announced is handed over if there is somebody to take it over, and given up otherwise.
#[tokio::test]
async fn a_request_to_stop_ends_the_owner_and_all_answers() {
    let announced =
        Command::Announce { address: ADDRESS.parse().unwrap(), interfaces: metallb_l2::Interfaces::All };
    for (alive, expected) in [
        (&["n1"][..], vec![announced.clone()]),
        (&["n1", "n2"], vec![announced.clone(), Command::HandOverAll]),
    ] {
        let server = two_nodes();
        server.put(&service("web", ADDRESS));
        let (membership, told) = Membership::scripted();
        let flags = ["--ml-labels=component=speaker", "--ml-bindaddr=::1"];
        let (mut speaker, mut owner) = Speaker::build(&server, &flags, Some(membership));
        let (layer2, mut commands) = Layer2::recorded();
        owner.executor.layer2 = layer2;
        told.send_replace(members(alive));
        speaker.task = Some(tokio::spawn(owner.run(speaker.shutdown.clone())));
        speaker.until_announced("web", ADDRESS).await;
        until("the status object", || statuses(&server), |seen| seen.len() == 1).await;
        speaker.shutdown.request();
        let task = speaker.task.take().unwrap();
        tokio::time::timeout(Duration::from_secs(2), task).await.expect("still running").unwrap().unwrap();
        assert_eq!(commands(), expected, "{alive:?}");
        assert_eq!(statuses(&server).len(), 1, "status objects go with the pod");
    }
}

#[tokio::test]
async fn a_speaker_that_lost_a_part_of_itself_ends_with_the_reason() {
    let mut speaker = Speaker::start(&cluster(), &[]);
    drop(speaker.interfaces);
    let task = speaker.task.take().unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(2), task).await.expect("still running").unwrap();
    assert!(ended.is_err());
}

/// Looking only at what changed comes to the same plan as looking at everything.
#[tokio::test]
async fn partial_looks_add_up_to_the_whole_plan() {
    let server = cluster();
    server.put(&node("n2"));
    let (speaker, mut owner) = Speaker::build(&server, &[], None);
    let count = |owner: &Owner| owner.view.snapshot().map_or(0, |snapshot| snapshot.services.len());
    let changes: [&dyn Fn(); 8] = [
        &|| (1..40).for_each(|n| server.put(&service(&format!("s{n}"), &format!("192.0.2.{n}")))),
        &|| {
            (1..40).for_each(|n| {
                server.put(&slice(&format!("s{n}"), if n % 2 == 0 { "n1" } else { "n2" }, n % 3 != 0))
            })
        },
        &|| {
            server.edit::<Service>(
                Some("default"),
                "s4",
                &json!({ "spec": { "externalTrafficPolicy": "Local" } }),
            )
        },
        &|| server.remove::<Service>(Some("default"), "s6"),
        &|| server.remove::<EndpointSlice>(Some("default"), "s8-x"),
        &|| {
            server.edit::<L2Advertisement>(
                Some(NAMESPACE),
                "all",
                &json!({ "spec": { "interfaces": ["eth0"] } }),
            )
        },
        &|| server.remove::<Node>(None, "n2"),
        &|| server.put(&pool("pool", &["192.0.2.0/27"])),
    ];
    for change in changes {
        change();
        // The changes arrive one by one: each is looked at as it comes.
        let mut quiet = 0;
        while quiet < 20 || !owner.stores.watches.all_synced() {
            let changed = owner.stores.watches.changed();
            match tokio::time::timeout(Duration::from_millis(5), changed).await {
                Ok(()) if owner.stores.watches.all_synced() => assert!(owner.pass().await),
                Ok(()) => {}
                Err(_) => quiet += 1,
            }
        }
        let mut afresh = Installed::default();
        let snapshot = owner.view.snapshot().unwrap();
        let whole = plan(snapshot);
        afresh.diff(&whole, &snapshot.services);
        let announced = |installed: &Installed| {
            installed.announced().map(|(key, how)| (key.clone(), how.clone())).collect::<Vec<_>>()
        };
        let held: Vec<_> = announced(&owner.installed)
            .into_iter()
            .filter(|(key, _)| !matches!(whole.get(key), Some(Verdict::Orphan(_))))
            .collect();
        assert_eq!(held, announced(&afresh));
    }
    assert_eq!(count(&owner), 38);
    drop(speaker);
    owner.executor.stop();
}
