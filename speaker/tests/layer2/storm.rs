//! A thousand interfaces that come and go.

use std::io::Write as _;

use tokio::sync::watch;

use super::process::{FILES, Process};
use super::*;

const PAIRS: usize = 500;

fn for_each_pair(node: &Namespace, command: impl Fn(usize) -> String) {
    for_each(PAIRS, node, command);
}

/// Has `ip` carry out one command for each of so many pairs of interfaces.
pub fn for_each(pairs: usize, node: &Namespace, command: impl Fn(usize) -> String) {
    let mut batch = std::process::Command::new("ip");
    batch.args(["-force", "-batch", "-"]).stdin(std::process::Stdio::piped());
    let mut child = node.run(move || batch.spawn()).unwrap();
    let text: String = (0..pairs).map(|number| command(number) + "\n").collect();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

fn names(interfaces: &watch::Receiver<Interfaces>) -> BTreeSet<String> {
    interfaces.borrow().iter().map(|interface| interface.name.clone()).collect()
}

/// Whether some routing socket of the namespace that follows news could not take all of them.
fn lost_news(node: &Namespace) -> bool {
    // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
    let table = node.sh("cat /proc/net/netlink");
    let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|fields| fields.get(1) == Some(&"0")).any(|fields| {
        let drops = fields.get(8).and_then(|drops| drops.parse::<u64>().ok());
        fields.get(3) != Some(&"00000000") && drops.is_some_and(|drops| drops > 0)
    })
}

#[test]
fn news_that_got_lost_in_a_storm_are_made_up_for_and_later_ones_are_heard() {
    let node = Namespace::new();
    let exclusion = Exclusion::read(std::path::Path::new("/does/not/exist")).unwrap();
    let (runtime, watch, interfaces) = node.run(move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (watch, interfaces) = runtime.block_on(async { InterfaceWatch::new(exclusion).unwrap() });
        (runtime, watch, interfaces)
    });
    let before = names(&interfaces).len();
    // Nobody reads the news of these: the kernel drops what does not fit into the socket.
    for_each_pair(&node, |number| format!("link add a{number} type veth peer name b{number}"));
    assert_eq!(names(&interfaces).len(), before);
    for mtu in 1300..1340 {
        if lost_news(&node) {
            break;
        }
        for_each_pair(&node, |number| format!("link set a{number} mtu {mtu}"));
    }
    assert!(lost_news(&node), "the kernel kept all news: this tests nothing, make the storm larger");
    runtime.spawn(watch.run());
    let until_all = |expected: usize| {
        until("all interfaces are listed", DEADLINE, || {
            let count = names(&interfaces).len();
            Ok(seen(count == expected, count))
        })
        .unwrap();
    };
    until_all(before + 2 * PAIRS);
    for_each_pair(&node, |number| format!("link del a{number}"));
    until_all(before);
    runtime.shutdown_background();
}

#[test]
fn addresses_are_answered_and_changes_heard_in_a_storm_of_interfaces() {
    let wire = Wire::new();
    wire.announce(V4);
    wire.until_answered(V4);
    for_each_pair(&wire.node, |number| format!("link add a{number} type veth peer name b{number}"));
    wire.node.sh("ip link set eth0 address 02:00:00:00:00:77");
    until("the new hardware address is in the answers", DEADLINE, || {
        let (_, text) = wire.client.try_sh(&question(V4));
        Ok(seen(text.to_lowercase().contains("02:00:00:00:00:77"), text))
    })
    .unwrap();
}

/// Each of them has sockets of its own: more than a container may have open at first.
#[test]
fn the_last_of_a_thousand_interfaces_that_are_up_answers_as_the_first_does() {
    let (node, client) = (Namespace::new(), Namespace::new());
    connect(&node, &client);
    for_each_pair(&node, |number| format!("link add a{number} type veth peer name b{number}"));
    for_each_pair(&node, |number| format!("link set a{number} up\nlink set b{number} up"));
    node.connect("last0", "02:00:00:00:00:12", &client, "eth1");
    client.sh("ip link set eth1 up");
    client.sh("ip addr add 192.0.2.51/24 dev eth1");
    let process = Process::start(&node, 0);
    for (interface, mac) in [("eth0", NODE_MAC), ("eth1", "02:00:00:00:00:12")] {
        until(&format!("{interface} is answered"), DEADLINE * 3, || {
            let (_, text) = client.try_sh(&format!("arping -c 1 -w 1 -I {interface} {V4}"));
            Ok(seen(text.to_lowercase().contains(mac), text))
        })
        .unwrap();
    }
    until("all have their sockets", DEADLINE * 3, || {
        Ok(seen(process.files() > 2 * 2 * u64::try_from(PAIRS).unwrap(), process.files()))
    })
    .unwrap();
    assert!(process.files() > FILES);
}
