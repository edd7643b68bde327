//! What Services ask for: pools, addresses, sharing (contract 01 §4.3, §4.5, §4.10).

use std::sync::Arc;

use serde_json::{Value, json};

use super::world::*;

fn pools() -> Vec<Value> {
    vec![
        plain("p", &["10.0.0.0/24"]),
        plain("six", &["2001:db8::/120"]),
        pool("manual", json!({"addresses": ["10.1.0.0/31", "2001:db9::/127"], "autoAssign": false})),
        pool("theirs", json!({"addresses": ["10.2.0.0/24"], "serviceAllocation": {"namespaces": ["other"]}})),
        pool("careful", json!({"addresses": ["10.3.0.0/24"], "avoidBuggyIPs": true, "autoAssign": false})),
    ]
}

fn dual_asking(policy: &str, what: Value) -> Value {
    let mut patch = dual(policy);
    merge(&mut patch, what);
    patch
}

/// §4.3 rules 1 and 2.
#[test]
fn what_is_asked_for_and_may_be_had_is_given() {
    let old_pool = json!({"metadata": {"annotations": {"metallb.universe.tf/address-pool": "manual"}}});
    let field = json!({"spec": {"loadBalancerIP": "10.0.0.77"}});
    let mut both = from_pool("manual");
    merge(&mut both, requesting("10.1.0.1"));
    let table = [
        (from_pool("manual"), "10.1.0.0", "manual"),
        (old_pool, "10.1.0.0", "manual"),
        (requesting("10.1.0.1"), "10.1.0.1", "manual"),
        (requesting("::ffff:10.1.0.1"), "10.1.0.1", "manual"),
        (field, "10.0.0.77", "p"),
        (both, "10.1.0.1", "manual"),
        (dual_asking("RequireDualStack", from_pool("manual")), "10.1.0.0 2001:db9::", "manual"),
        (dual_asking("PreferDualStack", from_pool("six")), "2001:db8::", "six"),
        // D8: the order asked for stays.
        (
            dual_asking("RequireDualStack", requesting("2001:db9::1,10.1.0.0")),
            "2001:db9::1 10.1.0.0",
            "manual",
        ),
    ];
    for (patch, ips, pool) in table {
        let mut world = World::new(&pools());
        world.put("a", patch.clone()).settle();
        world.settle();
        assert_eq!(
            (world.ips("a").as_str(), world.recorded_pool("a").as_deref()),
            (ips, Some(pool)),
            "{patch}"
        );
        assert_eq!(world.writes, 1, "{patch}");
        world.restart().settle();
        assert_eq!((world.writes, world.ips("a").as_str()), (1, ips), "{patch}");
    }
}

