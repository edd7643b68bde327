//! The steps one by one, without the loop around them, on the loopback device of a network namespace and links beside it.

use std::cell::Cell;
use std::io;
use std::net::Ipv6Addr;
use std::process::Command as Process;
use std::sync::Arc;
use std::thread;

use futures::FutureExt as _;
use metallb_l2::{Claim, GroupChange, solicited_node};
use metallb_linux::{Interface, Protocol};
use metallb_telemetry::metrics::Metrics;
use nix::net::if_::if_nametoindex;
use nix::sched::{CloneFlags, unshare};

use super::*;
use crate::layer2::Fence;
use crate::layer2::groups::{Failure, Order, Request};

const LOOPBACK: u32 = 1;
const ADDRESS: [u8; 4] = [192, 0, 2, 200];
/// One with a group.
const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, 0x200);
const BOUND: Duration = Duration::from_millis(400);

thread_local! {
    /// The look at the clock, counted from one, before which the process stands still.
    static STALL_BEFORE: Cell<u32> = const { Cell::new(0) };
    static LOOKS: Cell<u32> = const { Cell::new(0) };
}

/// A moment later each time, but for the stall.
fn clock() -> Duration {
    LOOKS.set(LOOKS.get() + 1);
    let has_stalled = STALL_BEFORE.get() != 0 && LOOKS.get() >= STALL_BEFORE.get();
    let stall = if has_stalled { BOUND * 3 } else { Duration::ZERO };
    Duration::from_millis(LOOKS.get().into()) + stall
}

/// Runs a test with a driver that may speak ARP on the loopback device and announces [`ADDRESS`].
fn with_driver<T: Send + 'static>(test: impl FnOnce(&mut Driver, &Metrics) -> T + Send + 'static) -> T {
    with_links(0, test)
}

/// The same with so many links beside it, `eth0` the first of them.
fn with_links<T: Send + 'static>(
    further: u32,
    test: impl FnOnce(&mut Driver, &Metrics) -> T + Send + 'static,
) -> T {
    let run = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("these tests need root with CAP_NET_ADMIN and CAP_NET_RAW");
        ip("link set lo up");
        let links = std::iter::once("lo".to_owned()).chain((0..further).map(|number| {
            ip(&format!("link add eth{number} up type veth peer name peer{number}"));
            format!("eth{number}")
        }));
        let links = links.map(speaking_arp).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        let (_published, interfaces) = watch::channel(Arc::new(links));
        let metrics = Metrics::default();
        let (fence, _owner) = Fence::attended(BOUND);
        let options = Options { fence: fence.clone(), ..Options::default() };
        let groups = Groups::start().unwrap();
        let mut driver = Driver::new(interfaces, metrics.speaker().unwrap(), options, groups);
        driver.gate = Gate::with_clock(fence, clock);
        driver.sync_links();
        announce(&mut driver, ADDRESS.into());
        test(&mut driver, &metrics)
    };
    thread::spawn(run).join().unwrap()
}

fn announce(driver: &mut Driver, address: IpAddr) {
    let commands = [Command::Announce { address, interfaces: Scope::All }].into();
    driver.waiting = Batch { commands, since: None };
    driver.execute_some();
}

/// Has the loopback device speak NDP as well, with groups that nobody joins; what is ordered.
fn speak_ndp(driver: &mut Driver) -> mpsc::Receiver<Request> {
    let (groups, orders, _) = Groups::recorded();
    driver.groups = groups;
    let link_local = Some("fe80::11".parse().unwrap());
    let loopback = Interface { link_local, ..speaking_arp("lo".to_owned()) };
    driver.interfaces = watch::channel(Arc::new(vec![loopback])).1;
    driver.sync_links();
    driver.send_due();
    orders
}

fn ip(command: &str) {
    assert!(Process::new("ip").args(command.split_whitespace()).status().unwrap().success(), "ip {command}");
}

fn speaking_arp(name: String) -> Interface {
    Interface {
        index: if_nametoindex(name.as_str()).unwrap(),
        name,
        mac: Some(MacAddr([2, 0, 0, 0, 0, 0x11])),
        is_up: true,
        has_carrier: true,
        can_broadcast: true,
        ..Interface::default()
    }
}

