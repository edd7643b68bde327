//! What is said of a Service, cause by cause, and who says it.

use super::*;
use crate::condition::Condition;
use crate::decision::decide;
use crate::testing::*;
use crate::world::{Inputs, OwnInterfaces, Speakers};
use metallb_api::names::LABEL_EXCLUDE_BALANCERS;
use serde_json::{Value, json};

const V4: &str = "172.30.0.200";

/// What each node thinks of the Service.
fn outlooks(inputs: &Inputs, service: &ServiceFacts, endpoints: &Endpoints) -> Vec<(String, Outlook)> {
    let of = |world: &World| outlook(world, service, endpoints, &decide(world, service, endpoints));
    seen_by_each(inputs).into_iter().map(|(me, world)| (me, of(&world))).collect()
}

/// What is said in the end: status, reason and message. Whoever has something to say says the same.
fn said(inputs: &Inputs, service: &ServiceFacts, endpoints: &Endpoints) -> (String, String, String) {
    let outlooks = outlooks(inputs, service, endpoints);
    let own = |(me, outlook): &(String, Outlook)| match outlook {
        Outlook::There { .. } => None,
        other => other.condition(me),
    };
    let mut said: Vec<Condition> = outlooks.iter().filter_map(own).collect();
    said.dedup();
    assert_eq!(said.len(), 1, "{outlooks:?}");
    let Condition { status, reason, message } = said.remove(0);
    (status.as_str().to_owned(), reason, message)
}

fn everywhere() -> Endpoints {
    endpoints_on(&["n1", "n2", "n3"])
}

fn advertised(spec: Value) -> Inputs {
    configured(inputs(), &[pool("pool", &["172.30.0.0/24"])], &[advertisement("a", spec)])
}

fn on_hosts(hosts: &[&str]) -> Value {
    let selectors: Vec<Value> =
        hosts.iter().map(|host| json!({ "matchLabels": { "kubernetes.io/hostname": host } })).collect();
    json!({ "nodeSelectors": selectors })
}

#[test]
fn every_cause_has_its_reason_and_a_line_for_each_part_of_it() {
    let local = json!({ "externalTrafficPolicy": "Local" });
    let alive = |mut inputs: Inputs, nodes: &[&str]| {
        inputs.speakers = Speakers::On(names(nodes));
        inputs
    };
    let barred = |mut inputs: Inputs| {
        inputs.nodes.get_mut("n1").unwrap().network_unavailable = true;
        inputs.nodes.insert("n2".to_owned(), node("n2", &[(LABEL_EXCLUDE_BALANCERS, "")]));
        inputs
    };
    let unselected = configured(inputs(), &[pool("pool", &["172.30.0.0/24"])], &[]);
    let for_db = json!({ "serviceSelectors": [{ "matchLabels": { "app": "db" } }] });
    let three = "none of the 3 nodes its L2Advertisements select may announce it";
    let label = format!("1 with label {LABEL_EXCLUDE_BALANCERS}: n2");
    let network = "1 with condition NetworkUnavailable: n1";
    let no_endpoint = "without an endpoint that can serve (externalTrafficPolicy Local)";
    let rows = [
        (inputs(), json!({}), Endpoints::default(), "NoEndpoint", "no endpoint can serve".to_owned()),
        (
            unselected,
            json!({}),
            everywhere(),
            "NoAdvertisement",
            "no L2Advertisement is for IPAddressPool pool".to_owned(),
        ),
        (
            advertised(for_db),
            json!({}),
            everywhere(),
            "NoAdvertisement",
            "none of the 1 L2Advertisements of IPAddressPool pool selects this Service by its labels"
                .to_owned(),
        ),
        (
            advertised(on_hosts(&["nowhere"])),
            json!({}),
            everywhere(),
            "NoCandidateNode",
            "its L2Advertisements select no node\n3 with a live speaker, not selected: n1, n2, n3".to_owned(),
        ),
        (
            alive(advertised(on_hosts(&["n2"])), &["n1", "n3"]),
            json!({}),
            everywhere(),
            "NoSpeaker",
            "the node its L2Advertisements select may not announce it\n1 without a live speaker: n2\n\
             2 with a live speaker, not selected: n1, n3"
                .to_owned(),
        ),
        (
            barred(alive(inputs(), &["n1", "n2"])),
            json!({}),
            everywhere(),
            "NoCandidateNode",
            format!("{three}\n1 without a live speaker: n3\n{network}\n{label}"),
        ),
        (
            barred(inputs()),
            local.clone(),
            endpoints_on(&["n1", "n2"]),
            "NoCandidateNode",
            format!("{three}\n{network}\n{label}\n1 {no_endpoint}: n3"),
        ),
        (
            inputs(),
            local,
            endpoints_on(&["n9"]),
            "NoCandidateNode",
            format!("{three}\n3 {no_endpoint}: n1, n2, n3"),
        ),
    ];
    for (inputs, spec, endpoints, reason, message) in rows {
        let expected = ("False".to_owned(), reason.to_owned(), message);
        assert_eq!(said(&inputs, &service(&[V4], spec), &endpoints), expected);
    }
}

