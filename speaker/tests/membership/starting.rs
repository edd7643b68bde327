//! A speaker that starts: its addresses stay where they are until it can answer for them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use metallb_interop::Peer;
use metallb_membership::Settings;
use metallb_speaker::membership::{Members, Membership, RingSettings};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::ours::{Net, Ours, REACTION, heartbeats, secret_file};

/// Who answers for everything, and how often nobody did: one after the other, as if somebody saw all nodes at once.
#[derive(Clone, Debug, Default)]
struct Answering {
    by: BTreeSet<String>,
    gaps: usize,
}

/// All nodes.
type Cluster = watch::Sender<Answering>;

fn set_answers(cluster: &Cluster, name: &str, answers: bool) {
    cluster.send_if_modified(|seen| {
        let changed = if answers { seen.by.insert(name.to_owned()) } else { seen.by.remove(name) };
        seen.gaps += usize::from(changed && seen.by.is_empty());
        changed
    });
}

async fn until_answering(cluster: &Cluster, names: &[&str]) {
    let expected: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut seen = cluster.subscribe();
    let is_so = timeout(REACTION, seen.wait_for(|seen| seen.by == expected)).await.is_ok();
    assert!(is_so, "{names:?} expected, last seen {:?}", cluster.borrow());
}

/// A speaker with nothing behind it but what decides: of those who count, the first by name answers for everything.
struct Speaker {
    name: String,
    membership: Arc<Membership>,
    owner: JoinHandle<()>,
    cluster: Cluster,
}

impl Speaker {
    fn start(settings: RingSettings, net: Net, cluster: &Cluster) -> Self {
        let name = settings.name.clone();
        let Ours { membership, members, .. } = Ours::start(settings, &[net.ip(1), net.ip(2), net.ip(3)]);
        let membership = Arc::new(membership);
        let owner = tokio::spawn(own(name.clone(), members, membership.clone(), cluster.clone()));
        Self { name, membership, owner, cluster: cluster.clone() }
    }

    /// Says goodbye, and answers until others do.
    async fn leave(self, heir: &str) {
        let Self { name, membership, owner, cluster } = self;
        owner.abort();
        assert!(owner.await.is_err(), "the owner ended before");
        Arc::into_inner(membership).unwrap().leave().await;
        until_answering(&cluster, &[&name, heir]).await;
        set_answers(&cluster, &name, false);
    }

    /// Is gone, with all its answers.
    async fn die(self) {
        self.owner.abort();
        assert!(self.owner.await.is_err(), "the owner ended before");
        drop(self.membership);
        set_answers(&self.cluster, &self.name, false);
    }
}

/// Until each of three lists all of them, and none as starting.
async fn until_all_know_three(speakers: [&Speaker; 3]) {
    for Speaker { name, membership, .. } in speakers {
        let mut members = membership.members().clone();
        let all_started = |members: &Members| members.alive.len() == 3 && members.starting.is_empty();
        let is_so = timeout(REACTION, members.wait_for(all_started)).await.is_ok();
        assert!(is_so, "{name} expects three that have started, last seen {:?}", members.borrow());
    }
}