/// Who has [`ADDRESS`]?
fn question() -> Vec<u8> {
    let asker = [2, 0, 0, 0, 0, 0x50];
    let ethernet = [&[0xff; 6][..], &asker, &[8, 6]].concat();
    let request = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &asker, &[192, 0, 2, 50], &[0; 6], &ADDRESS].concat();
    [ethernet, request].concat()
}

/// The next change of a group that was ordered.
fn ordered(orders: &mut mpsc::Receiver<Request>) -> Option<Order> {
    loop {
        match orders.try_recv().ok()? {
            Request::Change(order) => return Some(order),
            Request::Tell(_) => {}
        }
    }
}

/// What a counter of [`ADDRESS`] says.
fn counted(metrics: &Metrics, counter: &str) -> u64 {
    counted_of(ADDRESS.into(), metrics, counter)
}

fn counted_of(address: IpAddr, metrics: &Metrics, counter: &str) -> u64 {
    let prefix = format!("metallb_layer2_{counter}{{ip=\"{address}\"}} ");
    let text = metrics.encode();
    text.lines().find_map(|line| line.strip_prefix(&prefix)).map_or(0, |value| value.parse().unwrap())
}

#[test]
fn a_stall_at_any_point_between_a_question_and_its_answer_leaves_it_unanswered() {
    for (stall_before, expected) in [(None, 1), (Some(1), 0), (Some(2), 0)] {
        let sent = with_driver(move |driver, metrics| {
            LOOKS.set(0);
            STALL_BEFORE.set(stall_before.unwrap_or_default());
            driver.hear(LOOPBACK, Protocol::Arp, &question());
            counted(metrics, "responses_sent")
        });
        assert_eq!(sent, expected, "it stands still before look {stall_before:?} at the clock");
    }
}

#[test]
fn an_address_and_its_link_that_burst_together_are_one_burst() {
    let link = Input::Withdraw(Subject::Link(LOOPBACK));
    let address = Input::Withdraw(Subject::Address(ADDRESS.into()));
    for (withdrawn, expected) in
        [(None, [2, 2, 2, 2, 2]), (Some(link), [2, 2, 2, 2, 2]), (Some(address), [2, 2, 2, 2, 2])]
    {
        let sent = with_driver(move |driver, metrics| {
            let sent = || counted(metrics, "gratuitous_sent");
            // The address was announced a moment ago.
            driver.announce_link(LOOPBACK);
            let mut rounds = Vec::new();
            for number in 0..5 {
                let before = sent();
                driver.send_due();
                rounds.push(sent() - before);
                if let Some(input) = withdrawn.filter(|_| number == 1) {
                    driver.burst.handle(driver.now(), input);
                }
                driver.started -= Duration::from_millis(1100);
            }
            rounds
        });
        assert_eq!(sent, expected, "a request and a reply in each round, {withdrawn:?} after the second");
    }
}

#[test]
fn what_is_to_be_made_known_waits_only_for_links_the_address_is_announced_on() {
    let only = |name: &str| Some(Scope::Named([name.to_owned()].into()));
    for (scope, expected) in
        [(Some(Scope::All), &["lo", "eth0"][..]), (only("eth0"), &["eth0"]), (only("eth7"), &[]), (None, &[])]
    {
        let told = format!("{scope:?}");
        let waiting = with_links(1, move |driver, _| {
            let address = [192, 0, 2, 201].into();
            if let Some(scope) = scope {
                driver.table.set(address, scope);
            }
            driver.outbox.clear();
            driver.queue(address, false);
            let links = driver.outbox.iter().map(|(index, _)| driver.ports[index].name().to_owned());
            links.collect::<Vec<String>>()
        });
        assert_eq!(waiting, expected, "{told}");
    }
}

/// What [`with_links`] of fifty speaks on.
const LINKS: usize = 51;
/// What is announced there: [`known`], and [`ADDRESS`].
const ADDRESSES: usize = 200;

fn known() -> impl Iterator<Item = IpAddr> {
    (1..=199).map(|last: u8| IpAddr::from([198, 51, 100, last]))
}