/// §4.10, every row of a Service that stays pending with a reason; D7 mended.
#[test]
fn what_can_t_be_had_leaves_the_service_pending_with_the_reason() {
    let mut contradiction = from_pool("six");
    merge(&mut contradiction, requesting("10.1.0.1"));
    let mut both_ways = requesting("10.0.0.9");
    merge(&mut both_ways, json!({"spec": {"loadBalancerIP": "10.0.0.9"}}));
    let table = [
        (from_pool("full"), "no available IPs in pool full"),
        (
            from_pool("nowhere"),
            r#"unknown pool "nowhere": the pools are careful, full, manual, p, six, theirs"#,
        ),
        (from_pool("six"), "no available IPs in pool six for ipv4 IPFamily"),
        (dual_asking("RequireDualStack", from_pool("p")), "no available IPs in pool p for dual IPFamily"),
        (
            dual_asking("RequireDualStack", from_pool("full")),
            "no available IPs in pool full for dual IPFamily",
        ),
        (from_pool("theirs"), "pool theirs not compatible for ip assignment"),
        (requesting("9.9.9.9"), r#"["9.9.9.9"] is not allowed in config"#),
        (requesting("10.3.0.255"), r#"["10.3.0.255"] is not allowed in config"#),
        (requesting("10.2.0.1"), "pool theirs not compatible for ip assignment"),
        (
            requesting("10.0.0.5"),
            r#"can't change sharing key for "default/a", address also in use by default/taken"#,
        ),
        (
            contradiction,
            r#"requested loadBalancer IP(s) ["10.1.0.1"] is not compatible with requested address pool six"#,
        ),
        (
            requesting("2001:db8::1"),
            r#"requested loadBalancer IP(s) ["2001:db8::1"] does not match the ipFamily of the service"#,
        ),
        (
            dual_asking("PreferDualStack", requesting("10.0.0.9")),
            r#"requested loadBalancer IP(s) ["10.0.0.9"] does not match the ipFamily of the service"#,
        ),
        (
            dual_asking("RequireDualStack", requesting("10.0.0.9,2001:db8::1")),
            r#"["10.0.0.9" "2001:db8::1"] is not allowed in config"#,
        ),
        (both_ways, "service can not have both metallb.io/loadBalancerIPs and svc.Spec.LoadBalancerIP"),
        (requesting("10.0.0"), r#"invalid metallb.io/loadBalancerIPs: "10.0.0""#),
        (json!({"spec": {"loadBalancerIP": "x"}}), r#"invalid spec.loadBalancerIP "x""#),
        (
            requesting("10.0.0.8,10.0.0.9"),
            r#"IPFamilyForAddresses: same address family ["10.0.0.8" "10.0.0.9"]"#,
        ),
        (
            requesting("10.0.0.8,2001:db8::1,10.0.0.9"),
            r#"IPFamilyForAddresses: invalid ips length 3 ["10.0.0.8" "2001:db8::1" "10.0.0.9"]"#,
        ),
        (json!({"spec": {"clusterIPs": ["None"]}}), r#"IPFamilyForAddresses: Invalid address ["None"]"#),
        (dual("RequireDualStack"), "no available IPs"),
        (dual("SingleStack"), "no available IPs"),
    ];
    for (patch, why) in table {
        let mut pools = pools();
        pools.push(plain("full", &["10.9.0.1/32"]));
        let mut world = World::new(&pools);
        world.put("taken", requesting("10.0.0.5")).put("z", requesting("10.9.0.1")).run();
        let writes = world.writes;
        let events = world.put("a", patch.clone()).run();
        assert_eq!(
            events,
            [format!(r#"a AllocationFailed: Failed to allocate IP for "default/a": {why}"#)],
            "{patch}"
        );
        assert_eq!((world.ips("a").as_str(), world.writes), ("", writes + 1), "{patch}");
        let said = world.condition("a");
        assert!(said.starts_with("False ") && said.contains(why), "{patch}: {said}");
        assert_eq!(
            world.put("a", json!({"metadata": {"labels": {"x": "y"}}})).run(),
            [""; 0],
            "told once: {patch}"
        );
    }
}

/// D23: §4.2 steps 9 and 10 without their loss.
#[test]
fn an_address_is_given_up_only_when_the_new_request_can_be_had() {
    let table = [
        (requesting("9.9.9.9"), r#"["9.9.9.9"] is not allowed in config"#),
        (
            requesting("10.0.0.5"),
            r#"can't change sharing key for "default/a", address also in use by default/taken"#,
        ),
        (from_pool("nowhere"), r#"unknown pool "nowhere": the pools are careful, manual, p, six, theirs"#),
        (from_pool("theirs"), "pool theirs not compatible for ip assignment"),
        (from_pool("six"), "no available IPs in pool six for ipv4 IPFamily"),
    ];
    for (patch, why) in table {
        let mut world = World::new(&pools());
        world.put("taken", requesting("10.0.0.5")).put("a", json!({})).run();
        let events = world.put("a", patch.clone()).run();
        assert_eq!(
            events,
            [format!(r#"a AllocationFailed: Failed to allocate IP for "default/a": {why}"#)],
            "{patch}"
        );
        assert_eq!(world.ips("a"), "10.0.0.0", "{patch}");
        let said = world.condition("a");
        assert!(said.starts_with("True ") && said.contains(why), "{patch}: {said}");
        assert_eq!(world.restart().run(), [""; 0], "told once, by whoever was first");
        assert_eq!(world.ips("a"), "10.0.0.0", "the address is still its own after a restart: {patch}");
    }
}

#[test]
fn a_service_that_asks_for_another_address_moves_once_that_is_free() {
    let mut world = World::new(&pools());
    world.put("a", json!({})).put("b", requesting("10.0.0.5")).run();
    world.put("a", requesting("10.0.0.5")).run();
    assert_eq!(world.ips("a"), "10.0.0.0");
    assert_eq!(world.delete("b").run(), [r#"a IPAllocated: Assigned IP ["10.0.0.5"]"#]);
    assert_eq!(world.put("a", from_pool("manual")).run().len(), 1, "pool and address disagree now");
    assert_eq!(world.ips("a"), "10.0.0.5");
    let only_pool = json!({"metadata": {"annotations": {"metallb.io/loadBalancerIPs": null}}});
    assert_eq!(world.put("a", only_pool).run(), [r#"a IPAllocated: Assigned IP ["10.1.0.0"]"#]);
}

/// §4.10 "requested IPs invalid, service already has IP".
#[test]
fn a_request_that_can_t_be_understood_keeps_the_address() {
    let mut world = World::new(&pools());
    world.put("a", json!({})).run();
    assert_eq!(
        world.put("a", requesting("10.0.0")).run(),
        [
            r#"a LoadBalancerFailed: invalid requested loadbalancer IPs: invalid metallb.io/loadBalancerIPs: "10.0.0""#
        ]
    );
    assert_eq!(world.ips("a"), "10.0.0.0");
}

/// D8: only a different set is a different request.
#[test]
fn asking_for_the_same_addresses_in_another_order_changes_nothing() {
    let mut world = World::new(&pools());
    world.put("a", dual_asking("RequireDualStack", requesting("10.1.0.0,2001:db9::"))).run();
    assert_eq!(world.put("a", requesting("2001:db9::,10.1.0.0")).run(), [""; 0]);
    assert_eq!(world.ips("a"), "10.1.0.0 2001:db9::");
}

/// §4.5, sharing.
#[test]
fn services_share_an_address_exactly_when_asked_and_possible() {
    let local = |port: u16, app: &str| {
        let mut patch = sharing("k", port);
        merge(&mut patch, json!({"spec": {"externalTrafficPolicy": "Local", "selector": {"app": app}}}));
        patch
    };
    let udp = json!({"metadata": {"annotations": {"metallb.io/allow-shared-ip": "k"}}, "spec": {"ports": [{"port": 80, "protocol": "UDP"}]}});
    let old = json!({"metadata": {"annotations": {"metallb.universe.tf/allow-shared-ip": "k"}}, "spec": {"ports": [{"port": 81}]}});
    let table = [
        ("same key, other port", sharing("k", 80), sharing("k", 81), true),
        ("the key's old name", sharing("k", 80), old, true),
        ("same key, same port, other protocol", sharing("k", 80), udp, true),
        ("same key, same port", sharing("k", 80), sharing("k", 80), false),
        ("other key", sharing("k", 80), sharing("l", 81), false),
        ("empty keys", sharing("", 80), sharing("", 81), false),
        ("no key", json!({}), sharing("k", 81), false),
        ("Local, same pods", local(80, "x"), local(81, "x"), true),
        ("Local, other pods", local(80, "x"), local(81, "y"), false),
        ("Local and Cluster", local(80, "x"), sharing("k", 81), false),
    ];
    for (name, first, second, shares) in table {
        let mut world = World::new(&pools());
        world.put("a", first).run();
        world.put("b", second).run();
        assert_eq!(world.ips("a"), "10.0.0.0", "{name}");
        assert_eq!(world.ips("b") == "10.0.0.0", shares, "{name}: {}", world.ips("b"));
    }
}

/// §4.5: namespaces are irrelevant, and a name is another's in another namespace.
#[test]
fn services_of_different_namespaces_share_like_others() {
    for (port, shares) in [(81, true), (80, false)] {
        let mut world = World::new(&pools());
        world.put("a", sharing("k", 80)).run();
        let mut elsewhere = service("a", sharing("k", port));
        merge(&mut elsewhere, json!({"metadata": {"namespace": "third"}}));
        let view = metallb_config::service::parse(&serde_json::from_value(elsewhere).unwrap());
        let key = view.key.clone();
        world.allocator.observe(Arc::new(view));
        assert_eq!(world.allocator.settle().len(), 1);
        let expected = if shares { "10.0.0.0" } else { "10.0.0.1" };
        assert_eq!(world.allocator.held(&key)[0].to_string(), expected, "port {port}");
    }
}

/// §4.5 rules 4 and 5, on request.
#[test]
fn asking_for_a_shared_address_needs_the_key_and_a_free_port() {
    let asking = |key: &str, port: u16| {
        let mut patch = sharing(key, port);
        merge(&mut patch, requesting("10.0.0.0"));
        patch
    };
    let mut world = World::new(&pools());
    world.put("a", sharing("k", 80)).put("b", sharing("k", 81)).run();
    let failed =
        |why: &str| vec![format!(r#"c AllocationFailed: Failed to allocate IP for "default/c": {why}"#)];
    assert_eq!(
        world.put("c", asking("k", 81)).run(),
        failed(r#"port TCP/81 is already in use on "10.0.0.0""#)
    );
    let in_use = r#"can't change sharing key for "default/c", address also in use by default/a,default/b"#;
    assert_eq!(world.put("c", asking("l", 81)).run(), failed(in_use), "the key counts before the port");
    assert_eq!(world.put("c", asking("l", 82)).run(), [""; 0], "told already");
    assert_eq!(world.put("c", asking("k", 82)).run(), [r#"c IPAllocated: Assigned IP ["10.0.0.0"]"#]);
}

/// D6: a port freed on a shared address wakes who waits for it.
#[test]
fn a_freed_port_wakes_the_service_that_waits_for_it() {
    let mut world = World::new(&[plain("p", &["10.0.0.7/32"])]);
    world.put("a", sharing("k", 80)).put("b", sharing("k", 80)).run();
    assert_eq!(world.ips("b"), "");
    world.put("a", json!({"spec": {"ports": [{"port": 81}]}}));
    assert_eq!(world.run(), [r#"b IPAllocated: Assigned IP ["10.0.0.7"]"#]);
    assert_eq!(world.ips("a"), "10.0.0.7");
}

/// §4.4 rule 3.
#[test]
fn an_unused_lower_address_wins_over_a_shareable_higher_one() {
    let mut world = World::new(&pools());
    let mut first = sharing("k", 80);
    merge(&mut first, requesting("10.0.0.5"));
    world.put("a", first).put("b", sharing("k", 81)).run();
    assert_eq!(world.ips("b"), "10.0.0.0");
    world.put("c", sharing("k", 82)).run();
    assert_eq!(world.ips("c"), "10.0.0.0");
}

#[test]
fn a_sharing_key_that_changes_parts_the_services() {
    let mut world = World::new(&pools());
    world.put("a", sharing("k", 80)).put("b", sharing("k", 81)).run();
    let events = world.put("b", sharing("other", 81)).run();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!((world.ips("a").as_str(), world.ips("b").as_str()), ("10.0.0.0", "10.0.0.1"));
    // Alone on its address, a Service changes its key in place.
    assert_eq!(world.put("a", sharing("alone", 80)).run(), [""; 0]);
}
