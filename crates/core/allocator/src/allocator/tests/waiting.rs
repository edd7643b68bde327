//! Who waits: what it is told (`metallb.io/Allocated`), and by what it is woken (D6).

use serde_json::{Value, json};

use super::super::*;
use super::world::*;
use crate::UnknownPool;

const NONE: [&str; 0] = [];

/// "Explain": what is wrong, and one line for each pool considered.
#[test]
fn the_condition_says_what_is_wrong_and_why_each_pool_was_refused() {
    let pools = || {
        vec![
            plain("full", &["10.0.0.0/31"]),
            plain("six", &["2001:db8::/127"]),
            pool("manual", json!({"addresses": ["10.1.0.0/31"], "autoAssign": false})),
            pool(
                "theirs",
                json!({"addresses": ["10.2.0.0/31"], "serviceAllocation": {"namespaces": ["other"]}}),
            ),
            pool("careful", json!({"addresses": ["10.3.0.255/32"], "avoidBuggyIPs": true})),
        ]
    };
    let mut apart = dual("RequireDualStack");
    merge(&mut apart, requesting("10.1.0.0,2001:db8::1"));
    let automatic = "False PoolExhausted: no available IPs\n\
        pool full: all 2 ipv4 addresses in use\n\
        pool careful: no ipv4 addresses\n\
        pool six: no ipv4 addresses\n\
        pool theirs: pinned to other Services by serviceAllocation\n\
        pool manual: not assigned automatically (autoAssign is false)";
    let table = [
        (json!({}), automatic),
        (
            from_pool("full"),
            "False PoolExhausted: no available IPs in pool full\npool full: all 2 ipv4 addresses in use",
        ),
        (
            from_pool("six"),
            "False PoolLacksFamily: no available IPs in pool six for ipv4 IPFamily\npool six: no ipv4 addresses",
        ),
        (from_pool("theirs"), "False PoolNotCompatible: pool theirs not compatible for ip assignment"),
        (
            from_pool("x"),
            r#"False UnknownPool: unknown pool "x": the pools are careful, full, manual, six, theirs"#,
        ),
        (
            requesting("10.3.0.255"),
            "False NotAllowed: [\"10.3.0.255\"] is not allowed in config\n\
             10.3.0.255: avoided by pool careful (avoidBuggyIPs)",
        ),
        (
            apart,
            "False NotAllowed: [\"10.1.0.0\" \"2001:db8::1\"] is not allowed in config\n\
             10.1.0.0: in pool manual\n2001:db8::1: in pool six",
        ),
        (
            json!({"spec": {"clusterIPs": [], "clusterIP": ""}}),
            "False NoClusterIPs: the Service has no cluster address yet",
        ),
        (
            json!({"spec": {"ipFamilyPolicy": "RequireDualStack"}}),
            "False NotEnoughClusterIPs: Service requires dual stack but not enough clusterips [10.96.0.1]",
        ),
        (
            json!({"spec": {"clusterIPs": ["None"]}}),
            r#"False InvalidClusterIPs: IPFamilyForAddresses: Invalid address ["None"]"#,
        ),
        (json!({"spec": {"type": "ClusterIP"}}), ""),
    ];
    for (patch, said) in table {
        let mut world = World::new(&pools());
        world.put("x", json!({})).put("y", json!({})).run();
        world.put("a", patch.clone()).run();
        assert_eq!(world.condition("a"), said, "{patch}");
        let writes = world.writes;
        assert_eq!(world.restart().run(), NONE, "{patch}");
        assert_eq!(world.writes, writes, "said once: {patch}");
    }
    let mut world = World::new(&[]);
    world.put("a", json!({})).run();
    assert_eq!(world.condition("a"), "False NoPool: there are no address pools");
}