/// As when the fence opens: all addresses on all links, which takes longer than from one round to the next.
#[test]
fn rounds_wait_for_the_one_before_and_let_an_address_that_is_new_go_first() {
    let (most, before, waiting) = with_links(50, |driver, _| {
        known().for_each(|address| driver.table.set(address, Scope::All));
        let links: Vec<u32> = driver.ports.keys().copied().collect();
        links.into_iter().for_each(|index| driver.announce_link(index));
        let mut most = 0;
        for _ in 0..6 {
            driver.send_due();
            most = most.max(driver.firsts.len() + driver.outbox.len());
            driver.started -= Duration::from_millis(1100);
        }
        let (before, new) = (driver.outbox.len(), IpAddr::from([192, 0, 2, 201]));
        announce(driver, new);
        assert!(driver.firsts.iter().all(|(_, address)| *address == new));
        (most, before - driver.outbox.len(), driver.firsts.len())
    });
    assert!(most <= LINKS * ADDRESSES, "{most} wait at once");
    assert_eq!((before, waiting), (0, LINKS - 32), "the new one has all the next turn");
}

/// When a node is gone those that are left are asked to make known anew all that they announced already.
#[test]
fn what_is_only_made_known_again_does_not_go_before_what_is_new() {
    let new = IpAddr::from([192, 0, 2, 201]);
    let (firsts, reminded) = with_links(50, move |driver, _| {
        driver.firsts.clear();
        for address in known() {
            driver.table.set(address, Scope::All);
            driver.execute(Command::Remind { address });
        }
        announce(driver, new);
        let is_known = |(_, address): &(u32, IpAddr)| known().any(|it| it == *address);
        (driver.firsts.clone(), driver.outbox.iter().filter(|entry| is_known(entry)).count())
    });
    assert!(firsts.len() == LINKS - 32 && firsts.iter().all(|(_, address)| *address == new), "{firsts:?}");
    assert_eq!(reminded, LINKS * (ADDRESSES - 1));
}

/// All that is announced is said again then, on all links.
#[test]
fn what_is_new_still_goes_first_after_the_fence_was_closed_for_a_moment() {
    let new = IpAddr::from([192, 0, 2, 201]);
    let (before, after) = with_links(50, move |driver, _| {
        let (fence, owner) = Fence::attended(BOUND);
        driver.gate = Gate::with_clock(fence, clock);
        driver.firsts.clear();
        announce(driver, new);
        let before = driver.firsts.clone();
        let (_sender, mut commands) = mpsc::channel(1);
        owner.close();
        owner.open();
        driver.follow_fence(&mut commands);
        (before, driver.firsts.clone())
    });
    assert!(before.len() == LINKS - 32 && before.iter().all(|(_, address)| *address == new), "{before:?}");
    assert_eq!(after, before);
}

#[test]
fn a_fence_that_opens_again_and_again_queues_nothing_twice() {
    let waiting = with_links(50, |driver, _| {
        known().for_each(|address| driver.table.set(address, Scope::All));
        let (_sender, mut commands) = mpsc::channel(1);
        for _ in 0..3 {
            driver.was_open = false;
            driver.follow_fence(&mut commands);
            driver.send_due();
        }
        driver.firsts.len() + driver.outbox.len()
    });
    assert!((1..=LINKS * ADDRESSES).contains(&waiting), "{waiting} wait");
}

#[test]
fn what_is_refreshed_waits_until_all_is_said() {
    let queued = with_driver(|driver, _| {
        driver.burst = Burst::default();
        driver.started -= Duration::from_mins(10);
        driver.outbox = (0..40).map(|_| (LOOPBACK, ADDRESS.into())).collect();
        let lengths = [0, 1, 2].map(|_| {
            driver.send_due();
            driver.outbox.len()
        });
        (lengths, driver.refresh.poll(driver.now()))
    });
    assert_eq!(queued, ([8, 0, 0], None), "what was due has been said with the third");
}

