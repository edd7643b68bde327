//! A speaker in a ring where addresses stay with who holds them.

use std::net::IpAddr;

use metallb_announce::Tenure;
use tokio::sync::mpsc;

use super::*;
use crate::membership::{Letter, Post};

/// Of the two nodes, `n1` is first in line for this address.
const OF_N1: &str = "192.0.2.2";

/// The speaker of node `n2`, as far as it tells what it holds.
struct Other {
    tenure: Tenure,
    post: Post,
}

type Act = Box<dyn FnOnce(&mut Tenure) + Send>;

impl Other {
    /// From now on it answers, and does what it is told to.
    fn answer(self) -> mpsc::UnboundedSender<Act> {
        let Self { mut tenure, mut post } = self;
        let (act, mut acts) = mpsc::unbounded_channel::<Act>();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    letter = post.next() => tenure.receive("n1", &letter.bytes, since_boot()),
                    Some(act) = acts.recv() => act(&mut tenure),
                }
                tenure.tell(since_boot());
                while let Some(letter) = tenure.poll() {
                    post.deliver(Letter { from: "n2".to_owned(), bytes: letter.bytes });
                }
            }
        });
        act
    }
}

fn address() -> IpAddr {
    OF_N1.parse().unwrap()
}

fn both() -> Members {
    let boots = [("n1".to_owned(), 1), ("n2".to_owned(), 2)].into();
    Members { boots, ..members(&["n1", "n2"]) }
}

fn sticky(spec: serde_json::Value) -> ApiServer {
    let server = two_nodes();
    server.put(&service("web", OF_N1));
    server.put(&advertisement(spec));
    server
}

/// The speaker of `n1` starts, and its fence may open; that of `n2` holds the address.
fn start(server: &ApiServer) -> (Speaker, watch::Sender<Members>, Other) {
    let (membership, told) = Membership::scripted();
    let (membership, post) = membership.answered();
    let flags = ["--ml-labels=component=speaker", "--ml-bindaddr=::1"];
    let (mut speaker, owner) = Speaker::build(server, &flags, Some(membership));
    speaker.task = Some(tokio::spawn(owner.run(speaker.shutdown.clone())));
    let mut tenure = Tenure::new("n2", Duration::ZERO);
    // It is there since long, and knows that the other one holds nothing.
    tenure.tick(Duration::from_secs(1000));
    tenure.set_peers([("n1", 1), ("n2", 2)], since_boot());
    tenure.set_starting(|_| true);
    tenure.claim(address());
    (speaker, told, Other { tenure, post })
}

#[tokio::test]
async fn one_that_starts_asks_who_holds_what_before_it_answers_and_leaves_that_alone() {
    let (speaker, told, other) = start(&sticky(json!({ "preempt": "Never" })));
    told.send_replace(both());
    let ready = || speaker.health.readyz();
    until("the reason", ready, |seen| seen.text.contains("hold is not known yet")).await;
    let act = other.answer();
    until("readiness", ready, |seen| seen.ok).await;
    assert!(!speaker.announces("web", OF_N1), "the other one holds it");
    act.send(Box::new(|tenure| tenure.release(address()))).unwrap();
    speaker.until_announced("web", OF_N1).await;
    assert_eq!(speaker.moves(), ["n2 n1 Terms"]);
}

#[tokio::test]
async fn one_that_is_never_told_answers_all_the_same() {
    let (speaker, told, _silent) = start(&sticky(json!({ "preempt": "Never" })));
    told.send_replace(both());
    speaker.until_announced("web", OF_N1).await;
}

#[tokio::test]
async fn one_that_thaws_leaves_what_another_has_taken_over_meanwhile() {
    let (speaker, told, mut other) = start(&sticky(json!({ "preempt": "Never" })));
    other.tenure.forget(address());
    let act = other.answer();
    told.send_replace(both());
    speaker.until_announced("web", OF_N1).await;
    told.send_replace(Members { is_fenced: true, ..both() });
    until("the silence", || (speaker.history)(), |seen| seen.contains("Stall")).await;
    // Unheard: the one that is frozen is no peer meanwhile.
    let take_over = |tenure: &mut Tenure| {
        tenure.set_peers([("n2", 2)], since_boot());
        tenure.claim(address());
        tenure.tell(since_boot());
        tenure.set_peers([("n1", 1), ("n2", 2)], since_boot());
        while tenure.poll().is_some() {}
    };
    act.send(Box::new(take_over)).unwrap();
    told.send_replace(both());
    speaker.until_silent("web", OF_N1).await;
    assert_eq!(speaker.moves().last().unwrap(), "n1 n2 Terms");
}

#[tokio::test]
async fn nobody_is_asked_where_nothing_is_kept_or_a_speaker_of_the_original_is_there() {
    let foreign = Members { plain: ["n2".to_owned()].into(), ..both() };
    for (spec, told_of) in [(json!({}), both()), (json!({ "preempt": "Never" }), foreign)] {
        let (speaker, told, mut other) = start(&sticky(spec.clone()));
        told.send_replace(told_of);
        speaker.until_announced("web", OF_N1).await;
        let asked = tokio::time::timeout(Duration::from_millis(50), other.post.next()).await;
        assert!(asked.is_err(), "{spec}: {asked:?}");
    }
}

#[tokio::test]
async fn one_that_was_held_out_for_coming_and_going_asks_again_before_it_counts_itself() {
    let (speaker, told, mut other) = start(&sticky(json!({ "preempt": "Never" })));
    other.tenure.forget(address());
    let act = other.answer();
    told.send_replace(both());
    speaker.until_announced("web", OF_N1).await;
    let held = Members { alive: ["n2".to_owned()].into(), reluctant: ["n1".to_owned()].into(), ..both() };
    told.send_replace(held);
    speaker.until_silent("web", OF_N1).await;
    // Unheard, as long as this one does not count there either.
    let take_over = |tenure: &mut Tenure| {
        tenure.claim(address());
        tenure.tell(since_boot());
        while tenure.poll().is_some() {}
    };
    act.send(Box::new(take_over)).unwrap();
    told.send_replace(both());
    // What nobody holds it announces as soon as it counts itself, and then it knows what the other one holds.
    let others = (3..9).map(|number| (format!("s{number}"), format!("192.0.2.{number}")));
    let others: Vec<(String, String)> = others.collect();
    for (name, address) in &others {
        speaker.server.put(&service(name, address));
        speaker.server.put(&slice(name, "n1", true));
    }
    let announces_any = || others.iter().any(|(name, address)| speaker.announces(name, address));
    until("another address is announced", announces_any, |seen| *seen).await;
    assert!(!speaker.announces("web", OF_N1), "the other one holds it");
}
