//! Thousands of addresses: more groups than one socket holds, and answers as fast as for one.

use std::io::Write as _;

use super::*;

/// One socket holds some 2,300.
const GROUPS: u32 = 6000;

fn address(number: u32) -> IpAddr {
    // None in the group of the node's own addresses.
    let low = 0x10_0000 + number;
    format!("2001:db8::1:0:{:x}:{:x}", low >> 16, low & 0xffff).parse().unwrap()
}

fn groups(node: &Namespace) -> usize {
    node.sh("ip -6 maddr show dev eth0").matches("inet6 ff02::1:ff").count()
}

#[test]
fn more_groups_than_one_socket_holds_are_joined_left_and_joined_on_interfaces_that_come_later() {
    let wire = Wire::new();
    let before = groups(&wire.node);
    let announce = |number| Command::Announce { address: address(number), interfaces: Scope::All };
    wire.send_all((0..GROUPS).map(announce).collect());
    let all = before + usize::try_from(GROUPS).unwrap();
    let until_joined = |expected| {
        until("groups are joined", Duration::from_secs(30), || {
            let count = groups(&wire.node);
            Ok(seen(count == expected, count))
        })
        .unwrap();
    };
    until_joined(all);
    wire.until_answered(&address(GROUPS - 1).to_string());
    // Room on a socket that was full is used again.
    wire.send_all((0..100).map(|number| Command::Withdraw { address: address(number) }).collect());
    until_joined(all - 100);
    wire.send_all((0..100).map(announce).collect());
    until_joined(all);
    wire.node.sh("ip link del eth0");
    connect(&wire.node, &wire.client);
    until_joined(all);
    wire.until_answered(&address(GROUPS - 1).to_string());
}

#[test]
fn scattered_addresses_are_answered_where_the_kernel_has_little_room_for_filters() {
    let wire = Wire::new();
    // What it was before Linux 6.9, where all namespaces share it.
    let is_set = wire.node.run(|| std::fs::write("/proc/sys/net/core/optmem_max", "20480").is_ok());
    if !is_set {
        std::io::stderr().write_all(b"tested with the room there is\n").unwrap();
    }
    let address = |number: u32| IpAddr::V4((0x0a00_0000 + number * 16).into());
    let announce = |number| Command::Announce { address: address(number), interfaces: Scope::All };
    wire.send_all((0..1000).map(announce).collect());
    for number in [0, 499, 999] {
        wire.until_answered(&address(number).to_string());
    }
    // One more, and a link that comes later.
    wire.send(announce(1000));
    wire.until_answered(&address(1000).to_string());
    wire.node.sh("ip link del eth0");
    connect(&wire.node, &wire.client);
    wire.until_answered(&address(700).to_string());
}
