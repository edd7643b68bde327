use k8s_openapi::api::core::v1::{ConfigMap, Service};
use serde_json::{Value, json};

use super::*;

fn wire<T: Held>(object: Value) -> Wire<T> {
    serde_json::from_value(object).unwrap()
}

fn config_map(version: &str, data: &Value) -> Wire<ConfigMap> {
    let managers = json!([{"manager": "m"}]);
    wire(json!({
        "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": version, "managedFields": managers},
        "data": data,
    }))
}

fn value(store: &Store<ConfigMap>) -> Option<String> {
    store.get("n", "a")?.data.clone()?.remove("k")
}

#[test]
fn an_object_that_can_not_be_read_keeps_its_last_good_version_and_is_named() {
    let store = Store::default();
    store.apply(&config_map("1", &json!({"k": "good"})));
    store.apply(&config_map("2", &json!(7)));
    assert_eq!(value(&store).as_deref(), Some("good"));
    let malformed = store.malformed();
    assert_eq!(malformed[0].metadata.name.as_deref(), Some("a"));
    assert!(malformed[0].why.contains("invalid type"), "{}", malformed[0].why);
    store.apply(&config_map("3", &json!({"k": "better"})));
    assert_eq!((value(&store).as_deref(), store.malformed()), (Some("better"), vec![]));
}

#[test]
fn one_that_never_could_be_read_does_not_stop_the_others() {
    let store = Store::<ConfigMap>::default();
    store.begin_list();
    store.list(&config_map("1", &json!(7)));
    store.list(&wire(json!({"metadata": {"name": "b", "namespace": "n"}})));
    store.list(&wire(json!("no object at all")));
    assert!(store.end_list(1));
    assert_eq!((store.all().len(), store.malformed().len()), (1, 1));
}

#[test]
fn a_malformed_object_that_was_made_anew_has_no_last_good_version() {
    let store = Store::<ConfigMap>::default();
    store.apply(&config_map("1", &json!({"k": "good"})));
    store.apply(&wire(json!({"metadata": {"name": "a", "namespace": "n", "uid": "v"}, "data": 7})));
    assert!(store.get("n", "a").is_none());
}

#[test]
fn a_relist_keeps_what_it_has_and_drops_what_is_gone() {
    let store = Store::<ConfigMap>::default();
    store.apply(&config_map("1", &json!({"k": "v"})));
    store.apply(&wire(json!({"metadata": {"name": "b", "namespace": "n"}})));
    let before = store.get("n", "a").unwrap();
    store.begin_list();
    store.list(&config_map("1", &json!({"k": "v"})));
    assert_eq!(store.all().len(), 2, "nobody sees half a list");
    store.end_list(1);
    assert!(Arc::ptr_eq(&before, &store.get("n", "a").unwrap()));
    assert_eq!(store.all().len(), 1);
}

#[test]
fn a_packed_object_is_whole_but_for_the_bookkeeping() {
    let object = json!({
        "metadata": {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "5",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}, "managedFields": [{"manager": "m"}]},
        "data": {"k": "v"},
    });
    let store = Store::<Packed<ConfigMap>>::default();
    store.apply(&wire(object.clone()));
    let packed = store.get("n", "a").unwrap();
    assert_eq!((&*packed.version().uid, &*packed.version().resource), ("u", "5"));
    let mut expected: ConfigMap = serde_json::from_value(object).unwrap();
    expected.metadata.managed_fields = None;
    assert_eq!(packed.unpack().unwrap(), expected);
}

fn packed(data: &Value) -> (Packed<ConfigMap>, ConfigMap) {
    let object = json!({ "metadata": { "name": "a", "namespace": "n" }, "data": data });
    (Packed::read(&object).unwrap(), serde_json::from_value(object).unwrap())
}

#[test]
fn an_object_of_any_size_and_kind_of_text_is_unpacked_as_it_was() {
    let noise: String =
        (0..200_000_u32).map(|at| char::from((at.wrapping_mul(2_654_435_761) >> 25) as u8)).collect();
    for data in
        [json!({}), json!({"k": ""}), json!({"k": "x".repeat(300_000)}), json!({"k": noise, "l": "é🦀"})]
    {
        let (packed, object) = packed(&data);
        assert_eq!(packed.unpack().unwrap(), object);
    }
}

