//! What is left when Services, terms or candidates go.

use super::*;

/// Its only advertisement is this one from now on, if any.
pub(super) fn configure(cluster: &mut Cluster, spec: Option<Value>) {
    let all: Vec<_> = spec.into_iter().map(|spec| advertisement("all", spec)).collect();
    let pools = [pool("pool", &["172.30.0.0/24", "fd00:30::/64"])];
    cluster.inputs = configured(cluster.inputs.clone(), &pools, &all);
    cluster.meet();
}

/// Twenty addresses, of which some are not where the contract would have them: who they belong to, and would by the contract.
fn moved() -> (Cluster, BTreeMap<ServiceKey, String>, BTreeMap<ServiceKey, String>) {
    let mut cluster = Cluster::new(json!({ "preempt": "Never" }));
    cluster.fill(20);
    let contract = cluster.owners();
    cluster.stop("n2");
    cluster.start("n2");
    let owners = cluster.owners();
    assert_ne!(owners, contract);
    (cluster, owners, contract)
}

#[test]
fn an_advertisement_that_is_made_anew_in_time_leaves_owners_where_they_are() {
    for (pause, is_kept) in [(9, true), (11, false)] {
        let (mut cluster, before, contract) = moved();
        configure(&mut cluster, None);
        cluster.now += pause * SECOND;
        cluster.decide(&BTreeSet::new());
        configure(&mut cluster, Some(json!({ "preempt": "Never" })));
        assert_eq!(cluster.owners() == before, is_kept, "after {pause} s");
        assert_eq!(cluster.owners() == contract, !is_kept, "after {pause} s");
    }
}

#[test]
fn where_nothing_is_asked_for_any_more_the_contract_counts_at_once_and_what_it_gave_stays_when_it_is_asked_again()
 {
    let (mut cluster, _, contract) = moved();
    configure(&mut cluster, Some(json!({ "preempt": "Always" })));
    assert_eq!(cluster.owners(), contract);
    cluster.now += SECOND;
    cluster.decide(&BTreeSet::new());
    configure(&mut cluster, Some(json!({ "preempt": "Never" })));
    assert_eq!(cluster.owners(), contract);
}

#[test]
fn the_same_where_it_was_gone_for_a_moment_and_came_back_without_asking() {
    let (mut cluster, _, contract) = moved();
    for spec in [None, Some(json!({})), Some(json!({ "preempt": "Never" }))] {
        let is_there = spec.is_some();
        configure(&mut cluster, spec);
        if is_there {
            assert_eq!(cluster.owners(), contract);
        }
        cluster.now += SECOND;
        cluster.decide(&BTreeSet::new());
    }
}

#[test]
fn beside_another_that_still_asks_for_something_it_is_the_same() {
    let ask = |preempt: &str| {
        let of = |pool: &str, spec: Value| {
            let mut spec = spec;
            spec["ipAddressPools"] = json!([pool]);
            advertisement(pool, spec)
        };
        [of("pool", json!({ "preempt": preempt })), of("other", json!({ "preempt": "Never" }))]
    };
    let (mut cluster, _, contract) = moved();
    let pools = [pool("pool", &["172.30.0.0/24"]), pool("other", &["172.31.0.0/24"])];
    for preempt in ["Always", "Never"] {
        cluster.inputs = configured(cluster.inputs.clone(), &pools, &ask(preempt));
        cluster.meet();
        assert_eq!(cluster.owners(), contract, "{preempt}");
        cluster.now += SECOND;
    }
}

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
        configure(&mut cluster, Some(json!({})));
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
