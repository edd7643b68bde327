//! Where a speaker listens, and what its environment tells it (contract 02 §1.1, §1.2, §8).

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use metallb_testbed::wait::{seen, until};

use crate::api::{Api, NAMESPACE};
use crate::netns::Namespace;
use crate::program::{DEADLINE, Program, text};

/// Whether somebody takes connections there.
fn listens(node: &Namespace, address: &str) -> bool {
    let address: SocketAddr = address.parse().unwrap();
    node.run(move || TcpStream::connect(address).is_ok())
}

pub fn until_listening(node: &Namespace, address: &str) {
    until(address, DEADLINE, || Ok(seen(listens(node, address), "refused"))).unwrap();
}

/// The head of the answer to a probe, and what is wrong.
fn probe(node: &Namespace, port: u16, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    node.run(move || {
        let mut answer = String::new();
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            stream.write_all(request.as_bytes()).unwrap();
            stream.read_to_string(&mut answer).unwrap();
        }
        answer
    })
}

pub fn until_ready(node: &Namespace, port: u16) {
    until("readiness", DEADLINE, || {
        let answer = probe(node, port, "/readyz");
        Ok(seen(answer.starts_with("HTTP/1.1 200"), answer))
    })
    .unwrap();
}

#[test]
fn contract_1_2_probes_are_served_on_the_loopback_address_only_and_metrics_on_all_addresses() {
    let node = Namespace::new();
    node.sh("ip link set lo up");
    node.sh("ip addr add 192.0.2.11/32 dev lo");
    node.sh("ip addr add 2001:db8::11/128 dev lo nodad");
    let api = Api::serve(&node);
    api.put_node("n1");
    api.put_web("192.0.2.200");
    // Contract 02 §1.1: a flag wins over its variable, and the service account's namespace stands in for both.
    let program = Program::new(&["--node-name=n1", &api.flag()]).with(&[("METALLB_NODE_NAME", "other")]);
    let mut speaker =
        program.file("/run/secrets/kubernetes.io/serviceaccount/namespace", NAMESPACE).start(&node);
    let first = speaker.says("speaker starts");
    assert_eq!((text(&first, "node"), text(&first, "namespace")), ("n1", NAMESPACE));
    until_ready(&node, 17472);
    assert!(probe(&node, 17472, "/healthz").starts_with("HTTP/1.1 200"));
    for address in ["127.0.0.1:9120", "192.0.2.11:9120", "[::1]:9120", "[2001:db8::11]:9120"] {
        until_listening(&node, address);
    }
    for address in ["192.0.2.11:17472", "[::1]:17472", "[2001:db8::11]:17472"] {
        assert!(!listens(&node, address), "{address}");
    }
}

