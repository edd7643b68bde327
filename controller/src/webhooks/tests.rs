use k8s_openapi::api::core::v1::Node;
use metallb_api::{BFDProfile, BGPPeer, IPAddressPool};
use metallb_testkit::{ApiServer, Failure, Verb};
use metallb_webhook::{AdmissionRequest, Operation, Reviewer, Route, Verdict};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::live::Live;
use super::*;

const NAMESPACE: &str = "metallb-system";

fn answers(server: &ApiServer) -> Answers {
    Answers::new(server.client(NAMESPACE), NAMESPACE.to_owned(), BgpType::Native)
}

fn object(kind: &str, version: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": format!("metallb.io/{version}"), "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
    })
}

fn pool(name: &str, addresses: &str) -> Value {
    object("IPAddressPool", "v1beta1", name, json!({"addresses": [addresses]}))
}

fn peer(name: &str, spec: Value) -> Value {
    let mut all = json!({"myASN": 64500, "peerASN": 64501, "peerAddress": "10.0.0.1"});
    all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    object("BGPPeer", "v1beta2", name, all)
}

fn put<K>(server: &ApiServer, object: Value)
where
    K: kube::Resource<DynamicType = ()> + serde::Serialize + DeserializeOwned,
{
    server.put(&serde_json::from_value::<K>(object).unwrap());
}

async fn ask(server: &ApiServer, path: &str, operation: Operation, object: Value) -> Verdict {
    let answers = answers(server);
    let Some(Route::Admission(subject)) = answers.route(path) else { panic!("{path} is not served") };
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let request = AdmissionRequest {
        uid: "u".to_owned(),
        operation,
        namespace: text("/metadata/namespace"),
        name: text("/metadata/name"),
        old_object: if operation == Operation::Create { Value::Null } else { object.clone() },
        object: if operation == Operation::Delete { Value::Null } else { object },
    };
    answers.admit(subject, request).await
}

fn message(verdict: &Verdict) -> &str {
    verdict.denied.as_ref().map_or("", |denial| &denial.message)
}

const POOL: &str = "/validate-metallb-io-v1beta1-ipaddresspool";
const L2: &str = "/validate-metallb-io-v1beta1-l2advertisement";
const BGP: &str = "/validate-metallb-io-v1beta1-bgpadvertisement";
const COMMUNITY: &str = "/validate-metallb-io-v1beta1-community";
const BFD: &str = "/validate-metallb-io-v1beta1-bfdprofile";
const PEER: &str = "/validate-metallb-io-v1beta2-bgppeer";

#[tokio::test]
async fn every_kind_is_taken_when_it_is_good_and_refused_when_it_is_not() {
    let v1 = "v1beta1";
    for (path, good, bad, reason) in [
        (POOL, pool("new", "10.1.0.0/24"), pool("new", "10.0.0.128/25"), "overlap"),
        (
            L2,
            object("L2Advertisement", v1, "new", json!({"ipAddressPools": ["old"]})),
            object(
                "L2Advertisement",
                v1,
                "new",
                json!({"nodeSelectors": [{"matchExpressions": [
                {"key": "a", "operator": "Somehow"}]}]}),
            ),
            "Somehow",
        ),
        (
            BGP,
            object("BGPAdvertisement", v1, "new", json!({"ipAddressPools": ["old"]})),
            object("BGPAdvertisement", v1, "new", json!({"aggregationLength": 33})),
            "33",
        ),
        (
            COMMUNITY,
            object("Community", v1, "new", json!({"communities": [{"name": "a", "value": "1:2"}]})),
            object("Community", v1, "new", json!({"communities": [{"name": "a", "value": "1:x"}]})),
            "1:x",
        ),
        (PEER, peer("new", json!({"peerAddress": "10.0.0.2"})), peer("new", json!({"myASN": 0})), "ASN"),
    ] {
        let server = ApiServer::default();
        put::<IPAddressPool>(&server, pool("old", "10.0.0.0/24"));
        for operation in [Operation::Create, Operation::Update] {
            let verdict = ask(&server, path, operation, good.clone()).await;
            assert_eq!(verdict.denied, None, "{path} {operation:?}");
            let verdict = ask(&server, path, operation, bad.clone()).await;
            assert!(message(&verdict).contains(reason), "{path} {operation:?}: {:?}", verdict.denied);
            assert_eq!(verdict.denied.map(|denial| denial.code), Some(403), "{path} {operation:?}");
        }
    }
}

