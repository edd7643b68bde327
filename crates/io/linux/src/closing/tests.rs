//! On the loopback device of a network namespace for each test: they need root.

use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use socket2::{Domain, Type};
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::{Memberships, PacketSocket, Protocol, Targets};

const LOOPBACK: u32 = 1;
const NOWHERE: u32 = 999_999;
const SOCKETS: usize = 50;
/// One after the other they are closed in some 800 ms; handed over it takes a few, and a busy machine longer.
const SHORT: Duration = Duration::from_millis(300);
const DEADLINE: Duration = Duration::from_secs(30);

/// Runs a test in a namespace of its own, with packet sockets on a runtime.
fn with_sockets(test: impl FnOnce(Runtime, Vec<PacketSocket>) + Send + 'static) {
    let run = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("these tests need root with CAP_NET_ADMIN and CAP_NET_RAW");
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let entered = runtime.enter();
        let open = |_| PacketSocket::open(Protocol::Arp, LOOPBACK, &Targets::default()).unwrap();
        let sockets: Vec<PacketSocket> = (0..SOCKETS).map(open).collect();
        drop(entered);
        assert_eq!(lines("packet"), SOCKETS + 1, "a line above them");
        test(runtime, sockets);
    };
    thread::spawn(run).join().unwrap();
}

/// How long a table of this thread's namespace is.
fn lines(table: &str) -> usize {
    std::fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap().lines().count()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < DEADLINE, "{what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

fn until_closed() {
    until("all are closed", || lines("packet") == 1);
}

#[test]
fn whoever_drops_many_sockets_does_not_wait_until_they_are_closed() {
    with_sockets(|runtime, sockets| {
        let _entered = runtime.enter();
        let begin = Instant::now();
        drop(sockets);
        let took = begin.elapsed();
        until_closed();
        assert!(took < SHORT, "{took:?}");
    });
}

#[test]
fn a_socket_is_closed_without_a_runtime_and_after_its_own_has_ended() {
    with_sockets(|runtime, mut sockets| {
        let others = sockets.split_off(SOCKETS / 2);
        drop(sockets);
        drop(runtime);
        drop(others);
        until_closed();
    });
}

#[test]
fn a_socket_that_could_not_be_bound_is_waited_for_just_as_little() {
    with_sockets(|runtime, _sockets| {
        let _entered = runtime.enter();
        let begin = Instant::now();
        for _ in 0..SOCKETS {
            assert!(PacketSocket::open(Protocol::Ndp, NOWHERE, &Targets::default()).is_err());
        }
        let took = begin.elapsed();
        assert!(took < SHORT, "{took:?}");
    });
}

#[test]
fn groups_are_left_when_their_memberships_are_dropped() {
    with_sockets(|_runtime, _sockets| {
        let before = lines("igmp6");
        let mut memberships = Memberships::new(LOOPBACK);
        for number in 1..=2000 {
            memberships.join([0xff02, 0, 0, 0, 0, 1, 0xff00, number].into()).unwrap();
        }
        assert_eq!(lines("igmp6"), before + 2000);
        drop(memberships);
        until("all groups are left", || lines("igmp6") == before);
    });
}

#[test]
fn nothing_is_put_into_a_socket_that_waits_to_be_closed() {
    let (ours, theirs) = Socket::pair(Domain::UNIX, Type::DGRAM, None).unwrap();
    ours.set_nonblocking(true).unwrap();
    let arrives = || {
        theirs.send(b"frame").unwrap();
        ours.recv(&mut [std::mem::MaybeUninit::uninit()]).is_ok()
    };
    assert!(arrives());
    deafen(&ours);
    assert!(!arrives());
}