/// Else thousands of links would pass for a stall.
#[test]
fn the_clock_is_looked_at_for_each_link_that_changes() {
    type Step = fn(&mut Driver);
    const FURTHER: u32 = 4;
    let open = |driver: &mut Driver| {
        driver.ports.clear();
        driver.sync_links();
    };
    let close = |driver: &mut Driver| {
        driver.interfaces = watch::channel(Interfaces::default()).1;
        driver.sync_links();
    };
    let follow = |driver: &mut Driver| {
        driver.table.set([192, 0, 2, 201].into(), Scope::All);
        driver.reach.announced([192, 0, 2, 201].into(), Instant::now());
        driver.follow_reach();
    };
    let join = |driver: &mut Driver| driver.sync_groups_of(ADDRESS.into());
    // What follows an address does so for each protocol.
    let steps: [(&str, u32, Step); 4] =
        [("opened", 3, open), ("closed", 1, close), ("told of an address", 2, follow), ("joining", 1, join)];
    for (name, times, step) in steps {
        let looks = with_links(FURTHER, move |driver, _| {
            LOOKS.set(0);
            step(driver);
            LOOKS.get()
        });
        assert!(looks >= times * (1 + FURTHER), "{name}: {looks} looks");
    }
}

/// Questions are looked at between the parts.
#[test]
fn a_long_batch_is_carried_out_in_order_and_in_parts() {
    const COUNT: u8 = 100;
    let announced = with_driver(|driver, _| {
        let address = |last: u8| IpAddr::from([198, 51, 100, last]);
        let announce = |last| Command::Announce { address: address(last), interfaces: Scope::All };
        let withdraw = |last| Command::Withdraw { address: address(last) };
        let commands = (0..COUNT).map(announce).chain((0..COUNT).map(withdraw)).collect();
        driver.waiting = Batch { commands, since: None };
        let mut announced = Vec::new();
        while !driver.waiting.commands.is_empty() {
            driver.execute_some();
            announced.push(driver.table.len());
        }
        announced
    });
    assert_eq!(announced, [65, 73, 9, 1], "64 commands each, beside the one that is announced anyhow");
}

/// What is given up meanwhile must not be answered for when the fence opens.
#[test]
fn behind_a_closed_fence_a_batch_is_carried_out_at_once() {
    let left = with_driver(|driver, _| {
        let address = |last: u8| IpAddr::from([198, 51, 100, last]);
        driver.was_open = false;
        let announce = |last| Command::Announce { address: address(last), interfaces: Scope::All };
        driver.waiting = Batch { commands: (0..200).map(announce).collect(), since: None };
        driver.execute_some();
        driver.waiting.commands.len()
    });
    assert_eq!(left, 0);
}

#[test]
fn an_address_is_made_known_however_long_its_group_takes_to_be_joined() {
    let outcome = with_driver(|driver, metrics| {
        let mut orders = speak_ndp(driver);
        announce(driver, V6.into());
        let ordered = ordered(&mut orders).map(|order| order.change);
        (ordered, counted_of(V6.into(), metrics, "gratuitous_sent"))
    });
    assert_eq!(outcome, (Some(GroupChange::Join(solicited_node(V6))), 1));
}

#[test]
fn an_ipv6_address_is_made_known_once_its_groups_are_joined() {
    let sent = with_driver(|driver, metrics| {
        let mut orders = speak_ndp(driver);
        driver.groups.settling = Duration::from_secs(20);
        let metrics = metrics.clone();
        let sent = move || counted_of(V6.into(), &metrics, "gratuitous_sent");
        let before = sent.clone();
        // Who joins is told to say when that is done.
        let joining = thread::spawn(move || {
            let join = orders.blocking_recv().unwrap();
            assert!(
                matches!(join, Request::Change(order) if order.change == GroupChange::Join(solicited_node(V6)))
            );
            let Some(Request::Tell(done)) = orders.blocking_recv() else { return None };
            let before = before();
            done.send(()).unwrap();
            Some(before)
        });
        announce(driver, V6.into());
        // Nobody waits for an order that does not come.
        driver.groups = Groups::recorded().0;
        (joining.join().unwrap(), sent())
    });
    assert_eq!(sent, (Some(0), 1), "before and after");
}

