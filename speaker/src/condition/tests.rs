//! What stands in Services in the end, and with how many writes: several speakers against one API server, on a clock that
//! jumps.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition as Recorded;
use metallb_announce::{CONDITION_ANNOUNCED, Installed, Speakers};
use metallb_api::L2Advertisement;
use metallb_linux::Interface;
use metallb_testkit::{ApiServer, Failure};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::*;
use crate::owner::{View, ViewSettings};
use crate::stores::Stores;
use crate::testing::{NAMESPACE, advertisement, node, pool, service, slice};

const NODES: [&str; 3] = ["n1", "n2", "n3"];
/// Of the three nodes, `n3` is first in line for this address and `n1` second, by contract 02 §2.2.
const OF_N3: &str = "192.0.2.6";
/// The same, but `n2` is second.
const OF_N321: &str = "192.0.2.4";

/// The speakers of a cluster, as far as conditions go. They share the API server, not what they know.
struct Cluster {
    server: ApiServer,
    alive: BTreeMap<&'static str, watch::Sender<BTreeSet<String>>>,
    tasks: JoinSet<()>,
}

fn recorded(service: &Service) -> Option<&Recorded> {
    let mut conditions = service.status.as_ref()?.conditions.iter().flatten();
    conditions.find(|condition| condition.type_ == CONDITION_ANNOUNCED)
}

fn all() -> BTreeSet<String> {
    names(&NODES)
}

fn names(nodes: &[&str]) -> BTreeSet<String> {
    nodes.iter().map(|node| (*node).to_owned()).collect()
}

