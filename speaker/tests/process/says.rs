//! What a speaker says that docs and tests rely on, and what it leaves behind (contract 02 §1.1, §8).

use k8s_openapi::api::core::v1::Service;
use metallb_api::{IPAddressPool, L2Advertisement};
use metallb_testbed::wait::{seen, until};
use metallb_testkit::Verb;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::api::{Api, NAMESPACE};
use crate::netns::Namespace;
use crate::program::{DEADLINE, Program, Speaker, text};

const ADDRESS: &str = "192.0.2.200";
const MAC: &str = "02:00:00:00:00:11";

/// The speaker of a node, and another station on its link.
struct Node {
    node: Namespace,
    client: Namespace,
    api: Api,
}

impl Node {
    fn new() -> Self {
        let (node, client) = (Namespace::new(), Namespace::new());
        node.sh("ip link set lo up");
        node.connect("eth0", MAC, &client, "eth0");
        client.sh("ip link set eth0 up");
        client.sh("ip addr add 192.0.2.50/24 dev eth0");
        let api = Api::serve(&node);
        api.put_node("n1");
        api.put_web(ADDRESS);
        Self { node, client, api }
    }

    fn start(&self) -> Speaker {
        self.start_with(&[])
    }

    fn start_with(&self, more: &[&str]) -> Speaker {
        let flags = ["--node-name=n1", "--namespace=metallb-system", "--log-level=debug", &self.api.flag()];
        Program::new(&[&flags[..], more].concat()).start(&self.node)
    }
}

#[test]
fn contract_8_the_log_texts_docs_and_tests_rely_on_are_said_as_lines_of_json() {
    let wire = Node::new();
    let mut speaker = wire.start();
    let on = |line: &Value, level: &str| {
        assert_eq!(text(line, "level"), level, "{line}");
        text(line, "interface").to_owned()
    };
    for message in ["created ARP responder for interface", "created NDP responder for interface"] {
        let line = speaker.says_where(message, |line| text(line, "interface") == "eth0");
        on(&line, "info");
    }
    let line = speaker.says("service has IP, announcing");
    assert_eq!((text(&line, "service"), text(&line, "protocol")), ("default/web", "layer2"), "{line}");
    assert!(text(&line, "ips").contains(ADDRESS) && text(&line, "pool") == "pool", "{line}");
    on(&line, "info");

    until("the address is answered", DEADLINE, || {
        let (_, text) = wire.client.try_sh(&format!("arping -c 1 -w 1 -I eth0 {ADDRESS}"));
        Ok(seen(text.to_lowercase().contains(MAC), text))
    })
    .unwrap();
    let line = speaker.says("got ARP request for service IP, sending response");
    assert_eq!((on(&line, "debug").as_str(), text(&line, "ip")), ("eth0", ADDRESS), "{line}");

    wire.api.put_pool("broken", "10.0.0.9-10.0.0.2");
    let line = speaker.says("failed to parse the configuration");
    assert!(text(&line, "error").contains("\"broken\""), "{line}");
    on(&line, "error");
    wire.api.server.remove::<IPAddressPool>(Some(NAMESPACE), "broken");

    wire.api.server.remove::<Service>(Some("default"), "web");
    let line = speaker.says("withdrawing service announcement");
    assert_eq!((text(&line, "service"), text(&line, "reason")), ("default/web", "serviceDeleted"), "{line}");
    on(&line, "info");

    let is_whole =
        |line: &Value| ["ts", "level", "caller", "msg"].iter().all(|key| !text(line, key).is_empty());
    for line in &speaker.said {
        assert!(is_whole(line), "{line}");
    }
}

#[test]
fn contract_8_a_speaker_that_is_stopped_deletes_no_status_object() {
    let wire = Node::new();
    let mut speaker = wire.start();
    until("the status object", DEADLINE, || {
        let statuses = wire.api.statuses();
        Ok(seen(statuses.len() == 1, statuses.join(" ")))
    })
    .unwrap();
    wire.api.server.take_requests();
    speaker.signal(Signal::SIGTERM);
    assert_eq!(speaker.ends(), Some(0));
    let deletes = wire.api.server.take_requests().into_iter().filter(|asked| asked.verb == Verb::Delete);
    assert_eq!((deletes.count(), wire.api.statuses().len()), (0, 1));
}

