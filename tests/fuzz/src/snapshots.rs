//! What a speaker wrote down for its successor.

use metallb_announce::Saved;

pub(crate) const SEEDS: &[&str] = &[
    "metallb-speaker-snapshot 1 0 00000000\n",
    "metallb-speaker-snapshot 2\n{}",
    r#"{"node":"n1","services":[],"slices":[],"nodes":[],"pools":[],"advertisements":[],"pods":[]}"#,
    r#"{"node":"n1","services":[{"namespace":"default","name":"web","uid":"u","facts":{"is_load_balancer":true,"is_local":false,"has_sharing_annotation":false,"class":null,"addresses":["192.0.2.1","2001:db8::1"],"labels":[["app","web"]]}}],"slices":[],"nodes":[],"pools":[],"advertisements":[],"pods":[]}"#,
    r#"{"node":"n1","services":[],"slices":[{"namespace":"default","name":"web-x","service":"web","any":true,"nodes":["n1","n2"]}],"nodes":[{"name":"n1","labels":{"a":"b"},"network_unavailable":false}],"pools":[],"advertisements":[],"pods":[{"name":"speaker-x","address":"172.30.0.11"}]}"#,
    r#"{"node":"n1","services":[],"slices":[{"namespace":"default","name":"web-x","service":"we/b","any":true,"nodes":["n2","","n/1"]}],"nodes":[],"pools":[],"advertisements":[],"pods":[]}"#,
    r#"{"node":"n1","services":[],"slices":[],"nodes":[],"pools":[{"apiVersion":"metallb.io/v1beta1","kind":"IPAddressPool","metadata":{"name":"p"},"spec":{"addresses":["192.0.2.0/24"]}}],"advertisements":[{"apiVersion":"metallb.io/v1beta1","kind":"L2Advertisement","metadata":{"name":"a"},"spec":{"preempt":"Never","spread":"Bounded","refreshInterval":"0s","subnets":"Prefer"}}],"pods":[]}"#,
];

/// A file as it is, and the same as the body of a file that is whole: what is understood is the same when it is written and
/// read again.
pub fn snapshots(data: &[u8]) {
    check(data);
    let line = format!("metallb-speaker-snapshot 1 {} {:08x}\n", data.len(), crc32fast::hash(data));
    check(&[line.as_bytes(), data].concat());
}

fn check(text: &[u8]) {
    let Ok(saved) = Saved::decode(text, "n1") else { return };
    let again = saved.encode().map(|text| Saved::decode(&text, "n1"));
    assert!(matches!(again, Ok(Ok(again)) if again == saved), "{saved:?}");
}
