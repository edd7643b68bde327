//! For an interface that does not exist: what the kernel refuses shows what it was asked for, and when.

use std::net::Ipv6Addr;
use std::time::Instant;

use tokio::sync::mpsc::error::TryRecvError;

use super::*;

/// No interface has this index.
const NOWHERE: u32 = 0x7fff_ffff;
/// No machine is that late.
const LONG: Duration = Duration::from_secs(20);

fn join(groups: &LinkGroups, last: u16) -> Order {
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, last);
    let groups = Arc::downgrade(groups);
    Order { index: NOWHERE, groups, change: GroupChange::Join(group), tried_after: None }
}

#[test]
fn nobody_who_orders_waits_for_the_kernel_and_what_fails_comes_back_in_order() {
    let mut thread = Groups::start().unwrap();
    let link = groups_of(NOWHERE);
    // Stands for the kernel's lock: the thread gets no further.
    let held = link.lock().unwrap();
    for last in [1, 2] {
        assert!(thread.order(join(&link, last)));
    }
    assert_eq!(thread.failures.try_recv().unwrap_err(), TryRecvError::Empty);
    drop(held);
    for last in [1, 2] {
        let Failure { order, error } = thread.failures.blocking_recv().unwrap();
        assert_eq!(order.change, join(&link, last).change, "{error}");
        assert!(order.is_wanted());
    }
}

#[test]
fn an_announcement_comes_after_its_groups() {
    let mut thread = Groups { settling: LONG, ..Groups::start().unwrap() };
    let link = groups_of(NOWHERE);
    assert!(thread.order(join(&link, 1)));
    thread.settle();
    assert!(thread.failed().is_some());
}

#[test]
fn an_announcement_waits_no_longer_where_the_kernel_takes_long() {
    let mut thread = Groups::start().unwrap();
    let link = groups_of(NOWHERE);
    let held = link.lock().unwrap();
    assert!(thread.order(join(&link, 1)));
    let begun = Instant::now();
    thread.settle();
    assert!(begun.elapsed() >= SETTLING);
    assert!(thread.failed().is_none(), "it went on without");
    drop(held);
    assert!(thread.failures.blocking_recv().is_some());
}

#[test]
fn nothing_is_done_any_more_for_a_link_that_was_closed() {
    let link = groups_of(NOWHERE);
    let order = join(&link, 1);
    assert!(order.carry_out().is_err());
    drop(link);
    assert!(!order.is_wanted());
    assert!(order.carry_out().is_ok());
}

#[test]
fn an_order_that_finds_no_room_is_refused() {
    let (thread, mut orders, _) = Groups::recorded();
    let link = groups_of(NOWHERE);
    assert!((0..ORDERS).all(|_| thread.order(join(&link, 1))));
    assert!(!thread.order(join(&link, 2)));
    assert!(orders.try_recv().is_ok());
    assert!(thread.order(join(&link, 2)));
}
