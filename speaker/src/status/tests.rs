//! Contract 02 §5.2 against an API server.

use super::*;
use crate::testing::{NAMESPACE, object, pod, statuses};
use metallb_testkit::{ApiServer, Failure};

fn key(name: &str) -> ServiceKey {
    ServiceKey { namespace: "default".into(), name: name.into() }
}

fn writer(server: &ApiServer) -> StatusWriter {
    let settings = StatusSettings {
        namespace: NAMESPACE.to_owned(),
        node: "n1".to_owned(),
        pod: "speaker-n1".to_owned(),
    };
    StatusWriter::start(server.client(NAMESPACE), settings)
}

fn server() -> ApiServer {
    let server = ApiServer::default();
    server.put(&pod("n1", true));
    server
}

/// An object another speaker, or an earlier life of this one, left behind.
fn leftover(server: &ApiServer, name: &str, node: &str, service: &str) {
    let labels = json!({
        LABEL_ANNOUNCING_NODE: node, LABEL_SERVICE_NAME: service, LABEL_SERVICE_NAMESPACE: "default",
    });
    let left: ServiceL2Status = object(json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "ServiceL2Status",
        "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels }, "spec": {},
        "status": { "node": node, "serviceName": service, "serviceNamespace": "default" },
    }));
    server.put(&left);
}

async fn until_statuses(server: &ApiServer, expected: &[(&str, &str, &[&str])]) {
    let owned = |(node, service, interfaces): &(&str, &str, &[&str])| {
        let interfaces: Vec<String> = interfaces.iter().map(|name| (*name).to_owned()).collect();
        ((*node).to_owned(), (*service).to_owned(), interfaces)
    };
    let expected: Vec<_> = expected.iter().map(owned).collect();
    crate::testing::until("status objects", || statuses(server), |seen| *seen == expected).await;
}

#[tokio::test]
async fn an_announced_service_has_one_object_that_belongs_to_the_pod_until_it_is_withdrawn() {
    let server = server();
    let writer = writer(&server);
    writer.complete();
    writer.announced(key("web"), vec!["eth0".to_owned()]);
    until_statuses(&server, &[("n1", "web", &["eth0"])]).await;
    let name = steps::object_name("n1", &key("web"));
    let object: ServiceL2Status = server.get(Some(NAMESPACE), &name).unwrap();
    let owner = object.metadata.owner_references.unwrap().remove(0);
    assert_eq!((owner.kind.as_str(), owner.name.as_str(), owner.controller), ("Pod", "speaker-n1", None));
    // By the number of this very pod: with it the object goes, and not with the next one of its name.
    let pod = server.get::<k8s_openapi::api::core::v1::Pod>(Some(NAMESPACE), "speaker-n1").unwrap();
    assert_eq!((owner.api_version.as_str(), Some(owner.uid)), ("v1", pod.metadata.uid));
    assert_eq!(owner.block_owner_deletion, None);
    let labels = object.metadata.labels.unwrap();
    assert_eq!(labels[LABEL_ANNOUNCING_NODE], "n1");
    assert_eq!(
        (labels[LABEL_SERVICE_NAMESPACE].as_str(), labels[LABEL_SERVICE_NAME].as_str()),
        ("default", "web")
    );
    writer.announced(key("web"), vec![]);
    until_statuses(&server, &[("n1", "web", &[])]).await;
    writer.withdrawn(key("web"));
    until_statuses(&server, &[]).await;
}

