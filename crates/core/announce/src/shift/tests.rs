//! Each cause of a move, by what changed.

use std::sync::Arc;

use super::*;
use crate::decision::decide;
use crate::endpoints::Endpoints;
use crate::on_link::Subnets;
use crate::service::ServiceFacts;
use crate::testing::*;
use crate::world::{Inputs, Speakers};
use metallb_api::names::LABEL_EXCLUDE_BALANCERS;
use serde_json::json;

/// Of the three nodes `n1` is first in line for this address and `n3` second.
const OF_N1: &str = "172.30.0.12";
/// `n3` is first in line for this one.
const OF_N3: &str = "172.30.0.7";

fn key() -> ServiceKey {
    ServiceKey { namespace: "default".into(), name: "web".into() }
}

struct Case {
    me: &'static str,
    before: Inputs,
    now: Inputs,
    service: (ServiceFacts, ServiceFacts),
    endpoints: (Endpoints, Endpoints),
}

impl Case {
    fn new(me: &'static str, change: impl FnOnce(&mut Self)) -> Self {
        let web = || service(&[OF_N1], json!({ "externalTrafficPolicy": "Local" }));
        let everywhere = || endpoints_on(&["n1", "n2", "n3"]);
        let mut case = Self {
            me,
            before: inputs(),
            now: inputs(),
            service: (web(), web()),
            endpoints: (everywhere(), everywhere()),
        };
        change(&mut case);
        case
    }

    fn alive(&mut self, before: &[&str], now: &[&str]) {
        self.before.speakers = Speakers::On(names(before));
        self.now.speakers = Speakers::On(names(now));
    }

    /// From where, to where, and why.
    fn shift(&self, left: &[&str]) -> Option<(Option<String>, Option<String>, Cause)> {
        let world = |inputs: &Inputs| World::new(Inputs { me: self.me.to_owned(), ..inputs.clone() });
        let (before, now) = (world(&self.before), world(&self.now));
        let old = [(key(), decide(&before, &self.service.0, &self.endpoints.0))];
        let mut installed = Installed::default();
        installed.advance(old.iter().map(|(key, verdict)| (key, verdict)), &Services::new());
        let edited = if self.service.0 == self.service.1 { BTreeSet::new() } else { [key()].into() };
        let left = names(left);
        let services = Services::from([(key(), Arc::new(self.service.1.clone()))]);
        let change = Change {
            is_first: false,
            before: (self.before != self.now).then_some(&before),
            now: &now,
            left: &left,
            services: &services,
            edited: &edited,
            chosen: &BTreeSet::new(),
        };
        let new = [(key(), decide(&now, &self.service.1, &self.endpoints.1))];
        let mut shifts = shifts(&installed, &new, &change, 256);
        assert!(shifts.len() <= 1);
        shifts.pop().map(|Shift { from, to, cause, .. }| (from, to, cause))
    }
}

#[test]
fn every_cause_is_found_by_what_changed() {
    let excluded = |case: &mut Case| {
        case.now.nodes.insert("n1".to_owned(), node("n1", &[(LABEL_EXCLUDE_BALANCERS, "")]));
    };
    let advertised = |case: &mut Case| {
        let only = json!({ "nodeSelectors": [{ "matchLabels": { "kubernetes.io/hostname": "n3" } }] });
        case.now =
            configured(case.now.clone(), &[pool("pool", &["172.30.0.0/24"])], &[advertisement("a", only)]);
    };
    let on_eth7 = |case: &mut Case| {
        let spec = json!({ "interfaces": ["eth7"] });
        let pools = [pool("pool", &["172.30.0.0/24"])];
        case.before = configured(case.before.clone(), &pools, &[advertisement("a", spec)]);
        case.now = case.before.clone();
        case.now.interfaces.insert("eth7".to_owned(), BTreeSet::new());
    };
    let (n1, n3) = (Some("n1"), Some("n3"));
    let rows = [
        ("a death", Case::new("n3", |case| case.alive(&["n1", "n3"], &["n3"])), n1, n3, Cause::MemberFailed),
        ("a return", Case::new("n3", |case| case.alive(&["n3"], &["n1", "n3"])), n3, n1, Cause::MemberJoined),
        (
            "a return, seen by itself",
            Case::new("n1", |case| case.alive(&["n3"], &["n1", "n3"])),
            n3,
            n1,
            Cause::MemberJoined,
        ),
        ("a label", Case::new("n3", excluded), n1, n3, Cause::Node),
        (
            "a network",
            Case::new("n1", |case| case.now.nodes.get_mut("n1").unwrap().network_unavailable = true),
            n1,
            n3,
            Cause::Node,
        ),
        ("an advertisement", Case::new("n1", advertised), n1, n3, Cause::Configuration),
        ("an interface", Case::new("n1", on_eth7), None, n1, Cause::Interfaces),
        (
            "an endpoint",
            Case::new("n3", |case| case.endpoints.1 = endpoints_on(&["n3"])),
            n1,
            n3,
            Cause::Endpoints,
        ),
        (
            "the last endpoint",
            Case::new("n1", |case| case.endpoints.1 = endpoints_on(&[])),
            n1,
            None,
            Cause::Endpoints,
        ),
        (
            "a new address",
            Case::new("n1", |case| case.service.0 = service(&[], json!({}))),
            None,
            n1,
            Cause::Service,
        ),
        (
            "another address, of which another node is the owner",
            Case::new("n1", |case| case.service.1 = service(&[OF_N3], json!({}))),
            n1,
            None,
            Cause::Service,
        ),
        (
            "another type",
            Case::new("n1", |case| case.service.1 = service(&[OF_N1], json!({ "type": "ClusterIP" }))),
            n1,
            None,
            Cause::Service,
        ),
    ];
    all_found(rows);
    let goodbye = Case::new("n3", |case| case.alive(&["n1", "n3"], &["n3"]));
    assert_eq!(goodbye.shift(&["n1"]).unwrap().2, Cause::MemberLeft);
}

