//! Pools meant for some Services (contract 01 §4.3 rule 3, §3.3 rules 11 and 12).

use std::collections::BTreeMap;

use metallb_config::{Namespace, RawConfig, parse};
use serde_json::{Value, json};

use super::super::*;
use super::world::*;

/// A world whose only namespace has a label.
fn world(pools: &[Value]) -> World {
    let labels = BTreeMap::from([("team".to_owned(), "blue".to_owned())]);
    let pools = pools.iter().map(|pool| Arc::new(serde_json::from_value(pool.clone()).unwrap())).collect();
    let namespaces = vec![Namespace { name: "default".into(), labels }];
    let raw = RawConfig { pools, namespaces, ..RawConfig::default() };
    World::with_options(Options::default(), parse(&raw, &Config::default()).config)
}

fn web() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}})
}

/// However a pool is pinned, it comes before one that is not, and when it is full the open one is used.
#[test]
fn every_way_of_pinning_makes_a_pool_the_first_choice_and_no_more() {
    let label = |key: &str, value: &str| json!([{"matchLabels": {key: value}}]);
    // (serviceAllocation, autoAssign, whether the pool is a choice)
    let table = [
        (json!({"namespaces": ["default"]}), true, true),
        (json!({"namespaceSelectors": label("team", "blue")}), true, true),
        (json!({"serviceSelectors": label("app", "web")}), true, true),
        (json!({"namespaces": ["default"], "serviceSelectors": label("app", "web")}), true, true),
        // Rule 12: no condition is one that everybody meets.
        (json!({}), true, true),
        (json!({"priority": 7}), true, true),
        (json!({"namespaces": ["other"]}), true, false),
        (json!({"namespaceSelectors": label("team", "red")}), true, false),
        (json!({"serviceSelectors": label("app", "db")}), true, false),
        (json!({"namespaces": ["default"], "serviceSelectors": label("app", "db")}), true, false),
        (json!({"namespaces": ["other"], "serviceSelectors": label("app", "web")}), true, false),
        (json!({"namespaces": ["default"]}), false, false),
    ];
    for (allocation, auto_assign, chosen) in table {
        let spec =
            json!({"addresses": ["10.1.0.0/32"], "autoAssign": auto_assign, "serviceAllocation": allocation});
        let mut world = world(&[plain("a", &["10.0.0.0/24"]), pool("z", spec)]);
        world.put("one", web()).run();
        world.put("two", web()).run();
        let expected = if chosen { ["10.1.0.0", "10.0.0.0"] } else { ["10.0.0.0", "10.0.0.1"] };
        assert_eq!(["one", "two"].map(|name| world.ips(name)), expected, "{allocation} {auto_assign}");
    }
}

/// Pinned by namespace or by label, priority decides: positive ones ascending, then those without.
#[test]
fn priority_decides_among_pools_pinned_in_different_ways() {
    let pinned = |name: &str, address: &str, allocation: Value| {
        pool(name, json!({"addresses": [address], "serviceAllocation": allocation}))
    };
    let selectors = json!([{"matchLabels": {"app": "web"}}]);
    let mut world = world(&[
        pinned("a", "10.0.0.4/32", json!({"namespaces": ["default"]})),
        pinned("b", "10.0.0.3/32", json!({"serviceSelectors": selectors, "priority": 30})),
        pinned("c", "10.0.0.2/32", json!({"namespaces": ["default"], "priority": 20})),
        pinned("d", "10.0.0.1/32", json!({"serviceSelectors": selectors, "priority": 10})),
    ]);
    let names = ["1", "2", "3", "4"];
    names.iter().for_each(|name| drop(world.put(name, web()).run()));
    assert_eq!(names.map(|name| world.ips(name)), ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]);
}

/// §4.3 rules 1 and 2: what is asked for is bound by pinning too, priority or not.
#[test]
fn who_asks_for_a_pool_pinned_to_others_does_not_get_it_whichever_way_it_is_pinned() {
    let table = [
        json!({"namespaces": ["other"]}),
        json!({"namespaceSelectors": [{"matchLabels": {"team": "red"}}]}),
        json!({"serviceSelectors": [{"matchLabels": {"app": "db"}}]}),
    ];
    let why =
        r#"AllocationFailed: Failed to allocate IP for "default/a": pool z not compatible for ip assignment"#;
    for allocation in table {
        for asking in [from_pool("z"), requesting("10.1.0.0")] {
            let spec = json!({"addresses": ["10.1.0.0/32"], "serviceAllocation": allocation});
            let mut world = world(&[pool("z", spec)]);
            assert_eq!(world.put("a", asking.clone()).run(), [format!("a {why}")], "{allocation} {asking}");
        }
    }
}
