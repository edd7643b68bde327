use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;

const NONE: Crew = Crew { controller: false, operator: false };
const OPERATOR: Crew = Crew { controller: false, operator: true };
const CONTROLLER: Crew = Crew { controller: true, operator: false };
const BOTH: Crew = Crew { controller: true, operator: true };
const CREWS: [Crew; 4] = [NONE, OPERATOR, CONTROLLER, BOTH];

/// How it stands with a resource.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Well,
    /// Told so about its present edit.
    Degraded,
    /// Told so about the edit before.
    OnceDegraded,
    /// Told so by the original, which does not say of which edit.
    DegradedSometime,
    BeingDeleted,
}

use Fate::{BeingDeleted, Degraded, DegradedSometime, OnceDegraded, Well};

const FATES: [Fate; 5] = [Well, Degraded, OnceDegraded, DegradedSometime, BeingDeleted];

fn found(namespace: &str, age: i64, fate: Fate) -> Found {
    let seen = match fate {
        Degraded => Some(2),
        OnceDegraded => Some(1),
        Well | DegradedSometime | BeingDeleted => None,
    };
    let status = if matches!(fate, Well | BeingDeleted) { "False" } else { "True" };
    let condition = json!({"type": "Degraded", "status": status, "reason": "x", "message": "",
        "observedGeneration": seen, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    Found {
        namespace: namespace.to_owned(),
        name: METALLB_NAME.to_owned(),
        uid: namespace.to_owned(),
        generation: Some(2),
        created: jiff::Timestamp::from_second(1_000_000 - age).ok().map(Time),
        is_being_deleted: fate == BeingDeleted,
        spec: Value::Null,
        conditions: vec![serde_json::from_value(condition).unwrap()],
    }
}

#[test]
fn who_gives_way_follows_from_who_is_asked_what_is_there_and_then_from_age() {
    let (older, younger) = (10, 0);
    for (there, here, is_asked, age, fate, expected, why) in [
        (BOTH, NONE, false, younger, Well, true, "it runs"),
        (BOTH, OPERATOR, false, younger, Degraded, true, "it runs, though in trouble"),
        (BOTH, BOTH, false, older, Well, true, "both run, it is older"),
        (BOTH, BOTH, false, older, Degraded, true, "whatever it says"),
        (BOTH, BOTH, false, younger, Well, false, "both run, we are older"),
        (BOTH, BOTH, true, older, Well, false, "both run, and we are asked: it gives way already"),
        (BOTH, OPERATOR, true, older, Well, false, "nor do we for want of a controller"),
        (BOTH, BOTH, false, older, BeingDeleted, false, "nobody looks after it any more"),
        (NONE, NONE, false, older, Well, false, "nothing is there"),
        (OPERATOR, NONE, false, older, Well, true, "it is about to begin"),
        (OPERATOR, NONE, true, older, Well, false, "but for our webhooks"),
        (OPERATOR, NONE, false, older, Degraded, false, "it can't begin"),
        (OPERATOR, NONE, false, older, OnceDegraded, true, "somebody has mended it"),
        (OPERATOR, NONE, false, older, DegradedSometime, true, "maybe somebody has"),
        (OPERATOR, NONE, false, older, BeingDeleted, false, "it won't begin"),
        (OPERATOR, NONE, false, younger, Well, false, "both begin, we are older"),
        (OPERATOR, BOTH, false, older, Well, false, "we run"),
    ] {
        let (theirs, ours) = (found("b", age, fate), found("a", 5, Well));
        let other = Side { resource: &theirs, crew: there, is_asked: false };
        let this = Side { resource: &ours, crew: here, is_asked };
        assert_eq!(comes_before(&other, &this), expected, "{why}");
    }
}

/// Two installations in every state: what is there, who is asked, how old each is, and how it stands.
fn pairs() -> impl Iterator<Item = ([Found; 2], [Crew; 2], [bool; 2])> {
    let fates = FATES.into_iter().flat_map(|one| FATES.map(|other| [one, other]));
    let aged = fates.flat_map(|fates| [0, 5, 10].map(|age| (fates, age)));
    let crews = || CREWS.into_iter().flat_map(|one| CREWS.map(|other| [one, other]));
    let asked = [[false, false], [true, false], [false, true]];
    aged.flat_map(move |([one, other], age)| {
        let resources = [found("a", age, one), found("b", 5, other)];
        crews().flat_map(move |crews| {
            let resources = resources.clone();
            asked.map(move |asked| (resources.clone(), crews, asked))
        })
    })
}

#[test]
fn two_never_keep_each_other_and_of_two_that_run_one_is_kept() {
    for (resources, crews, asked) in pairs() {
        let side = |nth: usize| Side { resource: &resources[nth], crew: crews[nth], is_asked: asked[nth] };
        let kept = [comes_before(&side(1), &side(0)), comes_before(&side(0), &side(1))];
        let state = format!("{resources:?} {crews:?} {asked:?}");
        assert_ne!(kept, [true, true], "{state}");
        let both_work =
            crews.iter().all(|it| it.controller) && !resources.iter().any(|it| it.is_being_deleted);
        assert!(!both_work || kept != [false, false], "{state}");
    }
}

fn deployment(label: &str, replicas: &Value, pods: &Value) -> Deployment {
    let object = json!({"metadata": {"labels": {"app": label}}, "status": {"replicas": pods},
        "spec": {"replicas": replicas, "selector": {}, "template": {}}});
    serde_json::from_value(object).unwrap()
}

#[test]
fn a_controller_that_is_wanted_is_there_and_an_operator_with_its_pods() {
    let none = Value::Null;
    for (label, replicas, pods, controller, operator, why) in [
        ("metallb", json!(1), json!(1), true, true, "it runs"),
        ("metallb", json!(1), json!(0), true, false, "its pod was evicted, or is refused"),
        ("metallb", none.clone(), none.clone(), true, false, "it was just made"),
        ("metallb", json!(0), json!(1), true, true, "its pod goes"),
        ("metallb", json!(0), json!(0), false, false, "scaled to none"),
        ("other", json!(1), json!(1), false, true, "another controller"),
    ] {
        let it = deployment(label, &replicas, &pods);
        assert_eq!(manned(Some(&it), Some(&it)), Crew { controller, operator }, "{why}");
    }
    assert_eq!(manned(None, None), NONE);
}

#[test]
fn a_class_that_is_empty_is_none() {
    for (spec, expected) in [
        (json!({}), ""),
        (json!({"loadBalancerClass": null}), ""),
        (json!({"loadBalancerClass": ""}), ""),
        (json!({"loadBalancerClass": "x/y"}), "x/y"),
    ] {
        assert_eq!(class(&Found { spec: spec.clone(), ..found("a", 0, Well) }), expected, "{spec}");
    }
}