#[tokio::test]
async fn rule_1_objects_are_created_in_metallbs_namespace() {
    let server = ApiServer::default();
    let mut elsewhere = pool("p", "10.0.0.0/24");
    elsewhere["metadata"]["namespace"] = json!("default");
    let verdict = ask(&server, POOL, Operation::Create, elsewhere.clone()).await;
    assert_eq!(message(&verdict), "resource must be created in metallb-system namespace");
    assert_eq!(ask(&server, POOL, Operation::Update, elsewhere).await.denied, None);
}

#[tokio::test]
async fn rule_2_an_update_replaces_the_object_of_its_name_and_lists_are_read_live() {
    let server = ApiServer::default();
    put::<IPAddressPool>(&server, pool("p", "10.0.0.0/24"));
    assert_eq!(ask(&server, POOL, Operation::Update, pool("p", "10.0.0.0/23")).await.denied, None);
    let lists = server.take_requests();
    assert!(lists.iter().all(|request| request.verb == Verb::List), "{lists:?}");
    assert!(
        lists.iter().any(|request| request.to_string() == "list ipaddresspools metallb-system/"),
        "{lists:?}"
    );
}

#[tokio::test]
async fn rule_2_without_a_list_nothing_is_accepted() {
    let any = |kind: &str| object(kind, "v1beta1", "p", json!({}));
    for (path, operation, submitted, listed) in [
        (POOL, Operation::Create, pool("p", "10.0.0.0/24"), "IPAddressPool"),
        (L2, Operation::Create, any("L2Advertisement"), "L2Advertisement"),
        (BGP, Operation::Create, any("BGPAdvertisement"), "BGPAdvertisement"),
        (COMMUNITY, Operation::Create, any("Community"), "Community"),
        (PEER, Operation::Create, peer("p", json!({})), "BGPPeer"),
        (BFD, Operation::Delete, any("BFDProfile"), "BGPPeer"),
    ] {
        let server = ApiServer::default();
        server.fail_all(Some(Failure::Status(403)));
        let verdict = ask(&server, path, operation, submitted).await;
        let expected = format!("failed to get existing {listed} objects: ");
        assert!(message(&verdict).starts_with(&expected), "{path}: {:?}", verdict.denied);
    }
}

#[tokio::test]
async fn rule_3_a_bfd_profile_in_use_stays() {
    let server = ApiServer::default();
    put::<BFDProfile>(&server, object("BFDProfile", "v1beta1", "fast", json!({})));
    put::<BGPPeer>(&server, peer("router", json!({"bfdProfile": "fast"})));
    for (name, expected) in
        [("fast", "failed to delete BFDProfile fast, used by BGPPeer router"), ("slow", "")]
    {
        let profile = object("BFDProfile", "v1beta1", name, json!({}));
        assert_eq!(message(&ask(&server, BFD, Operation::Delete, profile).await), expected);
    }
}

#[tokio::test]
async fn rule_4_disable_mp_is_warned_about_and_hides_nothing_d4() {
    let server = ApiServer::default();
    let warning = "disable mp is deprecated and has no effect since it's the default behavior now";
    let good = ask(&server, PEER, Operation::Create, peer("p", json!({"disableMP": true}))).await;
    assert_eq!(good.warnings, [warning]);
    let bad = ask(&server, PEER, Operation::Create, peer("p", json!({"disableMP": true, "myASN": 0}))).await;
    assert!(bad.denied.is_some());
}

