//! Rows of contract 02 §2.4 to §2.8 that need a kernel and are held nowhere else.

use std::io::Write as _;

use metallb_linux::Protocol;
use metallb_net::MacAddr;

use super::*;

const OWN: &str = "02:00:00:00:00:55";

/// §2.5: excluded by name, an interface is skipped entirely; §2.4: it is none that an advertisement could name.
#[test]
fn an_interface_excluded_by_name_is_not_listed_and_does_not_answer() {
    let file = std::env::temp_dir().join(format!("excludel2-{}.yaml", std::process::id()));
    std::fs::write(&file, "announcedInterfacesToExclude: ['^eth0$']").unwrap();
    let wire = Wire::built(Options::default(), &file, connect);
    std::fs::remove_file(&file).unwrap();
    assert!(wire.interfaces.borrow().iter().all(|interface| interface.name != "eth0"));
    wire.announce(V4);
    wire.until_silent(V4);
    assert!(!wire.metrics.encode().contains("gratuitous_sent{"), "made known on an excluded interface");
}

/// §2.4: advertisements name interfaces, whatever state those are in.
#[test]
fn interfaces_that_are_down_or_enslaved_or_without_arp_are_listed_all_the_same() {
    let wire = Wire::new();
    let node = &wire.node;
    node.sh("ip link add down0 type veth peer name down1");
    node.sh("ip link add noarp0 type veth peer name noarp1");
    node.sh("ip link set noarp0 arp off up");
    node.sh("ip link add br0 type bridge");
    node.sh("ip link set down1 master br0");
    until("all are listed", DEADLINE, || {
        let names: BTreeSet<String> =
            wire.interfaces.borrow().iter().map(|interface| interface.name.clone()).collect();
        let is_listed = ["down0", "down1", "noarp0", "br0"].iter().all(|name| names.contains(*name));
        Ok(seen(is_listed, format!("{names:?}")))
    })
    .unwrap();
}

/// §2.5: the NDP responder is there if a link-local address is; ARP needs no address at all.
#[test]
fn without_a_link_local_address_ipv6_is_silent_and_ipv4_answers_until_there_is_one() {
    let wire = Wire::new();
    for address in [V4, V6] {
        wire.announce(address);
        wire.until_answered(address);
    }
    wire.node.sh("ip addr flush dev eth0 scope link");
    wire.until_silent(V6);
    wire.until_answered(V4);
    wire.node.sh("ip addr add fe80::11/64 dev eth0 nodad");
    wire.until_answered(V6);
}

/// §2.5: nobody asked for frames that are not for this node.
#[test]
fn the_interface_is_not_made_promiscuous() {
    let wire = Wire::new();
    for address in [V4, V6] {
        wire.announce(address);
        wire.until_answered(address);
    }
    let text = wire.node.sh("ip -d link show eth0");
    assert!(text.contains("promiscuity 0"), "{text}");
}

/// §2.8: rounds go to the selected interfaces only.
#[test]
fn an_address_announced_on_another_interface_is_not_made_known_on_this_one() {
    let wire = Wire::new();
    let elsewhere = Scope::Named(BTreeSet::from(["eth1".to_owned()]));
    wire.send(Command::Announce { address: ip(V4), interfaces: elsewhere });
    wire.announce("192.0.2.201");
    wire.until_answered("192.0.2.201");
    let metrics = wire.metrics.encode();
    assert!(metrics.contains("gratuitous_sent{ip=\"192.0.2.201\"}"), "{metrics}");
    assert!(!metrics.contains(&format!("gratuitous_sent{{ip=\"{V4}\"}}")), "{metrics}");
}

/// §2.5: the name an advertisement gives is the one an interface has now.
#[test]
fn an_interface_that_gets_another_name_answers_what_is_announced_under_that_name() {
    let wire = Wire::new();
    let on = |name: &str| Scope::Named(BTreeSet::from([name.to_owned()]));
    for (name, address) in [("eth0", "192.0.2.201"), ("lan0", V4), ("lan0", V6)] {
        wire.send(Command::Announce { address: ip(address), interfaces: on(name) });
    }
    wire.until_answered("192.0.2.201");
    wire.until_silent(V4);
    for command in ["ip link set eth0 down", "ip link set eth0 name lan0", "ip link set lan0 up"] {
        wire.node.sh(command);
    }
    for address in [V4, V6] {
        wire.until_answered(address);
    }
    wire.until_silent("192.0.2.201");
}

