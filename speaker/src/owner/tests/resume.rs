//! A speaker that is restarted while the API server is away.

use metallb_announce::{CONDITION_ANNOUNCED, Saved};
use metallb_cluster::Reach;

use super::*;
use crate::testing::Folder;

struct Outage {
    server: ApiServer,
    _folder: Folder,
    flag: String,
}

/// A speaker has known an announced Service, and is gone; so is the API server.
async fn outage(test: &str) -> Outage {
    let folder = Folder::new(test);
    let path = folder.file("snapshot");
    let flag = format!("--snapshot-path={}", path.display());
    let server = cluster();
    server.put(&service("web", ADDRESS));
    server.put(&slice("web", "n1", true));
    let mut speaker = Speaker::start(&server, &[&flag]);
    speaker.until_announced("web", ADDRESS).await;
    until("the snapshot", || path.exists(), |exists| *exists).await;
    speaker.shutdown.request();
    speaker.task.take().unwrap().await.unwrap().unwrap();
    server.fail_all(Some(Failure::Unreachable));
    Outage { server, _folder: folder, flag }
}

fn is_resumed(speaker: &Speaker) -> bool {
    speaker.metrics.encode().contains("\nmetallb_speaker_resumed 1\n")
}

#[tokio::test]
async fn it_announces_what_it_knew_and_is_not_ready_until_the_api_server_tells() {
    let outage = outage("resume").await;
    let speaker = Speaker::start(&outage.server, &[&outage.flag]);
    speaker.until_announced("web", ADDRESS).await;
    assert!(is_resumed(&speaker));
    let readiness = speaker.health.readyz();
    assert!(!readiness.ok && readiness.text.contains("services not listed"), "{}", readiness.text);
    outage.server.fail_all(None);
    until("readiness", || speaker.health.readyz().ok, |ok| *ok).await;
    assert!(!is_resumed(&speaker) && speaker.announces("web", ADDRESS));
}

#[tokio::test]
async fn what_the_api_server_tells_replaces_what_it_knew() {
    let outage = outage("replace").await;
    let speaker = Speaker::start(&outage.server, &[&outage.flag]);
    speaker.until_announced("web", ADDRESS).await;
    outage.server.remove::<Service>(Some("default"), "web");
    outage.server.put(&service("mail", "192.0.2.201"));
    outage.server.put(&slice("mail", "n1", true));
    outage.server.fail_all(None);
    speaker.until_silent("web", ADDRESS).await;
    speaker.until_announced("mail", "192.0.2.201").await;
}

#[tokio::test]
async fn a_condition_that_became_wrong_meanwhile_is_put_right_in_whatever_order_the_api_server_tells() {
    let outage = outage("condition").await;
    let wrong = json!({ "type": CONDITION_ANNOUNCED, "status": "True", "reason": "Announced",
        "message": "node n9 announces on all interfaces", "lastTransitionTime": "2026-01-01T00:00:00Z" });
    outage.server.set_status::<Service>(Some("default"), "web", &json!({ "conditions": [wrong] }));
    outage.server.forget_kind("nodes");
    let speaker = Speaker::start(&outage.server, &[&outage.flag]);
    speaker.until_announced("web", ADDRESS).await;
    outage.server.put(&service("mail", "192.0.2.201"));
    outage.server.put(&slice("mail", "n1", true));
    outage.server.fail_all(None);
    // The Services are known, and not yet all else.
    speaker.until_announced("mail", "192.0.2.201").await;
    assert!(is_resumed(&speaker));
    outage.server.learn_kind("nodes");
    let said = || {
        let web = outage.server.get::<Service>(Some("default"), "web");
        let mut conditions = web.and_then(|web| web.status?.conditions).into_iter().flatten();
        conditions.next().map(|condition| condition.message).unwrap_or_default()
    };
    until("the condition", said, |said| said.starts_with("node n1 announces")).await;
}