#[test]
fn a_shared_address_beside_an_advertisement_that_selects_services_is_a_cause() {
    let inputs = advertised(json!({ "serviceSelectors": [{ "matchLabels": { "app": "web" } }] }));
    let metadata = json!({ "labels": { "app": "web" }, "annotations": { "metallb.io/allow-shared-ip": "" } });
    let sharing = named_service("web", &[V4], json!({}), metadata);
    let (status, reason, message) = said(&inputs, &sharing, &everywhere());
    assert_eq!((status.as_str(), reason.as_str()), ("False", "SharedAddress"));
    assert!(message.contains("shares its address"), "{message}");
}

#[test]
fn the_elected_node_says_where_it_announces_or_that_it_can_not() {
    let anywhere = |addresses: &[&str]| said(&inputs(), &service(addresses, json!({})), &everywhere());
    let on = |names: &[&str]| {
        said(&advertised(json!({ "interfaces": names })), &service(&[V4], json!({})), &everywhere())
    };
    let owner = |inputs: &Inputs| {
        let outlooks = outlooks(inputs, &service(&[V4], json!({})), &everywhere());
        outlooks
            .into_iter()
            .find_map(|(_, outlook)| match outlook {
                Outlook::There { owner } => Some(owner),
                _ => None,
            })
            .unwrap()
    };
    let me = owner(&inputs());
    let row = |status: &str, reason: &str, message: String| (status.to_owned(), reason.to_owned(), message);
    assert_eq!(anywhere(&[V4]), row("True", "Announced", format!("node {me} announces on all interfaces")));
    assert_eq!(on(&["eth0"]), row("True", "Announced", format!("node {me} announces on interface eth0")));
    assert_eq!(
        on(&["eth1", "eth0"]),
        row("True", "Announced", format!("node {me} announces on interfaces eth0, eth1")),
    );
    let of_all_nodes = on(&["eth0", "eth7"]);
    assert_eq!(of_all_nodes, row("True", "Announced", format!("node {me} announces on interface eth0")));
    assert_eq!(
        on(&["eth7", "eth8"]),
        row("False", "NoInterface", format!("node {me} was elected and has no interfaces eth7, eth8")),
    );
    let bare = Inputs { interfaces: OwnInterfaces::new(), ..inputs() };
    let nothing = format!("node {me} was elected and has no interface that is not excluded from announcing");
    assert_eq!(said(&bare, &service(&[V4], json!({})), &everywhere()), row("False", "NoInterface", nothing));
    let (status, _, message) = on(&["eth1"]);
    assert_eq!(status, "True");
    assert_eq!(
        message,
        format!(
            "node {me} announces on interface eth1\n\
             node {me} has no address in the subnet of {V4}: its neighbours may not ask for it"
        )
    );
}