/// Behind a fence that its owner has just opened, with what he gave up before.
#[test]
fn what_is_given_up_before_the_fence_opens_is_never_answered_for() {
    let counts = with_driver(|driver, metrics| {
        let (fence, owner) = Fence::attended(BOUND);
        driver.gate = Gate::with_clock(fence, clock);
        driver.was_open = false;
        let (sender, mut commands) = mpsc::channel(1);
        let withdraw = [Command::Withdraw { address: ADDRESS.into() }].into();
        sender.try_send(Batch { commands: withdraw, since: None }).unwrap();
        owner.open();
        let counts = || ["responses_sent", "gratuitous_sent"].map(|counter| counted(metrics, counter));
        let before = counts();
        // The rest of a turn that had begun before.
        driver.hear(LOOPBACK, Protocol::Arp, &question());
        driver.queue(ADDRESS.into(), false);
        driver.send_due();
        driver.follow_fence(&mut commands);
        assert!(driver.was_open);
        driver.hear(LOOPBACK, Protocol::Arp, &question());
        driver.send_due();
        let after = counts();
        [after[0] - before[0], after[1] - before[1]]
    });
    assert_eq!(counts, [0, 0]);
}

/// The rest of a turn in which the fence was closed and opened again.
#[test]
fn a_fence_that_was_closed_for_a_moment_opens_as_any_other() {
    let counts = with_driver(|driver, metrics| {
        let (fence, owner) = Fence::attended(BOUND);
        driver.gate = Gate::with_clock(fence, clock);
        let kept = IpAddr::from([192, 0, 2, 201]);
        announce(driver, kept);
        let withdraw = [Command::Withdraw { address: ADDRESS.into() }].into();
        let (sender, mut commands) = mpsc::channel(1);
        owner.close();
        sender.try_send(Batch { commands: withdraw, since: None }).unwrap();
        owner.open();
        let counts = || ["responses_sent", "gratuitous_sent"].map(|counter| counted(metrics, counter));
        let told = || counted_of(kept, metrics, "gratuitous_sent");
        let (before, told_before) = (counts(), told());
        driver.hear(LOOPBACK, Protocol::Arp, &question());
        driver.queue(ADDRESS.into(), false);
        driver.send_due();
        driver.follow_fence(&mut commands);
        driver.hear(LOOPBACK, Protocol::Arp, &question());
        driver.send_due();
        let after = counts();
        (after[0] - before[0], after[1] - before[1], told() - told_before)
    });
    assert_eq!(counts, (0, 0, 2), "what is kept is made known anew");
}

/// Nobody heard whether the heir of the first was there; that of the second was chosen since, and the third came back.
#[test]
fn a_closing_for_a_moment_ends_the_hand_overs_before_it_and_none_after_it() {
    let (later, back) = (IpAddr::from([192, 0, 2, 201]), IpAddr::from([192, 0, 2, 202]));
    let under_way = with_driver(move |driver, _| {
        let (fence, owner) = Fence::attended(BOUND);
        driver.gate = Gate::with_clock(fence, clock);
        [later, back].into_iter().for_each(|address| announce(driver, address));
        [ADDRESS.into(), back].into_iter().for_each(|address| driver.hand_over(address));
        let (sender, mut commands) = mpsc::channel(1);
        owner.close();
        let batch = [
            Command::HandOver { address: later },
            Command::Announce { address: back, interfaces: Scope::All },
        ];
        sender.try_send(Batch { commands: batch.into(), since: None }).unwrap();
        owner.open();
        driver.follow_fence(&mut commands);
        driver.end_hand_overs();
        [ADDRESS.into(), later, back].map(|address| driver.table.interfaces(address).is_some())
    });
    assert_eq!(under_way, [false, true, true]);
}

#[test]
fn a_deadline_that_has_passed_lets_sockets_have_their_turn() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut alarm = Alarm::new();
        let passed = Instant::now();
        assert!(until(&mut alarm, Some(passed)).now_or_never().is_none());
        until(&mut alarm, Some(passed)).await;
        assert!(until(&mut alarm, None).now_or_never().is_none());
    });
}

