//! What the speaker knows of interfaces is what iproute2 says of them: another reader of the same messages.

use std::io::Write as _;

use metallb_linux::Interface;
use serde_json::Value;

use super::*;

/// What changes, step by step; what this kernel does not have is left out.
const STEPS: &[&[&str]] = &[
    &["ip link add v0 type veth peer name v1", "ip link set v0 up"],
    &["ip link set v1 up", "ip addr add 192.0.2.1/24 dev v0", "ip addr add 198.51.100.7/31 dev v0"],
    &["ip addr add 2001:db8::1/64 dev v0 nodad", "ip addr add fe80::7/64 dev v1 nodad"],
    &["ip addr add 203.0.113.1 peer 203.0.113.9/32 dev v1"],
    &["ip link add br0 type bridge", "ip link set v1 master br0", "ip link set br0 up"],
    &["ip link add mv0 link v0 address 02:00:00:00:00:55 type macvlan mode bridge", "ip link set mv0 up"],
    &["ip link add vx0 type vxlan id 7 dstport 4789 dev v0", "ip link set vx0 up"],
    &["ip link add vlan7 link v0 type vlan id 7", "ip link set vlan7 up"],
    &["ip link add bond0 type bond", "ip link add dummy0 type dummy", "ip link add vrf0 type vrf table 10"],
    &["ip tuntap add dev tap0 mode tap", "ip tuntap add dev tun0 mode tun", "ip link set tun0 up"],
    &["ip link set v0 arp off", "ip link set mv0 address 02:00:00:00:00:56"],
    &["ip link set v0 down", "ip link set v1 nomaster"],
    &["ip link set br0 down", "ip link set br0 name bridge-with-15b", "ip link set v0 arp on"],
    &["ip addr del 198.51.100.7/31 dev v0", "ip link set v0 up", "ip addr add 192.0.2.1/25 dev v0"],
    &["ip link del v0", "ip link set lo up"],
];

fn flag(link: &Value, name: &str) -> bool {
    link["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == name))
}

/// A link as `ip -json address` tells it.
fn as_told(link: &Value, all: &[Value]) -> Interface {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    let of_name = |name: &Value| all.iter().find(|other| other["ifname"] == *name);
    let mut interface = Interface {
        index: number(&link["ifindex"]),
        name: text(&link["ifname"]),
        mac: text(&link["address"]).parse().ok().filter(|_| link["link_type"] == "ether"),
        is_up: flag(link, "UP"),
        // Without NO-CARRIER it says nothing of a link that is down, which has none either.
        has_carrier: flag(link, "UP") && !flag(link, "NO-CARRIER"),
        can_broadcast: flag(link, "BROADCAST"),
        no_arp: flag(link, "NOARP"),
        master: of_name(&link["master"]).map(|master| number(&master["ifindex"])),
        ..Interface::default()
    };
    for address in link["addr_info"].as_array().into_iter().flatten() {
        let of_peer = address["address"].as_str().filter(|_| address["family"] == "inet");
        let ip: IpAddr = of_peer.unwrap_or(address["local"].as_str().unwrap()).parse().unwrap();
        let is_usable = address["tentative"] != true && address["dadfailed"] != true;
        match ip {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                interface.link_local = interface.link_local.or(is_usable.then_some(v6));
            }
            _ => {
                let length = u8::try_from(number(&address["prefixlen"])).unwrap();
                interface.subnets.insert(metallb_net::Prefix::new(ip, length).unwrap());
            }
        }
    }
    interface
}

#[test]
fn interfaces_are_listed_and_followed_as_iproute2_tells_of_them() {
    let node = Namespace::new();
    let exclusion = Exclusion::read(Path::new("/does/not/exist")).unwrap();
    let start = move || {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (watch, interfaces) = runtime.block_on(async { InterfaceWatch::new(exclusion).unwrap() });
        runtime.spawn(watch.run());
        (runtime, interfaces)
    };
    let (runtime, followed) = node.run(start.clone());
    for (number, step) in STEPS.iter().enumerate() {
        for command in *step {
            let (is_done, text) = node.try_sh(command);
            let may_be_missing = ["vlan", "bond", "dummy", "vrf"].iter().any(|kind| command.contains(kind));
            assert!(is_done || may_be_missing, "{command}: {text}");
            if !is_done {
                let text = format!("NOT TESTED: this kernel refuses `{command}`: {}\n", text.trim());
                std::io::stderr().write_all(text.as_bytes()).unwrap();
            }
        }
        let agrees = |interfaces: &tokio::sync::watch::Receiver<Interfaces>| {
            let told: Vec<Value> = serde_json::from_str(&node.sh("ip -json address")).unwrap();
            let told: Vec<Interface> = told.iter().map(|link| as_told(link, &told)).collect();
            let ours: Vec<Interface> = interfaces.borrow().iter().cloned().collect();
            Ok(seen(ours == told, format!("step {number}, ours {ours:#?}, told {told:#?}")))
        };
        until("the news say the same", DEADLINE, || agrees(&followed)).unwrap();
        // And who lists them all at once sees the same.
        let (fresh, listed) = node.run(start.clone());
        until("the list says the same", DEADLINE, || agrees(&listed)).unwrap();
        fresh.shutdown_background();
    }
    runtime.shutdown_background();
}
