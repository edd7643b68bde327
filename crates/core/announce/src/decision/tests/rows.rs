//! Contract 02 §2.1 and §2.2 where several rows hold at once, and where little is known.

use super::*;

/// A Service as it is, what keeps it from being announced, and where it could be served.
type Row = (ServiceFacts, Inputs, Endpoints, &'static str);

/// The rows of the gate and of the election, in the contract's order: each holds together with all that come after it.
fn rows() -> Vec<Row> {
    let selecting = |nodes: serde_json::Value| {
        let by_labels =
            json!({ "serviceSelectors": [{ "matchLabels": { "app": "web" } }], "nodeSelectors": nodes });
        configured(inputs(), &[pool("pool", &["172.30.0.0/24"])], &[advertisement("some", by_labels)])
    };
    let nowhere = json!([{ "matchLabels": { "kubernetes.io/hostname": "n9" } }]);
    let nobody = |inputs: Inputs| Inputs { speakers: Speakers::On(BTreeSet::new()), ..inputs };
    let sharing = |addresses: &[&str], spec| {
        let metadata =
            json!({ "labels": { "app": "web" }, "annotations": { names::ALLOW_SHARED_IP: "key" } });
        named_service("web", addresses, spec, metadata)
    };
    let local = json!({ "externalTrafficPolicy": "Local" });
    let (cut_off, none) = (nobody(selecting(nowhere)), Endpoints::default());
    let class = json!({ "loadBalancerClass": "x/y", "externalTrafficPolicy": "Local" });
    vec![
        (
            sharing(&["somewhere"], json!({ "type": "ClusterIP" })),
            cut_off.clone(),
            none.clone(),
            "notLoadBalancer",
        ),
        (sharing(&["somewhere"], class), cut_off.clone(), none.clone(), "otherLoadBalancerClass"),
        (sharing(&[], local.clone()), cut_off.clone(), none.clone(), "noIPAllocated"),
        (sharing(&["192.0.2.1", "somewhere"], local.clone()), cut_off.clone(), none.clone(), "invalidIP"),
        (sharing(&["192.0.2.1"], local.clone()), cut_off.clone(), none.clone(), "orphan"),
        (sharing(&[V4], local.clone()), cut_off.clone(), none, "notOwner"),
        (sharing(&[V4], local.clone()), cut_off.clone(), everywhere(), "sharedIPWithServiceSelector"),
        (service(&[V4], local.clone()), cut_off, everywhere(), "noMatchingAdvertisement"),
        (service(&[V4], local), nobody(inputs()), everywhere(), "notOwner"),
    ]
}

#[test]
fn of_several_rows_that_hold_the_first_one_is_told() {
    for (service, inputs, endpoints, expected) in rows() {
        let code = match decide(&World::new(inputs), &service, &endpoints) {
            Verdict::Skip(reason) => reason.code(),
            Verdict::Orphan(_) => "orphan",
            Verdict::Announce(_) => "announced",
        };
        assert_eq!(code, expected, "{service:?} {endpoints:?}");
    }
}

/// Rule 2: the advertisement that selects Services counts, whichever nodes it is for.
#[test]
fn rule_3_holds_where_the_advertisement_with_selectors_is_for_other_nodes() {
    let metadata = json!({ "labels": { "app": "web" }, "annotations": { names::ALLOW_SHARED_IP: "key" } });
    let sharing = named_service("web", &[V4], json!({}), metadata);
    for node in ["n1", "n2", "n9"] {
        let spec = json!({
            "serviceSelectors": [{ "matchLabels": { "app": "web" } }],
            "nodeSelectors": [{ "matchLabels": { "kubernetes.io/hostname": node } }],
        });
        let advertisements = [advertisement("all", json!({})), advertisement("some", spec)];
        let inputs = configured(inputs(), &[pool("pool", &["172.30.0.0/24"])], &advertisements);
        let reason = skipped(inputs, &sharing, &everywhere());
        assert_eq!(reason, SkipReason::SharedIpWithServiceSelector, "{node}");
    }
}

/// Its Node object is late, or gone before its speaker.
#[test]
fn rule_5_a_member_whose_node_is_not_known_takes_part() {
    let mut inputs = inputs();
    inputs.speakers = Speakers::On(names(&["n1"]));
    inputs.nodes.remove("n1");
    let verdict = decide(&World::new(inputs), &service(&[V4], json!({})), &everywhere());
    assert!(matches!(verdict, Verdict::Announce(_)), "{verdict:?}");
}
