use metallb_liveness::wire::{self, Body, Datagram, Flags};
use metallb_telemetry::metrics::Metrics;

use super::*;

#[tokio::test]
async fn a_port_that_is_taken_is_no_stall() {
    // Nobody else takes a port of this address when it is free.
    let address = [127, 0, 0, 77];
    let taken = std::net::UdpSocket::bind((std::net::Ipv4Addr::from(address), 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let heartbeats = Heartbeats { port, period: Duration::from_millis(100) };
    let metrics = Metrics::default().members().unwrap();
    let mut beats = Beats::new("n1", address.into(), heartbeats, Keys::plain(), metrics);
    let mut now = beats.begins;
    for _ in 0..50 {
        beats.turn(&Own::default(), now);
        assert!(beats.socket.is_none() && beats.meta().is_empty());
        let pause = beats.next_deadline().saturating_sub(now);
        assert!(pause <= heartbeats.period, "{pause:?}");
        now += pause.max(Duration::from_millis(1));
    }
    assert!(!beats.is_fenced(), "nobody else is there");
    drop(taken);
    now += PAUSE;
    assert!(beats.turn(&Own::default(), now).meta && !beats.meta().is_empty());
}

/// One that has just been started, at the address `127.0.0.1`, and the time.
fn newborn() -> (Beats, Duration) {
    let heartbeats = Heartbeats { port: 0, period: Duration::from_millis(100) };
    let metrics = Metrics::default().members().unwrap();
    let mut beats = Beats::new("n1", [127, 0, 0, 1].into(), heartbeats, Keys::plain(), metrics);
    // Any port is taken, and another one is said.
    beats.address.set_port(0);
    let now = metallb_linux::since_boot();
    beats.turn(&Own::default(), now);
    beats.address.set_port(7947);
    (beats, now)
}

fn says_it_starts(beats: &Beats) -> bool {
    meta::decode(&beats.meta()).unwrap().is_starting
}

#[tokio::test]
async fn the_others_are_told_that_this_node_answers_when_it_does_and_hear_nothing_else_ever() {
    let (mut beats, now) = newborn();
    assert!(beats.is_starting() && says_it_starts(&beats));
    assert!(beats.set_joined(true, now), "nobody else is there: the fence opens");
    assert!(!beats.is_starting() && says_it_starts(&beats), "it may answer, and does not yet");
    let answers = Own { answers: true, ..Own::default() };
    assert!(beats.turn(&answers, now).meta && !says_it_starts(&beats));
    assert!(!beats.turn(&answers, now).meta, "that is said once");
    let stalled = Own { stalls: 1, gap: Duration::from_secs(9), ..answers };
    beats.set_members([peer()].iter().map(as_member), now);
    beats.turn(&stalled, now);
    assert!(beats.is_fenced() && !beats.is_starting() && !says_it_starts(&beats));
}

fn peer() -> (String, Vec<u8>) {
    peer_that(false)
}

fn peer_that(is_starting: bool) -> (String, Vec<u8>) {
    let announced = Announced { version: 1, port: 9, boot: 7, is_starting, knows_terms: true };
    ("n2".to_owned(), meta::encode(&announced))
}

fn as_member((name, meta): &(String, Vec<u8>)) -> (&str, SocketAddr, &[u8]) {
    (name, SocketAddr::from(([127, 0, 0, 1], 7946)), meta)
}

#[tokio::test]
async fn where_heartbeats_do_not_pass_a_new_process_starts_for_three_seconds_and_answers_then() {
    let began = metallb_linux::since_boot();
    let (mut beats, mut now) = newborn();
    beats.set_members([peer()].iter().map(as_member), now);
    beats.set_joined(true, now);
    while beats.is_starting() {
        assert!(now < began + Duration::from_secs(4), "it starts for ever");
        now = beats.next_deadline().max(now + Duration::from_millis(1));
        beats.turn(&Own::default(), now);
        beats.set_joined(true, now);
    }
    assert!(now >= began + Duration::from_secs(3), "{:?}", now - began);
    assert!(says_it_starts(&beats), "until the rest of the speaker answers");
}

#[tokio::test]
async fn what_a_heartbeat_says_of_its_sender_counts_before_its_metadata_say_so() {
    for flags in [Flags::default(), Flags::ANSWERS] {
        let (mut beats, now) = newborn();
        beats.set_members([peer_that(true)].iter().map(as_member), now);
        let body = Body::Heartbeat { flags, echo: 0 };
        let datagram = Datagram { from: 7, to: beats.boot, sequence: 1, body };
        let from = SocketAddr::from(([127, 0, 0, 1], 9));
        beats.liveness.datagram(from, &wire::encode(&datagram, &Keys::plain()), now);
        let says_so = flags == Flags::ANSWERS;
        assert_eq!((beats.act(), beats.answers("n2")), (says_so, says_so));
    }
}
