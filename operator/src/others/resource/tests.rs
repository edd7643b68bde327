use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;

const fn crew_of(controller: Controller, operator: bool) -> Crew {
    Crew { controller, operator }
}

const NONE: Crew = crew_of(Controller::Absent, false);
const OPERATOR: Crew = crew_of(Controller::Absent, true);
const CONTROLLER: Crew = crew_of(Controller::Rival, false);
const BOTH: Crew = crew_of(Controller::Rival, true);
const OTHER: Crew = crew_of(Controller::Other, true);
const CHANGING: Crew = crew_of(Controller::Changing, true);
const CREWS: [Crew; 6] = [NONE, OPERATOR, CONTROLLER, BOTH, OTHER, CHANGING];

/// How it stands with a resource.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Nothing was told yet.
    New,
    Well,
    /// Told so about its present edit.
    Degraded,
    /// Told so about the edit before.
    OnceDegraded,
    /// Looked after by the original, which does not say of which edit it tells.
    Original,
    /// Told so by the original.
    OriginalDegraded,
    BeingDeleted,
}

use Fate::{BeingDeleted, Degraded, New, OnceDegraded, Original, OriginalDegraded, Well};

const FATES: [Fate; 7] = [New, Well, Degraded, OnceDegraded, Original, OriginalDegraded, BeingDeleted];

fn found(namespace: &str, age: i64, fate: Fate) -> Found {
    let seen = match fate {
        Degraded | Well | BeingDeleted => Some(2),
        OnceDegraded => Some(1),
        New | Original | OriginalDegraded => None,
    };
    let is_degraded = matches!(fate, Degraded | OnceDegraded | OriginalDegraded);
    let status = if is_degraded { "True" } else { "False" };
    let condition = json!({"type": "Degraded", "status": status, "reason": "x", "message": "",
        "observedGeneration": seen, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    Found {
        namespace: namespace.to_owned(),
        name: METALLB_NAME.to_owned(),
        uid: namespace.to_owned(),
        generation: Some(2),
        version: None,
        created: jiff::Timestamp::from_second(1_000_000 - age).ok().map(Time),
        is_being_deleted: fate == BeingDeleted,
        finalizers: Vec::new(),
        spec: Value::Null,
        conditions: if fate == New { Vec::new() } else { vec![serde_json::from_value(condition).unwrap()] },
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
        (BOTH, OPERATOR, true, younger, New, true, "we are asked, but have no controller"),
        (
            BOTH,
            OPERATOR,
            true,
            younger,
            Original,
            true,
            "it gives way to nobody, and our webhooks were left behind",
        ),
        (BOTH, BOTH, true, older, Original, false, "but not if we run as well"),
        (BOTH, OTHER, true, younger, Well, true, "our class is to become its own"),
        (BOTH, CHANGING, true, younger, Original, true, "so it is"),
        (BOTH, OTHER, false, younger, Well, true, "whoever is asked"),
        (CHANGING, OPERATOR, false, younger, Well, true, "it may serve our class still"),
        (CHANGING, OTHER, true, younger, Original, true, "likewise"),
        (CHANGING, BOTH, false, older, Well, false, "we run, and go on"),
        (OTHER, OPERATOR, false, younger, Well, false, "its class is another one still, and we are older"),
        (OTHER, OPERATOR, false, older, Well, true, "its class is about to be ours"),
        (BOTH, BOTH, false, older, BeingDeleted, false, "nobody looks after it any more"),
        (NONE, NONE, false, older, Well, false, "nothing is there"),
        (OPERATOR, NONE, false, older, Well, true, "it is about to begin"),
        (OPERATOR, NONE, true, older, Well, false, "but for our webhooks"),
        (OPERATOR, NONE, false, older, Degraded, false, "it can't begin"),
        (OPERATOR, NONE, false, older, OnceDegraded, true, "somebody has mended it"),
        (OPERATOR, NONE, false, older, OriginalDegraded, true, "maybe somebody has"),
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

/// Who is asked and does not run stays as it is beside one that runs, as that one does.
#[test]
fn two_never_keep_each_other_and_of_two_that_run_one_is_kept() {
    for (resources, crews, asked) in pairs() {
        let side = |nth: usize| Side { resource: &resources[nth], crew: crews[nth], is_asked: asked[nth] };
        let kept = [comes_before(&side(1), &side(0)), comes_before(&side(0), &side(1))];
        let state = format!("{resources:?} {crews:?} {asked:?}");
        let would_begin = (0..2).any(|nth| asked[nth] && side(1 - nth).works_beside(&side(nth)));
        assert!(kept != [true, true] || would_begin, "{state}");
        let both_work = crews.iter().all(|it| it.controller == Controller::Rival)
            && !resources.iter().any(|it| it.is_being_deleted);
        assert!(!both_work || kept != [false, false], "{state}");
    }
}

fn deployment(label: &str, replicas: &Value, pods: &Value) -> Deployment {
    let object = json!({"metadata": {"labels": {"app": label}}, "spec": {"replicas": replicas, "selector": {}, "template": {}},
        "status": {"replicas": pods, "updatedReplicas": pods}});
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
        let controller = if controller { Controller::Rival } else { Controller::Absent };
        assert_eq!(manned(Some(&it), Some(&it), ""), Crew { controller, operator }, "{why}");
    }
    assert_eq!(manned(None, None, ""), NONE);
}

#[test]
fn a_controller_serves_the_class_it_runs_with() {
    for (flags, updated, class, expected, why) in [
        (&[][..], 2, "", Controller::Rival, "both without"),
        (&["--lb-class=x/y"], 2, "x/y", Controller::Rival, "both with the same"),
        (&["--port=1", "--lb-class=x/y"], 2, "", Controller::Other, "it has one"),
        (&[], 2, "x/y", Controller::Other, "we have one"),
        (&["--lb-class=x/z"], 2, "x/y", Controller::Other, "each has one"),
        (&["--lb-class=x/z"], 1, "x/y", Controller::Changing, "a pod of before is left"),
        (&["--lb-class=x/y"], 1, "x/y", Controller::Rival, "whatever is left"),
    ] {
        let mut it = deployment("metallb", &json!(2), &json!(2));
        it.spec.as_mut().unwrap().template.spec = Some(
            serde_json::from_value(json!({"containers": [{"name": "controller", "args": flags}]})).unwrap(),
        );
        it.status.as_mut().unwrap().updated_replicas = Some(updated);
        assert_eq!(manned(Some(&it), None, class).controller, expected, "{why}");
    }
    // What was just edited is not seen by who rolls it out.
    let mut it = deployment("metallb", &json!(1), &json!(1));
    it.metadata.generation = Some(2);
    assert_eq!(manned(Some(&it), None, "x/y").controller, Controller::Changing);
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