#[test]
fn what_advertisements_ask_for_and_do_not_get_is_said_with_what_to_do() {
    let everything = json!({ "preempt": "Never", "spread": "Bounded" });
    let foreign = "do not count beside a speaker that sends no heartbeats";
    let unknown = "does not count where speakers do not follow each other: set METALLB_ML_BIND_ADDR";
    for (spec, has_plain, speakers, expected) in [
        (everything.clone(), false, None, None),
        (json!({}), true, None, None),
        (everything, true, None, Some(format!("preempt and spread of its L2Advertisements {foreign}"))),
        (
            json!({ "spread": "Bounded" }),
            false,
            Some(Speakers::EveryNode),
            Some(format!("spread of its L2Advertisements {unknown}")),
        ),
    ] {
        let inputs = advertised(spec.clone());
        let speakers = speakers.unwrap_or(inputs.speakers.clone());
        let inputs = Inputs { has_plain, speakers, ..inputs };
        let (status, reason, message) = said(&inputs, &service(&[V4], json!({})), &everywhere());
        assert_eq!((status.as_str(), reason.as_str()), ("True", "Announced"), "{spec}");
        match expected {
            None => assert_eq!(message.lines().count(), 1, "{message}"),
            Some(expected) => assert!(message.contains(&expected), "{message}"),
        }
    }
}

#[test]
fn a_message_names_few_nodes_and_is_never_longer_than_a_kilobyte() {
    let mut inputs = inputs();
    for number in 10..200 {
        let name = format!("{}-{number}", "n".repeat(240));
        inputs.nodes.insert(name.clone(), node(&name, &[(LABEL_EXCLUDE_BALANCERS, "")]));
    }
    inputs.speakers = Speakers::EveryNode;
    let mut inputs =
        configured(inputs, &[pool("pool", &["172.30.0.0/24"])], &[advertisement("a", json!({}))]);
    let web = service(&[V4], json!({ "externalTrafficPolicy": "Local" }));
    let (_, _, message) = said(&inputs, &web, &endpoints_on(&["n9"]));
    assert!(message.contains("and 187 more\n3 without an endpoint"), "{message}");
    let interfaces: Vec<String> = (0..400).map(|number| format!("eth{number}x")).collect();
    inputs = advertised(json!({ "interfaces": interfaces }));
    let (_, _, message) = said(&inputs, &web, &everywhere());
    assert!(message.len() <= 1024 && message.ends_with('…'), "{} bytes", message.len());
}

#[test]
fn of_services_that_are_not_ours_or_have_no_address_nothing_is_said() {
    let moved = ["192.0.2.1"];
    for (addresses, spec, expected) in [
        (&[V4][..], json!({ "type": "ClusterIP" }), Outlook::Nothing),
        (&[], json!({}), Outlook::Nothing),
        (&["somewhere"], json!({}), Outlook::Nothing),
        // Another installation of MetalLB may say something about it.
        (&[V4], json!({ "loadBalancerClass": "x/y" }), Outlook::Unchanged),
        // Who announces it goes on until the controller has decided.
        (&moved, json!({}), Outlook::Unchanged),
    ] {
        for (_, outlook) in outlooks(&inputs(), &service(addresses, spec.clone()), &everywhere()) {
            assert_eq!(outlook, expected, "{addresses:?} {spec}");
        }
    }
    let (world, not_announced) = (World::new(inputs()), Verdict::Skip(SkipReason::IpNotAllowed));
    let elsewhere = outlook(&world, &service(&moved, json!({})), &everywhere(), &not_announced);
    assert_eq!(elsewhere, Outlook::NotHere, "the others can't tell");
}

