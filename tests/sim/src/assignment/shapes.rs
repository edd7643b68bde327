//! What users write: Services and pools of every kind that matters, few enough that they meet.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use metallb_api::IPAddressPool;
use serde_json::{Value, json};

use crate::Chance;

/// How many sets of pools there are.
pub(super) const POOLS: usize = 7;
/// Of those in so many, the first, no pool is refused.
pub(super) const GOOD_POOLS: usize = 6;

const SERVICES: usize = 7;

const FAMILIES: [(&[&str], &str); 6] = [
    (&["10.96.0.1"], "SingleStack"),
    (&["10.96.0.1"], "SingleStack"),
    (&["fd00::1"], "SingleStack"),
    (&["10.96.0.1", "fd00::1"], "PreferDualStack"),
    (&["10.96.0.1", "fd00::1"], "RequireDualStack"),
    (&["10.96.0.1"], "RequireDualStack"),
];

const ANNOTATIONS: [(&str, &[&str]); 3] = [
    ("metallb.io/loadBalancerIPs", &["10.0.0.1", "10.0.0.2,2001:db8::2", "nonsense", "10.9.9.9"]),
    ("metallb.io/address-pool", &["b", "b", "nowhere"]),
    ("metallb.io/allow-shared-ip", &["k", "k", "l"]),
];

pub(super) fn name(chance: &mut Chance) -> String {
    format!("s{}", chance.below(SERVICES))
}

/// A new Service, or the one there with one thing changed.
pub(super) fn edit(chance: &mut Chance, name: &str, there: Option<Arc<Service>>) -> Service {
    let mut service = there.map_or_else(Service::default, |service| Service::clone(&service));
    service.metadata.name = Some(name.to_owned());
    service.metadata.namespace = Some("default".to_owned());
    let is_new = service.spec.is_none();
    let spec = service.spec.get_or_insert_default();
    if is_new {
        spec.type_ = Some("LoadBalancer".to_owned());
        set_families(spec, 0);
        set_port(spec, 80);
    }
    match chance.below(8) {
        0 | 1 => set_families(spec, chance.below(FAMILIES.len())),
        2 => set_port(spec, 80 + i32::try_from(chance.below(3)).unwrap_or(0)),
        3 => {
            let types = ["LoadBalancer", "LoadBalancer", "ClusterIP"];
            spec.type_ = chance.pick(&types).map(|text| (*text).to_owned());
        }
        _ => annotate(chance, &mut service),
    }
    service
}

fn annotate(chance: &mut Chance, service: &mut Service) {
    let annotations = service.metadata.annotations.get_or_insert_default();
    let Some((key, values)) = chance.pick(&ANNOTATIONS) else { return };
    annotations.remove(*key);
    if !chance.once_in(3)
        && let Some(value) = chance.pick(values)
    {
        annotations.insert((*key).to_owned(), (*value).to_owned());
    }
}

fn set_families(spec: &mut ServiceSpec, which: usize) {
    let (cluster_ips, policy) = FAMILIES.get(which).copied().unwrap_or(FAMILIES[0]);
    spec.cluster_ips = Some(cluster_ips.iter().map(|ip| (*ip).to_owned()).collect());
    spec.ip_family_policy = Some(policy.to_owned());
}

fn set_port(spec: &mut ServiceSpec, port: i32) {
    spec.ports = Some(vec![ServicePort { port, ..ServicePort::default() }]);
}

/// The pools of a set.
pub(super) fn pools(which: usize) -> Vec<Arc<IPAddressPool>> {
    let plain = |name: &str, addresses: &[&str]| pool(name, json!({"addresses": addresses}));
    let small = || plain("a", &["10.0.0.0/30", "2001:db8::/126"]);
    let single = || plain("b", &["10.0.1.0/31"]);
    let elsewhere = json!({"addresses": ["10.0.0.0/30"], "serviceAllocation": {"namespaces": ["other"]}});
    let careful = json!({"addresses": ["10.0.0.0/29"], "avoidBuggyIPs": true, "autoAssign": false});
    match which {
        0 => vec![small(), single()],
        1 => vec![small()],
        2 => vec![plain("a", &["10.0.0.0/31"]), plain("b", &["10.0.0.2/31", "2001:db8::/127"])],
        3 => vec![pool("a", elsewhere), single()],
        4 => vec![pool("a", careful), single()],
        5 => vec![plain("c", &["10.0.0.0/29", "2001:db8::/125"])],
        _ => vec![small(), plain("b", &["10.0.1.0/99"])],
    }
}

fn pool(name: &str, spec: Value) -> Arc<IPAddressPool> {
    let object = json!({
        "apiVersion": "metallb.io/v1beta1", "kind": "IPAddressPool", "metadata": {"name": name}, "spec": spec,
    });
    Arc::new(serde_json::from_value(object).unwrap())
}