#[tokio::test]
async fn rule_5_what_can_not_be_read_is_answered_with_400() {
    let server = ApiServer::default();
    for (sentence, submitted) in [
        ("a field of a wrong type", pool("p", "x")),
        ("another kind", object("Community", "v1beta1", "p", json!({}))),
        ("another version", object("IPAddressPool", "v1beta9", "p", json!({"addresses": []}))),
        ("nothing", Value::Null),
    ] {
        let mut submitted = submitted;
        if sentence == "a field of a wrong type" {
            submitted["spec"]["addresses"] = json!(7);
        }
        let verdict = ask(&server, POOL, Operation::Create, submitted).await;
        assert_eq!(verdict.denied.map(|denial| denial.code), Some(400), "{sentence}");
    }
}

#[tokio::test]
async fn a_stored_object_that_can_not_be_read_does_not_keep_others_out() {
    let server = ApiServer::default();
    put::<IPAddressPool>(&server, pool("good", "10.0.0.0/24"));
    server.edit::<IPAddressPool>(Some(NAMESPACE), "good", &json!({"spec": {"addresses": 7}}));
    assert_eq!(ask(&server, POOL, Operation::Create, pool("p", "10.0.0.0/24")).await.denied, None);
}

#[tokio::test]
async fn nodes_are_read_by_metadata_alone() {
    let server = ApiServer::default();
    let node = json!({"metadata": {"name": "n", "labels": {"zone": "a"}}, "spec": {"unheardOf": [1]}});
    put::<Node>(&server, node);
    let live =
        Live { client: server.client(NAMESPACE), namespace: NAMESPACE.to_owned(), bgp_type: BgpType::Frr };
    let raw = live.read(metallb_config::admission::Needs { kinds: &[], nodes: true }).await.unwrap();
    assert_eq!(raw.nodes.len(), 1);
    assert_eq!(raw.nodes[0].labels.get("zone").map(String::as_str), Some("a"));
    assert_eq!(raw.bgp_type, BgpType::Frr);
}

#[tokio::test]
async fn peers_are_converted_in_either_direction_and_back_without_loss() {
    let answers = answers(&ApiServer::default());
    let v2 = peer("p", json!({"connectTime": "5s", "bfdProfile": "fast", "futureField": [1]}));
    let v1 = answers.convert(v2.clone(), "metallb.io/v1beta1").unwrap();
    assert_eq!(v1["apiVersion"], "metallb.io/v1beta1");
    assert_eq!(answers.convert(v1, "metallb.io/v1beta2").unwrap(), v2);
    let other = answers.convert(pool("p", "10.0.0.0/24"), "metallb.io/v1beta2").unwrap_err();
    assert!(other.starts_with("p: "), "{other}");
}

/// §9.1: what is rotated, for which name, who is told of it, and as whom.
#[test]
fn the_certificate_is_for_the_service_and_told_to_webhooks_and_conversion() {
    let settings = rotation("lb", "secret".to_owned(), "service");
    assert_eq!((settings.namespace.as_str(), settings.secret.as_str()), ("lb", "secret"));
    assert_eq!((settings.names, settings.manager.as_str()), (vec!["service.lb.svc".to_owned()], "MetalLB"));
    let [Target::ValidatingWebhooks(webhooks), Target::Conversion(crd)] = settings.targets.as_slice() else {
        panic!("{:?}", settings.targets)
    };
    assert_eq!((webhooks.as_str(), crd.as_str()), ("metallb-webhook-configuration", "bgppeers.metallb.io"));
    assert_eq!(PORT, 9443);
}

#[test]
fn paths_are_the_originals() {
    let answers = |path| super::paths::route(path).is_some();
    for path in [POOL, L2, BGP, COMMUNITY, BFD, PEER, "/convert"] {
        assert!(answers(path), "{path}");
    }
    for path in ["/", "", "/validate-metallb-io-v1beta1-bgppeer", "/convert/", "/metrics"] {
        assert!(!answers(path), "{path}");
    }
}
