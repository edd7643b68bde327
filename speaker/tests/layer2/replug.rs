//! A cable that is pulled out of a switch and put back: the node's interface stays up and loses its carrier.

use std::time::Instant;

use super::*;

/// Node and client, each on a port of a switch that snoops on multicast, as real ones do. Without a querier it filters nothing.
pub fn connect_by_switch(node: &Namespace, client: &Namespace, switch: &Namespace) {
    switch.sh("ip link add br0 type bridge mcast_snooping 1");
    switch.sh("ip link set br0 up");
    plug_in(node, NODE_MAC, switch, "node");
    plug_in(client, "02:00:00:00:00:50", switch, "client");
    client.sh("ip addr add 192.0.2.50/24 dev eth0");
    client.sh("ip addr add 2001:db8::50/64 dev eth0 nodad");
    until_no_tentative(node, "eth0");
    until_no_tentative(client, "eth0");
}

/// Connects an interface with a new port of the switch.
pub fn plug_in(station: &Namespace, mac: &str, switch: &Namespace, port: &str) {
    station.connect("eth0", mac, switch, port);
    switch.sh(&format!("ip link set {port} master br0"));
    switch.sh(&format!("ip link set {port} up"));
}

/// A node behind a switch, heard at both addresses.
fn answering_by_switch() -> (Namespace, Wire) {
    let switch = Namespace::new();
    let wire =
        Wire::connected_by(Options::default(), |node, client| connect_by_switch(node, client, &switch));
    for address in [V4, V6] {
        wire.announce(address);
        wire.until_answered(address);
    }
    (switch, wire)
}

#[test]
fn both_families_are_answered_as_soon_as_a_cable_is_back_each_time() {
    let (switch, wire) = answering_by_switch();
    for round in 0..3 {
        switch.sh("ip link set node down");
        for address in [V4, V6] {
            wire.until_silent(address);
        }
        switch.sh("ip link set node up");
        // The kernel keeps addresses and groups of a link without carrier: nothing has to be found out anew, for which
        // duplicate address detection alone would take a second and more.
        let addresses = wire.node.sh("ip -6 addr show dev eth0");
        let groups = wire.node.sh("ip -6 maddr show dev eth0");
        assert!(
            addresses.contains("fe80::") && !addresses.contains("tentative"),
            "round {round}: {addresses}"
        );
        assert!(groups.contains("ff02::1:ff01:200"), "round {round}: {groups}");
        for address in [V6, V4] {
            wire.until_answered(address);
        }
    }
}

#[test]
fn a_neighbour_learns_by_itself_that_both_families_are_back() {
    let (switch, wire) = answering_by_switch();
    switch.sh("ip link set node down");
    until("the loss is published", DEADLINE, || {
        let is_lost = wire.interfaces.borrow().iter().any(|it| it.name == "eth0" && !it.has_carrier);
        Ok(seen(is_lost, ""))
    })
    .unwrap();
    for address in [V4, V6] {
        wire.client.sh(&format!("ip neigh replace {address} lladdr 02:00:00:00:00:99 nud stale dev eth0"));
    }
    switch.sh("ip link set node up");
    for address in [V4, V6] {
        until("the client knows the owner again", DEADLINE, || {
            let text = wire.client.sh(&format!("ip neigh show {address}"));
            Ok(seen(text.contains(NODE_MAC), text))
        })
        .unwrap();
    }
}

#[test]
fn what_changes_within_the_burst_of_a_link_is_made_known_at_once() {
    const CHANGES: u8 = 6;
    /// Six rounds of one burst take longer.
    const LIMIT: Duration = Duration::from_secs(5);
    let wire = Wire::new();
    wire.announce(V4);
    let announced = Instant::now();
    until("its own burst is over", DEADLINE, || {
        Ok(seen(announced.elapsed() > Duration::from_millis(5500), ""))
    })
    .unwrap();
    let attempt = |attempt: u8| {
        let started = Instant::now();
        for change in 0..CHANGES {
            let mac = format!("02:00:00:00:{attempt:02x}:{change:02x}");
            wire.client.sh(&format!("ip neigh replace {V4} lladdr 02:00:00:00:99:99 nud stale dev eth0"));
            wire.node.sh(&format!("ip link set eth0 address {mac}"));
            until("the client knows the new hardware address", DEADLINE, || {
                let text = wire.client.sh(&format!("ip neigh show {V4}"));
                Ok(seen(text.contains(&mac), text))
            })
            .unwrap();
        }
        started.elapsed()
    };
    // A busy machine may need more than one attempt; one round after the other never gets there.
    let took: Vec<Duration> = (0..3).map(attempt).collect();
    assert!(took.iter().any(|took| *took < LIMIT), "{took:?}");
}
