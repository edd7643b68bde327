//! The bed's network: a bridge in the switch, one cable to each machine, routes, and the faults of wires.

use std::time::Duration;

use anyhow::Result;

use crate::address::{API_PORT, POD_NETWORK_V4, POD_NETWORK_V6, Place};
use crate::command::{self, Input};
use crate::machine::Machine;

const DEADLINE: Duration = Duration::from_secs(10);

/// Lays the bridge, with the (empty) set of nodes that are cut off from the API.
pub(crate) fn lay_bridge(switch: &Machine) -> Result<()> {
    ip(switch, "link set lo up\nlink add br0 type bridge mcast_snooping 0\nlink set br0 up\n")?;
    // Frames that cross the bridge must not be seen by the switch's own packet filter as routed ones.
    sysctl(
        switch,
        &[
            "bridge.bridge-nf-call-iptables=0",
            "bridge.bridge-nf-call-ip6tables=0",
            "bridge.bridge-nf-call-arptables=0",
        ],
    )?;
    nft(switch, &cut_table())
}

/// Connects a machine to the switch and gives it its addresses and routes.
pub(crate) fn connect(switch: &Machine, machine: &Machine, place: Place, nodes: u8) -> Result<()> {
    // The kernel takes its time to remove the cable of a machine that was powered off.
    let _gone = ip(switch, &format!("link del {place}\n"));
    let pid = machine.running()?.pid;
    ip(switch, &cable(place, pid))?;
    ip(machine, &addresses(place))?;
    if !matches!(place, Place::Client) {
        sysctl(machine, FORWARDING)?;
    }
    if matches!(place, Place::Node(_)) {
        nft(machine, &masquerade())?;
    }
    ip(machine, &routes(place, nodes))
}

/// Takes the plug out at the switch, or puts it back: the machine sees its carrier go or come.
pub(crate) fn set_plugged(switch: &Machine, place: Place, plugged: bool) -> Result<()> {
    ip(switch, &format!("link set {place} {}\n", if plugged { "up" } else { "down" }))
}

/// Drops what passes between one node (its pods included) and the API server, or lets it pass again.
pub(crate) fn set_api_cut(switch: &Machine, place: Place, cut: bool) -> Result<()> {
    // Added first in any case: deleting what is not there would be an error.
    let add = format!("add element bridge testbed cut {{ \"{place}\" }}\n");
    let delete = format!("delete element bridge testbed cut {{ \"{place}\" }}\n");
    nft(switch, &if cut { add } else { format!("{add}{delete}") })
}

/// A machine needs forwarding to carry pod traffic; `cp` and `router` do no harm with it.
const FORWARDING: &[&str] = &[
    "ipv4.ip_forward=1",
    "ipv6.conf.all.forwarding=1",
    "ipv4.conf.all.rp_filter=0",
    "ipv4.conf.default.rp_filter=0",
];

/// Pods leave their node under its address, as with the usual network plugins.
fn masquerade() -> String {
    let rule = |family: &str, pods: &str| {
        format!("    {family} saddr {pods} {family} daddr != {pods} oifname \"eth0\" masquerade\n")
    };
    let rules = rule("ip", POD_NETWORK_V4) + &rule("ip6", POD_NETWORK_V6);
    format!(
        "table inet testbed {{\n  chain postrouting {{\n    \
         type nat hook postrouting priority srcnat + 10;\n{rules}  }}\n}}\n"
    )
}

fn cable(place: Place, pid: i32) -> String {
    let mac = place.mac();
    format!(
        "link add {place} type veth peer name eth0 address {mac} netns {pid}\n\
         link set {place} master br0 up\n"
    )
}

/// Without duplicate address detection, so that the address can be used at once.
fn addresses(place: Place) -> String {
    let (v4, v6) = (place.v4(), place.v6());
    format!(
        "link set lo up\nlink set eth0 up\n\
         addr add {v4}/24 dev eth0\naddr add {v6}/64 dev eth0 nodad\n"
    )
}