#[test]
fn moments_are_rounded_up_to_whole_milliseconds() {
    let rounded = |nanoseconds| next_millisecond(Duration::from_nanos(nanoseconds)).as_nanos();
    let found = [0, 1, 999_999, 1_000_000, 1_999_999_999].map(rounded);
    assert_eq!(found, [0, 1_000_000, 1_000_000, 1_000_000, 2_000_000_000]);
}

#[test]
fn what_is_kept_is_answered_for_and_made_known_once_the_fence_is_open() {
    let counts = with_driver(|driver, metrics| {
        driver.was_open = false;
        let (_sender, mut commands) = mpsc::channel(1);
        driver.follow_fence(&mut commands);
        let before = counted(metrics, "gratuitous_sent");
        driver.hear(LOOPBACK, Protocol::Arp, &question());
        driver.send_due();
        (counted(metrics, "responses_sent"), counted(metrics, "gratuitous_sent") - before)
    });
    assert_eq!(counts, (1, 2));
}

/// One a turn would hold questions up for as many turns, and all at once for as long.
#[test]
fn groups_that_could_not_be_joined_are_looked_after_some_in_each_turn() {
    for (failed, left) in [(3, 0), (200, 200 - 64)] {
        let (left_over, looks, ordered) = with_driver(move |driver, _| {
            let (groups, mut orders, failures) = Groups::recorded();
            driver.groups = groups;
            let link = crate::layer2::groups::groups_of(LOOPBACK);
            for number in 0..failed {
                let change = GroupChange::Join(solicited_node(Ipv6Addr::from(number)));
                let order =
                    Order { index: LOOPBACK, groups: Arc::downgrade(&link), change, tried_after: None };
                failures.try_send(Failure { order, error: io::Error::other("full") }).unwrap();
            }
            LOOKS.set(0);
            driver.work_off();
            let looks = u128::from(LOOKS.get());
            let left_over = std::iter::from_fn(|| driver.groups.failed()).count();
            (left_over, looks, ordered(&mut orders).is_some())
        });
        assert_eq!((left_over, ordered), (left, false), "of {failed}");
        assert!(looks >= failed - left as u128, "thousands are no stall: {looks} looks at the clock");
    }
}

/// Ten thousand of them would be as many lines each ten seconds.
#[test]
fn that_groups_can_not_be_joined_is_told_once_a_link_until_all_can() {
    let told = with_driver(|driver, _| {
        let mut orders = speak_ndp(driver);
        [1, 2, 3].map(|last| {
            announce(driver, Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 2, last).into());
            let is_told = driver.ports.values().any(Port::is_failing);
            while let Some(order) = ordered(&mut orders).filter(|_| last < 3) {
                driver.hear_failure(Failure { order, error: io::Error::other("full") });
            }
            if last == 2 {
                // Both are tried again, and joined.
                driver.sync_links();
                assert_eq!(std::iter::from_fn(|| ordered(&mut orders)).count(), 2);
            }
            is_told
        })
    });
    assert_eq!(told, [false, true, false], "before each");
}

#[test]
fn that_groups_can_not_be_joined_is_told_again_after_they_were_or_the_link_lost_ipv6() {
    type Step = fn(&mut Driver);
    let lose = |driver: &mut Driver| {
        driver.interfaces = watch::channel(Arc::new(vec![speaking_arp("lo".to_owned())])).1;
        driver.sync_links();
    };
    // What was ordered again has not failed by the next look.
    let steps: [(&str, Step); 2] = [("joined", Driver::sync_links), ("without IPv6", lose)];
    for (name, step) in steps {
        let told = with_driver(move |driver, _| {
            let mut orders = speak_ndp(driver);
            announce(driver, V6.into());
            let order = ordered(&mut orders).unwrap();
            driver.hear_failure(Failure { order, error: io::Error::other("full") });
            // It is ordered again, and not done yet.
            driver.sync_links();
            let before = driver.ports.values().any(Port::is_failing);
            step(driver);
            (before, driver.ports.values().any(Port::is_failing))
        });
        assert_eq!(told, (true, false), "{name}");
    }
}

