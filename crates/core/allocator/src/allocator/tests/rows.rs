//! Situations of contract 01 §2.4, §4.2 to §4.6 and §4.10.

use serde_json::json;

use super::super::*;
use super::world::*;

const NONE: [&str; 0] = [];

fn both(name: &str) -> serde_json::Value {
    plain(name, &["10.0.0.0/24", "2001:db8::/120"])
}

/// §4.10 "allocated", §2.3.
#[test]
fn a_service_gets_the_lowest_address_and_says_from_where() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
    assert_eq!(world.put("a", json!({})).run(), [r#"a IPAllocated: Assigned IP ["10.0.0.0"]"#]);
    assert_eq!((world.ips("a").as_str(), world.recorded_pool("a").as_deref()), ("10.0.0.0", Some("p")));
    assert_eq!(world.writes, 1);
}

/// §2.4: what each kind of Service gets when it asks for nothing.
#[test]
fn families_and_policies_give_what_the_matrix_says() {
    let v4 = json!({"spec": {"clusterIPs": ["10.96.0.1"]}});
    let v6 = json!({"spec": {"clusterIPs": ["fd00::1"]}});
    let prefer_v6 = json!({"spec": {"clusterIPs": ["fd00::1", "10.96.0.1"], "ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]}});
    let prefer_on_single =
        json!({"spec": {"clusterIPs": ["10.96.0.1"], "ipFamilyPolicy": "PreferDualStack"}});
    let prefer_on_single_v6 =
        json!({"spec": {"clusterIPs": ["fd00::1"], "ipFamilyPolicy": "PreferDualStack"}});
    let pools = [
        ("only v4", vec![plain("p", &["10.0.0.0/24"])]),
        ("only v6", vec![plain("p", &["2001:db8::/120"])]),
        ("both in one", vec![both("p")]),
        ("both apart", vec![plain("four", &["10.0.0.0/24"]), plain("six", &["2001:db8::/120"])]),
        ("both in the second", vec![plain("a", &["10.1.0.0/24"]), both("b")]),
    ];
    let (two, none) = ("10.0.0.0 2001:db8::", "");
    let table = [
        (&v4, ["10.0.0.0", none, "10.0.0.0", "10.0.0.0", "10.1.0.0"]),
        (&v6, [none, "2001:db8::", "2001:db8::", "2001:db8::", "2001:db8::"]),
        (&prefer_on_single, ["10.0.0.0", none, "10.0.0.0", "10.0.0.0", "10.1.0.0"]),
        (&prefer_on_single_v6, [none, "2001:db8::", "2001:db8::", "2001:db8::", "2001:db8::"]),
        (&dual("RequireDualStack"), [none, none, two, none, two]),
        (&dual("PreferDualStack"), ["10.0.0.0", "2001:db8::", two, "10.0.0.0", two]),
        (&prefer_v6, ["10.0.0.0", "2001:db8::", two, "2001:db8::", two]),
        (&dual("SingleStack"), [none; 5]),
    ];
    for (patch, expected) in table {
        for ((name, pools), expected) in pools.iter().zip(expected) {
            let mut world = World::new(pools);
            world.put("a", patch.clone()).settle();
            world.settle();
            assert_eq!(world.ips("a"), expected, "{patch} with pools {name}");
        }
    }
}

/// D1: one cluster address and PreferDualStack with a pool of both families does not flip.
#[test]
fn prefer_dual_stack_on_a_single_stack_cluster_is_content_with_one_address() {
    let mut world = World::new(&[both("p")]);
    let patch = json!({"spec": {"ipFamilyPolicy": "PreferDualStack"}});
    assert_eq!(world.put("a", patch).run(), [r#"a IPAllocated: Assigned IP ["10.0.0.0"]"#]);
    world.put("a", json!({"metadata": {"labels": {"touched": "yes"}}}));
    assert_eq!(world.run(), NONE);
    assert_eq!(world.writes, 1);
}

/// §4.10 "PreferDualStack single: try second" and "impossible"; D24.
#[test]
fn a_second_address_is_added_when_the_pool_gets_the_other_family_and_the_lack_is_told_once() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
    world.put("a", dual("PreferDualStack"));
    let lack = "a AdditionalAssignFailed: cannot assign additional IP in PreferDualStack: no available IPs in pool p for ipv6 IPFamily";
    assert_eq!(world.run(), [r#"a IPAllocated: Assigned IP ["10.0.0.0"]"#, lack]);
    assert_eq!(world.writes, 1, "with the address comes what is missing");
    assert_eq!(
        world.condition("a"),
        "True PoolLacksFamily: cannot assign additional IP in PreferDualStack: no available IPs in pool p for ipv6 IPFamily\npool p: no ipv6 addresses"
    );
    world.put("a", json!({"metadata": {"labels": {"touched": "yes"}}}));
    assert_eq!(world.run(), NONE);
    world.configure(&[both("p")]);
    assert_eq!(world.run(), [r#"a IPAllocated: Assigned additional IP "2001:db8::""#]);
    assert_eq!(world.ips("a"), "10.0.0.0 2001:db8::");
}

/// §2.4: the pool is never swapped for a better one.
#[test]
fn a_better_pool_elsewhere_does_not_move_a_service() {
    let mut world = World::new(&[plain("b", &["10.0.0.0/24"])]);
    world.put("a", dual("PreferDualStack")).settle();
    world.configure(&[plain("b", &["10.0.0.0/24"]), plain("a", &["10.1.0.0/24", "2001:db8::/120"])]).settle();
    world.settle();
    assert_eq!(world.ips("a"), "10.0.0.0");
}

/// §4.10, the rows in which a Service is cleared or gets nothing without trying.
#[test]
fn services_that_are_entitled_to_nothing_are_cleared() {
    let table = [
        (json!({"spec": {"type": "ClusterIP"}}), vec![]),
        (json!({"spec": {"clusterIPs": [], "clusterIP": ""}}), vec![]),
        (
            json!({"spec": {"ipFamilyPolicy": "RequireDualStack"}}),
            vec![
                "a not enough clusterips: Service requires dual stack but not enough clusterips [10.96.0.1]"
                    .to_owned(),
            ],
        ),
    ];
    for (patch, events) in table {
        let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
        world.put("a", json!({})).run();
        assert_eq!(world.put("a", patch.clone()).run(), events, "{patch}");
        assert_eq!((world.ips("a").as_str(), world.recorded_pool("a")), ("", None), "{patch}");
        assert_eq!(world.usage_of("p").ipv4_in_use, 0);
        world.put("b", json!({})).run();
        assert_eq!(world.ips("b"), "10.0.0.0", "what was cleared is free");
    }
}

/// §4.1 rule 5, §4.2 step 3.
#[test]
fn an_empty_configuration_clears_every_service() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
    world.put("a", json!({})).run();
    assert_eq!(world.configure(&[]).run(), NONE);
    assert_eq!((world.ips("a").as_str(), world.recorded_pool("a")), ("", None));
}

/// §4.10 "no free IP, automatic": and D6, who waits is woken.
#[test]
fn a_service_that_waits_gets_the_first_address_that_is_freed() {
    let mut world = World::new(&[plain("p", &["10.0.0.7/32"])]);
    world.put("a", json!({})).put("b", json!({})).put("c", json!({}));
    assert_eq!(
        world.run(),
        [
            r#"a IPAllocated: Assigned IP ["10.0.0.7"]"#,
            r#"b AllocationFailed: Failed to allocate IP for "default/b": no available IPs"#,
            r#"c AllocationFailed: Failed to allocate IP for "default/c": no available IPs"#,
        ]
    );
    assert_eq!(world.delete("a").run(), [r#"b IPAllocated: Assigned IP ["10.0.0.7"]"#]);
    assert_eq!(
        world.put("b", json!({"spec": {"type": "ClusterIP"}})).run(),
        [r#"c IPAllocated: Assigned IP ["10.0.0.7"]"#]
    );
}

/// §4.4 rule 1: declared order, then ascending, bad last octets skipped where avoided.
#[test]
fn addresses_are_given_out_in_declared_order() {
    let mut world = World::new(&[pool(
        "p",
        json!({"addresses": ["10.0.1.254-10.0.2.1", "10.0.0.5/32"], "avoidBuggyIPs": true}),
    )]);
    for name in ["a", "b", "c", "d"] {
        world.put(name, json!({}));
    }
    world.run();
    assert_eq!(["a", "b", "c", "d"].map(|name| world.ips(name)), ["10.0.1.254", "10.0.2.1", "10.0.0.5", ""]);
    assert_eq!(world.usage_of("p"), PoolUsage { ipv4: 3, ipv4_in_use: 3, ..PoolUsage::default() });
}

/// §4.3 rule 3 and D11.
#[test]
fn pinned_pools_come_first_by_priority_then_name_and_open_ones_by_name() {
    let pinned = |name: &str, address: &str, priority: i64| {
        pool(
            name,
            json!({"addresses": [address], "serviceAllocation": {"priority": priority, "namespaces": ["default"]}}),
        )
    };
    let mut world = World::new(&[
        plain("open-b", &["10.0.0.6/32"]),
        plain("open-a", &["10.0.0.5/32"]),
        pinned("zero-b", "10.0.0.4/32", 0),
        pinned("zero-a", "10.0.0.3/32", -7),
        pinned("two", "10.0.0.2/32", 2),
        pinned("one", "10.0.0.1/32", 1),
        pool(
            "elsewhere",
            json!({"addresses": ["10.0.0.8/32"], "serviceAllocation": {"namespaces": ["other"]}}),
        ),
        pool("manual", json!({"addresses": ["10.0.0.9/32"], "autoAssign": false})),
    ]);
    for name in ["a", "b", "c", "d", "e", "f", "g"] {
        world.put(name, json!({}));
    }
    world.run();
    let got = ["a", "b", "c", "d", "e", "f", "g"].map(|name| world.ips(name));
    assert_eq!(got, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6", ""]);
}

/// §4.6, the rows of configuration changes.
#[test]
fn configuration_changes_do_what_the_contract_lists_and_no_more() {
    let before = plain("p", &["10.0.0.0/30"]);
    let refused = |why: &str| {
        format!(
            "a ClearAssignment: current IP for \"default/a\" not allowed by config, will attempt for new IP assignment: {why}"
        )
    };
    let assigned = |ip: &str| format!(r#"a IPAllocated: Assigned IP ["{ip}"]"#);
    let gone = refused(r#"["10.0.0.0"] is not allowed in config"#);
    let nothing = r#"a AllocationFailed: Failed to allocate IP for "default/a": no available IPs"#.to_owned();
    let table = [
        ("grown", vec![plain("p", &["9.0.0.0/24", "10.0.0.0/30"])], vec![], "10.0.0.0"),
        ("other added", vec![before.clone(), plain("a", &["9.0.0.0/24"])], vec![], "10.0.0.0"),
        ("renamed", vec![plain("q", &["10.0.0.0/30"])], vec![], "10.0.0.0"),
        (
            "no longer automatic",
            vec![pool("p", json!({"addresses": ["10.0.0.0/30"], "autoAssign": false}))],
            vec![],
            "10.0.0.0",
        ),
        ("moved", vec![plain("p", &["9.0.0.0/30"])], vec![gone.clone(), assigned("9.0.0.0")], "9.0.0.0"),
        (
            "avoided",
            vec![pool("p", json!({"addresses": ["10.0.0.0/30"], "avoidBuggyIPs": true}))],
            vec![gone.clone(), assigned("10.0.0.1")],
            "10.0.0.1",
        ),
        (
            "shrunk to nothing eligible",
            vec![pool("p", json!({"addresses": ["9.0.0.0/30"], "autoAssign": false}))],
            vec![gone, nothing.clone()],
            "",
        ),
        (
            "pinned elsewhere",
            vec![pool(
                "p",
                json!({"addresses": ["10.0.0.0/30"], "serviceAllocation": {"namespaces": ["other"]}}),
            )],
            vec![refused("pool p not compatible for ip assignment"), nothing],
            "",
        ),
    ];
    for (name, pools, events, ip) in table {
        let mut world = World::new(std::slice::from_ref(&before));
        world.put("a", json!({})).run();
        assert_eq!(world.configure(&pools).run(), events, "{name}");
        assert_eq!(world.ips("a"), ip, "{name}");
        let pool =
            world.config().pool_of(&world.view(&key("a")).recorded_ips()).map(|pool| pool.name.clone());
        assert_eq!(world.recorded_pool("a"), pool, "{name}");
    }
}

#[test]
fn while_a_pool_is_refused_no_service_loses_an_address_that_no_pool_contains() {
    let mut world = World::new(&[plain("broken", &["10.0.0.0/240"]), plain("good", &["10.1.0.0/24"])]);
    world.put("a", recorded("broken", &["10.0.0.5"])).put("b", json!({}));
    assert_eq!(world.run(), [r#"b IPAllocated: Assigned IP ["10.1.0.0"]"#]);
    assert_eq!((world.ips("a").as_str(), world.recorded_pool("a").as_deref()), ("10.0.0.5", Some("broken")));
    let mended = [plain("broken", &["10.0.0.0/24"]), plain("good", &["10.1.0.0/24"])];
    assert_eq!(world.configure(&mended).run(), NONE);
    assert_eq!(world.writes, 1, "only b was ever written");
    assert_eq!(world.usage_of("broken").ipv4_in_use, 1);
}

#[test]
fn while_the_only_pool_is_refused_nothing_is_cleared() {
    let mut world = World::new(&[plain("broken", &["10.0.0.0/240"])]);
    world.put("a", recorded("broken", &["10.0.0.5"]));
    assert_eq!(world.run(), NONE);
    assert_eq!(world.ips("a"), "10.0.0.5");
}

/// §4.6 "invalid config" and "IP no longer covered": the refused version may be the one that covers it now.
#[test]
fn while_any_pool_is_refused_no_address_is_lost_because_a_pool_was_deleted_shrunk_or_renamed() {
    let spare = || plain("spare", &["10.2.0.0/24"]);
    let table = [
        ("deleted", vec![spare()]),
        ("nothing is left", vec![]),
        ("shrunk", vec![spare(), plain("p", &["10.1.0.128/25"])]),
        ("avoided", vec![spare(), pool("p", json!({"addresses": ["10.1.0.0/24"], "avoidBuggyIPs": true}))]),
    ];
    for (name, pools) in table {
        let broken = || vec![plain("broken", &["10.1.0.0/240"])];
        let mut world = World::new(&[spare(), plain("p", &["10.1.0.0/24"])]);
        world.put("a", recorded("p", &["10.1.0.0"])).run();
        let writes = world.writes;
        assert_eq!(world.configure(&[pools.clone(), broken()].concat()).run(), NONE, "{name}");
        assert_eq!(world.restart().run(), NONE, "{name}");
        assert_eq!((world.ips("a").as_str(), world.writes), ("10.1.0.0", writes), "{name}");
        let events = world.configure(&pools).run();
        let told = "a ClearAssignment: current IP for \"default/a\" not allowed by config, will attempt for new IP assignment: [\"10.1.0.0\"] is not allowed in config";
        let is_told = events.iter().any(|event| event == told);
        assert!(is_told || pools.is_empty(), "{name}: {events:?}");
        assert_ne!(world.ips("a"), "10.1.0.0", "{name}: nothing is refused any more");
    }
}

#[test]
fn a_family_change_keeps_the_address_of_a_refused_pool() {
    let broken = plain("broken", &["10.0.0.0/240", "2001:db8::/64"]);
    let good = plain("good", &["10.1.0.0/24", "2001:db9::/64"]);
    let mut world = World::new(&[broken, good]);
    world.put("a", dual("RequireDualStack")).put("a", recorded("broken", &["10.0.0.5", "2001:db8::5"]));
    assert_eq!(world.run(), NONE);
    let single = json!({"spec": {"clusterIPs": ["10.96.0.1"], "ipFamilyPolicy": "SingleStack"}});
    world.put("a", single).run();
    assert_eq!((world.ips("a").as_str(), world.recorded_pool("a").as_deref()), ("10.0.0.5", Some("broken")));
}

#[test]
fn an_address_without_recorded_pool_is_kept_only_while_some_pool_is_refused() {
    let good = || plain("good", &["10.1.0.0/24"]);
    let mut world = World::new(&[plain("broken", &["10.0.0.0/240"]), good()]);
    world.put("a", recorded("broken", &["10.0.0.5"]));
    world.put("a", json!({"metadata": {"annotations": {"metallb.io/ip-allocated-from-pool": null}}}));
    assert_eq!(world.run(), NONE);
    assert_eq!(world.ips("a"), "10.0.0.5");
    world.configure(&[good()]).run();
    assert_eq!(world.ips("a"), "10.1.0.0");
}

#[test]
fn an_address_of_a_refused_pool_is_kept_though_the_pool_that_contains_it_now_is_pinned_elsewhere() {
    let pinned =
        pool("q", json!({"addresses": ["10.0.0.0/24"], "serviceAllocation": {"namespaces": ["other"]}}));
    let mut world = World::new(&[plain("broken", &["10.0.0.0/240"]), pinned.clone()]);
    world.put("a", recorded("broken", &["10.0.0.5"]));
    assert_eq!(world.run(), NONE);
    assert_eq!(world.ips("a"), "10.0.0.5");
    assert_eq!(world.restart().run(), NONE);
    world.configure(&[pinned]).run();
    assert_eq!(world.ips("a"), "", "the refused pool is gone");
}

#[test]
fn nobody_is_given_the_address_of_a_service_that_can_t_be_read() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/30"])]);
    world.put("garbled", recorded("p", &["10.0.0.0"])).garble("garbled");
    world.put("a", json!({})).put("b", requesting("10.0.0.0")).run();
    assert_eq!((world.ips("a").as_str(), world.ips("b").as_str()), ("10.0.0.1", ""));
    assert_eq!(world.usage_of("p").ipv4_in_use, 2);
    world.configure(&[plain("p", &["10.0.0.0/29"])]).put("c", json!({})).run();
    assert_eq!(world.ips("c"), "10.0.0.2", "after a change of the configuration as well");
    assert_eq!(world.put("garbled", json!({})).run(), NONE, "it has its address when it can be read");
    assert_eq!(world.ips("garbled"), "10.0.0.0");
    world.garble("garbled").delete("garbled").run();
    assert_eq!(world.ips("b"), "10.0.0.0", "it is gone");
}

#[test]
fn who_shares_with_a_service_that_can_t_be_read_keeps_its_address() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/30"])]);
    world.put("garbled", recorded("p", &["10.0.0.0"])).garble("garbled");
    world.put("a", recorded("p", &["10.0.0.0"]));
    assert_eq!((world.run().as_slice(), world.ips("a").as_str()), ([].as_slice(), "10.0.0.0"));
}

/// §4.1: adoption before allocation, whatever the names.
#[test]
fn recorded_addresses_are_adopted_before_the_first_new_one_is_chosen() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/30"])]);
    world.put("a-new", json!({})).put("z-old", recorded("p", &["10.0.0.0"]));
    assert_eq!(world.restart().run(), [r#"a-new IPAllocated: Assigned IP ["10.0.0.1"]"#]);
    assert_eq!(world.ips("z-old"), "10.0.0.0");
}

/// §4.1 rule 3: of two that claim the same, the first keeps it.
#[test]
fn of_two_services_with_the_same_recorded_address_one_is_given_another() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/30"])]);
    world.put("a", recorded("p", &["10.0.0.2"])).put("b", recorded("p", &["10.0.0.2"]));
    assert_eq!(
        world.run(),
        [
            "b ClearAssignment: current IP for \"default/b\" not allowed by config, will attempt for new IP assignment: can't change sharing key for \"default/b\", address also in use by default/a",
            r#"b IPAllocated: Assigned IP ["10.0.0.0"]"#,
        ]
    );
    assert_eq!((world.ips("a").as_str(), world.ips("b").as_str()), ("10.0.0.2", "10.0.0.0"));
}

/// §4.1 rule 3: the one with more addresses comes first, whatever the names.
#[test]
fn of_two_services_with_the_same_recorded_address_the_one_with_more_addresses_keeps_it() {
    let mut world = World::new(&[both("p")]);
    world.put("a", recorded("p", &["10.0.0.2"]));
    world.put("b", dual("RequireDualStack")).put("b", recorded("p", &["10.0.0.2", "2001:db8::2"]));
    world.restart().run();
    assert_eq!((world.ips("a").as_str(), world.ips("b").as_str()), ("10.0.0.0", "10.0.0.2 2001:db8::2"));
}

/// §4.2 step 7.
#[test]
fn the_pool_recorded_in_a_service_without_addresses_is_cleared() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
    world.put("a", recorded("p", &[])).put("a", from_pool("nowhere")).run();
    assert_eq!((world.ips("a").as_str(), world.recorded_pool("a")), ("", None));
}

/// §4.10 "status IPs unparsable / >2 / same family".
#[test]
fn recorded_addresses_that_make_no_sense_are_replaced_keeping_what_may_be_kept() {
    let table: [(&[&str], &str, &str); 3] = [
        (
            &["10.0.0.3", "10.0.0.4"],
            r#"IPFamilyForAddresses: same address family ["10.0.0.3" "10.0.0.4"]"#,
            "10.0.0.3",
        ),
        (
            &["10.0.0.3", "2001:db8::1", "10.0.0.4"],
            r#"IPFamilyForAddresses: invalid ips length 3 ["10.0.0.3" "2001:db8::1" "10.0.0.4"]"#,
            "10.0.0.3",
        ),
        (&["10.0.0"], r#"IPFamilyForAddresses: Invalid address ["10.0.0"]"#, "10.0.0.0"),
    ];
    for (addresses, why, ip) in table {
        let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
        let events = world.put("a", recorded("p", addresses)).run();
        let told = format!("a nolbIPsIPFamily: Failed to retrieve LBIPs IPFamily for \"default/a\": {why}");
        assert_eq!(events, [told, format!(r#"a IPAllocated: Assigned IP ["{ip}"]"#)]);
        assert_eq!(world.ips("a"), ip);
    }
}

/// §4.10 "clusterIP family error", with and without recorded addresses.
#[test]
fn a_service_whose_cluster_addresses_make_no_sense_keeps_what_it_has_and_gets_nothing_new() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
    let headless = json!({"spec": {"clusterIPs": ["None"], "clusterIP": "None"}});
    let why = r#"IPFamilyForAddresses: Invalid address ["None"]"#;
    world.put("a", recorded("p", &["10.0.0.9"])).put("a", headless.clone()).put("b", headless);
    assert_eq!(
        world.run(),
        [
            format!(
                "a noclusterIPsIPFamily: Failed to retrieve ClusterIPs IPFamily for \"default/a\" None: {why}"
            ),
            format!("b AllocationFailed: Failed to allocate IP for \"default/b\": {why}"),
        ]
    );
    assert_eq!((world.ips("a").as_str(), world.ips("b").as_str()), ("10.0.0.9", ""));
}

/// §4.10 "status family differs": only IPAllocated follows, and what fits is kept.
#[test]
fn a_family_change_keeps_the_address_of_the_family_that_stays() {
    let mut world = World::new(&[both("p")]);
    world.put("other", json!({})).put("z", dual("RequireDualStack")).run();
    assert_eq!(world.ips("z"), "10.0.0.1 2001:db8::");
    world.delete("other").run();
    assert_eq!(
        world.put("z", json!({"spec": {"clusterIPs": ["10.96.0.1"], "ipFamilyPolicy": "SingleStack"}})).run(),
        [r#"z IPAllocated: Assigned IP ["10.0.0.1"]"#]
    );
    assert_eq!(
        world.put("z", dual("RequireDualStack")).run(),
        [r#"z IPAllocated: Assigned IP ["10.0.0.1" "2001:db8::"]"#]
    );
    let events =
        world.put("z", json!({"spec": {"clusterIPs": ["fd00::1"], "ipFamilyPolicy": "SingleStack"}})).run();
    assert_eq!(events, [r#"z IPAllocated: Assigned IP ["2001:db8::"]"#]);
}

/// §2.4: what PreferDualStack keeps it keeps while the Service is of both families.
#[test]
fn a_service_that_prefers_both_keeps_but_one_when_its_cluster_has_one() {
    let single = json!({"spec": {"clusterIPs": ["10.96.0.1"], "clusterIP": "10.96.0.1"}});
    let mut world = World::new(&[both("p")]);
    world.put("a", dual("PreferDualStack")).run();
    assert_eq!(world.ips("a"), "10.0.0.0 2001:db8::");
    assert_eq!(world.put("a", single.clone()).run(), [r#"a IPAllocated: Assigned IP ["10.0.0.0"]"#]);
    world.put("b", dual("PreferDualStack")).put("b", recorded("p", &["2001:db8::9"])).put("b", single);
    assert_eq!(world.run(), [r#"b IPAllocated: Assigned IP ["10.0.0.1"]"#]);
    assert_eq!((world.ips("a").as_str(), world.ips("b").as_str()), ("10.0.0.0", "10.0.0.1"));
}

/// §2.4, last line: a dual pool turns single-stack.
#[test]
fn a_service_of_both_families_keeps_one_when_its_pool_loses_the_other() {
    let mut world = World::new(&[both("p")]);
    world.put("a", json!({})).put("b", dual("PreferDualStack")).run();
    world.delete("a").run();
    world.configure(&[plain("p", &["10.0.0.0/24"])]);
    let events = world.settle();
    assert!(events[0].contains(r#"["10.0.0.1" "2001:db8::"] is not allowed in config"#), "{events:?}");
    assert_eq!(world.ips("b"), "10.0.0.1");
}

/// §2.3 and D9: foreign entries go, what the API server fills in does not matter.
#[test]
fn foreign_entries_are_overwritten_and_defaulted_fields_are_no_difference() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
    world.put("a", recorded("p", &["10.0.0.0"]));
    assert_eq!(world.run(), NONE);
    assert_eq!(world.writes, 0, "ipMode is no difference");
    world
        .put("a", json!({"status": {"loadBalancer": {"ingress": [{"ip": "10.0.0.0"}, {"hostname": "x"}]}}}))
        .run();
    assert_eq!(world.writes, 1);
    assert_eq!(world.view(&key("a")).ingress.len(), 1);
    world.put("b", json!({"status": {"loadBalancer": {"ingress": [{"hostname": "x"}]}}})).run();
    assert_eq!(world.ips("b"), "10.0.0.1");
}

#[test]
fn a_recorded_pool_that_the_user_removes_is_written_again() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
    world.put("a", json!({})).run();
    world.put("a", json!({"metadata": {"annotations": {"metallb.io/ip-allocated-from-pool": null}}})).run();
    assert_eq!(world.recorded_pool("a").as_deref(), Some("p"));
}

/// §2.1, last paragraph, and D9.
#[test]
fn deprecated_annotations_are_told_only_when_the_service_changes() {
    let mut world = World::new(&[plain("p", &["10.0.0.0/24"])]);
    world.put("a", json!({"metadata": {"annotations": {"metallb.universe.tf/address-pool": "p"}}}));
    assert_eq!(
        world.run(),
        [
            r#"a IPAllocated: Assigned IP ["10.0.0.0"]"#,
            "a deprecatedAnnotation: Service uses deprecated annotation metallb.universe.tf/address-pool",
        ]
    );
    assert_eq!(world.put("a", json!({"metadata": {"labels": {"x": "y"}}})).run(), NONE);
    assert_eq!(world.restart().run(), NONE);
    let two = json!({"metallb.universe.tf/address-pool": "p", "metallb.universe.tf/allow-shared-ip": "k"});
    let events = world.put("b", json!({"metadata": {"annotations": two}})).run();
    let told = |key: &str| format!("b deprecatedAnnotation: Service uses deprecated annotation {key}");
    assert_eq!(
        events[1..],
        [told("metallb.universe.tf/address-pool"), told("metallb.universe.tf/allow-shared-ip")]
    );
}

/// §2.2 loadBalancerClass, and D5: what leaves our care is not held on to.
#[test]
fn only_services_of_our_class_are_touched() {
    let class = |name: &str| json!({"spec": {"loadBalancerClass": name}});
    let mut world = World::with_class(&[plain("p", &["10.0.0.7/32"])], "ours");
    world.put("a", class("theirs")).put("b", json!({})).put("c", class("ours"));
    assert_eq!(world.run(), [r#"c IPAllocated: Assigned IP ["10.0.0.7"]"#]);
    world.put("d", class("ours")).run();
    world.put("c", json!({"spec": {"type": "ClusterIP", "loadBalancerClass": null}}));
    assert_eq!(world.run(), [r#"d IPAllocated: Assigned IP ["10.0.0.7"]"#]);
}

#[test]
fn a_restart_writes_nothing() {
    let mut world =
        World::new(&[both("p"), pool("q", json!({"addresses": ["10.1.0.0/24"], "autoAssign": false}))]);
    world
        .put("a", json!({}))
        .put("b", dual("RequireDualStack"))
        .put("c", from_pool("q"))
        .put("d", dual("PreferDualStack"));
    world.put("e", sharing("k", 80)).put("f", sharing("k", 81)).put("g", requesting("2001:db8::9,10.0.0.99"));
    world.put("g", dual("RequireDualStack")).put("h", requesting("10.0.0.0"));
    world.run();
    let (writes, before) =
        (world.writes, world.keys().iter().map(|key| world.ips(&key.name)).collect::<Vec<_>>());
    assert_eq!(
        before,
        [
            "10.0.0.0",
            "10.0.0.1 2001:db8::",
            "10.1.0.0",
            "10.0.0.2 2001:db8::1",
            "10.0.0.3",
            "10.0.0.3",
            "2001:db8::9 10.0.0.99",
            ""
        ]
    );
    let pending =
        r#"False AddressInUse: can't change sharing key for "default/h", address also in use by default/a"#;
    assert_eq!(world.condition("h"), pending);
    assert_eq!(world.restart().run(), NONE);
    assert_eq!(world.writes, writes);
    let after: Vec<_> = world.keys().iter().map(|key| world.ips(&key.name)).collect();
    assert_eq!(after, before);
}

#[test]
fn a_decision_under_way_is_not_repeated_when_the_service_is_asked_again() {
    let mut world = World::new(&[plain("p", &["10.0.0.7/32", "10.0.0.9/32"])]);
    world.put("a", dual("PreferDualStack")).put("b", json!({}));
    let first = world.allocator.settle();
    assert_eq!(first.len(), 2);
    // b's write is not seen yet; deleting an unrelated holder wakes those who wait, and only them.
    world.put("c", json!({}));
    world.allocator.settle();
    world.delete("b");
    let woken: Vec<_> =
        world.allocator.settle().into_iter().map(|decision| decision.key.name.to_string()).collect();
    assert_eq!(woken, ["c"]);
}

#[test]
fn what_could_not_be_told_with_a_lost_write_is_told_again() {
    let mut world = World::new(&[plain("p", &["10.0.0.7/32"])]);
    world.put("a", json!({})).run();
    world.configure(&[pool(
        "p",
        json!({"addresses": ["10.0.0.7/32"], "serviceAllocation": {"namespaces": ["x"]}}),
    )]);
    let lost = world.allocator.settle();
    assert_eq!(lost[0].events.len(), 2);
    world.allocator.write_lost(&key("a"));
    world.put("a", json!({"metadata": {"labels": {"x": "y"}}}));
    let again = world.settle();
    assert_eq!(again.len(), 2, "{again:?}");
}

/// D3, D22 and §6: counts saturate and stay positive.
#[test]
fn capacities_are_exact_or_saturated() {
    let max = i64::MAX;
    let table: [(&[&str], bool, i64, i64); 7] = [
        (&["10.0.0.0/24"], false, 256, 0),
        (&["10.0.0.0/23"], true, 508, 0),
        (&["10.0.0.255/32"], true, 0, 0),
        (&["10.0.0.250-10.0.1.5"], true, 10, 0),
        (&["2001:db8::/64", "2001:db9::/64", "10.0.0.0/30"], false, 4, max),
        (&["2001:db8::/66"], false, 0, 1 << 62),
        (&["::/0", "0.0.0.0/0"], false, 1 << 32, max),
    ];
    for (addresses, avoid, ipv4, ipv6) in table {
        let world = World::new(&[pool("p", json!({"addresses": addresses, "avoidBuggyIPs": avoid}))]);
        assert_eq!(world.usage_of("p"), PoolUsage { ipv4, ipv6, ..PoolUsage::default() }, "{addresses:?}");
    }
}

#[test]
fn usage_counts_a_shared_address_once() {
    let mut world = World::new(&[both("p")]);
    world.put("a", sharing("k", 1)).put("b", sharing("k", 2)).put("c", dual("RequireDualStack")).run();
    let usage = world.usage_of("p");
    assert_eq!((usage.ipv4_in_use, usage.ipv6_in_use), (2, 1));
    assert_eq!((usage.ipv4_available(), usage.ipv6_available()), (254, 255));
}
