//! Admission reviews, from the bytes to the verdict.

use std::sync::Arc;

use metallb_api::IPAddressPool;
use metallb_config::admission::{Operation, Submitted, review};
use metallb_config::{Config, RawConfig};
use metallb_webhook::{AdmissionRequest, decode_admission};
use serde::de::DeserializeOwned;
use serde_json::Value;

const NAMESPACE: &str = "metallb-system";

pub(crate) const SEEDS: &[&str] = &[
    r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","operation":"CREATE","namespace":"metallb-system","object":{"apiVersion":"metallb.io/v1beta1","kind":"IPAddressPool","metadata":{"name":"red","namespace":"metallb-system"},"spec":{"addresses":["192.0.2.0/24","10.0.0.1-10.0.0.9"],"serviceAllocation":{"namespaces":["a"],"serviceSelectors":[{"matchLabels":{"a":"b"}}]}}}}}"#,
    r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","operation":"CREATE","namespace":"metallb-system","object":{"apiVersion":"metallb.io/v1beta1","kind":"IPAddressPool","metadata":{"name":"a","namespace":"metallb-system"},"spec":{"addresses":["172.16.0.0/12"]}}}}"#,
    r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","operation":"CREATE","object":{"apiVersion":"metallb.io/v1beta2","kind":"BGPPeer","metadata":{"name":"p","namespace":"metallb-system"},"spec":{"myASN":1,"peerASN":2,"peerAddress":"10.0.0.1","holdTime":"90s","nodeSelectors":[{}]}}}}"#,
    r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","operation":"UPDATE","object":{"apiVersion":"metallb.io/v1beta1","kind":"BGPAdvertisement","metadata":{"name":"a","namespace":"metallb-system"},"spec":{"aggregationLength":24,"communities":["65000:1","large:1:2:3","alias"],"ipAddressPools":["blue"]}}}}"#,
    r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","operation":"CREATE","object":{"apiVersion":"metallb.io/v1beta1","kind":"L2Advertisement","metadata":{"name":"a","namespace":"metallb-system"},"spec":{"interfaces":["eth0"],"preempt":"Delayed","preemptDelay":"90s","spread":"Bounded","refreshInterval":"1m","subnets":"Prefer","preferredNodeSelectors":[{"weight":5,"preference":{}}]}}}}"#,
    r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","operation":"CREATE","object":{"apiVersion":"metallb.io/v1beta1","kind":"BFDProfile","metadata":{"name":"a","namespace":"metallb-system"},"spec":{"detectMultiplier":3,"minimumTtl":254}}}}"#,
    r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","operation":"CREATE","object":{"apiVersion":"metallb.io/v1beta1","kind":"Community","metadata":{"name":"a","namespace":"metallb-system"},"spec":{"communities":[{"name":"none","value":"65535:65281"}]}}}}"#,
    r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1","operation":"DELETE","oldObject":{"kind":"BFDProfile","metadata":{"name":"fast"},"spec":{}}}}"#,
];

/// A review, answered twice, beside an object of another name. A pool is refused here if and only if the daemons
/// would refuse it, or the one there is: of two that overlap they keep the one whose name comes first.
pub fn admission(data: &[u8]) {
    let Ok(request) = decode_admission(data) else { return };
    assert!(!request.uid.is_empty());
    let Some((operation, submitted)) = read(&request) else { return };
    let existing = existing();
    let verdict = review(NAMESPACE, operation, &submitted, &existing);
    assert_eq!(review(NAMESPACE, operation, &submitted, &existing), verdict, "asked twice");
    assert!(verdict.denied.as_deref() != Some(""), "a refusal says why");
    if let (Submitted::IPAddressPool(pool), Operation::Create) = (&submitted, operation)
        && pool.metadata.namespace.as_deref() == Some(NAMESPACE)
    {
        assert_eq!(verdict.denied.is_some(), is_refused(pool, existing), "{:?}: {pool:?}", verdict.denied);
    }
}

fn read(request: &AdmissionRequest) -> Option<(Operation, Submitted)> {
    let (operation, object) = match request.operation {
        metallb_webhook::Operation::Create => (Operation::Create, &request.object),
        metallb_webhook::Operation::Update => (Operation::Update, &request.object),
        metallb_webhook::Operation::Delete => (Operation::Delete, &request.old_object),
        metallb_webhook::Operation::Connect => return None,
    };
    let submitted = match object.get("kind")?.as_str()? {
        "IPAddressPool" => Submitted::IPAddressPool(typed(object)?),
        "L2Advertisement" => Submitted::L2Advertisement(typed(object)?),
        "BGPAdvertisement" => Submitted::BGPAdvertisement(typed(object)?),
        "BGPPeer" => Submitted::BGPPeer(typed(object)?),
        "BFDProfile" => Submitted::BFDProfile(typed(object)?),
        "Community" => Submitted::Community(typed(object)?),
        _ => return None,
    };
    Some((operation, submitted))
}

fn typed<T: DeserializeOwned>(object: &Value) -> Option<T> {
    serde_json::from_value(object.clone()).ok()
}

fn pool(name: &str, address: &str) -> IPAddressPool {
    let spec = metallb_api::IPAddressPoolSpec { addresses: vec![address.to_owned()], ..Default::default() };
    let mut pool = IPAddressPool::new(name, spec);
    pool.metadata.namespace = Some(NAMESPACE.to_owned());
    pool
}

fn existing() -> RawConfig {
    RawConfig { pools: vec![Arc::new(pool("blue", "172.16.0.0/24"))], ..RawConfig::default() }
}

/// Whether a daemon refuses something when the pool appears beside those there are, of which it refuses none.
fn is_refused(pool: &IPAddressPool, mut existing: RawConfig) -> bool {
    existing.pools.retain(|other| other.metadata.name != pool.metadata.name);
    existing.pools.push(Arc::new(pool.clone()));
    !metallb_config::parse(&existing, &Config::default()).refusals.is_empty()
}