/// What is listed and watched, and nothing else. Neither does a speaker lead or follow others by a Lease.
#[test]
fn contract_0_what_layer_2_needs_is_followed_in_the_namespaces_it_is_in() {
    let node = Namespace::new();
    node.sh("ip link set lo up");
    let api = Api::serve(&node);
    api.put_node("n1");
    api.put_pod("speaker-n1", "127.0.0.11", ("component", "speaker"));
    api.put_web("192.0.2.200");
    let flags = [
        "--node-name=n1",
        "--namespace=metallb-system",
        "--pod-name=speaker-n1",
        "--ml-bindaddr=127.0.0.11",
        "--ml-labels=component=speaker",
    ];
    let mut speaker = Program::new(&[&flags[..], &[&api.flag()]].concat()).start(&node);
    speaker.says("service has IP, announcing");
    let everywhere = ["services", "endpointslices", "nodes"].map(str::to_owned);
    let own = ["ipaddresspools", "l2advertisements", "servicel2statuses", "pods"];
    let own = own.map(|what| format!("{what} {NAMESPACE}/"));
    let expected: BTreeSet<String> = everywhere.into_iter().chain(own).collect();
    let mut asked = Vec::new();
    let mut followed = |verb: &str| {
        asked.extend(api.server.take_requests().iter().map(ToString::to_string));
        let of_verb = asked.iter().filter_map(|what| what.strip_prefix(&format!("{verb} ")));
        of_verb.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    for verb in ["watch", "list"] {
        until(verb, DEADLINE, || {
            let seen_so_far = followed(verb);
            Ok(seen(seen_so_far.is_superset(&expected), format!("{seen_so_far:?}")))
        })
        .unwrap();
    }
    // The own object of a kind, followed by its name.
    let verdict = format!("configurationstates {NAMESPACE}/");
    for verb in ["watch", "list"] {
        let more: Vec<String> = followed(verb).difference(&expected).cloned().collect();
        assert!(more.iter().all(|what| *what == verdict), "{verb}: {more:?}");
    }
    assert!(asked.iter().all(|what| !what.contains("leases")), "{asked:?}");
}

#[test]
fn contract_1_1_port_0_serves_no_metrics_and_the_probes_can_be_moved() {
    let node = Namespace::new();
    node.sh("ip link set lo up");
    let api = Api::serve(&node);
    let flags = ["--node-name=n1", "--namespace=metallb-system", "--port=0", "--health-probe-port=7473"];
    let _speaker = Program::new(&[&flags[..], &[&api.flag()]].concat()).start(&node);
    until_ready(&node, 7473);
    for address in ["127.0.0.1:9120", "127.0.0.1:17472"] {
        assert!(!listens(&node, address), "{address}");
    }
}

#[test]
fn contract_1_1_every_variable_of_the_contract_is_the_default_of_its_flag() {
    let node = Namespace::new();
    node.sh("ip link set lo up");
    let api = Api::serve(&node);
    api.put_pod("speaker-n1", "127.0.0.11", ("component", "speaker"));
    api.put_pod("speaker-gone", "127.0.0.13", ("component", "speaker"));
    api.put_pod("controller", "127.0.0.14", ("component", "controller"));
    let program = Program::new(&["--frrk8s-secret-passthrough", &api.flag()]).with(&[
        ("METALLB_NAMESPACE", NAMESPACE),
        ("METALLB_NODE_NAME", "n1"),
        ("METALLB_POD_NAME", "speaker-n1"),
        ("METALLB_HOST", "of no use"),
        ("METALLB_ML_BIND_ADDR", "127.0.0.11"),
        ("METALLB_ML_BIND_PORT", "7000"),
        ("METALLB_ML_LABELS", "component=speaker"),
        ("METALLB_ML_SECRET_KEY_PATH", "/run/key"),
        ("METALLB_BGP_DEBOUNCE_TIMEOUT", "500"),
        ("METALLB_BGP_TYPE", "frr-k8s"),
        ("FRRK8S_NAMESPACE", "frr"),
    ]);
    let mut speaker = program.file("/run/key/secretkey", "a secret").start(&node);
    let first = speaker.says("speaker starts");
    assert_eq!((text(&first, "node"), text(&first, "namespace")), ("n1", NAMESPACE));
    speaker.says_where("BGP is not served yet, whatever its type: only layer 2 is announced", |line| {
        text(line, "bgp_type") == "frr-k8s"
    });
    until_listening(&node, "127.0.0.11:7000");
    // Of the pods the labels select one is elsewhere: nobody is there.
    let round = speaker.says("partial join");
    assert_eq!(round.get("expected"), Some(&1.into()), "{round}");
    let mut asked = Vec::new();
    until("the own pod is asked for", DEADLINE, || {
        asked.extend(api.server.take_requests().iter().map(ToString::to_string));
        Ok(seen(asked.iter().any(|what| what == "get pods metallb-system/speaker-n1"), asked.join("\n")))
    })
    .unwrap();
    let plain = "no memberlist secret: the speakers' gossip is neither encrypted nor authenticated";
    assert!(!speaker.has_said(plain), "the secret is read");
}