#[test]
fn what_broke_just_now_does_not_wait_for_what_is_broken_for_long() {
    let pauses = with_driver(|driver, _| {
        let later = |pause| Some((Instant::now() + pause, pause));
        [None, later(Duration::from_millis(100)), later(LAST_RETRY)].map(|planned| {
            driver.retry = planned;
            driver.retry_soon();
            driver.retry.map(|(at, pause)| (at <= Instant::now() + FIRST_RETRY, pause.as_millis()))
        })
    });
    assert_eq!(pauses, [Some((true, 200)), Some((true, 100)), Some((true, 200))]);
}

/// Who claims a whole pool would hold questions up for as long as it takes to tell of it.
#[test]
fn conflicts_are_told_some_in_each_turn() {
    const COUNT: u32 = 1000;
    let (told, looks) = with_driver(|driver, metrics| {
        let address = |number: u32| IpAddr::from((0xc633_0000 + number).to_be_bytes());
        let (now, mac) = (driver.now(), MacAddr([2, 0, 0, 0, 0, 0x50]));
        (0..COUNT).for_each(|number| driver.conflicts.hold(now, address(number)));
        driver.started -= Duration::from_secs(11);
        for number in 0..COUNT {
            driver.conflicts.hear(driver.now(), Claim { address: address(number), mac, link: LOOPBACK });
        }
        driver.started -= Duration::from_secs(11);
        LOOKS.set(0);
        let mut told = Vec::new();
        while driver.conflicts.next_deadline().is_some_and(|at| at <= driver.now()) {
            driver.work_off();
            let text = metrics.encode();
            told.push(
                text.lines().filter(|line| line.starts_with("metallb_layer2_conflicts_total{")).count(),
            );
        }
        (told, LOOKS.get())
    });
    assert_eq!((told.first(), told.last(), told.len()), (Some(&64), Some(&1000), 16), "{told:?}");
    assert!(looks >= COUNT, "thousands are no stall: {looks} looks at the clock");
}

#[test]
fn filters_that_can_not_be_set_are_tried_again_each_time_after_twice_as_long() {
    let pauses = with_links(1, |driver, _| {
        // That it is gone is not known yet: a further socket, which so many take, can not be opened there.
        ip("link del eth0");
        for address in known().step_by(2) {
            driver.table.set(address, Scope::All);
            driver.reach.announced(address, Instant::now());
        }
        driver.follow_reach();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            pauses.push(driver.retry.unwrap().1.as_millis());
            // As if the pause were over.
            driver.sync_links();
        }
        driver.interfaces = watch::channel(Arc::new(vec![speaking_arp("lo".to_owned())])).1;
        driver.sync_links();
        assert!(driver.retry.is_none(), "it is known to be gone");
        pauses
    });
    assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
}

#[test]
fn a_group_that_is_not_joined_is_ordered_again_each_time_after_twice_as_long() {
    let pauses = with_driver(|driver, _| {
        let mut orders = speak_ndp(driver);
        announce(driver, V6.into());
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let order = ordered(&mut orders).unwrap();
            driver.hear_failure(Failure { order, error: io::Error::other("full") });
            pauses.push(driver.retry.unwrap().1.as_millis());
            // As if the pause were over.
            driver.sync_links();
        }
        assert!(ordered(&mut orders).is_some() && driver.retry.is_none());
        // Nothing more failed: there is nothing to do.
        driver.sync_links();
        assert!(ordered(&mut orders).is_none() && driver.retry.is_none());
        pauses
    });
    assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
}

#[test]
fn a_group_that_was_not_joined_before_its_link_was_opened_anew_is_not_ordered_twice() {
    with_driver(|driver, _| {
        let mut orders = speak_ndp(driver);
        announce(driver, V6.into());
        let order = ordered(&mut orders).unwrap();
        driver.ports.clear();
        driver.sync_links();
        assert!(ordered(&mut orders).is_some(), "the new link joins");
        driver.hear_failure(Failure { order, error: io::Error::other("gone") });
        driver.sync_links();
        assert!(ordered(&mut orders).is_none() && driver.retry.is_none());
    });
}
