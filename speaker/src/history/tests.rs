//! What a reader of the history sees.

use super::*;
use metallb_config::ServiceKey;
use serde_json::{Value, json};

fn shift(number: usize, cause: Cause) -> Shift {
    Shift {
        service: ServiceKey { namespace: "default".into(), name: format!("s{number}").into() },
        addresses: vec!["192.0.2.1".parse().unwrap()],
        from: Some("n2".to_owned()),
        to: Some("n1".to_owned()),
        cause,
    }
}

/// What is read, without times, and how many of those look like times.
fn read(history: &History) -> (Value, usize) {
    let mut document: Value = serde_json::from_str(&history.reader()()).unwrap();
    let mut times = 0;
    for entry in document["moves"].as_array_mut().unwrap() {
        let at = entry.as_object_mut().unwrap().remove("at").unwrap();
        times += usize::from(at.as_str().unwrap().parse::<Timestamp>().is_ok());
    }
    (document, times)
}

#[test]
fn moves_are_read_in_order_with_node_cause_and_duration() {
    let history = History::new("n1".to_owned());
    assert_eq!(read(&history).0, json!({ "version": 1, "node": "n1", "moves": [] }));
    let took = |cause: Cause| Duration::from_millis(if cause.is_of_members() { 250 } else { 2 });
    history.record(vec![shift(1, Cause::MemberFailed), shift(2, Cause::Endpoints)], took);
    let entry = |service: &str, cause: &str, seconds: f64| {
        json!({
            "service": service, "addresses": ["192.0.2.1"], "from": "n2", "to": "n1", "cause": cause, "seconds": seconds,
        })
    };
    let moves = [entry("default/s1", "MemberFailed", 0.25), entry("default/s2", "Endpoints", 0.002)];
    assert_eq!(read(&history), (json!({ "version": 1, "node": "n1", "moves": moves }), 2));
}

#[test]
fn only_the_last_moves_are_kept() {
    let history = History::new("n1".to_owned());
    let reader = history.reader();
    for number in 0..KEPT + 10 {
        history.record(vec![shift(number, Cause::Service)], |_| Duration::ZERO);
    }
    drop(history);
    let document: Value = serde_json::from_str(&reader()).unwrap();
    let moves = document["moves"].as_array().unwrap();
    assert_eq!(moves.len(), KEPT);
    assert_eq!(moves[0]["service"], "default/s10");
    assert_eq!(moves[KEPT - 1]["service"], "default/s265");
}

#[test]
fn a_silence_is_kept_when_it_begins_and_with_its_length_when_it_ends() {
    let mut history = History::new("n1".to_owned());
    let second = Duration::from_secs(1);
    for (silence, now) in [
        (None, 1),
        (Some((Silence::Stall, 0)), 2),
        (Some((Silence::Carrier, 0)), 3),
        (None, 5),
        (None, 6),
        (Some((Silence::Carrier, 0)), 7),
    ] {
        history.set_silence(silence.map(|(why, gap)| (why, second * gap)), second * now);
    }
    let entry = |from: Value, to: Value, cause: &str, seconds: f64| json!({ "service": null, "addresses": [], "from": from, "to": to, "cause": cause, "seconds": seconds });
    let moves = [
        entry(json!("n1"), json!(null), "Stall", 0.0),
        entry(json!(null), json!("n1"), "Stall", 3.0),
        entry(json!("n1"), json!(null), "Carrier", 0.0),
    ];
    assert_eq!(read(&history).0["moves"], json!(moves));
}

/// A process that stood still notices when it goes on, and one part of it before the other.
#[test]
fn a_silence_that_is_noticed_late_began_before() {
    let second = Duration::from_secs(1);
    for gaps in [[5, 5], [0, 5], [5, 0]] {
        let mut history = History::new("n1".to_owned());
        let before = Timestamp::now();
        for gap in gaps {
            history.set_silence(Some((Silence::Stall, second * gap)), second * 100);
        }
        history.set_silence(None, second * 101);
        let document: Value = serde_json::from_str(&history.reader()()).unwrap();
        let began: Timestamp = document["moves"][0]["at"].as_str().unwrap().parse().unwrap();
        let noticed_late = before.duration_since(began).as_secs_f64();
        assert!((noticed_late - f64::from(gaps[0])).abs() < 1.0, "{gaps:?}: {noticed_late}");
        assert_eq!(document["moves"][1]["seconds"], json!(6.0), "{gaps:?}");
    }
}
