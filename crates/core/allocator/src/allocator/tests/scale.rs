//! The cost of a decision does not grow with the size of a pool (D22).

use serde_json::json;

use super::world::*;

/// Finishes at once or practically never: a search through what is taken would take hours.
#[test]
fn a_huge_pool_that_is_nearly_full_of_services_costs_no_search() {
    let mut world = World::new(&[plain("p", &["2001:db8::/32", "10.0.0.0/8"])]);
    for number in 0..2000 {
        world.put(&format!("s{number:04}"), json!({}));
    }
    world.settle();
    assert_eq!(world.ips("s0000"), "10.0.0.0");
    assert_eq!(world.ips("s1999"), "10.0.7.207");
    assert_eq!(world.usage_of("p").ipv4_in_use, 2000);
}
