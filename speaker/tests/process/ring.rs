//! What speakers in a ring say of each other, and how signals end one (contract 02 §0, §1.3).

use std::fs::{OpenOptions, rename};
use std::io::Write;
use std::time::{Duration, Instant};

use metallb_testbed::wait::{seen, until};
use nix::sys::signal::Signal;

use crate::api::Api;
use crate::listens::{until_listening, until_ready};
use crate::netns::Namespace;
use crate::program::{DEADLINE, Program, Speaker, text};

/// A speaker for the node of this number, which looks for others among the pods of a label. Its probes are on 7470 and so
/// many.
fn program(api: &Api, number: u8, label: &str, more: &[&str]) -> Program {
    let flags = [
        "--namespace=metallb-system",
        "--port=0",
        &format!("--health-probe-port={}", 7470 + u16::from(number)),
        &format!("--node-name=n{number}"),
        &format!("--ml-bindaddr=127.0.0.1{number}"),
        &format!("--ml-labels={label}"),
        &api.flag(),
    ];
    Program::new(&[&flags[..], more].concat())
}

/// Such a one, on the usual port.
fn start(node: &Namespace, api: &Api, number: u8, label: &str) -> Speaker {
    let speaker = program(api, number, label, &[]).start(node);
    until_listening(node, &format!("127.0.0.1{number}:7946"));
    speaker
}

fn network() -> (Namespace, Api) {
    let node = Namespace::new();
    node.sh("ip link set lo up");
    let api = Api::serve(&node);
    ["n1", "n2", "n4"].iter().for_each(|name| api.put_node(name));
    (node, api)
}

/// Joined and expected.
fn round(line: &serde_json::Value) -> (Option<u64>, Option<u64>) {
    let count = |field| line.get(field).and_then(serde_json::Value::as_u64);
    (count("joined"), count("expected"))
}

#[test]
fn contract_1_3_joins_and_changes_of_the_ring_are_logged() {
    let (node, api) = network();
    api.put_pod("first", "127.0.0.11", ("pods", "both"));
    api.put_pod("gone", "127.0.0.13", ("pods", "both"));
    // This one looks for nobody: only the others join.
    let mut first = start(&node, &api, 1, "pods=none");
    let plain =
        first.says("no memberlist secret: the speakers' gossip is neither encrypted nor authenticated");
    assert_eq!(text(&plain, "level"), "warn", "{plain}");
    let mut second = start(&node, &api, 2, "pods=both");
    assert_eq!(round(&second.says("partial join")), (Some(1), Some(2)));
    api.put_pod("first", "127.0.0.11", ("pods", "one"));
    let mut third = start(&node, &api, 4, "pods=one");
    assert_eq!(round(&third.says("memberlist join successfully")), (Some(1), None));
    let told = |who: &mut Speaker, about: &str, event: &str| {
        let line = who.says_where("node event - forcing sync", |line| {
            text(line, "node") == about && text(line, "event") == event
        });
        assert_eq!(text(&line, "level"), "info", "{line}");
    };
    told(&mut first, "n2", "NodeJoin");
    told(&mut first, "n4", "NodeJoin");
    told(&mut third, "n1", "NodeJoin");
    // Its metadata say at first that it starts, and then no more.
    told(&mut first, "n4", "NodeUpdate");
    third.signal(Signal::SIGTERM);
    assert_eq!(third.ends(), Some(0));
    told(&mut first, "n4", "NodeLeave");
}

/// It is the others' port as well: it stands in no pod.
#[test]
fn contract_1_1_another_port_is_bound_advertised_and_joined() {
    let (node, api) = network();
    api.put_pod("first", "127.0.0.11", ("pods", "both"));
    let port = "--ml-bindport=7000";
    // This one looks for nobody, and knows of the other only what that says of itself.
    let mut first = program(&api, 1, "pods=none", &[port]).start(&node);
    until_listening(&node, "127.0.0.11:7000");
    let mut second = program(&api, 2, "pods=both", &[port]).start(&node);
    second.says("memberlist join successfully");
    for (speaker, other, address) in
        [(&mut first, "n2", "127.0.0.12:7000"), (&mut second, "n1", "127.0.0.11:7000")]
    {
        let line = speaker.says_where("node event - forcing sync", |line| {
            text(line, "node") == other && text(line, "event") == "NodeJoin"
        });
        assert_eq!(text(&line, "address"), address, "{line}");
    }
}

#[test]
fn contract_1_3_without_memberlist_two_lines_say_so() {
    let (node, api) = network();
    let flags = ["--namespace=metallb-system", "--node-name=n1", "--ml-bindaddr=127.0.0.11", &api.flag()];
    let mut speaker = Program::new(&flags).start(&node);
    for message in [
        "not following the other speakers: METALLB_ML_LABELS or METALLB_ML_BIND_ADDR is not set",
        "every node of the cluster counts as one with a live speaker",
    ] {
        let line = speaker.says(message);
        assert_eq!(text(&line, "level"), "info", "{line}");
    }
}

/// Contract 02 §0.
#[test]
fn a_signal_to_quit_ends_nothing_and_one_to_stop_ends_the_process_with_status_0() {
    for stop in [Signal::SIGTERM, Signal::SIGINT] {
        let (node, api) = network();
        let mut speaker = start(&node, &api, 1, "pods=none");
        until_ready(&node, 7471);
        speaker.signal(Signal::SIGQUIT);
        until_ready(&node, 7471);
        speaker.signal(stop);
        assert_eq!(speaker.ends(), Some(0), "{stop}");
        speaker.says("stopped");
    }
}