#[test]
fn a_service_takes_less_than_half_of_its_text() {
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "shop", "namespace": "web", "uid": "0b1e9d3e-1111-4c2f-8f7e-2f1d3c4b5a69", "resourceVersion": "812",
            "creationTimestamp": "2026-11-02T10:21:22Z", "annotations": {"metallb.io/ip-allocated-from-pool": "p"}},
        "spec": {"allocateLoadBalancerNodePorts": true, "clusterIP": "10.1.2.3", "clusterIPs": ["10.1.2.3"], "ipFamilies": ["IPv4"],
            "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster", "ipFamilyPolicy": "SingleStack",
            "ports": [{"nodePort": 31562, "port": 8080, "protocol": "TCP", "targetPort": 8080}],
            "selector": {"app": "shop"}, "sessionAffinity": "None", "type": "LoadBalancer"},
        "status": {"loadBalancer": {"ingress": [{"ip": "172.16.3.4", "ipMode": "VIP"}]}},
    });
    let (text, packed) = (service.to_string().len(), Packed::<Service>::read(&service).unwrap());
    assert!(packed.size() * 2 < text, "{} of {text} bytes", packed.size());
}

#[test]
fn changes_are_listed_until_there_are_too_many() {
    let mut changes = Changes::default();
    for number in 0..=LISTED_CHANGES {
        assert_ne!(changes, Changes::All, "{number}");
        changes.add(ObjectKey { namespace: None, name: number.to_string().into() });
    }
    assert_eq!(changes, Changes::All);
}

#[test]
fn an_error_is_news_once_and_again_after_something_was_heard() {
    type Heard = fn(&Store<ConfigMap>);
    let heard: [Heard; 3] = [
        |store| {
            store.end_list(1);
        },
        |store| {
            store.apply(&config_map("1", &json!({"k": "v"})));
        },
        |store| store.delete(&config_map("1", &json!({"k": "v"}))),
    ];
    for heard in heard {
        let store = Store::default();
        store.end_list(1);
        assert!(store.is_current());
        assert_eq!(["down", "down", "worse"].map(|error| store.failed(error, true)), [true, false, true]);
        assert!(!store.is_current());
        heard(&store);
        assert!(store.is_current());
        assert!(store.failed("worse", true), "another outage");
    }
}

/// Something of which only the data matters.
#[derive(Debug)]
struct OnlyData(Option<String>);

impl Held for OnlyData {
    type Kind = ConfigMap;

    fn read(object: &Value) -> Result<Self, serde_json::Error> {
        let object: ConfigMap = serde_json::from_value(object.clone())?;
        Ok(Self(object.data.and_then(|mut data| data.remove("k"))))
    }

    fn is_same(&self, before: &Self) -> bool {
        self.0 == before.0
    }
}

#[test]
fn nobody_is_told_of_a_version_in_which_nothing_that_matters_changed() {
    let store = Store::<OnlyData>::default();
    let apply = |version: &str, data: Value| {
        let object = json!({ "metadata": { "name": "a", "namespace": "n", "uid": "u", "resourceVersion": version }, "data": data });
        let is_news = store.apply(&wire(object));
        assert_eq!(store.take_changes() != Changes::default(), is_news);
        is_news
    };
    let steps = [
        ("1", json!({ "k": "v" }), true),
        ("2", json!({ "k": "v" }), false),
        ("3", json!({ "k": "w" }), true),
        ("4", json!(7), true),
        ("5", json!({ "k": "w" }), true),
        ("6", json!({ "k": "w", "other": "x" }), false),
    ];
    for (version, data, expected) in steps {
        assert_eq!(apply(version, data.clone()), expected, "{version} {data}");
    }
}

#[test]
fn what_was_known_before_stands_until_the_first_list_and_no_longer() {
    let store = Store::<OnlyData>::default();
    let known = |name: &str| {
        let key = ObjectKey { namespace: Some("n".into()), name: name.into() };
        (key, OnlyData(Some("known".to_owned())))
    };
    let seen = |name: &str| store.get("n", name).and_then(|object| object.0.clone());
    store.resume([known("a"), known("b")]);
    assert_eq!((store.take_changes(), store.is_synced()), (Changes::All, false));
    assert_eq!((seen("a").as_deref(), seen("b").as_deref()), (Some("known"), Some("known")));
    store.begin_list();
    let listed = json!({ "metadata": { "name": "a", "namespace": "n" }, "data": { "k": "listed" } });
    store.list(&wire(listed));
    assert_eq!(store.all().len(), 2, "half a list replaces nothing");
    store.end_list(1);
    assert_eq!((seen("a").as_deref(), seen("b")), (Some("listed"), None));
    store.resume([known("b")]);
    assert_eq!((seen("a").as_deref(), seen("b")), (Some("listed"), None), "too late");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_over_a_minute_after_its_last_error_though_nothing_was_heard() {
    let store = Store::<ConfigMap>::default();
    store.end_list(1);
    for is_news in [true, false, false] {
        assert_eq!(store.failed("down", true), is_news);
        tokio::time::advance(OVER - Duration::from_millis(1)).await;
        assert!(!store.is_current());
    }
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(store.is_current());
    assert!(store.failed("down", true), "another outage");
    assert!(!store.is_current());
    let unlisted = Store::<ConfigMap>::default();
    unlisted.failed("down", true);
    tokio::time::advance(OVER).await;
    assert!(!unlisted.is_current(), "it never heard anything");
}