#[tokio::test]
async fn the_snapshot_of_another_node_a_spoilt_one_or_none_announces_nothing() {
    let outage = outage("foreign").await;
    let path = outage.flag.strip_prefix("--snapshot-path=").unwrap();
    let whole = std::fs::read(path).unwrap();
    let head = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let saved = Saved::decode(&whole[head..], "n1").unwrap();
    let other = [&whole[..head], &Saved { node: "n2".to_owned(), ..saved }.encode().unwrap()].concat();
    for text in [Some(&other[..]), Some(&whole[1..]), Some(&whole[..whole.len() - 1]), Some(b""), None] {
        match text {
            Some(text) => std::fs::write(path, text).unwrap(),
            None => std::fs::remove_file(path).unwrap(),
        }
        let (speaker, mut owner) = Speaker::build(&outage.server, &[&outage.flag], None);
        until_away(&owner).await;
        assert!(!owner.resume.is_known(&owner.stores, since_boot() + SECOND) && !is_resumed(&speaker));
        owner.executor.stop();
    }
}

const SECOND: Duration = Duration::from_secs(1);

async fn until_away(owner: &Owner) {
    until("the outage is noticed", || owner.stores.watches.reach(), |reach| *reach == Reach::Away).await;
}

#[tokio::test]
async fn an_api_server_that_fails_has_half_a_second_to_come_back() {
    let outage = outage("patience").await;
    for failure in [Failure::Unreachable, Failure::Status(503)] {
        outage.server.fail_all(Some(failure));
        let before = since_boot();
        let (_speaker, mut owner) = Speaker::build(&outage.server, &[&outage.flag], None);
        let built = since_boot();
        until_away(&owner).await;
        assert!(!owner.resume.is_known(&owner.stores, before + SECOND * 49 / 100), "{failure:?}");
        assert!(owner.resume.is_known(&owner.stores, built + SECOND / 2), "{failure:?}");
        owner.executor.stop();
    }
}

#[tokio::test]
async fn an_api_server_that_refuses_is_waited_for() {
    let outage = outage("refusal").await;
    for code in [403, 404, 429] {
        outage.server.fail_all(Some(Failure::Status(code)));
        let (speaker, mut owner) = Speaker::build(&outage.server, &[&outage.flag], None);
        let refused = || owner.stores.watches.unsynced().iter().all(|store| store.last_error.is_some());
        until("the refusals are heard", refused, |refused| *refused).await;
        assert!(!owner.resume.is_known(&owner.stores, since_boot() + SECOND * 60), "{code}");
        outage.server.fail_all(Some(Failure::Unreachable));
        until_away(&owner).await;
        assert!(owner.resume.is_known(&owner.stores, since_boot() + SECOND * 60), "{code}: now it is away");
        assert!(is_resumed(&speaker));
        owner.executor.stop();
    }
}

#[tokio::test]
async fn an_api_server_that_says_nothing_has_a_second() {
    let outage = outage("silence").await;
    let before = since_boot();
    let (_speaker, mut owner) = Speaker::build(&outage.server, &[&outage.flag], None);
    let built = since_boot();
    // The followers' tasks have not had their turn.
    assert_eq!(owner.stores.watches.reach(), Reach::Silent);
    assert!(!owner.resume.is_known(&owner.stores, before + SECOND * 99 / 100));
    assert!(owner.resume.is_known(&owner.stores, built + SECOND));
    owner.executor.stop();
}

#[tokio::test]
async fn what_becomes_too_old_while_it_is_acted_on_is_withdrawn() {
    let outage = outage("expiry").await;
    let (speaker, mut owner) = Speaker::build(&outage.server, &[&outage.flag], None);
    until_away(&owner).await;
    let day = SECOND * 86_400;
    for (age, is_announced) in [(SECOND, true), (day / 2, true), (day * 2, false), (day * 3, false)] {
        assert!(owner.resume.is_known(&owner.stores, since_boot() + age));
        assert!(owner.pass().await);
        assert_eq!(
            (speaker.announces("web", ADDRESS), is_resumed(&speaker)),
            (is_announced, is_announced),
            "{age:?}"
        );
    }
    owner.executor.stop();
}