/// §2.8: nothing is sent when an address is given up.
#[test]
fn an_address_that_is_given_up_is_given_up_without_a_word() {
    let wire = Wire::with(|options| options.refresh = None);
    for (address, filter) in [
        (V4, format!("arp and ether src {NODE_MAC} and src host {V4}")),
        (V6, format!("icmp6 and ip6[40] == 136 and ether src {NODE_MAC}")),
    ] {
        wire.announce(address);
        wire.until_answered(address);
        wire.send(Command::Withdraw { address: ip(address) });
        // From the withdrawal on: what was sent before is answered questions and the burst.
        wire.until_silent(address);
        let sent = |wire: &Wire| {
            let label = format!("gratuitous_sent{{ip=\"{address}\"}}");
            wire.metrics.encode().lines().find(|line| line.contains(&label)).map(str::to_owned)
        };
        let before = sent(&wire);
        let mut dump = Dump::start(&wire.client, 1, &filter);
        // Two more rounds of the burst would be due while this asks.
        wire.until_silent(address);
        wire.until_silent(address);
        assert!(dump.is_waiting(), "{address}: something was sent");
        assert!(before.is_some() && before == sent(&wire), "{before:?}");
    }
}

/// §2.6: a VLAN is a link of its own. Its frames are answered by its own interface, not by the one it is on.
#[test]
fn a_vlan_is_answered_by_its_own_interface_and_the_untagged_link_by_its_own() {
    let wire = Wire::new();
    let (is_made, text) =
        wire.node.try_sh(&format!("ip link add vlan7 link eth0 address {OWN} type vlan id 7"));
    if !is_made {
        let text = format!("NOT TESTED: this kernel has no VLANs: {}\n", text.trim());
        std::io::stderr().write_all(text.as_bytes()).unwrap();
        return;
    }
    wire.node.sh("ip link set vlan7 up");
    wire.client.sh("ip link add vlan7 link eth0 type vlan id 7");
    wire.client.sh("ip link set vlan7 up");
    wire.announce(V4);
    for (interface, answers, silent) in [("eth0", NODE_MAC, OWN), ("vlan7", OWN, NODE_MAC)] {
        until(&format!("{interface} is answered"), DEADLINE, || {
            let (_, text) = wire.client.try_sh(&format!("arping -c 2 -w 2 -I {interface} {V4}"));
            let text = text.to_lowercase();
            Ok(seen(text.contains(answers) && !text.contains(silent), text))
        })
        .unwrap();
    }
}

/// §2.5: the same where there is no interface for the VLAN, and on kernels without any. The tag is off when the frame comes
/// to the untagged link.
#[test]
fn a_question_in_a_vlan_is_not_answered_by_the_untagged_link() {
    let wire = Wire::with(|options| options.refresh = None);
    wire.announce(V4);
    wire.until_quiet(V4);
    let IpAddr::V4(asked) = ip(V4) else { panic!("{V4}") };
    let question_of = |last| flood::request_of(MacAddr([2, 0, 0, 0, 0, last]), asked.to_bits());
    // One station asks in VLAN 7, and then another one without a tag.
    let (mut tagged, untagged) = (question_of(0x77), question_of(0x78));
    tagged.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
    let said = wire.capture(1, &format!("arp and ether src {NODE_MAC}"), || {
        handover::put(&wire.client, Protocol::Arp, vec![tagged, untagged]);
    });
    assert!(said.contains(&format!("{NODE_MAC} > 02:00:00:00:00:78")), "{said}");
    assert_eq!(wire.counted("requests_received", V4), 1, "{said}");
}

/// An interface that goes away while thousands of packets are to be sent on it costs nothing but those.
#[test]
fn an_interface_that_vanishes_in_the_middle_of_a_burst_is_announced_on_when_it_is_back() {
    const ADDRESSES: u32 = 3000;
    let wire = Wire::new();
    let address = |number: u32| IpAddr::V4((0x0a00_0000 + number).into());
    let announce = |number| Command::Announce { address: address(number), interfaces: Scope::All };
    wire.send_all((0..ADDRESSES).map(announce).collect());
    for _ in 0..4 {
        // Each time the link is back all addresses are made known on it, in rounds that take longer than this.
        wire.node.sh("ip link del eth0");
        connect(&wire.node, &wire.client);
    }
    for number in [0, ADDRESSES / 2, ADDRESSES - 1] {
        wire.until_answered(&address(number).to_string());
    }
}