/// A speaker that owns an address, and another one that would take it over and is on no link where that could be heard.
fn owner_and_heir() -> (Namespace, Api, Speaker, Speaker) {
    let (node, api) = network();
    // Of n1 and n2 the second is first in line for this address.
    api.put_web("192.0.2.3");
    api.put_pod("first", "127.0.0.11", ("pods", "both"));
    let heir = start(&node, &api, 1, "pods=none");
    let mut owner = start(&node, &api, 2, "pods=both");
    owner.says("memberlist join successfully");
    owner.says("service has IP, announcing");
    until_ready(&node, 7472);
    (node, api, owner, heir)
}

/// Contract 02 §8: with a `terminationGracePeriodSeconds` of 0 the kubelet leaves it two seconds. A machine that is busy
/// may take longer once, not each time.
#[test]
fn contract_8_a_stop_ends_within_two_seconds_though_the_heir_is_never_heard() {
    let stops = || {
        let (_node, _api, mut owner, _heir) = owner_and_heir();
        let asked = Instant::now();
        owner.signal(Signal::SIGTERM);
        assert_eq!(owner.ends(), Some(0));
        owner.says("stopped");
        asked.elapsed()
    };
    let taken: Vec<Duration> = (0..3).map(|_| stops()).collect();
    assert!(taken.iter().any(|taken| *taken < Duration::from_secs(2)), "{taken:?}");
}

/// Contract 02 §0. What is announced is answered for a second and a half longer while another speaker may take over: the
/// second signal does not wait.
#[test]
fn a_second_signal_during_shutdown_ends_the_process_with_status_1() {
    let (_node, _api, mut second, _first) = owner_and_heir();
    // Both are there before the first is looked at: a pending signal is not lost.
    for signal in [Signal::SIGSTOP, Signal::SIGTERM, Signal::SIGINT, Signal::SIGCONT] {
        second.signal(signal);
    }
    assert_eq!(second.ends(), Some(1));
    second.says("asked to stop again, ending at once");
}

/// As when the container runtime hangs, or the disk of its logs.
#[test]
fn a_log_that_nobody_reads_holds_up_neither_work_nor_heartbeats_nor_the_end() {
    let (node, api) = network();
    api.put_web("192.0.2.3");
    api.put_pod("first", "127.0.0.11", ("pods", "both"));
    let mut other = start(&node, &api, 1, "pods=none");
    let mut unread = program(&api, 2, "pods=both", &[]).start_unread(&node);
    until_ready(&node, 7472);
    // Each is a line at the node that announces it, and then a status object: some 20 kB, and half of them at this one.
    for number in 10..110 {
        api.put_service(&format!("web-{number}"), &format!("192.0.2.{number}"));
    }
    until("all are announced", DEADLINE, || {
        let announced = api.statuses().len();
        Ok(seen(announced == 101, announced))
    })
    .unwrap();
    assert!(!other.has_said("heartbeats missed"), "{:#?}", other.said);
    unread.signal(Signal::SIGTERM);
    assert_eq!(unread.ends(), Some(0));
    let is_goodbye =
        |line: &serde_json::Value| text(line, "node") == "n2" && text(line, "event") == "NodeLeave";
    other.says_where("node event - forcing sync", is_goodbye);
}

/// One thread answers, another one follows the other speakers. Here the second hangs in a file that is a pipe.
#[test]
fn a_node_that_hears_nothing_of_the_others_any_more_answers_nothing_until_they_count_it_again() {
    const SECRET: &str = "a secret";
    const KEY: &str = "/run/key/secretkey";
    let (node, api) = network();
    api.put_pod("first", "127.0.0.11", ("pods", "both"));
    let mut speakers = [(1, "pods=none"), (2, "pods=both")].map(|(number, label)| {
        let program = program(&api, number, label, &[]).with(&[("METALLB_ML_SECRET_KEY_PATH", "/run/key")]);
        let speaker = program.file(KEY, SECRET).start(&node);
        until_listening(&node, &format!("127.0.0.1{number}:7946"));
        speaker
    });
    let [other, held] = &mut speakers;
    held.says("memberlist join successfully");
    until_ready(&node, 7472);
    let is_held = |line: &serde_json::Value| text(line, "node") == "n2";
    let (file, beside) = (held.file(KEY), held.file("/run/key/beside"));
    node.sh(&format!("mkfifo {}", beside.display()));
    rename(&beside, &file).unwrap();
    held.says("the thread that follows the other speakers hangs, answering nothing until they are heard");
    other.says_where("the speaker of this node does not answer, it counts no more", is_held);
    held.has_said("anything");
    held.said.clear();
    // The thread goes on, and finds a file again the next time.
    let mut pipe = OpenOptions::new().write(true).open(&file).unwrap();
    std::fs::write(&beside, SECRET).unwrap();
    rename(&beside, &file).unwrap();
    pipe.write_all(SECRET.as_bytes()).unwrap();
    drop(pipe);
    other.says_where("the speaker of this node counts again", is_held);
    held.says("answering again");
}
