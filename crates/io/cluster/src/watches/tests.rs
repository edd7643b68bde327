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
async fn where_only_listing_is_allowed_the_list_is_polled_and_told_of_when_it_is_another() {
    let lists = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = lists.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let watching = request.uri().query().unwrap_or_default().contains("watch=");
        let (code, body) = if watching {
            let refusal = r#"{"status":"Failure","code":403,"message":"no watch","reason":"Forbidden"}"#;
            (403, refusal.to_owned())
        } else {
            // Every tenth list is another one than that before.
            let version = counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst) / 10;
            let item =
                format!(r#"{{"metadata":{{"name":"a","namespace":"n","resourceVersion":"{version}"}}}}"#);
            (200, format!(r#"{{"metadata":{{"resourceVersion":"7"}},"items":[{item}]}}"#))
        };
        let response = Response::builder().status(code).body(Body::from(body.into_bytes()));
        std::future::ready(Ok::<_, Infallible>(response.unwrap()))
    });
    tokio::time::pause();
    let mut watches = Watches::default();
    let store =
        watches.add::<ConfigMap>(Api::all(Client::new(service, "n")), watcher::Config::default(), "pods");
    for expected in [1, 11, 21] {
        watches.changed().await;
        assert_eq!(lists.load(std::sync::atomic::Ordering::SeqCst), expected);
        assert_eq!(store.take_changes(), Changes::All);
    }
    assert!(store.is_current(), "what is listed again and again is current");
}

/// A server that lists nothing; what becomes of the `nth` watch of it is given by `watch`: refused with a code, or silent.
fn watched(watch: impl Fn(usize) -> Option<u16> + Send + Sync + 'static) -> Client {
    let (watches, watch) = (std::sync::atomic::AtomicUsize::new(0), std::sync::Arc::new(watch));
    let watches = std::sync::Arc::new(watches);
    let service = tower::service_fn(move |request: Request<Body>| {
        let (watches, watch) = (watches.clone(), watch.clone());
        async move {
            let mut code = 200;
            if request.uri().query().unwrap_or_default().contains("watch=") {
                match watch(watches.fetch_add(1, std::sync::atomic::Ordering::SeqCst)) {
                    Some(refusal) => code = refusal,
                    None => std::future::pending().await,
                }
            }
            let body = match code {
                200 => r#"{"metadata":{"resourceVersion":"7"},"items":[]}"#.to_owned(),
                code => format!(r#"{{"status":"Failure","code":{code},"message":"no","reason":"x"}}"#),
            };
            Ok::<_, Infallible>(Response::builder().status(code).body(Body::from(body.into_bytes())).unwrap())
        }
    });
    Client::new(service, "n")
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_is_taken_up_again_without_a_word_is_current_a_minute_later() {
    let mut watches = Watches::default();
    let api = Api::all(watched(|nth| (nth < 20).then_some(503)));
    let store = watches.add::<ConfigMap>(api, watcher::Config::default(), "configmaps");
    let begun = tokio::time::Instant::now();
    let mut outage = None;
    loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        match (store.is_current(), outage) {
            (false, None) => outage = Some(begun.elapsed()),
            (true, Some(_)) => break,
            _ => assert!(begun.elapsed() < Duration::from_mins(10)),
        }
    }
    // Twenty tries: 100 ms to 3.2 s, then every 5 s.
    let tries = Duration::from_millis(6300 + 13 * 5000);
    let elapsed = begun.elapsed();
    assert!(
        elapsed > tries + Duration::from_secs(59) && elapsed < tries + Duration::from_secs(61),
        "{elapsed:?}"
    );
}

fn refused(code: u16) -> kube::Error {
    kube::Error::Api(Box::new(Status { code, ..Status::default() }))
}

fn broken() -> kube::Error {
    kube::Error::Service(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into())
}

#[test]
fn who_refuses_is_there_and_who_is_out_of_order_is_not() {
    let status = |code| Box::new(Status { code, ..Status::default() });
    for (error, expected) in [
        (watcher::Error::InitialListFailed(broken()), true),
        (watcher::Error::WatchStartFailed(broken()), true),
        (watcher::Error::InitialListFailed(refused(500)), true),
        (watcher::Error::InitialListFailed(refused(503)), true),
        (watcher::Error::WatchError(status(504)), true),
        (watcher::Error::InitialListFailed(refused(403)), false),
        (watcher::Error::InitialListFailed(refused(404)), false),
        (watcher::Error::InitialListFailed(refused(429)), false),
        (watcher::Error::WatchError(status(410)), false),
        (watcher::Error::NoResourceVersion, false),
    ] {
        assert_eq!(is_away(&error), expected, "{error}");
    }
}

#[test]
fn the_api_server_is_away_when_all_stores_that_wait_say_so() {
    let reach = |stores: &[Option<bool>]| {
        let mut watches = Watches::default();
        for heard in stores {
            let store = Store::<ConfigMap>::default();
            if let Some(is_away) = heard {
                store.failed("no", *is_away);
            }
            watches.followed.push(("configmaps", Box::new(move || store.progress())));
        }
        let listed = Store::<ConfigMap>::default();
        listed.end_list(1);
        listed.failed("no", false);
        watches.followed.push(("listed before", Box::new(move || listed.progress())));
        watches.reach()
    };
    let (away, refused) = (Some(true), Some(false));
    for (stores, expected) in [
        (&[][..], Reach::Answers),
        (&[away, away], Reach::Away),
        (&[away, None], Reach::Silent),
        (&[None, None], Reach::Silent),
        (&[away, refused], Reach::Answers),
        (&[refused, None, away], Reach::Answers),
    ] {
        assert_eq!(reach(stores), expected, "{stores:?}");
    }
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
