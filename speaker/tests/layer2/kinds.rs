//! Contract 02 §2.5 with interfaces of every kind: which of them answer.

use std::io::Write as _;

use super::*;

/// Makes an interface `it0` of a kind on top of `eth0`, and says which hardware addresses then answer.
struct Kind {
    name: &'static str,
    add: &'static str,
    then: &'static [&'static str],
    answers: &'static [&'static str],
}

const OWN: &str = "02:00:00:00:00:55";

const KINDS: &[Kind] = &[
    Kind {
        name: "bridge",
        add: "ip link add it0 address 02:00:00:00:00:55 type bridge",
        then: ENSLAVE,
        answers: &[OWN],
    },
    Kind {
        name: "bond",
        add: "ip link add it0 address 02:00:00:00:00:55 type bond",
        then: BOND,
        answers: &[OWN],
    },
    // A VRF is no Ethernet interface, and its ports belong to it.
    Kind { name: "VRF", add: "ip link add it0 type vrf table 10", then: ENSLAVE, answers: &[] },
    // Its frames carry a tag, which the client on the untagged link does not see; the parent answers as before.
    Kind {
        name: "802.1Q VLAN",
        add: "ip link add it0 link eth0 type vlan id 7",
        then: UP,
        answers: &[NODE_MAC],
    },
    // Child and parent are on the same link: each answers with its own address (§2.6).
    Kind {
        name: "macvlan",
        add: "ip link add it0 link eth0 address 02:00:00:00:00:55 type macvlan mode bridge",
        then: UP,
        answers: &[NODE_MAC, OWN],
    },
    // Announced on like any other, but nobody is there to ask.
    Kind { name: "dummy", add: "ip link add it0 type dummy", then: UP, answers: &[NODE_MAC] },
    // Without address resolution there is nothing to answer.
    Kind { name: "NOARP", add: "ip link set eth0 arp off", then: &[], answers: &[] },
];

const UP: &[&str] = &["ip link set it0 up"];
const ENSLAVE: &[&str] = &["ip link set it0 up", "ip link set eth0 master it0"];
const BOND: &[&str] = &["ip link set eth0 down", "ip link set eth0 master it0", "ip link set it0 up"];

#[test]
fn each_kind_of_interface_answers_as_the_contract_says() {
    for kind in KINDS {
        let Kind { name, add, then, answers } = kind;
        let wire = Wire::new();
        wire.announce(V4);
        wire.until_answered(V4);
        let (is_made, text) = wire.node.try_sh(add);
        if !is_made {
            let text = format!("NOT TESTED: this kernel has no {name}: {}\n", text.trim());
            std::io::stderr().write_all(text.as_bytes()).unwrap();
            continue;
        }
        then.iter().for_each(|command| drop(wire.node.sh(command)));
        until(&format!("{name}: {answers:?} answers"), DEADLINE, || {
            // More than once: where two interfaces answer, the first question may end with the first answer.
            let (_, text) = wire.client.try_sh(&format!("arping -c 4 -w 4 -I eth0 {V4}"));
            let text = text.to_lowercase();
            let answering = |macs: &[&str]| macs.iter().filter(|mac| text.contains(**mac)).count();
            let is_so = answering(answers) == answers.len() && answering(&[NODE_MAC, OWN]) == answers.len();
            Ok(seen(is_so, text))
        })
        .unwrap();
    }
}
