//! Pools that only get more: a matter of those who lack something.

use serde_json::{Value, json};

use super::super::*;
use super::world::*;
use crate::options::UnknownPool;

fn crowd(pools: &[Value], count: usize) -> World {
    let mut world = World::new(pools);
    for number in 0..count {
        world.put(&format!("s{number}"), json!({}));
    }
    world.run();
    world
}

#[test]
fn only_those_who_wait_are_looked_at() {
    let table = [
        ("a range more", vec![plain("p", &["10.0.0.0/28", "10.1.0.0/31"])], "10.1.0.0 10.1.0.1"),
        ("a wider range", vec![plain("p", &["10.0.0.0/27"])], "10.0.0.16 10.0.0.17"),
        ("a range put first", vec![plain("p", &["10.1.0.0/31", "10.0.0.0/28"])], "10.1.0.0 10.1.0.1"),
        (
            "a pool more",
            vec![plain("p", &["10.0.0.0/28"]), plain("q", &["10.1.0.0/31"])],
            "10.1.0.0 10.1.0.1",
        ),
        ("split", vec![plain("p", &["10.0.0.0/29", "10.0.0.8/29", "10.1.0.0/31"])], "10.1.0.0 10.1.0.1"),
    ];
    for (what, pools, addresses) in table {
        let mut world = crowd(&[plain("p", &["10.0.0.0/28"])], 18);
        let (writes, looks) = (world.writes, world.allocator.looks);
        world.configure(&pools).settle();
        let expected = if what == "split" { 18 } else { 2 };
        assert_eq!(world.allocator.looks - looks, expected, "{what}");
        assert_eq!(world.writes - writes, 2, "{what}");
        assert_eq!(format!("{} {}", world.ips("s8"), world.ips("s9")), addresses, "{what}");
        assert_eq!(world.allocator.usage().map(|(_, usage)| usage.ipv4_in_use).sum::<i64>(), 18, "{what}");
    }
}

#[test]
fn what_was_claimed_outside_the_pools_is_not_given_to_others() {
    let broken = plain("b", &["10.0.1.0/99"]);
    let mut world = World::new(&[plain("a", &["10.0.0.0/32"]), broken.clone()]);
    // Excused: its pool may be the refused one.
    world.put("old", recorded("b", &["10.0.2.0"])).run();
    assert_eq!(world.ips("old"), "10.0.2.0");
    world.configure(&[plain("a", &["10.0.0.0/32", "10.0.2.0/31"]), broken]);
    assert_eq!(world.usage_of("a").ipv4_in_use, 1);
    world.put("one", json!({})).put("two", json!({})).put("three", json!({})).run();
    assert_eq!((world.ips("old"), world.recorded_pool("old")), ("10.0.2.0".into(), Some("a".into())));
    assert_eq!(world.usage_of("a").ipv4_in_use, 3);
    assert_eq!(world.ips("one"), "10.0.0.0");
    assert_eq!(format!("{}{}", world.ips("two"), world.ips("three")), "10.0.2.1");
}

/// Nobody recorded where it is from: now a pool has it.
#[test]
fn an_address_outside_the_pools_gets_its_pool_when_one_grows_around_it() {
    let broken = plain("b", &["10.0.1.0/99"]);
    let mut world = World::new(&[plain("a", &["10.0.0.0/32"]), broken.clone()]);
    let mut old = recorded("b", &["10.0.2.0"]);
    merge(&mut old, json!({"metadata": {"annotations": {"metallb.io/ip-allocated-from-pool": null}}}));
    world.put("old", old).run();
    assert_eq!((world.ips("old"), world.recorded_pool("old")), ("10.0.2.0".into(), None));
    world.configure(&[plain("a", &["10.0.0.0/32", "10.0.2.0/31"]), broken]).run();
    assert_eq!((world.ips("old"), world.recorded_pool("old")), ("10.0.2.0".into(), Some("a".into())));
}

#[test]
fn a_name_that_counted_for_nothing_counts_when_there_is_a_pool_of_that_name() {
    let pools = [plain("a", &["10.0.0.0/31"])];
    let options = Options { unknown_pool: UnknownPool::AnyAutoAssign, ..Options::default() };
    let mut world = World::with_options(options, build_config(&pools, &Config::default()));
    world.put("web", from_pool("b")).run();
    assert_eq!(world.ips("web"), "10.0.0.0");
    let [a] = pools;
    world.configure(&[a, plain("b", &["10.0.1.0/31"])]).run();
    assert_eq!(world.ips("web"), "10.0.1.0");
}

#[test]
fn a_pool_that_loses_something_concerns_everybody() {
    let mut world = crowd(&[plain("p", &["10.0.0.0/30", "10.1.0.0/30"])], 4);
    world.configure(&[plain("p", &["10.0.0.0/31", "10.1.0.0/24"])]).run();
    assert_eq!(
        [0, 1, 2, 3].map(|n| world.ips(&format!("s{n}"))),
        ["10.0.0.0", "10.0.0.1", "10.1.0.0", "10.1.0.1"]
    );
}