#[tokio::test]
async fn a_wish_that_is_fulfilled_already_writes_nothing() {
    let server = server();
    leftover(&server, "l2-abc", "n1", "web");
    server.forbid_writes();
    let writer = writer(&server);
    writer.complete();
    writer.announced(key("web"), vec![]);
    writer.withdrawn(key("other"));
    // A write would come before this one's effect is seen.
    leftover(&server, "l2-def", "n7", "unrelated");
    until_statuses(&server, &[("n1", "web", &[]), ("n7", "unrelated", &[])]).await;
    assert_eq!(server.forbidden_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn who_takes_over_removes_the_object_of_who_announced_before() {
    let server = server();
    leftover(&server, "l2-abc", "n2", "web");
    let writer = writer(&server);
    writer.announced(key("web"), vec![]);
    writer.complete();
    until_statuses(&server, &[("n1", "web", &[])]).await;
}

/// Who can't answer and still reaches the API server: the object of its heir stays.
#[tokio::test(start_paused = true)]
async fn who_is_held_back_leaves_the_objects_of_others_alone_until_it_is_not() {
    let server = server();
    let writer = writer(&server);
    writer.announced(key("web"), vec![]);
    writer.complete();
    until_statuses(&server, &[("n1", "web", &[])]).await;
    writer.hold_back();
    leftover(&server, "l2-abc", "n2", "web");
    tokio::time::sleep(Duration::from_secs(60)).await;
    until_statuses(&server, &[("n1", "web", &[]), ("n2", "web", &[])]).await;
    writer.complete();
    until_statuses(&server, &[("n1", "web", &[])]).await;
}

#[tokio::test]
async fn own_objects_about_services_that_are_gone_are_removed_once_all_services_are_known() {
    let server = server();
    leftover(&server, "l2-abc", "n1", "gone");
    leftover(&server, "l2-def", "n2", "elsewhere");
    let writer = writer(&server);
    writer.complete();
    until_statuses(&server, &[("n2", "elsewhere", &[])]).await;
}

#[tokio::test]
async fn a_write_that_fails_is_tried_again() {
    let server = server();
    let writer = writer(&server);
    writer.complete();
    writer.announced(key("first"), vec![]);
    until_statuses(&server, &[("n1", "first", &[])]).await;
    // Creating fails, and then the answer to writing the status of what the second try created is lost.
    server.fail_nth(0, Failure::Status(500));
    server.fail_nth(2, Failure::AnswerLost);
    writer.announced(key("web"), vec![]);
    until_statuses(&server, &[("n1", "first", &[]), ("n1", "web", &[])]).await;
}

/// A write that failed with this, and what is begun then, at once and a while later.
async fn begun_after(error: kube::Error) -> [usize; 2] {
    let server = server();
    let settings =
        StatusSettings { namespace: NAMESPACE.to_owned(), node: "n1".to_owned(), pod: String::new() };
    let mut task = Task::new(server.client(NAMESPACE), settings, None);
    task.take(Wish::Complete);
    crate::testing::until("a list", || task.store.is_synced(), |seen| *seen).await;
    task.take(Wish::Announced(key("failed"), vec![]));
    task.take(Wish::Announced(key("next"), vec![]));
    let failed = Digest::of(&key("failed"));
    task.dirty.remove(&failed);
    let written =
        |result| Written { service: failed, about: String::new(), created: true, result: Err(result) };
    task.finish(written(error));
    task.begin_writing();
    let at_once = task.writing.len();
    tokio::time::sleep(Duration::from_secs(1)).await;
    task.begin_writing();
    [at_once, task.writing.len()]
}

#[tokio::test(start_paused = true)]
async fn a_server_that_serves_nobody_is_left_alone_for_a_while_one_that_refuses_an_object_is_not() {
    let api = |code| {
        let status = kube::core::Status { code, ..kube::core::Status::default() };
        kube::Error::Api(Box::new(status))
    };
    let away = kube::Error::Service("connection refused".into());
    assert_eq!(begun_after(away).await, [0, 2]);
    let unread = kube::Error::SerdeError(serde_json::from_str::<u8>("x").unwrap_err());
    assert_eq!(begun_after(unread).await, [1, 2], "what is answered about one object may be odd");
    for (code, expected) in [(403, [0, 2]), (429, [0, 2]), (500, [0, 2]), (409, [1, 2]), (422, [1, 2])] {
        assert_eq!(begun_after(api(code)).await, expected, "{code}");
    }
}

#[tokio::test]
async fn a_status_somebody_edits_is_put_right() {
    let server = server();
    let writer = writer(&server);
    writer.complete();
    writer.announced(key("web"), vec!["eth0".to_owned()]);
    until_statuses(&server, &[("n1", "web", &["eth0"])]).await;
    let name = steps::object_name("n1", &key("web"));
    for wrong in [
        json!({ "interfaces": [{ "name": "eth9" }], "node": "n1", "serviceName": "web", "serviceNamespace": "default" }),
        json!({ "interfaces": [], "node": "n1", "serviceName": "web", "serviceNamespace": "default" }),
    ] {
        server.take_requests();
        server.set_status::<ServiceL2Status>(Some(NAMESPACE), &name, &wrong);
        let is_written = || {
            let requests = server.take_requests();
            requests.iter().any(|request| request.to_string().contains("servicel2statuses/status"))
        };
        crate::testing::until("a write", is_written, |seen| *seen).await;
        until_statuses(&server, &[("n1", "web", &["eth0"])]).await;
    }
}

/// docs/additions.md: the original ends.
#[tokio::test]
async fn a_pod_that_is_not_there_or_may_not_be_read_owns_nothing() {
    for is_there in [false, true] {
        let server = ApiServer::default();
        if is_there {
            server.put(&pod("n1", true));
            server.forbid("get pods");
        }
        let writer = writer(&server);
        writer.complete();
        writer.announced(key("web"), vec![]);
        until_statuses(&server, &[("n1", "web", &[])]).await;
        let object: ServiceL2Status =
            server.get(Some(NAMESPACE), &steps::object_name("n1", &key("web"))).unwrap();
        assert_eq!(object.metadata.owner_references.unwrap_or_default(), [], "{is_there}");
    }
}

#[tokio::test]
async fn an_object_somebody_deletes_comes_back() {
    let server = server();
    let writer = writer(&server);
    writer.complete();
    writer.announced(key("web"), vec![]);
    until_statuses(&server, &[("n1", "web", &[])]).await;
    server.remove::<ServiceL2Status>(Some(NAMESPACE), &steps::object_name("n1", &key("web")));
    until_statuses(&server, &[("n1", "web", &[])]).await;
}

#[tokio::test]
async fn the_own_pod_is_looked_up_when_the_api_server_is_back() {
    let server = server();
    server.fail_all(Some(Failure::Unreachable));
    let writer = writer(&server);
    writer.complete();
    writer.announced(key("web"), vec!["eth0".to_owned()]);
    let asked = || server.take_requests().iter().any(|request| request.to_string().starts_with("get pods"));
    crate::testing::until("it is asked for in vain", asked, |asked| *asked).await;
    server.fail_all(None);
    until_statuses(&server, &[("n1", "web", &["eth0"])]).await;
    let object: ServiceL2Status =
        server.get(Some(NAMESPACE), &steps::object_name("n1", &key("web"))).unwrap();
    let owners = object.metadata.owner_references.unwrap_or_default();
    assert_eq!(owners.iter().map(|owner| owner.name.as_str()).collect::<Vec<_>>(), ["speaker-n1"]);
}