/// What `owner::Ring` does, without the rest of the speaker.
async fn own(
    name: String,
    mut members: watch::Receiver<Members>,
    membership: Arc<Membership>,
    cluster: Cluster,
) {
    loop {
        let seen = members.borrow_and_update().clone();
        let may_answer = seen.is_settled && !seen.is_fenced;
        set_answers(&cluster, &name, may_answer && seen.counted().first() == Some(&name));
        if may_answer {
            membership.answers();
        }
        if members.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn settings(net: Net, host: u8, secret: &str) -> RingSettings {
    let mut settings = net.ours(host);
    settings.profile = Settings::lan();
    settings.heartbeats = heartbeats();
    settings.secret = (!secret.is_empty()).then(|| secret_file("starting", secret));
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_planned_restart_the_old_or_the_new_owner_answers_at_every_moment() {
    for secret in ["", "secret"] {
        let (net, cluster) = (Net::new(), Cluster::default());
        let start = |host| Speaker::start(settings(net, host, secret), net, &cluster);
        let mut first = start(1);
        until_answering(&cluster, &["rs-1"]).await;
        let others = [start(2), start(3)];
        for _ in 0..3 {
            until_all_know_three([&first, &others[0], &others[1]]).await;
            until_answering(&cluster, &["rs-1"]).await;
            first.leave("rs-2").await;
            until_answering(&cluster, &["rs-2"]).await;
            first = start(1);
            // Both for a moment, and then only the first again.
            until_answering(&cluster, &["rs-1"]).await;
        }
        assert_eq!(cluster.borrow().gaps, 0, "nobody answered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_died_and_is_back_takes_its_addresses_from_somebody_who_answers() {
    let (net, cluster) = (Net::new(), Cluster::default());
    let start = |host| Speaker::start(settings(net, host, ""), net, &cluster);
    let first = start(1);
    until_answering(&cluster, &["rs-1"]).await;
    let others = [start(2), start(3)];
    until_all_know_three([&first, &others[0], &others[1]]).await;
    until_answering(&cluster, &["rs-1"]).await;
    first.die().await;
    until_answering(&cluster, &["rs-2"]).await;
    let gaps = cluster.borrow().gaps;
    // While it starts it dies once more.
    start(1).die().await;
    let _first = start(1);
    until_answering(&cluster, &["rs-1"]).await;
    assert_eq!(cluster.borrow().gaps, gaps, "nobody answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_that_start_at_once_in_an_empty_cluster_one_answers_in_the_end() {
    let (net, cluster) = (Net::new(), Cluster::default());
    let speakers = [1, 2, 3].map(|host| Speaker::start(settings(net, host, ""), net, &cluster));
    until_answering(&cluster, &["rs-1"]).await;
    until_all_know_three(speakers.each_ref()).await;
    until_answering(&cluster, &["rs-1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_starts_under_the_name_of_one_that_lives_does_not_answer_beside_it() {
    const PATIENCE: Duration = Duration::from_secs(6);
    let net = Net::new();
    let candidates = [1, 2, 3].map(|host| net.ip(host));
    let mut ring = [1, 2].map(|host| Ours::start(settings(net, host, ""), &candidates));
    for ours in &mut ring {
        ours.opens().await;
        ours.until(&["rs-1", "rs-2"]).await;
    }
    let (began, namesake) = (Instant::now(), settings(net, 3, ""));
    let namesake = RingSettings { name: "rs-1".to_owned(), handover: PATIENCE, ..namesake };
    let mut namesake = Ours::start(namesake, &candidates);
    namesake.opens().await;
    assert!(began.elapsed() >= PATIENCE, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn among_the_originals_a_new_one_answers_as_soon_as_it_is_counted() {
    let net = Net::new();
    let _them = Peer::start(&net.theirs(1)).unwrap();
    let mut us = Ours::start(settings(net, 2, ""), &[net.ip(1), net.ip(2)]);
    let settled = us.members.wait_for(|members| members.is_settled);
    let members = timeout(REACTION, settled).await.expect("never settled").unwrap().clone();
    assert!(members.has_foreign && members.counted().contains("rs-2"), "{members:?}");
    assert!(!members.is_fenced && members.starting.is_empty(), "{members:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_left_counts_again_under_another_address_and_answers() {
    let net = Net::new();
    let them = Peer::start(&net.theirs(1)).unwrap();
    let candidates = [1, 2, 3, 4].map(|host| net.ip(host));
    let mut other = Ours::start(settings(net, 2, ""), &candidates);
    let first = Ours::start(settings(net, 3, ""), &candidates);
    let all = ["go-1", "rs-2", "rs-3"];
    other.until(&all).await;
    them.wait("join", "rs-3", REACTION).unwrap();
    first.membership.leave().await;
    other.until(&["go-1", "rs-2"]).await;
    let moved = RingSettings { name: "rs-3".to_owned(), ..settings(net, 4, "") };
    let mut moved = Ours::start(moved, &candidates);
    let join = them.wait("join", "rs-3", REACTION).unwrap();
    assert_eq!(join.address, net.socket(4).to_string());
    other.until(&all).await;
    moved.until(&all).await;
    moved.opens().await;
}
