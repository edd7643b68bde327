use std::convert::Infallible;

use http::{Request, Response};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::client::Body;
use kube::core::Status;

use super::*;
use crate::store::Changes;

/// A server that lists one ConfigMap and whose watch never says anything, or that refuses with `code`.
fn server(code: u16) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| async move {
        let watching = request.uri().query().unwrap_or_default().contains("watch=");
        if watching {
            std::future::pending::<()>().await;
        }
        let body = if code == 200 {
            r#"{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a","namespace":"n",
                "managedFields":[{"manager":"m"}]}}]}"#
                .to_owned()
        } else {
            format!(r#"{{"status":"Failure","code":{code},"message":"no","reason":"x"}}"#)
        };
        let response = Response::builder().status(code).body(Body::from(body.into_bytes()));
        Ok::<_, Infallible>(response.unwrap())
    });
    Client::new(service, "n")
}

#[tokio::test]
async fn a_store_is_synced_after_its_first_list_and_holds_no_bookkeeping() {
    let mut watches = Watches::default();
    let store = watches.add::<ConfigMap>(Api::all(server(200)), watcher::Config::default(), "configmaps");
    assert!(!watches.all_synced());
    while !watches.all_synced() {
        watches.changed().await;
    }
    let object = store.get("n", "a").unwrap();
    assert_eq!(object.metadata.managed_fields, None);
    assert_eq!(store.all().len(), 1);
    assert!(watches.unsynced().is_empty());
}

#[tokio::test]
async fn a_missing_kind_is_named_as_the_reason_for_waiting() {
    let mut watches = Watches::default();
    let store = watches.add::<ConfigMap>(
        Api::all(server(404)),
        watcher::Config::default(),
        "ipaddresspools.metallb.io",
    );
    watches.changed().await;
    let waiting = watches.unsynced();
    assert!(!store.is_synced());
    assert_eq!(waiting.len(), 1);
    let reason = waiting[0].last_error.clone().unwrap();
    assert!(reason.contains("ipaddresspools.metallb.io") && reason.contains("CRD"), "{reason}");
}

#[tokio::test]
async fn a_relist_asks_for_a_look_at_everything_once() {
    let mut watches = Watches::default();
    let store = watches.add::<ConfigMap>(Api::all(server(200)), watcher::Config::default(), "configmaps");
    watches.changed().await;
    assert_eq!(store.take_changes(), Changes::All);
    assert_eq!(store.take_changes(), Changes::default());
}

#[tokio::test]
async fn where_only_listing_is_allowed_the_list_is_polled() {
    let lists = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = lists.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let watching = request.uri().query().unwrap_or_default().contains("watch=");
        let (code, body) = if watching {
            (403, r#"{"status":"Failure","code":403,"message":"no watch","reason":"Forbidden"}"#)
        } else {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            (200, r#"{"metadata":{"resourceVersion":"7"},"items":[]}"#)
        };
        let response = Response::builder().status(code).body(Body::from(body.as_bytes().to_vec()));
        std::future::ready(Ok::<_, Infallible>(response.unwrap()))
    });
    tokio::time::pause();
    let mut watches = Watches::default();
    let store =
        watches.add::<ConfigMap>(Api::all(Client::new(service, "n")), watcher::Config::default(), "pods");
    while lists.load(std::sync::atomic::Ordering::SeqCst) < 3 {
        watches.changed().await;
    }
    assert!(store.is_synced());
}

#[tokio::test]
async fn many_nudges_are_one_signal() {
    let mut watches = Watches::default();
    watches.nudge();
    watches.nudge();
    watches.changed().await;
    let second = tokio::time::timeout(std::time::Duration::from_millis(10), watches.changed()).await;
    assert!(second.is_err(), "a second signal without a second change");
}

#[test]
fn a_refusal_says_what_is_not_allowed() {
    let status = Status { code: 403, message: "forbidden for you".to_owned(), ..Status::default() };
    let error = watcher::Error::WatchError(Box::new(status));
    assert_eq!(explain("pods", &error), "not allowed to list and watch pods: forbidden for you");
}

#[tokio::test]
async fn nothing_is_listed_on_hold_and_a_relist_has_to_begin_after_it_was_asked_for() {
    let mut watches = Watches::on_hold();
    let store = watches.add::<ConfigMap>(Api::all(server(200)), watcher::Config::default(), "configmaps");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!store.is_synced() && !watches.all_current());
    for _ in 0..2 {
        watches.relist();
        assert!(!watches.all_current());
        while !watches.all_current() {
            watches.changed().await;
        }
    }
    assert!(watches.all_synced());
}

#[tokio::test]
async fn the_time_of_the_first_change_is_told_once_whatever_woke_the_reader() {
    let mut watches = Watches::default();
    assert_eq!(watches.take_since(), None);
    let before = Instant::now();
    watches.nudge();
    let after = Instant::now();
    watches.nudge();
    // Somebody reads for another reason, before the signal is looked at.
    let since = watches.take_since().unwrap();
    assert!(before <= since && since <= after, "of the first of two");
    watches.changed().await;
    assert_eq!(watches.take_since(), None, "taken already");
    watches.nudge();
    watches.changed().await;
    assert!(watches.take_since().is_some_and(|since| since >= after));
}
