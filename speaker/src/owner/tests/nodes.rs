//! What is said of nodes in the cluster moves addresses while a speaker runs (contract 02 §0.1, §2.2 rule 5, §2.3).

use metallb_api::names::LABEL_EXCLUDE_BALANCERS;

use super::*;

fn labelled(key: &str, value: Option<&str>) -> serde_json::Value {
    json!({ "metadata": { "labels": { key: value } } })
}

#[tokio::test]
async fn an_address_leaves_a_node_without_network_or_with_the_exclude_label_and_returns_afterwards() {
    let server = two_nodes();
    let (speaker, told) = Speaker::start_in_ring(&server);
    told.send_replace(members(&["n1", "n2"]));
    until("readiness", || speaker.health.readyz().ok, |ok| *ok).await;
    assert!(!speaker.announces("web", OF_N2));
    let network = |status: &str| {
        let conditions = json!({ "conditions": [{ "type": "NetworkUnavailable", "status": status }] });
        server.set_status::<Node>(None, "n2", &conditions);
    };
    let label = |value| server.edit::<Node>(None, "n2", &labelled(LABEL_EXCLUDE_BALANCERS, value));
    let lose_and_regain: [[&dyn Fn(); 2]; 2] =
        [[&|| network("True"), &|| network("False")], [&|| label(Some("false")), &|| label(None)]];
    for [lose, regain] in lose_and_regain {
        lose();
        speaker.until_announced("web", OF_N2).await;
        regain();
        speaker.until_silent("web", OF_N2).await;
    }
    assert_eq!(speaker.moves(), ["n2 n1 Node", "n1 n2 Node", "n2 n1 Node", "n1 n2 Node"]);
}

#[tokio::test]
async fn the_exclude_label_counts_unless_the_speaker_is_told_to_ignore_it() {
    for (flags, is_announced) in [(&[][..], false), (&["--ignore-exclude-lb"], true)] {
        let server = cluster();
        server.edit::<Node>(None, "n1", &labelled(LABEL_EXCLUDE_BALANCERS, Some("")));
        server.put(&service("web", ADDRESS));
        server.put(&slice("web", "n1", true));
        let speaker = Speaker::start(&server, flags);
        until("a decision", || speaker.decisions(), |count| *count > 0).await;
        until("readiness", || speaker.health.readyz().ok, |ok| *ok).await;
        assert_eq!(speaker.announces("web", ADDRESS), is_announced, "{flags:?}");
    }
}

#[tokio::test]
async fn nodes_come_under_an_advertisement_with_their_labels_and_go_with_them() {
    let server = cluster();
    server.put(&advertisement(json!({ "nodeSelectors": [{ "matchLabels": { "zone": "a" } }] })));
    server.put(&service("web", OF_N2));
    server.put(&slice("web", "n1", true));
    let speaker = Speaker::start(&server, &[]);
    until("readiness", || speaker.health.readyz().ok, |ok| *ok).await;
    assert!(!speaker.announces("web", OF_N2));
    let zone = |value| server.edit::<Node>(None, "n1", &labelled("zone", value));
    let other = || {
        let mut other = node("n2");
        other.metadata.labels.get_or_insert_default().insert("zone".to_owned(), "a".to_owned());
        server.put(&other);
    };
    let changes: [(&str, &dyn Fn(), bool); 6] = [
        ("the label appears", &|| zone(Some("a")), true),
        ("it has another value", &|| zone(Some("b")), false),
        ("it is back", &|| zone(Some("a")), true),
        ("a node is created that is preferred", &other, false),
        ("that is deleted", &|| server.remove::<Node>(None, "n2"), true),
        ("the label is gone", &|| zone(None), false),
    ];
    for (what, change, is_announced) in changes {
        change();
        until(what, || speaker.announces("web", OF_N2), |seen| *seen == is_announced).await;
    }
}
