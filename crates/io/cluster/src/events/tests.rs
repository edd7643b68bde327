use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use kube::client::Body;

use super::*;

type Calls = Arc<Mutex<Vec<(Method, String, serde_json::Value)>>>;

/// A server that takes every event, except that the patch of one it never saw is a 404.
fn server(calls: Calls, known: bool) -> Client {
    let service = tower::service_fn(move |request: Request<Body>| {
        let calls = calls.clone();
        async move {
            let (head, body) = request.into_parts();
            let bytes = body.collect_bytes().await.unwrap();
            let sent: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let missing = head.method == Method::PATCH && !known;
            calls.lock().unwrap().push((head.method, head.uri.path().to_owned(), sent.clone()));
            let (code, answer) = if missing {
                (
                    404,
                    serde_json::json!({"status": "Failure", "code": 404, "message": "gone", "reason": "NotFound"}),
                )
            } else {
                (200, serde_json::json!({"metadata": {}, "involvedObject": {}}))
            };
            let response = Response::builder().status(code).body(Body::from(answer.to_string().into_bytes()));
            Ok::<_, Infallible>(response.unwrap())
        }
    });
    Client::new(service, "default")
}

fn sender(calls: &Calls, known: bool) -> Sender {
    let source = EventSource { component: Some("metallb-controller".to_owned()), host: None };
    Sender { client: server(calls.clone(), known), source, sent: HashMap::new() }
}

fn event(message: &str) -> Event {
    let about = ObjectReference {
        kind: Some("Service".to_owned()),
        namespace: Some("shop".to_owned()),
        name: Some("web".to_owned()),
        ..ObjectReference::default()
    };
    Event { about, kind: EventType::Normal, reason: "IPAllocated".to_owned(), message: message.to_owned() }
}

#[tokio::test]
async fn the_first_event_is_created_and_repeats_are_counted_on_it() {
    let calls = Calls::default();
    let mut sender = sender(&calls, true);
    for _ in 0..3 {
        sender.insist(&event("Assigned IP [\"192.0.2.1\"]")).await.unwrap();
    }
    let calls = calls.lock().unwrap();
    let methods: Vec<&Method> = calls.iter().map(|(method, _, _)| method).collect();
    assert_eq!(methods, [&Method::POST, &Method::PATCH, &Method::PATCH]);
    assert_eq!(calls[0].1, "/api/v1/namespaces/shop/events");
    assert_eq!(calls[0].2["source"]["component"], "metallb-controller");
    assert_eq!(calls[0].2["type"], "Normal");
    assert_eq!(calls[2].2["count"], 3);
}

#[tokio::test]
async fn different_messages_are_different_events() {
    let calls = Calls::default();
    let mut sender = sender(&calls, true);
    sender.insist(&event("one")).await.unwrap();
    sender.insist(&event("two")).await.unwrap();
    assert!(calls.lock().unwrap().iter().all(|(method, _, _)| *method == Method::POST));
}

#[tokio::test]
async fn an_expired_event_is_created_anew() {
    let calls = Calls::default();
    let mut sender = sender(&calls, false);
    sender.insist(&event("one")).await.unwrap();
    sender.insist(&event("one")).await.unwrap();
    let methods: Vec<Method> = calls.lock().unwrap().iter().map(|(method, _, _)| method.clone()).collect();
    assert_eq!(methods, [Method::POST, Method::PATCH, Method::POST]);
}

#[tokio::test]
async fn a_crowd_of_events_is_sent_whole_and_in_order_for_each_object() {
    let calls = Calls::default();
    let sink = EventSink::new(server(calls.clone(), true), "metallb-controller", "");
    for number in 0..5_000 {
        let mut event = event("Assigned IP");
        event.about.name = Some(format!("web-{}", number / 2));
        event.message = if number % 2 == 0 { "first" } else { "second" }.to_owned();
        sink.publish(event);
    }
    while calls.lock().unwrap().len() < 5_000 {
        tokio::task::yield_now().await;
    }
    let mut said: HashMap<String, Vec<String>> = HashMap::new();
    for (_, _, event) in calls.lock().unwrap().iter() {
        let name = event["involvedObject"]["name"].as_str().unwrap();
        said.entry(name.to_owned()).or_default().push(event["message"].as_str().unwrap().to_owned());
    }
    assert_eq!(said.len(), 2_500);
    assert!(said.values().all(|messages| messages == &["first", "second"]));
}

#[test]
fn a_long_message_is_cut_at_a_character() {
    let mut message = "ü".repeat(100_000);
    shorten(&mut message);
    assert!(message.len() <= LONGEST_MESSAGE && message.ends_with("ü…"), "{message}");
    let mut short = "as it is".to_owned();
    shorten(&mut short);
    assert_eq!(short, "as it is");
}

/// A server that answers the first requests with these codes, or breaks the connection after it did what it was asked
/// (None), and then takes everything once.
fn failing(calls: Calls, failures: Vec<Option<u16>>) -> Client {
    let failures = Arc::new(Mutex::new(failures.into_iter()));
    let service = tower::service_fn(move |request: Request<Body>| {
        let (calls, failures) = (calls.clone(), failures.clone());
        async move {
            let (head, body) = request.into_parts();
            let sent: serde_json::Value =
                serde_json::from_slice(&body.collect_bytes().await.unwrap()).unwrap();
            let failure = failures.lock().unwrap().next();
            let name = |sent: &serde_json::Value| sent["metadata"]["name"].clone();
            let mut calls = calls.lock().unwrap();
            let there = calls.iter().any(|(_, _, known)| name(known) == name(&sent));
            let code = match failure {
                Some(Some(code)) => code,
                _ if there => 409,
                _ => {
                    calls.push((head.method, head.uri.path().to_owned(), sent));
                    200
                }
            };
            if failure == Some(None) {
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            }
            let answer = match code {
                200 => serde_json::json!({"metadata": {}, "involvedObject": {}}),
                code => {
                    serde_json::json!({"status": "Failure", "code": code, "message": "no", "reason": "x"})
                }
            };
            let response = Response::builder().status(code).body(Body::from(answer.to_string().into_bytes()));
            Ok(response.unwrap())
        }
    });
    Client::new(service, "default")
}

#[tokio::test(start_paused = true)]
async fn an_event_that_could_not_be_taken_is_sent_again_and_told_once() {
    // An outage, and then the first answers of a server that has only just begun.
    let back: Vec<Option<u16>> = [[None; 10].as_slice(), &[Some(500); 2]].concat();
    let busy: Vec<Option<u16>> = [[Some(503); 10].as_slice(), &[Some(500)]].concat();
    let table: [(&[Option<u16>], bool); 10] = [
        (&[Some(429), Some(429), Some(503)], true),
        (&[Some(500), None], true),
        (&[None, None, None], true),
        (&[Some(403)], false),
        (&[Some(429); 20], true),
        (&[Some(429); 40], false),
        (&[Some(500); 8], true),
        (&[Some(500); 20], false),
        (&back, true),
        (&busy, true),
    ];
    for (failures, arrives) in table {
        let calls = Calls::default();
        let client = failing(calls.clone(), failures.to_vec());
        let mut sender = Sender { client, ..sender(&calls, true) };
        let outcome = sender.insist(&event("Assigned IP")).await;
        assert_eq!(
            (outcome.is_ok(), calls.lock().unwrap().len()),
            (arrives, usize::from(arrives)),
            "{failures:?}"
        );
    }
}
