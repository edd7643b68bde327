//! Annotations and addresses of a Service.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{
    LoadBalancerIngress, LoadBalancerStatus, Service, ServiceSpec, ServiceStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use metallb_api::names;
use metallb_config::Labels;
use metallb_config::service::{ServiceView, parse};

use crate::text;

pub(crate) const SEEDS: &[&str] = &[
    "metallb.io/loadBalancerIPs=192.0.2.1",
    "metallb.io/loadBalancerIPs=192.0.2.1, 2001:db8::1",
    "metallb.io/loadBalancerIPs=192.0.2.1,192.0.2.2",
    "metallb.io/loadBalancerIPs=\nspec=192.0.2.1",
    "metallb.universe.tf/loadBalancerIPs=::ffff:192.0.2.1\nspec=10.0.0.1",
    "metallb.io/address-pool=red\nmetallb.universe.tf/address-pool=blue",
    "metallb.io/allow-shared-ip=\nmetallb.universe.tf/allow-shared-ip=key",
    "metallb.io/ip-allocated-from-pool=red\nip=192.0.2.1\nip=fe80::1%eth0\nip=\nip=x",
];

/// A Service, one `annotation=value` a line; `spec=` is its loadBalancerIP, `ip=` an address in its status.
pub fn services(data: &[u8]) {
    let text = text::of(data);
    let pairs: Vec<(&str, &str)> = text.split('\n').filter_map(|line| line.split_once('=')).collect();
    let service = build(&pairs);
    let view = parse(&service);
    assert_eq!(view, parse(&service), "read twice");
    let annotations = service.metadata.annotations.unwrap_or_default();
    let field = service.spec.and_then(|spec| spec.load_balancer_ip);
    assert_eq!(view.requested_ips.clone().ok(), requested(&annotations, field.as_deref()), "{text:?}");
    check_names(&view, &annotations);
    check_recorded(&view, &pairs);
}

fn build(pairs: &[(&str, &str)]) -> Service {
    let last = |wanted: &str| pairs.iter().rev().find(|(key, _)| *key == wanted);
    let annotations = pairs.iter().filter(|(key, _)| !matches!(*key, "spec" | "ip"));
    let ingress = pairs.iter().filter(|(key, _)| *key == "ip");
    let entry = |ip: &str| LoadBalancerIngress { ip: Some(ip.to_owned()), ..LoadBalancerIngress::default() };
    let ingress = Some(ingress.map(|(_, ip)| entry(ip)).collect());
    Service {
        metadata: ObjectMeta {
            annotations: Some(annotations.map(|(key, value)| ((*key).into(), (*value).into())).collect()),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            load_balancer_ip: last("spec").map(|(_, ip)| (*ip).to_owned()),
            ..ServiceSpec::default()
        }),
        status: Some(ServiceStatus {
            load_balancer: Some(LoadBalancerStatus { ingress }),
            ..ServiceStatus::default()
        }),
    }
}

/// Contract 01 §2.1 and §2.2 once more, by the book. Nothing: the request is wrong.
fn requested(annotations: &Labels, field: Option<&str>) -> Option<Vec<IpAddr>> {
    let annotation = either(annotations, names::LOAD_BALANCER_IPS, names::LOAD_BALANCER_IPS_DEPRECATED);
    let (annotation, field) = (annotation.unwrap_or_default(), field.unwrap_or_default());
    let addresses: Vec<IpAddr> = match (annotation.is_empty(), field.is_empty()) {
        (true, true) => return Some(Vec::new()),
        (false, false) => return None,
        (false, true) => annotation.split(',').map(|part| part.trim().parse().ok()).collect::<Option<_>>()?,
        (true, false) => vec![field.parse().ok()?],
    };
    let addresses: Vec<IpAddr> = addresses.iter().map(IpAddr::to_canonical).collect();
    let count = |is_v4: bool| addresses.iter().filter(|address| address.is_ipv4() == is_v4).count();
    (count(true) <= 1 && count(false) <= 1).then_some(addresses)
}

fn either<'a>(annotations: &'a Labels, key: &str, older: &str) -> Option<&'a str> {
    annotations.get(key).or_else(|| annotations.get(older)).map(String::as_str)
}

fn check_names(view: &ServiceView, annotations: &Labels) {
    let pool = either(annotations, names::ADDRESS_POOL, names::ADDRESS_POOL_DEPRECATED);
    assert_eq!(view.requested_pool.as_deref(), pool.filter(|name| !name.is_empty()));
    let sharing = either(annotations, names::ALLOW_SHARED_IP, names::ALLOW_SHARED_IP_DEPRECATED);
    assert_eq!(view.sharing_key.sharing, sharing.unwrap_or_default());
    assert_eq!(view.has_sharing_annotation, sharing.is_some());
}

fn check_recorded(view: &ServiceView, pairs: &[(&str, &str)]) {
    let recorded = pairs.iter().filter(|(key, _)| *key == "ip");
    let addresses = recorded.filter_map(|(_, ip)| ip.parse::<IpAddr>().ok()).map(|ip| ip.to_canonical());
    assert_eq!(view.recorded_ips(), addresses.collect::<Vec<_>>());
}
