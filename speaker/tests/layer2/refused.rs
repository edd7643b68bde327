//! Contract 02 §2.5: an interface that can't be opened is tried again, and the others go on.

use super::*;
use process::Process;

const SECOND_MAC: &str = "02:00:00:00:00:12";

#[test]
fn an_interface_whose_sockets_can_not_be_opened_harms_no_other_and_is_tried_again() {
    let (node, client, second) = (Namespace::new(), Namespace::new(), Namespace::new());
    connect(&node, &client);
    let process = Process::start(&node, 0);
    let ask = |client: &Namespace| client.try_sh(&question(V4)).1.to_lowercase();
    until("the first is answered", DEADLINE, || {
        let text = ask(&client);
        Ok(seen(text.contains(NODE_MAC), text))
    })
    .unwrap();

    // No file can be opened any more: the sockets of the second interface neither.
    process.limit_files();
    node.connect("eth1", SECOND_MAC, &second, "eth0");
    second.sh("ip link set eth0 up");
    second.sh("ip addr add 192.0.2.60/24 dev eth0");
    until_no_tentative(&node, "eth1");
    until_no_tentative(&second, "eth0");
    for _ in 0..2 {
        let (first, other) = (ask(&client), ask(&second));
        assert!(first.contains(NODE_MAC), "{first}");
        assert!(!other.contains(SECOND_MAC), "{other}");
    }

    // Nothing is told of the interface from now on: it is tried again of itself, and the address made known there.
    let mut dump = Dump::start(&second, 2, &format!("arp and src host {V4}"));
    process.unlimit_files();
    let made_known = dump.finish();
    assert!(made_known.contains(&format!("Reply {V4} is-at {SECOND_MAC}")), "{made_known}");
    let (first, other) = (ask(&client), ask(&second));
    assert!(first.contains(NODE_MAC) && other.contains(SECOND_MAC), "{first} {other}");
}