#[test]
fn of_very_many_pools_the_condition_names_as_many_as_fit_and_counts_the_others() {
    let pools: Vec<Value> = (0..300u32)
        .map(|number| {
            let address = format!("10.0.{}.{}/32", number / 256, number % 256);
            pool(&format!("pool-{number:03}"), json!({"addresses": [address], "autoAssign": false}))
        })
        .collect();
    let mut world = World::new(&pools);
    world.put("a", json!({})).put("b", from_pool("nowhere")).run();
    for name in ["a", "b"] {
        let said = world.condition(name);
        assert!(said.len() < 1024 + 64 && said.ends_with(" more"), "{said}");
    }
    assert!(world.condition("a").contains("\npool pool-000: not assigned automatically"));
    // A text of the user's own is no way around the limit.
    let long = format!("10.0.0.{}", "ä".repeat(5000));
    world.put("c", requesting(&long)).run();
    assert!(world.condition("c").ends_with('…'));
}

/// When to write: what is wrong is corrected, what is merely missing is not.
#[test]
fn a_condition_is_written_only_when_what_stands_there_is_not_true() {
    let condition = |status: &str, reason: &str, message: &str| {
        json!({"status": {"conditions": [{
            "type": "metallb.io/Allocated", "status": status, "reason": reason, "message": message,
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]}})
    };
    let holds = |patch: Value| {
        let mut service = recorded("p", &["10.0.0.0"]);
        merge(&mut service, patch);
        service
    };
    let table = [
        ("adopted from another controller", holds(json!({})), 0),
        ("said in other words", holds(condition("True", "Allocated", "fine")), 0),
        ("said to be pending", holds(condition("False", "PoolExhausted", "x")), 1),
        ("said to lack something", holds(condition("True", "PoolExhausted", "x")), 1),
        ("pending, unsaid", from_pool("q"), 1),
        ("no load balancer", json!({"spec": {"type": "ClusterIP"}}), 0),
    ];
    for (name, patch, writes) in table {
        let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
        world.put("a", patch).run();
        assert_eq!(world.writes, writes, "{name}");
    }
    let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
    world.put("a", from_pool("q")).run();
    world.put("a", json!({"spec": {"type": "ClusterIP"}})).run();
    assert_eq!(world.condition("a"), "", "no condition without a load balancer");
}

/// `unknownPool`.
#[test]
fn the_name_of_no_pool_keeps_a_service_pending_or_counts_for_nothing() {
    let pools = [plain("p", &["10.0.0.0/24"])];
    let config = || build_config(&pools, &Config::default());
    for (unknown_pool, ips, told) in [
        (
            UnknownPool::Pending,
            "",
            r#"a AllocationFailed: Failed to allocate IP for "default/a": unknown pool "q": the pools are p"#,
        ),
        (UnknownPool::AnyAutoAssign, "10.0.0.0", r#"a IPAllocated: Assigned IP ["10.0.0.0"]"#),
    ] {
        let mut world = World::with_options(Options { unknown_pool, ..Options::default() }, config());
        assert_eq!(world.put("a", from_pool("q")).run(), [told]);
        assert_eq!(world.ips("a"), ips);
        let writes = world.writes;
        world.restart().run();
        assert_eq!((world.ips("a").as_str(), world.writes), (ips, writes));
        // When the pool comes, the Service is served from there.
        world.configure(&[plain("p", &["10.0.0.0/24"]), plain("q", &["10.1.0.0/24"])]).run();
        assert_eq!((world.ips("a").as_str(), world.recorded_pool("a").as_deref()), ("10.1.0.0", Some("q")));
    }
}

/// A pool that is refused exists: nobody is sent elsewhere because of a typing error in it.
#[test]
fn a_refused_pool_is_not_an_unknown_one() {
    let config =
        build_config(&[plain("p", &["10.0.0.0/24"]), plain("q", &["10.1.0.0/240"])], &Config::default());
    let options = Options { unknown_pool: UnknownPool::AnyAutoAssign, ..Options::default() };
    let mut world = World::with_options(options, config);
    world.put("a", from_pool("q")).run();
    assert_eq!(world.condition("a"), r#"False UnknownPool: unknown pool "q": its configuration is refused"#);
}

/// D6: what is freed wakes who can profit, and nobody else.
#[test]
fn ten_thousand_that_wait_for_one_pool_sleep_while_another_is_freed() {
    let mut world = World::new(&[plain("a", &["10.0.0.0/32"]), plain("b", &["10.1.0.0/31"])]);
    world.put("holder", from_pool("a")).put("other", from_pool("b")).put("third", from_pool("b")).run();
    for number in 0..10_000 {
        world.put(&format!("w{number:05}"), from_pool("a"));
    }
    world.run();
    let looks = world.allocator.looks;
    world.delete("other").settle();
    assert_eq!(world.allocator.looks, looks, "a free address in pool b");
    let woken = world.delete("holder").settle();
    assert_eq!(woken, [r#"w00000 IPAllocated: Assigned IP ["10.0.0.0"]"#]);
    assert!(world.allocator.looks <= looks + 2, "one of them is enough for one address");
}

/// D6: each thing that can be freed, and who waits for it.
#[test]
fn freed_addresses_ports_keys_and_families_wake_who_waits_for_them() {
    let asking = |key: &str, port: u16| {
        let mut patch = sharing(key, port);
        merge(&mut patch, requesting("10.0.0.0"));
        patch
    };
    let moved = requesting("10.0.0.1");
    let table = [
        (
            "a port of a shared address",
            sharing("k", 80),
            json!({"spec": {"ports": [{"port": 90}]}}),
            asking("k", 80),
        ),
        ("a sharing key that now agrees", sharing("l", 90), sharing("k", 90), asking("k", 80)),
        ("the address of one that moves and keeps its key", sharing("k", 80), moved, asking("k", 80)),
        (
            "the address of one that is no load balancer now",
            json!({}),
            json!({"spec": {"type": "ClusterIP"}}),
            requesting("10.0.0.0"),
        ),
        (
            "a place under the key, unasked for an address",
            sharing("k", 80),
            json!({"spec": {"ports": [{"port": 90}]}}),
            {
                let mut patch = sharing("k", 80);
                merge(&mut patch, from_pool("small"));
                patch
            },
        ),
    ];
    for (name, holder, change, waiter) in table {
        let mut world = World::new(&[plain("small", &["10.0.0.0/32"]), plain("z", &["10.0.0.1/32"])]);
        world.put("holder", holder).run();
        world.put("waiter", waiter).run();
        assert_eq!(world.ips("waiter"), "", "{name}");
        let events = world.put("holder", change).run();
        assert!(
            events.contains(&r#"waiter IPAllocated: Assigned IP ["10.0.0.0"]"#.to_owned()),
            "{name}: {events:?}"
        );
    }
    let mut world = World::new(&[plain("p", &["10.0.0.0/31", "2001:db8::/128"])]);
    world
        .put("a", dual("RequireDualStack"))
        .put("b", dual("RequireDualStack"))
        .put("c", dual("PreferDualStack"))
        .run();
    assert_eq!((world.ips("b").as_str(), world.ips("c").as_str()), ("", "10.0.0.1"));
    // Who has an address already comes first.
    assert_eq!(world.delete("a").run(), [r#"c IPAllocated: Assigned additional IP "2001:db8::""#]);
    assert_eq!(world.delete("c").run(), [r#"b IPAllocated: Assigned IP ["10.0.0.0" "2001:db8::"]"#]);
}

/// D6: distinct pairs of backend and sharing key never collide, however they are put together.
#[test]
fn keys_that_read_alike_when_joined_are_different_keys() {
    let local = |selector: Value, key: &str, port: u16| {
        let mut patch = sharing(key, port);
        merge(&mut patch, json!({"spec": {"externalTrafficPolicy": "Local", "selector": selector}}));
        patch
    };
    let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
    world.put("a", local(json!({"a": "b"}), "c", 80)).put("b", local(json!({"a": "bc"}), "", 81));
    world.put("c", local(json!({"a": "bc"}), "x", 82)).put("d", local(json!({"a": "b"}), "cx", 83)).run();
    assert_eq!(
        ["a", "b", "c", "d"].map(|name| world.ips(name)),
        ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"]
    );
}

/// Neither can give up its own before it has the other's.
#[test]
fn two_that_want_each_others_addresses_keep_theirs_and_say_why() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/31"])]);
    world.put("a", json!({})).put("b", json!({})).run();
    world.put("a", requesting("10.0.0.1")).put("b", requesting("10.0.0.0")).run();
    assert_eq!((world.ips("a").as_str(), world.ips("b").as_str()), ("10.0.0.0", "10.0.0.1"));
    let said =
        r#"True AddressInUse: can't change sharing key for "default/a", address also in use by default/b"#;
    assert_eq!(world.condition("a"), said);
}

/// Found by simulation: a write that is overtaken by another decision may still arrive.
#[test]
fn an_address_on_its_way_into_a_service_is_nobody_elses_until_the_service_is_seen_without_it() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/32"]), plain("q", &["10.1.0.0/32"])]);
    world.put("a", json!({}));
    let first = world.allocator.settle();
    world.put("b", from_pool("p"));
    let elsewhere = pool(
        "p",
        json!({"addresses": ["10.0.0.0/32"], "serviceAllocation": {"serviceSelectors": [{"matchLabels": {"x": "y"}}]}}),
    );
    world
        .put("b", json!({"metadata": {"labels": {"x": "y"}}}))
        .configure(&[elsewhere, plain("q", &["10.1.0.0/32"])]);
    let second = world.allocator.settle();
    let written = |decisions: &[Decision]| {
        let ours =
            decisions.iter().find(|decision| decision.key == key("a")).and_then(|found| found.write.clone());
        ours.unwrap().assignment.addresses[0].to_string()
    };
    assert_eq!((written(&first).as_str(), written(&second).as_str()), ("10.0.0.0", "10.1.0.0"));
    assert!(world.allocator.held(&key("b")).is_empty(), "the first write may still arrive");
    let record = second.iter().find(|decision| decision.key == key("a")).unwrap().write.clone().unwrap();
    world.allocator.write_accepted(&key("a"), &record);
    world.allocator.settle();
    assert_eq!(world.allocator.held(&key("b"))[0].to_string(), "10.0.0.0");
}

/// D25: old releases left their annotation behind; a Service is not written because of it.
#[test]
fn the_old_annotation_of_the_pool_is_no_reason_to_write_and_is_not_believed() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
    let mut service = recorded("p", &["10.0.0.0"]);
    merge(
        &mut service,
        json!({"metadata": {"annotations": {"metallb.universe.tf/ip-allocated-from-pool": "old"}}}),
    );
    world.put("a", service);
    assert_eq!(world.run(), NONE);
    assert_eq!((world.writes, world.recorded_pool("a").as_deref()), (0, Some("p")));
}

/// It was decided to be written into the Service and may still arrive: nobody else gets it, and so it has to be good
/// for the Service itself.
#[test]
fn who_loses_an_address_may_take_back_the_one_it_is_about_to_leave() {
    let pools = |address: &str| [plain("p", &[address, "2001:db8::/128"])];
    for (what, patch) in [("lost", json!({})), ("lost, of two families", dual("RequireDualStack"))] {
        let mut world = World::new(&pools("10.0.0.0/32"));
        world.put("a", patch);
        for (address, held) in
            [("10.0.0.0/32", "10.0.0.0"), ("10.0.0.1/32", "10.0.0.1"), ("10.0.0.0/32", "10.0.0.0")]
        {
            // The writes are under way all the time.
            world.configure(&pools(address)).allocator.settle();
            assert_eq!(world.allocator.held(&key("a")).first().unwrap().to_string(), held, "{what}");
        }
    }
}
