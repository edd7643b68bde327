//! What is left when Services, terms or candidates go.

use super::*;

#[test]
fn nothing_is_waited_for_when_services_and_then_their_terms_are_gone() {
    for spec in [json!({ "preempt": "Delayed", "preemptDelay": "30s" }), json!({ "spread": "Bounded" })] {
        let mut cluster = Cluster::new(spec.clone());
        cluster.fill(20);
        cluster.stop("n2");
        cluster.start("n2");
        let is_waiting = |cluster: &Cluster| {
            let mut waiting =
                cluster.speakers.values().map(|(snapshot, _)| snapshot.precedence.next_deadline());
            waiting.any(|deadline| deadline.is_some())
        };
        if spec["preempt"] == "Delayed" {
            assert!(is_waiting(&cluster), "for the delay");
        }
        for number in 0..20 {
            cluster.remove(&format!("s{number}"));
        }
        assert!(!is_waiting(&cluster), "{spec}: for nothing that is there");
        let pools = [pool("pool", &["172.30.0.0/24"])];
        cluster.inputs = configured(cluster.inputs.clone(), &pools, &[advertisement("all", json!({}))]);
        cluster.meet();
        cluster.now += 100 * SECOND;
        cluster.decide(&BTreeSet::new());
        assert!(!is_waiting(&cluster), "{spec}");
    }
}

#[test]
fn a_unit_is_waited_for_once_however_often_the_preferred_node_comes_and_goes() {
    let mut cluster = Cluster::new(json!({ "preempt": "Delayed", "preemptDelay": "24h" }));
    cluster.fill(20);
    for _ in 0..5 {
        cluster.stop("n2");
        cluster.now += SECOND;
        cluster.start("n2");
        cluster.now += SECOND;
    }
    let waiting = cluster.speakers.values().map(|(snapshot, _)| snapshot.precedence.waiting.len());
    assert!((1..=20).contains(&waiting.sum::<usize>()));
}

#[test]
fn nobody_announces_or_claims_what_no_candidate_is_left_for() {
    let local =
        || named_service("web", &["172.30.0.1"], json!({ "externalTrafficPolicy": "Local" }), json!({}));
    for spec in [
        json!({ "preempt": "Never" }),
        json!({ "preempt": "Delayed" }),
        json!({ "spread": "Bounded" }),
        json!({ "preempt": "Never", "spread": "Bounded" }),
    ] {
        let mut cluster = Cluster::new(spec.clone());
        cluster.set("web", local());
        let owner = cluster.owner("web");
        // Its last endpoint is on a node without a speaker.
        cluster.serve("web", &["n9"]);
        cluster.decide(&[key("web")].into());
        cluster.now += 2 * SECOND;
        cluster.decide(&BTreeSet::new());
        for (node, (snapshot, tenure)) in &cluster.speakers {
            let verdict = snapshot.verdict(&key("web"));
            assert!(matches!(verdict, Verdict::Skip(_)), "{spec}: {node} has lost it to nobody: {verdict:?}");
            assert!(!tenure.claims(node, &[ip("172.30.0.1")]), "{spec}: {node}");
        }
        cluster.serve("web", &[&owner]);
        cluster.decide(&[key("web")].into());
        assert_eq!(cluster.owner("web"), owner, "{spec}");
    }
}