#[test]
fn a_speaker_of_the_original_is_a_cause_where_something_is_asked_for_that_it_does_not_know() {
    let foreign = |case: &mut Case| {
        let pools = [pool("pool", &["172.30.0.0/24"])];
        let away = [("n1".to_owned(), vec!["10.0.0.0/8".parse().unwrap()])].into();
        case.before.subnets = Some(Subnets::told(Arc::new(away)));
        case.before =
            configured(case.before.clone(), &pools, &[advertisement("a", json!({ "subnets": "Prefer" }))]);
        case.now = Inputs { has_plain: true, subnets: None, ..case.before.clone() };
        case.alive(&["n1", "n3"], &["n1", "n3"]);
    };
    let foreign_beside = |case: &mut Case| {
        case.before.subnets = Some(Subnets::default());
        case.now.has_plain = true;
        case.endpoints.1 = endpoints_on(&["n3"]);
    };
    let (n1, n3) = (Some("n1"), Some("n3"));
    all_found([
        (
            "a speaker of the original, where subnets are asked for",
            Case::new("n1", foreign),
            n3,
            n1,
            Cause::Terms,
        ),
        (
            "an endpoint, while one comes that matters to nothing",
            Case::new("n3", foreign_beside),
            n1,
            n3,
            Cause::Endpoints,
        ),
    ]);
}

#[test]
fn one_that_comes_and_goes_gives_up_and_gets_back_for_that_reason() {
    let ranked = |alive: &[&str], reluctant: &[&str]| Speakers::Ranked {
        alive: names(alive),
        reluctant: names(reluctant),
    };
    let (n1, n3) = (Some("n1"), Some("n3"));
    let rows = [
        (
            "a node that is held, seen by itself",
            Case::new("n1", |case| case.now.speakers = ranked(&["n2", "n3"], &["n1"])),
            n1,
            n3,
            Cause::Held,
        ),
        (
            "one that is held no more",
            Case::new("n1", |case| case.before.speakers = ranked(&["n2", "n3"], &["n1"])),
            n3,
            n1,
            Cause::Held,
        ),
        (
            "a death, seen by one that is held",
            Case::new("n1", |case| {
                case.before.speakers = ranked(&["n3"], &["n1"]);
                case.now.speakers = ranked(&[], &["n1", "n3"]);
            }),
            n3,
            n1,
            Cause::MemberFailed,
        ),
    ];
    all_found(rows);
}

/// What changes, from where, to where, and why.
type Row = (&'static str, Case, Option<&'static str>, Option<&'static str>, Cause);

fn all_found(rows: impl IntoIterator<Item = Row>) {
    for (what, case, from, to, cause) in rows {
        let expected = Some((from.map(str::to_owned), to.map(str::to_owned), cause));
        assert_eq!(case.shift(&[]), expected, "{what}");
    }
}

#[test]
fn what_does_not_concern_this_node_or_changes_nothing_is_no_shift() {
    assert_eq!(Case::new("n1", |_| ()).shift(&[]), None);
    assert_eq!(Case::new("n2", |case| case.alive(&["n1", "n2", "n3"], &["n2", "n3"])).shift(&[]), None);
    assert_eq!(Case::new("n1", |case| case.alive(&["n1", "n3"], &["n1"])).shift(&[]), None);
}

#[test]
fn the_first_look_is_a_start_and_of_thousands_the_last_are_kept() {
    let world = World::new(inputs());
    let (left, edited, services) = (BTreeSet::new(), BTreeSet::new(), Services::new());
    let change = Change {
        is_first: true,
        before: None,
        now: &world,
        left: &left,
        services: &services,
        edited: &edited,
        chosen: &BTreeSet::new(),
    };
    let verdict = decide(&world, &service(&[OF_N1], json!({})), &endpoints_on(&["n1"]));
    let verdicts: Vec<(ServiceKey, Verdict)> = (0..1000)
        .map(|number| (ServiceKey { name: format!("s{number:04}").into(), ..key() }, verdict.clone()))
        .collect();
    let shifts = shifts(&Installed::default(), &verdicts, &change, 256);
    assert_eq!(shifts.len(), 256);
    assert_eq!((&*shifts[0].service.name, &*shifts[255].service.name), ("s0744", "s0999"));
    assert!(shifts.iter().all(|shift| shift.cause == Cause::Start && shift.from.is_none()));
}
