//! Objects an API server may hold, read and written back through our types.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use kube_core::Resource;
use metallb_api::bgp_peer_v1beta1::BGPPeer as OldBGPPeer;
use metallb_api::{
    BFDProfile, BGPAdvertisement, BGPPeer, Community, ConfigurationState, IPAddressPool, L2Advertisement,
    MetalLB, ServiceBGPStatus, ServiceL2Status,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn read<K: DeserializeOwned>(object: &Value) -> K {
    K::deserialize(object).unwrap()
}

fn bare<K: Resource<DynamicType = ()>>() -> Value {
    json!({ "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": { "name": "thing" } })
}

fn reads_without_spec<K>(written: Option<Value>)
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Serialize,
{
    let object: K = read(&bare::<K>());
    assert_eq!(object.meta().name.as_deref(), Some("thing"));
    let again = serde_json::to_value(&object).unwrap();
    assert_eq!(again.get("spec").cloned(), written, "{again}");
}

#[test]
fn objects_without_spec_are_read_where_the_schema_allows_them() {
    reads_without_spec::<BFDProfile>(Some(json!({})));
    reads_without_spec::<BGPAdvertisement>(Some(json!({})));
    reads_without_spec::<BGPPeer>(Some(json!({ "myASN": 0 })));
    reads_without_spec::<OldBGPPeer>(Some(json!({ "myASN": 0, "peerASN": 0, "peerAddress": "" })));
    reads_without_spec::<Community>(Some(json!({})));
    reads_without_spec::<L2Advertisement>(Some(json!({})));
    reads_without_spec::<MetalLB>(Some(json!({})));
    reads_without_spec::<ServiceBGPStatus>(Some(json!({})));
    reads_without_spec::<ServiceL2Status>(Some(json!({})));
    reads_without_spec::<ConfigurationState>(None);
}

#[test]
fn an_object_without_spec_may_have_a_status() {
    let mut object = bare::<MetalLB>();
    object["status"] = json!({ "conditions": [] });
    assert_eq!(read::<MetalLB>(&object).status.unwrap().conditions, Some(vec![]));
    let mut object = bare::<ConfigurationState>();
    object["status"] = json!({ "result": "Invalid", "errorSummary": "why" });
    let state: ConfigurationState = read(&object);
    assert_eq!(state.status.as_ref().unwrap().error_summary.as_deref(), Some("why"));
    assert_eq!(serde_json::to_value(&state).unwrap(), object);
}

#[test]
fn a_pool_without_spec_is_refused() {
    assert!(serde_json::from_value::<IPAddressPool>(bare::<IPAddressPool>()).is_err());
}

#[test]
fn a_spec_that_has_the_wrong_type_is_refused_not_defaulted() {
    let mut object = bare::<MetalLB>();
    object["spec"] = json!({ "nodeSelector": "all" });
    assert!(serde_json::from_value::<MetalLB>(object).is_err());
}

#[test]
fn fields_of_other_releases_are_passed_over() {
    let mut object = bare::<MetalLB>();
    object["spec"] = json!({ "fieldOfTheFuture": 1, "logLevel": "warn" });
    assert_eq!(read::<MetalLB>(&object).spec.log_level, Some(metallb_api::LogLevel::Warn));
    let mut object = bare::<ServiceL2Status>();
    object["spec"] = json!({});
    object["status"] = json!({ "node": "n1", "fieldOfTheFuture": {} });
    assert_eq!(read::<ServiceL2Status>(&object).status.unwrap().node.as_deref(), Some("n1"));
}

#[test]
fn a_quantity_may_be_a_number() {
    let mut object = bare::<MetalLB>();
    object["spec"] =
        json!({ "speakerConfig": { "resources": { "limits": { "cpu": 1, "memory": "64Mi" } } } });
    let resources = read::<MetalLB>(&object).spec.speaker_config.unwrap().resources.unwrap();
    assert_eq!(resources.limits.unwrap()["cpu"].0, "1");
}

#[test]
fn a_full_object_is_written_back_as_it_was_read() {
    let mut pool = bare::<IPAddressPool>();
    pool["spec"] = json!({
        "addresses": ["192.0.2.0/24", "2001:db8::1-2001:db8::9"],
        "autoAssign": false,
        "avoidBuggyIPs": true,
        "serviceAllocation": {
            "priority": 5,
            "namespaces": ["a"],
            "namespaceSelectors": [{ "matchLabels": { "a": "b" } }],
            "serviceSelectors": [{ "matchExpressions": [{ "key": "k", "operator": "In", "values": ["v"] }] }],
        },
    });
    pool["status"] = json!({ "assignedIPv4": 1, "assignedIPv6": 2, "availableIPv4": 3, "availableIPv6": 4 });
    assert_eq!(serde_json::to_value(read::<IPAddressPool>(&pool)).unwrap(), pool);

    let mut advertisement = bare::<L2Advertisement>();
    advertisement["spec"] = json!({
        "ipAddressPools": ["p"],
        "ipAddressPoolSelectors": [{}],
        "nodeSelectors": [{ "matchLabels": { "a": "b" } }],
        "interfaces": ["eth0"],
        "serviceSelectors": [{}],
        "preferredNodeSelectors": [{ "weight": 100, "preference": {} }],
        "preempt": "Delayed", "preemptDelay": "90s", "spread": "Bounded", "refreshInterval": "1m", "subnets": "Prefer",
    });
    assert_eq!(serde_json::to_value(read::<L2Advertisement>(&advertisement)).unwrap(), advertisement);
}

fn written_back<K>(spec: Value)
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Serialize,
{
    let mut object = bare::<K>();
    object["spec"] = spec;
    assert_eq!(serde_json::to_value(read::<K>(&object)).unwrap(), object);
}

fn every_peer_field() -> Value {
    json!({
        "myASN": 4_294_967_295_i64, "peerASN": 64513, "localASN": 64514, "dynamicASN": "internal",
        "peerAddress": "192.0.2.1", "interface": "eth0", "sourceAddress": "192.0.2.2", "peerPort": 179,
        "holdTime": "90s", "keepaliveTime": "30s", "connectTime": "1m", "routerID": "192.0.2.3",
        "nodeSelectors": [{ "matchLabels": { "a": "b" } }], "password": "p",
        "passwordSecret": { "name": "s", "namespace": "n" }, "bfdProfile": "b",
        "enableGracefulRestart": true, "ebgpMultiHop": false, "vrf": "v", "disableMP": false,
        "dualStackAddressFamily": true,
    })
}

#[test]
fn every_bgp_field_is_written_back_as_it_was_read() {
    written_back::<BGPPeer>(every_peer_field());
    written_back::<BGPPeer>(json!({ "myASN": 1 }));
    written_back::<OldBGPPeer>(json!({
        "myASN": 64512, "peerASN": 64513, "peerAddress": "192.0.2.1", "sourceAddress": "192.0.2.2",
        "peerPort": 0, "holdTime": "0s", "keepaliveTime": "0s", "routerID": "192.0.2.3", "password": "p",
        "nodeSelectors": [
            {},
            { "matchLabels": {}, "matchExpressions": [] },
            { "matchExpressions": [{ "key": "k", "operator": "In", "values": ["v"] }] },
        ],
        "bfdProfile": "b", "ebgpMultiHop": true,
    }));
    written_back::<BFDProfile>(json!({
        "receiveInterval": 10, "transmitInterval": 60000, "detectMultiplier": 2, "echoInterval": 11,
        "echoMode": true, "passiveMode": false, "minimumTtl": 254,
    }));
    written_back::<BGPAdvertisement>(json!({
        "aggregationLength": 32, "aggregationLengthV6": 64, "localPref": 4_294_967_295_i64,
        "communities": ["1:2"], "ipAddressPools": ["p"], "ipAddressPoolSelectors": [{}],
        "nodeSelectors": [{}], "peers": ["q"], "serviceSelectors": [{}],
    }));
    written_back::<Community>(json!({ "communities": [{ "name": "a", "value": "1:2" }, {}] }));
}

#[test]
fn a_status_of_a_service_over_bgp_is_written_back_as_it_was_read() {
    let mut object = bare::<ServiceBGPStatus>();
    object["spec"] = json!({});
    object["status"] =
        json!({ "node": "n", "serviceName": "s", "serviceNamespace": "d", "peers": ["a", "b"] });
    assert_eq!(serde_json::to_value(read::<ServiceBGPStatus>(&object)).unwrap(), object);
}
