//! What a speaker says of itself with what it tells.

use k8s_openapi::api::core::v1::EventSource;
use metallb_config::Interfaces;
use tokio::time::sleep;

use super::*;

/// Contract 02 §6.
#[tokio::test]
async fn an_event_names_the_speaker_and_its_node_as_its_source() {
    let server = cluster();
    server.put(&service("web", ADDRESS));
    server.put(&slice("web", "n1", true));
    let _speaker = Speaker::start(&server, &[]);
    let event = until("the event", || events_about(&server, "web."), |seen| seen.len() == 1).await.remove(0);
    let source = EventSource { component: Some("metallb-speaker".to_owned()), host: Some("n1".to_owned()) };
    assert_eq!(event.source, Some(source));
    let about = event.involved_object;
    let uid = server.get::<Service>(Some("default"), "web").and_then(|web| web.metadata.uid);
    assert_eq!((about.kind.as_deref(), about.name.as_deref()), (Some("Service"), Some("web")));
    assert_eq!((about.uid.is_some(), about.uid), (true, uid));
}

/// Contract 02 §6.
#[tokio::test]
async fn what_went_well_is_a_normal_event_and_what_did_not_a_warning() {
    for (spec, expected) in [
        (json!({}), ("Normal", "nodeAssigned")),
        (json!({ "interfaces": ["eth7"] }), ("Warning", "announceFailed")),
    ] {
        let server = cluster();
        server.put(&advertisement(spec));
        server.put(&service("web", ADDRESS));
        server.put(&slice("web", "n1", true));
        let _speaker = Speaker::start(&server, &[]);
        let event =
            until("the event", || events_about(&server, "web."), |seen| seen.len() == 1).await.remove(0);
        assert_eq!((event.type_.as_deref(), event.reason.as_deref()), (Some(expected.0), Some(expected.1)));
    }
}

/// Contract 02 §7.
#[tokio::test]
async fn each_configuration_with_a_refusal_is_one_update_error() {
    let server = cluster();
    let speaker = Speaker::start(&server, &[]);
    let metric = |name: &str| {
        let (text, prefix) = (speaker.metrics.encode(), format!("metallb_k8s_client_{name} "));
        let line = text.lines().find_map(|line| line.strip_prefix(&prefix).map(str::to_owned));
        line.unwrap().parse::<u64>().unwrap()
    };
    until("a configuration", || metric("config_loaded_bool"), |seen| *seen == 1).await;
    assert_eq!(metric("update_errors_total"), 0);
    server.put(&pool("broken", &["10.0.0.9-10.0.0.2"]));
    until("the first error", || metric("update_errors_total"), |seen| *seen == 1).await;
    // The same refusal again is no news.
    server.edit::<Node>(None, "n1", &json!({ "metadata": { "labels": { "a": "b" } } }));
    let before = speaker.decisions();
    server.put(&service("web", ADDRESS));
    until("a decision", || speaker.decisions(), |count| *count > before).await;
    assert_eq!(metric("update_errors_total"), 1);
    let worse = json!({ "spec": { "addresses": ["10.0.0.300"] } });
    server.edit::<IPAddressPool>(Some(NAMESPACE), "broken", &worse);
    until("the second error", || metric("update_errors_total"), |seen| *seen == 2).await;
    server.remove::<IPAddressPool>(Some(NAMESPACE), "broken");
    until("no refusal", || metric("config_stale_bool"), |seen| *seen == 0).await;
    assert_eq!(metric("update_errors_total"), 2);
}

/// How often it was said that a Service is announced: one event that counts.
fn times_assigned(server: &ApiServer, service: &str) -> Option<i32> {
    let events = events_about(server, &format!("{service}."));
    assert!(events.len() <= 1, "{events:?}");
    events.first().and_then(|event| event.count)
}

/// Whoever took over meanwhile has said so: the last word must not be theirs, not even if they are gone since.
#[tokio::test]
async fn a_node_that_answers_again_says_so_and_one_that_answers_on_or_is_alone_does_not() {
    const BOTH: &[&str] = &["n1", "n2"];
    const ALONE: &[&str] = &["n1"];
    for ([before, meanwhile, after], events) in [
        ([BOTH, BOTH, BOTH], 2),
        ([BOTH, ALONE, ALONE], 2),
        ([ALONE, BOTH, ALONE], 2),
        ([ALONE, ALONE, BOTH], 2),
        ([ALONE, ALONE, ALONE], 1),
    ] {
        let server = cluster();
        server.put(&service("web", ADDRESS));
        server.put(&slice("web", "n1", true));
        let (speaker, mut owner, told) = listed(&server).await;
        let count = || times_assigned(&server, "web");
        // It may not answer yet, it may, nothing happens, others are not heard for a while, it answers again.
        for (is_fenced, closings, alive, expected) in [
            (true, 0, before, None),
            (false, 0, before, Some(1)),
            (false, 0, before, Some(1)),
            (true, 1, meanwhile, Some(1)),
            (true, 1, after, Some(1)),
            (false, 1, after, Some(events)),
        ] {
            pass_with(&mut owner, &told, Members { is_fenced, closings, ..members(alive) }).await;
            until("the event", count, |seen| *seen >= expected).await;
            assert_eq!(speaker.announces("web", ADDRESS), expected.is_some());
        }
        // One too many would follow at once.
        sleep(Duration::from_millis(300)).await;
        assert_eq!(count(), Some(events), "{before:?} {meanwhile:?} {after:?}");
    }
}