impl Cluster {
    fn new(spec: Value) -> Self {
        let server = ApiServer::default();
        NODES.iter().for_each(|name| server.put(&node(name)));
        server.put(&pool("pool", &["192.0.2.0/24"]));
        server.put(&advertisement(spec));
        Self { server, alive: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// With these speakers running, each of which believes that all three nodes have one.
    fn running(spec: Value, nodes: &[&'static str]) -> Self {
        let mut cluster = Self::new(spec);
        nodes.iter().for_each(|node| cluster.start(node));
        cluster
    }

    fn start(&mut self, node: &'static str) {
        let (told, alive) = watch::channel(all());
        self.alive.insert(node, told);
        self.tasks.spawn(speak(self.server.clone(), node, alive));
    }

    /// Who believes in nobody answers for nothing, and looks at nothing.
    fn believe(&self, node: &str, alive: &[&str]) {
        self.alive[node].send_replace(names(alive));
    }

    fn serve(&self, name: &str, address: &str) {
        self.server.put(&service(name, address));
        self.server.put(&slice(name, "n1", true));
    }

    /// Status, reason and message.
    fn said(&self, name: &str) -> Option<(String, String, String)> {
        let service: Service = self.server.get(Some("default"), name)?;
        let said = recorded(&service)?.clone();
        Some((said.status, said.reason, said.message))
    }

    fn says(&self, name: &str, reason: &str, message: &str) -> bool {
        self.said(name).is_some_and(|(_, said, text)| said == reason && text.contains(message))
    }

    /// How often conditions were written, since this was asked the last time.
    fn writes(&self) -> usize {
        let requests = self.server.take_requests();
        let writes = requests
            .iter()
            .filter(|request| request.to_string().starts_with("strategic-patch services/status"));
        writes.count()
    }
}

/// What the owner does, without packets.
async fn speak(server: ApiServer, me: &'static str, mut alive: watch::Receiver<BTreeSet<String>>) {
    let client = server.client(NAMESPACE);
    let mut stores = Stores::follow(&client, NAMESPACE, None);
    let settings = ViewSettings { node: me.to_owned(), class: String::new(), ignore_exclude_label: false };
    let (mut view, mut installed) = (View::new(settings), Installed::default());
    let mut conditions = Conditions::start(client, me.to_owned(), stores.services.clone());
    let interface = Interface {
        name: "eth0".to_owned(),
        subnets: ["192.0.2.0/24".parse().unwrap()].into(),
        ..Interface::default()
    };
    let interfaces = Arc::new(vec![interface]);
    loop {
        tokio::select! {
            () = stores.watches.changed() => {}
            _ = alive.changed() => {}
            () = tokio::time::sleep(5 * SECOND) => {}
        }
        if !stores.watches.all_synced() {
            continue;
        }
        if alive.borrow_and_update().is_empty() {
            conditions.miss();
            continue;
        }
        let speakers = Speakers::On(alive.borrow_and_update().clone());
        let seen = view.refresh(&stores, &interfaces, (speakers, false));
        let snapshot = view.snapshot().unwrap();
        let verdicts: Vec<_> =
            seen.touched.into_iter().map(|key| (key.clone(), snapshot.verdict(&key))).collect();
        installed.advance(verdicts.iter().map(|(key, verdict)| (key, verdict)), &snapshot.services);
        let looked_at = verdicts.into_iter().map(|(key, _)| key).chain(seen.heard);
        conditions.look(snapshot, &installed, looked_at.collect());
    }
}

/// Lets so much time pass, all that is due in it included.
async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_elected_node_says_it_with_one_write_and_others_keep_their_conditions() {
    let cluster = Cluster::running(json!({}), &NODES);
    cluster.serve("web", OF_N3);
    let foreign = json!({ "type": "metallb.io/Allocated", "status": "True", "reason": "Allocated", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z" });
    let status = json!({ "loadBalancer": { "ingress": [{ "ip": OF_N3 }] }, "conditions": [foreign] });
    cluster.server.set_status::<Service>(Some("default"), "web", &status);
    pass(60 * SECOND).await;
    assert_eq!(
        cluster.said("web").unwrap(),
        ("True".into(), "Announced".into(), "node n3 announces on all interfaces".into())
    );
    assert_eq!(cluster.writes(), 1);
    let service: Service = cluster.server.get(Some("default"), "web").unwrap();
    let kept = serde_json::to_value(&service.status.unwrap().conditions.unwrap()[0]).unwrap();
    assert_eq!(kept, foreign);
}

#[tokio::test(start_paused = true)]
async fn the_condition_follows_the_address_and_goes_with_it() {
    let cluster = Cluster::running(json!({}), &NODES);
    cluster.serve("web", OF_N3);
    pass(5 * SECOND).await;
    let since = |cluster: &Cluster| {
        let service: Service = cluster.server.get(Some("default"), "web").unwrap();
        recorded(&service).unwrap().last_transition_time.clone()
    };
    let first = since(&cluster);
    // n3 is gone: it says nothing any more, the next one does.
    NODES.iter().for_each(|node| cluster.believe(node, &["n1", "n2"]));
    pass(5 * SECOND).await;
    assert!(cluster.says("web", "Announced", "node n1 "), "{:?}", cluster.said("web"));
    assert_eq!(since(&cluster), first, "it was announced all the time");
    cluster.server.edit::<EndpointSlice>(Some("default"), "web-x", &json!({ "endpoints": [] }));
    pass(60 * SECOND).await;
    assert!(cluster.says("web", "NoEndpoint", "no endpoint can serve"), "{:?}", cluster.said("web"));
    cluster.server.set_status::<Service>(
        Some("default"),
        "web",
        &json!({ "loadBalancer": { "ingress": null } }),
    );
    pass(60 * SECOND).await;
    assert_eq!(cluster.said("web"), None);
    assert_eq!(cluster.writes(), 4, "one for each of the four states");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_no_load_balancer_any_more_loses_the_condition_and_one_of_another_class_keeps_it() {
    let cluster = Cluster::running(json!({}), &NODES);
    cluster.serve("web", OF_N3);
    cluster.serve("theirs", "192.0.2.3");
    pass(5 * SECOND).await;
    let spec = |spec: Value| json!({ "spec": spec });
    cluster.server.edit::<Service>(Some("default"), "web", &spec(json!({ "type": "ClusterIP" })));
    cluster.server.edit::<Service>(Some("default"), "theirs", &spec(json!({ "loadBalancerClass": "x/y" })));
    pass(60 * SECOND).await;
    assert_eq!(cluster.said("web"), None);
    assert!(cluster.says("theirs", "Announced", "announces"));
}

#[tokio::test(start_paused = true)]
async fn where_nobody_is_elected_one_says_it_whoever_of_them_is_dead() {
    for running in [&["n1"][..], &["n2"], &["n3"], &["n1", "n3"], &NODES] {
        let cluster = Cluster::running(json!({}), running);
        for number in 1..=30 {
            cluster.server.put(&service(&format!("s{number}"), &format!("192.0.2.{number}")));
        }
        pass(120 * SECOND).await;
        for number in 1..=30 {
            assert!(
                cluster.says(&format!("s{number}"), "NoEndpoint", "no endpoint"),
                "{number} with {running:?}"
            );
        }
        assert_eq!(cluster.writes(), 30, "{running:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_an_elected_node_that_says_nothing_another_says_so_until_it_does() {
    let mut cluster = Cluster::running(json!({}), &["n1", "n2"]);
    cluster.serve("web", OF_N3);
    pass(5 * SECOND).await;
    assert_eq!(cluster.said("web"), None, "it has its time");
    pass(60 * SECOND).await;
    let expected = "node n3 was elected and has not said whether it announces";
    assert_eq!(cluster.said("web").unwrap(), ("Unknown".into(), "NotReported".into(), expected.into()));
    cluster.start("n3");
    pass(60 * SECOND).await;
    assert!(cluster.says("web", "Announced", "node n3 announces"));
    assert_eq!(cluster.writes(), 2);
}

#[tokio::test(start_paused = true)]
async fn speakers_that_see_different_things_contradict_each_other_ever_more_seldom() {
    let cluster = Cluster::running(json!({}), &["n1", "n3"]);
    cluster.serve("web", OF_N3);
    // n1 believes that n3 is gone, n3 knows better.
    cluster.believe("n1", &["n1", "n2"]);
    pass(600 * SECOND).await;
    let writes = cluster.writes();
    assert!((8..=34).contains(&writes), "{writes} writes in ten minutes");
    // Once they agree it is settled.
    cluster.believe("n1", &NODES);
    pass(120 * SECOND).await;
    assert!(cluster.says("web", "Announced", "node n3 announces"));
    cluster.writes();
    pass(600 * SECOND).await;
    assert_eq!(cluster.writes(), 0);
}

/// However long each of them waits for others to say it.
#[tokio::test(start_paused = true)]
async fn a_split_ring_contradicts_itself_ever_more_seldom() {
    // Only n3 has an endpoint: to the others nobody can announce it, and the first of them says so.
    let cluster = Cluster::running(json!({}), &NODES);
    let local = json!({ "spec": { "externalTrafficPolicy": "Local" } });
    cluster.serve("web", OF_N3);
    cluster.server.edit::<Service>(Some("default"), "web", &local);
    cluster.server.put(&slice("web", "n3", true));
    ["n1", "n2"].iter().for_each(|node| cluster.believe(node, &["n1", "n2"]));
    pass(600 * SECOND).await;
    let writes = cluster.writes();
    assert!((8..=34).contains(&writes), "{writes} writes in ten minutes");

    // n1 takes n2 for elected, which has no speaker: it is n1 that says so, after its turn.
    let cluster = Cluster::running(json!({}), &["n1", "n3"]);
    cluster.serve("web", OF_N321);
    cluster.believe("n1", &["n1", "n2"]);
    pass(600 * SECOND).await;
    let writes = cluster.writes();
    assert!((8..=34).contains(&writes), "{writes} writes in ten minutes");
}

/// Its heir says so meanwhile, and it says the same as before.
#[tokio::test(start_paused = true)]
async fn who_stands_still_now_and_then_is_not_contradicted() {
    let cluster = Cluster::running(json!({}), &NODES);
    cluster.serve("web", OF_N3);
    for round in 0..8 {
        NODES.iter().for_each(|node| cluster.believe(node, &NODES));
        pass(2 * SECOND).await;
        assert!(cluster.says("web", "Announced", "node n3 announces"), "{round}");
        cluster.believe("n3", &[]);
        ["n1", "n2"].iter().for_each(|node| cluster.believe(node, &["n1", "n2"]));
        pass(6 * SECOND).await;
        assert!(cluster.says("web", "Announced", "node n1 announces"), "{round}");
    }
}

/// As scripts do that delete and create: nobody contradicts.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_made_anew_has_its_condition_as_soon_as_the_one_before() {
    let cluster = Cluster::running(json!({}), &NODES);
    for round in 0..8 {
        // Endpoints may be known before it.
        cluster.server.put(&slice("web", "n1", true));
        cluster.server.put(&service("web", OF_N3));
        pass(2 * SECOND).await;
        assert!(cluster.says("web", "Announced", "node n3 announces"), "{round}");
        cluster.server.remove::<Service>(Some("default"), "web");
        pass(8 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_changes_back_in_no_time_is_not_written_about() {
    let cluster = Cluster::running(json!({}), &NODES);
    cluster.serve("web", OF_N3);
    pass(5 * SECOND).await;
    assert_eq!(cluster.writes(), 1);
    for _ in 0..20 {
        NODES.iter().for_each(|node| cluster.believe(node, &["n1", "n2"]));
        pass(Duration::from_millis(50)).await;
        NODES.iter().for_each(|node| cluster.believe(node, &NODES));
        pass(Duration::from_millis(50)).await;
    }
    pass(60 * SECOND).await;
    assert_eq!(cluster.writes(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_wrote_over_it_or_removed_is_put_right() {
    let cluster = Cluster::running(json!({}), &NODES);
    cluster.serve("web", OF_N3);
    pass(5 * SECOND).await;
    for conditions in [
        json!(null),
        json!([{ "type": CONDITION_ANNOUNCED, "status": "True", "reason": "Announced",
        "message": "node n9 announces on all interfaces", "lastTransitionTime": "2026-01-01T00:00:00Z" }]),
    ] {
        let status = json!({ "loadBalancer": { "ingress": [{ "ip": OF_N3 }] }, "conditions": conditions });
        cluster.server.set_status::<Service>(Some("default"), "web", &status);
        pass(200 * SECOND).await;
        assert!(cluster.says("web", "Announced", "node n3 announces"), "{:?}", cluster.said("web"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_causes_that_lie_with_nodes_are_told_apart() {
    let cluster = Cluster::running(json!({ "interfaces": ["eth7"] }), &NODES);
    cluster.serve("web", OF_N3);
    pass(5 * SECOND).await;
    assert!(cluster.says("web", "NoInterface", "node n3 was elected and has no interface eth7"));
    let excluded = json!({ "metadata": { "labels": { "node.kubernetes.io/exclude-from-external-load-balancers": "" } } });
    NODES.iter().for_each(|node| cluster.server.edit::<Node>(None, node, &excluded));
    pass(60 * SECOND).await;
    assert!(
        cluster.says("web", "NoCandidateNode", "3 with label node.kubernetes.io/exclude"),
        "{:?}",
        cluster.said("web")
    );
    cluster.server.remove::<L2Advertisement>(Some(NAMESPACE), "all");
    pass(60 * SECOND).await;
    assert!(cluster.says("web", "NoAdvertisement", "no L2Advertisement"), "{:?}", cluster.said("web"));
}

#[tokio::test(start_paused = true)]
async fn without_the_right_the_condition_is_left_out_and_asked_for_seldom() {
    let mut cluster = Cluster::new(json!({}));
    cluster.server.forbid("strategic-patch services/status");
    cluster.start("n1");
    for number in 1..=30 {
        cluster.serve(&format!("s{number}"), &format!("192.0.2.{number}"));
    }
    pass(300 * SECOND).await;
    let tries = cluster.writes();
    assert!((1..=AT_ONCE).contains(&tries), "{tries} tries");
    assert_eq!(cluster.said("s1"), None);
    // The right is given later: all have their conditions, though nothing else changes.
    cluster.believe("n1", &["n1"]);
    cluster.server.allow("strategic-patch services/status");
    pass(400 * SECOND).await;
    assert!((1..=30).all(|number| cluster.says(&format!("s{number}"), "Announced", "node n1 ")));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_admission_refuses_keeps_no_other_waiting() {
    let cluster = Cluster::running(json!({}), &["n1"]);
    cluster.believe("n1", &["n1"]);
    let refused = "strategic-patch services/status default/refused";
    cluster.server.deny(refused);
    cluster.serve("refused", "192.0.2.9");
    (1..=8).for_each(|number| cluster.serve(&format!("s{number}"), &format!("192.0.2.{number}")));
    pass(10 * SECOND).await;
    assert!((1..=8).all(|number| cluster.says(&format!("s{number}"), "Announced", "node n1 ")));
    assert_eq!((cluster.said("refused"), cluster.writes()), (None, 9));
    // It is asked for seldom, even if it changes again and again.
    for number in 0..50 {
        let edit = json!({ "metadata": { "annotations": { "a": number.to_string() } } });
        cluster.server.edit::<Service>(Some("default"), "refused", &edit);
        pass(10 * SECOND).await;
    }
    assert_eq!(cluster.writes(), 0);
    cluster.server.allow(refused);
    pass(200 * SECOND).await;
    assert!(cluster.says("refused", "Announced", "node n1 "));
}

#[tokio::test(start_paused = true)]
async fn of_an_address_without_a_pool_the_condition_goes_with_the_speaker_that_announced_it() {
    let mut cluster = Cluster::running(json!({}), &NODES);
    cluster.serve("web", OF_N3);
    pass(5 * SECOND).await;
    cluster.server.put(&pool("pool", &["198.51.100.0/24"]));
    pass(60 * SECOND).await;
    assert!(cluster.says("web", "Announced", "node n3 "), "it goes on announcing it");
    cluster.tasks.abort_all();
    cluster.start("n1");
    pass(60 * SECOND).await;
    assert!(cluster.says("web", "Announced", "node n3 "), "others can't know that it does not");
    cluster.start("n3");
    pass(60 * SECOND).await;
    assert_eq!(cluster.said("web"), None);
}

/// Writes that are under way when the first refusal arrives.
const AT_ONCE: usize = 4;

#[tokio::test(start_paused = true)]
async fn an_api_server_that_fails_is_not_pressed_and_gets_all_in_the_end() {
    let cluster = Cluster::running(json!({}), &["n1"]);
    cluster.believe("n1", &["n1"]);
    for number in 1..=30 {
        cluster.serve(&format!("s{number}"), &format!("192.0.2.{number}"));
    }
    pass(Duration::from_millis(100)).await;
    cluster.server.fail_all(Some(Failure::Unreachable));
    cluster.writes();
    pass(60 * SECOND).await;
    let tries = cluster.writes();
    assert!(tries < 100, "{tries} tries in a minute");
    cluster.server.fail_all(None);
    pass(30 * SECOND).await;
    assert!((1..=30).all(|number| cluster.says(&format!("s{number}"), "Announced", "node n1 ")));
}