#[test]
fn a_node_no_advertisement_selects_knows_whose_word_it_is() {
    let inputs = advertised(on_hosts(&["n2"]));
    let outlooks = outlooks(&inputs, &service(&[V4], json!({})), &everywhere());
    let expected = |me: &str| match me {
        "n2" => Outlook::Here {
            interfaces: Interfaces::All,
            off_subnet: vec![],
            in_subnet: None,
            overruled: None,
        },
        _ => Outlook::There { owner: "n2".to_owned() },
    };
    for (me, outlook) in outlooks {
        assert_eq!(outlook, expected(&me), "{me}");
    }
}

#[test]
fn what_is_said_will_do_when_it_is_the_same_or_comes_from_the_elected_node() {
    let condition = |message: &str| Condition {
        status: crate::condition::Standing::True,
        reason: "Announced".to_owned(),
        message: message.to_owned(),
    };
    let mine = condition("node n1 announces on all interfaces");
    let here =
        Outlook::Here { interfaces: Interfaces::All, off_subnet: vec![], in_subnet: None, overruled: None };
    let there = Outlook::There { owner: "n1".to_owned() };
    for (outlook, said, will_do) in [
        (&here, Some(&mine), true),
        (&here, Some(&condition("node n1 announces on interface eth0")), false),
        (&here, None, false),
        (&there, Some(&mine), true),
        (&there, Some(&condition("node n1 was elected and has no interface eth7")), true),
        (&there, Some(&condition("node n10 announces on all interfaces")), false),
        (&there, Some(&condition("no endpoint can serve")), false),
        (&there, None, false),
        (&Outlook::Nothing, None, true),
        (&Outlook::Nothing, Some(&mine), false),
        (&Outlook::Unchanged, Some(&mine), true),
        (&Outlook::Unchanged, None, true),
        (&Outlook::NotHere, Some(&mine), false),
        (&Outlook::NotHere, Some(&condition("node n10 announces on all interfaces")), true),
        (&Outlook::NotHere, Some(&condition("no endpoint can serve")), true),
        (&Outlook::NotHere, None, true),
        (&Outlook::Nobody(Nobody::NoEndpoint), Some(&mine), false),
    ] {
        assert_eq!(outlook.is_said("n1", said.map(Condition::as_said)), will_do, "{outlook:?} {said:?}");
    }
    // What somebody says in another's place is good enough until the other says it.
    let stand_in = there.condition("n2").unwrap();
    assert_eq!((stand_in.status.as_str(), stand_in.reason.as_str()), ("Unknown", "NotReported"));
    let stand_in = Some(stand_in.as_said());
    assert!(there.is_said("n3", stand_in) && !here.is_said("n1", stand_in));
}

#[test]
fn of_the_live_speakers_each_has_another_turn_and_the_first_differs_by_service() {
    let nobody = Outlook::Nobody(Nobody::NoEndpoint);
    let there = Outlook::There { owner: "n9".to_owned() };
    let mut firsts = std::collections::BTreeSet::new();
    for number in 0..50 {
        let service = ServiceKey { namespace: "default".into(), name: format!("web-{number}").into() };
        let worlds = seen_by_each(&inputs());
        let mut turns: Vec<(usize, &String)> =
            worlds.iter().map(|(me, world)| (nobody.turn(world, &service), me)).collect();
        turns.sort();
        assert_eq!(turns.iter().map(|(turn, _)| *turn).collect::<Vec<_>>(), [0, 1, 2]);
        firsts.insert(turns[0].1.clone());
        let (_, world) = &worlds[0];
        assert_eq!(there.turn(world, &service), nobody.turn(world, &service) + 1);
        let here = Outlook::Here {
            interfaces: Interfaces::All,
            off_subnet: vec![],
            in_subnet: None,
            overruled: None,
        };
        assert_eq!(here.turn(world, &service), 0);
    }
    assert_eq!(firsts.len(), 3, "all have their share");
    let dead = Inputs { speakers: Speakers::On(names(&["n2", "n3"])), ..inputs() };
    let service = ServiceKey { namespace: "default".into(), name: "web".into() };
    assert_eq!(nobody.turn(&World::new(dead), &service), 2, "who does not count itself comes last");
}
