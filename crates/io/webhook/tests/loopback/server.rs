//! The server as API servers see it, over TLS on loopback.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Judge, NAME, ask, connect, receive, review, run, send, speaking, start, trusting};
use metallb_webhook::{Limits, Presenter, Server};
use rcgen::{CertifiedKey as Pair, generate_simple_self_signed};
use rustls::ClientConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Short enough for a test, long enough for a slow machine.
fn limits() -> Limits {
    Limits { linger: Duration::from_millis(200), patience: Duration::from_millis(500), ..Limits::default() }
}

/// A certificate, and a client that trusts it.
fn pair() -> (Arc<Presenter>, Arc<ClientConfig>, String) {
    let Pair { cert, signing_key } = generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let presenter = Presenter::default();
    presenter.present(CertifiedKey::from_der(vec![cert.der().clone()], key, &provider).unwrap());
    (Arc::new(presenter), trusting(cert.pem().as_bytes(), &["http/1.1"]), cert.pem())
}

#[tokio::test]
async fn every_request_gets_the_status_it_deserves() {
    let (presenter, client, _) = pair();
    let server = start(Judge::default(), presenter, &["http/1.1"], limits()).await;
    let conversion = json!({"apiVersion": "apiextensions.k8s.io/v1beta1", "kind": "ConversionReview",
        "request": {"uid": "c", "desiredAPIVersion": "metallb.io/v1beta2", "objects": [{"a": 1}]}});
    for (sentence, path, body, status) in [
        ("a good object", "/validate", review("good"), 200),
        ("a bad object is denied inside the answer", "/validate", review("bad"), 200),
        ("a conversion", "/convert", conversion.to_string().into_bytes(), 200),
        ("§9 rule 5: undecodable", "/validate", b"rubbish".to_vec(), 400),
        ("a conversion without request", "/convert", br#"{"kind": "ConversionReview"}"#.to_vec(), 400),
        ("the other kind of review", "/convert", review("good"), 400),
        ("an unknown path", "/validate-more", review("good"), 404),
    ] {
        assert_eq!(ask(server.address, client.clone(), path, &body).await.0, status, "{sentence}");
    }
    let (_, answer) = ask(server.address, client.clone(), "/validate", &review("bad")).await;
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["message"], "bad is not good");
    let (_, answer) = ask(server.address, client, "/convert", conversion.to_string().as_bytes()).await;
    let converted = json!([{"a": 1, "apiVersion": "metallb.io/v1beta2"}]);
    assert_eq!(answer["response"]["convertedObjects"], converted);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_whether_or_not_it_is_announced() {
    let (presenter, client, _) = pair();
    let server = start(Judge::default(), presenter, &["http/1.1"], Limits { body: 1024, ..limits() }).await;
    let mut stream = connect(server.address, client.clone()).await.unwrap();
    stream.write_all(b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 1025\r\n\r\n").await.unwrap();
    assert_eq!(receive(&mut stream).await.unwrap().0, 413);
    let mut stream = connect(server.address, client.clone()).await.unwrap();
    send(&mut stream, "/validate", &[b'x'; 2048]).await;
    assert_eq!(receive(&mut stream).await.unwrap().0, 413);
    send(&mut stream, "/validate", &review("good")).await;
    assert_eq!(
        receive(&mut stream).await.unwrap().0,
        200,
        "what was sent in full does not cost the connection"
    );
    let mut stream = connect(server.address, client).await.unwrap();
    let chunk = format!("401\r\n{}\r\n", "x".repeat(0x401));
    let head = "POST /validate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all((head.to_owned() + &chunk).as_bytes()).await.unwrap();
    assert_eq!(receive(&mut stream).await.unwrap().0, 413);
}

#[tokio::test]
async fn what_is_not_posted_is_not_reviewed() {
    let (presenter, client, _) = pair();
    let server = start(Judge::default(), presenter, &["http/1.1"], limits()).await;
    let mut stream = connect(server.address, client).await.unwrap();
    stream.write_all(b"GET /validate HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(receive(&mut stream).await.unwrap().0, 405);
}

#[tokio::test]
async fn http_2_is_spoken_only_when_it_is_offered() {
    for (offered, chosen) in [(&["http/1.1"][..], "http/1.1"), (&["h2", "http/1.1"][..], "h2")] {
        let (presenter, _, pem) = pair();
        let server = start(Judge::default(), presenter, offered, limits()).await;
        let client = trusting(pem.as_bytes(), &["h2", "http/1.1"]);
        let stream = connect(server.address, client).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(chosen.as_bytes()));
        if chosen == "h2" {
            assert_eq!(over_http2(stream).await, 200);
        }
    }
}

async fn over_http2(stream: tokio_rustls::client::TlsStream<TcpStream>) -> u16 {
    use http_body_util::Full;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let body = Full::new(hyper::body::Bytes::from(review("good")));
    let request = http::Request::post("https://x/validate").body(body).unwrap();
    requests.send_request(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn clients_that_do_not_finish_their_handshake_make_room_for_others() {
    let (presenter, client, _) = pair();
    let server =
        start(Judge::default(), presenter, &["http/1.1"], Limits { connections: 4, ..limits() }).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&[22]).await.unwrap();
        idle.push(stream);
    }
    assert_eq!(ask(server.address, client, "/validate", &review("good")).await.0, 200);
}

#[tokio::test]
async fn connections_nobody_uses_make_room_for_others_the_longest_idle_first() {
    let (presenter, client, _) = pair();
    let server =
        start(Judge::default(), presenter, &["http/1.1"], Limits { connections: 4, ..limits() }).await;
    let mut idle = Vec::new();
    for _ in 0..4 {
        let mut stream = connect(server.address, client.clone()).await.unwrap();
        send(&mut stream, "/validate", &review("good")).await;
        assert_eq!(receive(&mut stream).await.unwrap().0, 200);
        idle.push(stream);
    }
    assert_eq!(ask(server.address, client, "/validate", &review("good")).await.0, 200);
    let mut first = idle.swap_remove(0);
    assert!(receive(&mut first).await.is_err(), "the first is closed");
    for stream in &mut idle {
        send(stream, "/validate", &review("good")).await;
        assert_eq!(receive(stream).await.unwrap().0, 200, "the others are not");
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let (presenter, client, _) = pair();
    let server = start(Judge::default(), presenter, &["http/1.1"], limits()).await;
    let mut stream = connect(server.address, client).await.unwrap();
    stream.write_all(b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{").await.unwrap();
    assert_eq!(receive(&mut stream).await.unwrap().0, 408);
}

#[tokio::test]
async fn requests_under_way_are_answered_after_the_server_was_asked_to_stop() {
    let (presenter, client, _) = pair();
    let judge = Judge::default();
    let release = judge.release.clone();
    let server = start(judge, presenter, &["http/1.1"], Limits { linger: Duration::ZERO, ..limits() }).await;
    let mut waiting = connect(server.address, client.clone()).await.unwrap();
    send(&mut waiting, "/validate", &review("slow")).await;
    // A connection made later was accepted later: when this is answered, the other request is being worked on.
    let mut second = connect(server.address, client.clone()).await.unwrap();
    send(&mut second, "/validate", &review("good")).await;
    assert_eq!(receive(&mut second).await.unwrap().0, 200);
    server.stop.send(()).unwrap();
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    release.add_permits(1);
    assert_eq!(receive(&mut waiting).await.unwrap().0, 200);
    server.task.await.unwrap();
}

#[tokio::test]
async fn a_stopping_server_still_accepts_for_a_while_and_sends_clients_elsewhere() {
    let (presenter, client, _) = pair();
    let limits = Limits { linger: Duration::from_secs(60), ..limits() };
    let server = start(Judge::default(), presenter, &["http/1.1"], limits).await;
    server.stop.send(()).unwrap();
    loop {
        let mut stream = connect(server.address, client.clone()).await.unwrap();
        send(&mut stream, "/validate", &review("good")).await;
        let (status, head, _) = receive(&mut stream).await.unwrap();
        assert_eq!(status, 200);
        if head.contains("connection: close") {
            break;
        }
    }
    server.task.abort();
}

#[tokio::test]
async fn each_handshake_goes_by_the_newest_settings_and_who_is_connected_stays_so() {
    use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};
    use rustls::version::{TLS12, TLS13};

    let (presenter, client, _) = pair();
    let (settings, newest) = tokio::sync::watch::channel(Arc::new(speaking(&TLS13, presenter.clone())));
    let server = run(Server::following(Judge::default(), newest, limits())).await;
    let mut before = connect(server.address, client.clone()).await.unwrap();
    assert_eq!(before.get_ref().1.protocol_version(), Some(TLSv1_3));
    settings.send_replace(Arc::new(speaking(&TLS12, presenter)));
    let after = connect(server.address, client).await.unwrap();
    assert_eq!(after.get_ref().1.protocol_version(), Some(TLSv1_2));
    send(&mut before, "/validate", &review("good")).await;
    assert_eq!(receive(&mut before).await.unwrap().0, 200);
}