/// What was said before the fence closed is said.
#[tokio::test]
async fn alone_a_node_that_answers_again_tells_only_what_was_withheld() {
    let server = cluster();
    server.put(&service("web", ADDRESS));
    server.put(&slice("web", "n1", true));
    let (speaker, mut owner, told) = listed(&server).await;
    pass_with(&mut owner, &told, members(&["n1"])).await;
    until("the first event", || times_assigned(&server, "web"), |seen| *seen == Some(1)).await;
    for (name, address) in [("new", "192.0.2.201"), ("gone", "192.0.2.202")] {
        server.put(&slice(name, "n1", true));
        server.put(&service(name, address));
    }
    let fenced = Members { is_fenced: true, closings: 1, ..members(&["n1"]) };
    let knows = |owner: &Owner, name: &str| {
        let key = ServiceKey { namespace: "default".into(), name: name.into() };
        owner.installed.verdict(&key).is_some_and(|verdict| matches!(verdict, Verdict::Announce(_)))
    };
    while !knows(&owner, "new") || !knows(&owner, "gone") {
        owner.stores.watches.changed().await;
        pass_with(&mut owner, &told, fenced.clone()).await;
    }
    assert!(!speaker.announces("new", "192.0.2.201"), "withheld");
    server.remove::<Service>(Some("default"), "gone");
    // Not a new announcement.
    server.put(&advertisement(json!({ "interfaces": ["eth0"] })));
    let is_everywhere = |owner: &Owner| {
        owner.installed.announced().any(|(_, announcement)| announcement.interfaces == Interfaces::All)
    };
    while knows(&owner, "gone") || is_everywhere(&owner) {
        owner.stores.watches.changed().await;
        pass_with(&mut owner, &told, fenced.clone()).await;
    }
    pass_with(&mut owner, &told, Members { closings: 1, ..members(&["n1"]) }).await;
    until("what was withheld", || times_assigned(&server, "new"), |seen| *seen == Some(1)).await;
    sleep(Duration::from_millis(300)).await;
    let counts = ["web", "new", "gone"].map(|name| times_assigned(&server, name));
    assert_eq!(counts, [Some(1), Some(1), None]);
    assert!(!speaker.announces("gone", "192.0.2.202"));
}

/// Its thread may notice another stall as soon as it may answer.
#[tokio::test]
async fn what_is_to_be_told_when_a_fence_opens_that_closes_at_once_is_told_when_it_opens_again() {
    let server = cluster();
    server.put(&service("web", ADDRESS));
    server.put(&slice("web", "n1", true));
    let (_speaker, mut owner, told) = listed(&server).await;
    pass_with(&mut owner, &told, members(&["n1"])).await;
    until("the first event", || times_assigned(&server, "web"), |seen| *seen == Some(1)).await;
    owner.tell(Vec::new(), true, true);
    owner.tell(Vec::new(), false, false);
    until("the second", || times_assigned(&server, "web"), |seen| *seen == Some(2)).await;
}

/// Giving memory back halts everybody who needs some: a node that is short of processors falls silent again and again.
#[tokio::test]
async fn a_fence_that_closes_for_a_moment_is_no_reason_to_give_memory_back() {
    let (_speaker, mut owner, told) = listed(&cluster()).await;
    pass_with(&mut owner, &told, members(&["n1"])).await;
    assert!(owner.tidy.deadline().is_some(), "a start is");
    let (layer2, mut commands) = Layer2::recorded();
    owner.executor.layer2 = layer2;
    owner.give_back().await;
    assert_eq!(commands(), [Command::Tighten]);
    let again = owner.tidy.deadline();
    for is_fenced in [true, false] {
        pass_with(&mut owner, &told, Members { is_fenced, closings: 1, ..members(&["n1"]) }).await;
    }
    assert_eq!(owner.tidy.deadline(), again);
}