/// Default by the router: without one, a process on a node can't reach a Service address, because its
/// route lookup fails before the address is translated. Pod subnets by their nodes, for the cluster's
/// own machines only: to `client` and `router` pods are not reachable, as in the world outside.
fn routes(place: Place, nodes: u8) -> String {
    let mut batch = String::new();
    if place != Place::Router {
        let (v4, v6) = (Place::Router.v4(), Place::Router.v6());
        batch += &format!("route replace default via {v4}\nroute replace default via {v6}\n");
    }
    if matches!(place, Place::ControlPlane | Place::Node(_)) {
        for other in Place::nodes(nodes).filter(|other| *other != place) {
            let (v4, v6) = (other.v4(), other.v6());
            let subnets = other.pods_v4().into_iter().zip(other.pods_v6());
            for (pods_v4, pods_v6) in subnets {
                batch += &format!("route replace {pods_v4} via {v4}\nroute replace {pods_v6} via {v6}\n");
            }
        }
    }
    batch
}

fn cut_table() -> String {
    let (v4, v6) = (Place::ControlPlane.v4(), Place::ControlPlane.v6());
    let mut rules = String::new();
    for (family, address) in [("ip", v4.to_string()), ("ip6", v6.to_string())] {
        rules += &format!("    iifname @cut {family} daddr {address} tcp dport {API_PORT} drop\n");
        rules += &format!("    oifname @cut {family} saddr {address} tcp sport {API_PORT} drop\n");
    }
    format!(
        "table bridge testbed {{\n  set cut {{\n    type ifname\n  }}\n  chain forward {{\n    \
         type filter hook forward priority 0;\n{rules}  }}\n}}\n"
    )
}

fn ip(machine: &Machine, batch: &str) -> Result<()> {
    in_network(machine, "ip", &["-batch", "-"], batch)
}

fn nft(machine: &Machine, rules: &str) -> Result<()> {
    in_network(machine, "nft", &["-f", "-"], rules)
}

/// Settings below `net.`, in the machine's network.
fn sysctl(machine: &Machine, settings: &[&str]) -> Result<()> {
    let script: String = settings
        .iter()
        .filter_map(|setting| setting.rsplit_once('='))
        .map(|(name, value)| format!("echo {value} >/proc/sys/net/{}\n", name.replace('.', "/")))
        .collect();
    in_network(machine, "sh", &["-e"], &script)
}

fn in_network(machine: &Machine, program: &str, args: &[&str], input: &str) -> Result<()> {
    let mut command = machine.enter_network()?;
    command.arg(program).args(args);
    let what = format!("{program} in the network of {}, given\n{input}", machine.name);
    command::finish(&what, command, Input::Text(input.to_owned()), DEADLINE)?.success(&what)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_route_to_each_other_and_by_the_router() {
        let routes = routes(Place::Node(1), 2);
        let expected = "\
route replace default via 172.30.0.60
route replace default via fd00:30::60
route replace 10.244.2.0/24 via 172.30.0.12
route replace fd00:10:244:2::/64 via fd00:30::12
";
        assert_eq!(routes, expected);
    }

    #[test]
    fn pods_are_not_reachable_from_outside() {
        assert!(!routes(Place::Client, 3).contains("10.244"));
        assert_eq!(routes(Place::Router, 3), "");
    }

    #[test]
    fn only_what_leaves_the_pod_networks_is_masqueraded() {
        let table = masquerade();
        assert!(table.contains("ip saddr 10.244.0.0/16 ip daddr != 10.244.0.0/16 oifname"), "{table}");
        assert!(
            table.contains("ip6 saddr fd00:10:244::/56 ip6 daddr != fd00:10:244::/56 oifname"),
            "{table}"
        );
    }

    #[test]
    fn only_traffic_of_the_api_is_cut() {
        let table = cut_table();
        assert_eq!(table.matches("drop").count(), 4);
        assert_eq!(table.matches("port 6443 drop").count(), 4);
    }
}
