//! Services that share addresses and do not differ in what decides.

use super::*;

const LOCAL: &str = "externalTrafficPolicy";

/// A hundred on one address, some of which differ; only these are looked at.
#[test]
fn of_services_that_do_not_differ_one_is_looked_at() {
    let mut cluster = Cluster::new(json!({}));
    let shares = json!({ "annotations": { "metallb.io/allow-shared-ip": "x" } });
    for number in 0..97 {
        cluster.add(&format!("s{number:03}"), &["172.30.0.7"], shares.clone());
    }
    for (name, addresses, policy, nodes) in [
        ("t1-local", &["172.30.0.7"][..], "Local", &["n1", "n2"][..]),
        ("t2-local-as-well", &["172.30.0.7"], "Local", &["n2", "n1"]),
        ("t3-elsewhere", &["172.30.0.7"], "Local", &["n2", "n3"]),
        ("t4-other-first", &["fd00:30::7", "172.30.0.7"], "Cluster", &["n3"]),
    ] {
        cluster.set(name, named_service(name, addresses, json!({ LOCAL: policy }), shares.clone()));
        cluster.serve(name, nodes);
    }
    let all: BTreeSet<ServiceKey> = cluster.services.keys().cloned().collect();
    cluster.decide(&all);
    let (snapshot, _) = &cluster.speakers["n1"];
    let known =
        Known { world: &snapshot.world, services: &snapshot.services, endpoints: &snapshot.endpoints };
    let parts: Vec<Part<'_>> = all.iter().filter_map(|key| Part::new(known, key)).collect();
    let looked_at: Vec<usize> =
        unlike(&parts).filter_map(|part| parts.iter().position(|other| std::ptr::eq(part, other))).collect();
    assert_eq!((parts.len(), looked_at), (101, vec![0, 97, 99, 100]));
    // They would have the same owner if each were: the only node that has endpoints of all.
    let each = parts.iter().map(|part| part.standing(known.world)).reduce(both).unwrap();
    assert_eq!(each.1.keys().collect::<Vec<_>>(), ["n2"]);
    assert!(all.iter().all(|key| snapshot.precedence.owner(key) == Some("n2")));
}
