//! Conversion reviews, from the bytes to the objects.

use metallb_api::conversion::convert;
use metallb_webhook::decode_conversion;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) const SEEDS: &[&str] = &[
    r#"{"kind":"ConversionReview","apiVersion":"apiextensions.k8s.io/v1","request":{"uid":"1","desiredAPIVersion":"metallb.io/v1beta1","objects":[{"apiVersion":"metallb.io/v1beta2","kind":"BGPPeer","metadata":{"name":"p","annotations":{"a":"b"}},"spec":{"myASN":1,"dynamicASN":"internal","interface":"eth0","holdTime":"90s","vrf":"red","nodeSelectors":[{"matchLabels":{"a":"b"},"matchExpressions":[{"key":"c","operator":"Exists"}]}],"passwordSecret":{"name":"x"}},"status":{}}]}}"#,
    r#"{"kind":"ConversionReview","apiVersion":"apiextensions.k8s.io/v1beta1","request":{"uid":"1","desiredAPIVersion":"metallb.io/v1beta2","objects":[{"apiVersion":"metallb.io/v1beta1","kind":"BGPPeer","metadata":{"name":"p"},"spec":{"myASN":1,"peerASN":2,"peerAddress":"10.0.0.1","peerPort":0,"nodeSelectors":[{"matchExpressions":[{"key":"c","operator":"In","values":["d"]}]},{}]}}]}}"#,
    r#"{"kind":"ConversionReview","apiVersion":"apiextensions.k8s.io/v1","request":{"uid":"1","desiredAPIVersion":"metallb.io/v1beta1","objects":[{"apiVersion":"metallb.io/v1beta2","kind":"BGPPeer","metadata":{"name":"p","annotations":{}},"spec":{"myASN":1,"peerASN":2,"vrf":"red"}}]}}"#,
    r#"{"kind":"ConversionReview","apiVersion":"apiextensions.k8s.io/v1","request":{"uid":"1","desiredAPIVersion":"metallb.io/v1beta1","objects":[]}}"#,
];

const ANNOTATIONS: [&str; 2] = [metallb_api::conversion::KEPT_V1BETA1, metallb_api::conversion::KEPT_V1BETA2];

/// A review; each object goes there and back again, and is the same then.
pub fn conversion(data: &[u8]) {
    let Ok(request) = decode_conversion(data) else { return };
    for mut object in request.objects {
        drop_empty_annotations(&mut object);
        let Ok(there) = convert(object.clone(), &request.desired_api_version) else { continue };
        assert_eq!(version(&there), request.desired_api_version);
        let back = convert(there.clone(), version(&object));
        assert!(back.is_ok(), "{there} back: {back:?}");
        if is_stored_like_that(&object) {
            assert_eq!(back, Ok(object), "by way of {there}");
        }
    }
}

/// As an API server does.
fn drop_empty_annotations(object: &mut Value) {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata
        && metadata.get("annotations").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty)
    {
        metadata.remove("annotations");
    }
}

/// Whether an API server could have stored this: it drops what the schema does not name. What is kept in annotations
/// belongs to the conversion; an object that brings it along did not come from a user.
fn is_stored_like_that(object: &Value) -> bool {
    let annotations = object.pointer("/metadata/annotations");
    let brings_along = |name: &str| annotations.is_some_and(|all| all.get(name).is_some());
    let typed = match version(object) {
        "metallb.io/v1beta1" => typed::<metallb_api::bgp_peer_v1beta1::BGPPeer>(object),
        _ => typed::<metallb_api::BGPPeer>(object),
    };
    typed.as_ref() == Some(object) && !ANNOTATIONS.iter().any(|name| brings_along(name))
}

fn version(object: &Value) -> &str {
    object.get("apiVersion").and_then(Value::as_str).unwrap_or_default()
}

fn typed<T: DeserializeOwned + Serialize>(object: &Value) -> Option<Value> {
    let object: T = serde_json::from_value(object.clone()).ok()?;
    serde_json::to_value(object).ok()
}
