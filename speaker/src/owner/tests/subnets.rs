//! Nodes in the subnet of an address come before others, where its advertisement says so.

use std::collections::{BTreeMap, BTreeSet};

use metallb_net::Prefix;

use super::*;

/// What members say of their subnets, in a list of both nodes.
fn both(says: &[(&str, &str)]) -> Members {
    let says = says.iter().map(|(node, subnet)| ((*node).to_owned(), vec![subnet.parse().unwrap()]));
    Members { subnets: Arc::new(says.collect::<BTreeMap<String, Vec<Prefix>>>()), ..members(&["n1", "n2"]) }
}

#[tokio::test]
async fn an_address_goes_to_who_says_that_it_is_in_its_subnet_in_a_ring_of_ours() {
    let server = two_nodes();
    server.put(&advertisement(json!({ "subnets": "Prefer" })));
    let (speaker, told) = Speaker::start_in_ring(&server);
    let (lan, other) = ("192.0.2.0/24", "10.0.0.0/8");
    for (list, is_ours, why) in [
        (both(&[]), false, "its first in line says nothing of subnets"),
        (both(&[("n1", lan), ("n2", other)]), true, "it says that it has another one"),
        (both(&[("n1", lan), ("n2", lan)]), false, "it has this one"),
        (both(&[("n2", other)]), true, "who says nothing counts"),
        (both(&[("n1", other), ("n2", other)]), false, "nobody is in it"),
        (both(&[("n1", lan), ("n2", other)]), true, "one is"),
        (
            Members { plain: ["n2".to_owned()].into(), ..both(&[("n1", lan), ("n2", other)]) },
            false,
            "the original's speakers know nothing of it",
        ),
    ] {
        told.send_replace(list);
        until(why, || speaker.announces("web", OF_N2), |seen| *seen == is_ours).await;
    }
    let moves = speaker.moves();
    let (last, others) = moves.split_last().unwrap();
    assert!(
        last.ends_with(" Terms") && others.iter().all(|shift| shift.ends_with(" Interfaces")),
        "{moves:?}"
    );
}

#[tokio::test]
async fn the_others_hear_of_the_subnets_of_this_node_while_an_advertisement_asks_for_them() {
    let server = two_nodes();
    let (membership, told) = Membership::scripted();
    let says = membership.subnets();
    let flags = ["--ml-labels=component=speaker", "--ml-bindaddr=::1"];
    let (mut speaker, owner) = Speaker::build(&server, &flags, Some(membership));
    speaker.task = Some(tokio::spawn(owner.run(speaker.shutdown.clone())));
    told.send_replace(members(&["n1", "n2"]));
    until("readiness", || speaker.health.readyz().ok, |ok| *ok).await;
    assert_eq!(*says.borrow(), None, "nobody asks");
    // The only interface there is down.
    for (subnets, said) in [("Prefer", Some(BTreeSet::new())), ("Ignore", None)] {
        server.edit::<L2Advertisement>(Some(NAMESPACE), "all", &json!({ "spec": { "subnets": subnets } }));
        until(subnets, || says.borrow().clone(), |seen| *seen == said).await;
    }
}