/// Contract 02 §2.2 rule 3.
#[test]
fn contract_2_2_a_shared_address_beside_an_advertisement_that_selects_services_is_warned_of() {
    let wire = Node::new();
    let metadata =
        json!({ "labels": { "app": "web" }, "annotations": { "metallb.io/allow-shared-ip": "key" } });
    wire.api.server.edit::<Service>(Some("default"), "web", &json!({ "metadata": metadata }));
    let spec = json!({ "serviceSelectors": [{ "matchLabels": { "app": "web" } }] });
    wire.api.server.edit::<L2Advertisement>(Some(NAMESPACE), "all", &json!({ "spec": spec }));
    let mut speaker = wire.start();
    let line = speaker.says("not announcing service");
    let fields = ["level", "service", "reason"].map(|field| text(&line, field));
    assert_eq!(fields, ["warn", "default/web", "sharedIPWithServiceSelector"], "{line}");
}

/// Contract 02 §1.1; docs/additions.md: the original ends.
#[test]
fn contract_1_1_an_own_pod_that_is_not_there_is_told_once_and_keeps_nothing_from_being_announced() {
    let wire = Node::new();
    let mut speaker = wire.start_with(&["--pod-name=speaker-n1"]);
    let message = "own pod not readable, status objects will outlive it: check METALLB_POD_NAME and the role";
    let line = speaker.says(message);
    assert_eq!((text(&line, "level"), text(&line, "pod")), ("error", "speaker-n1"), "{line}");
    speaker.says("service has IP, announcing");
    until("the status object", DEADLINE, || {
        let statuses = wire.api.statuses();
        Ok(seen(statuses.len() == 1, statuses.join(" ")))
    })
    .unwrap();
    assert!(speaker.has_said(message));
    assert_eq!(speaker.said.iter().filter(|line| text(line, "msg") == message).count(), 1);
}

#[test]
fn rights_that_are_missing_are_told_once_however_many_services_there_are() {
    let wire = Node::new();
    for refused in ["strategic-patch services/status", "watch pods"] {
        wire.api.server.forbid(refused);
    }
    for number in 1..5 {
        wire.api.put_service(&format!("web-{number}"), &format!("192.0.2.{number}"));
    }
    let flags = ["--node-name=n1", "--namespace=metallb-system", &wire.api.flag()];
    let variables = [("METALLB_ML_LABELS", "component=speaker"), ("METALLB_ML_BIND_ADDR", "127.0.0.1")];
    let mut speaker = Program::new(&flags).with(&variables).start(&wire.node);
    let told = [
        ("Services have no condition metallb.io/Announced: the role lacks patch on services/status", ""),
        ("can't watch, listing again and again", "pods"),
    ];
    for (message, what) in told {
        let line = speaker.says_where(message, |line| text(line, "what") == what);
        assert_eq!(text(&line, "level"), "warn", "{line}");
    }
    for number in 1..5 {
        let service = format!("default/web-{number}");
        speaker.says_where("service has IP, announcing", |line| text(line, "service") == service);
    }
    // Each change of a Service is one more reason to write.
    wire.api.put_service("web-9", "192.0.2.9");
    speaker.says_where("service has IP, announcing", |line| text(line, "service") == "default/web-9");
    speaker.signal(Signal::SIGTERM);
    assert_eq!(speaker.ends(), Some(0));
    speaker.has_said("the rest of the log");
    for (message, what) in told {
        let lines =
            speaker.said.iter().filter(|line| text(line, "msg") == message && text(line, "what") == what);
        assert_eq!(lines.count(), 1, "{message}");
    }
}

#[test]
fn a_speaker_may_open_as_many_sockets_as_its_container_allows_at_most() {
    let wire = Node::new();
    let flags = ["--node-name=n1", "--namespace=metallb-system", &wire.api.flag()];
    let mut speaker = Program::new(&flags).files(256, 4096).start(&wire.node);
    speaker.says("service has IP, announcing");
    let limit = speaker.limit("Max open files");
    assert_eq!(limit.split_whitespace().filter(|word| *word == "4096").count(), 2, "{limit}");
}
