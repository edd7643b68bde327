//! Who lives where: the machines of a bed and the addresses that follow from their names.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use anyhow::bail;

/// Most nodes one bed can have; their numbers stay one digit, so that v4 and v6 addresses look alike.
pub const MAX_NODES: u8 = 9;

/// All pod addresses, v4.
pub const POD_NETWORK_V4: &str = "10.244.0.0/16";
/// All pod addresses, v6.
pub const POD_NETWORK_V6: &str = "fd00:10:244::/56";
/// All Service addresses, v4.
pub const SERVICE_NETWORK_V4: &str = "10.96.0.0/16";
/// All Service addresses, v6.
pub const SERVICE_NETWORK_V6: &str = "fd00:10:96::/112";
/// The Service address of the API server.
pub const API_SERVICE_V4: &str = "10.96.0.1";
/// The port the API server listens on in `cp`.
pub const API_PORT: u16 = 6443;

/// A place on the bed's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// `cp`: etcd, the API server, the controller manager and the scheduler.
    ControlPlane,
    /// `n1`, `n2`, …: containerd, kubelet and kube-proxy.
    Node(u8),
    /// `client`: the world outside the cluster, on the same LAN.
    Client,
    /// `router`: everybody's default gateway.
    Router,
}

impl Place {
    /// Every place of a bed with `nodes` nodes.
    pub fn all(nodes: u8) -> Vec<Place> {
        let mut places = vec![Place::ControlPlane];
        places.extend(Place::nodes(nodes));
        places.extend([Place::Client, Place::Router]);
        places
    }

    /// The nodes `n1` to `n<nodes>`.
    pub fn nodes(nodes: u8) -> impl Iterator<Item = Place> {
        (1..=nodes).map(Place::Node)
    }

    /// The last number of its addresses.
    fn host_number(self) -> u8 {
        match self {
            Place::ControlPlane => 2,
            Place::Node(number) => 10 + number,
            Place::Client => 50,
            Place::Router => 60,
        }
    }

    /// Its v4 address on the LAN, in 172.30.0.0/24.
    pub fn v4(self) -> Ipv4Addr {
        Ipv4Addr::new(172, 30, 0, self.host_number())
    }

    /// Its v6 address on the LAN, in fd00:30::/64; written, it ends like the v4 one.
    pub fn v6(self) -> Ipv6Addr {
        let number = u16::from(self.host_number());
        Ipv6Addr::new(0xfd00, 0x30, 0, 0, 0, 0, 0, number / 10 * 16 + number % 10)
    }

    /// The fixed MAC of its `eth0`.
    pub fn mac(self) -> String {
        format!("02:00:00:30:00:{:02x}", self.host_number())
    }

    /// The subnet its pods get v4 addresses from; only nodes have one.
    pub fn pods_v4(self) -> Option<String> {
        match self {
            Place::Node(number) => Some(format!("10.244.{number}.0/24")),
            Place::ControlPlane | Place::Client | Place::Router => None,
        }
    }

    /// The subnet its pods get v6 addresses from; only nodes have one.
    pub fn pods_v6(self) -> Option<String> {
        match self {
            Place::Node(number) => Some(format!("fd00:10:244:{number}::/64")),
            Place::ControlPlane | Place::Client | Place::Router => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::ControlPlane => f.pad("cp"),
            Place::Node(number) => f.pad(&format!("n{number}")),
            Place::Client => f.pad("client"),
            Place::Router => f.pad("router"),
        }
    }
}

impl FromStr for Place {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Place, anyhow::Error> {
        match name {
            "cp" => Ok(Place::ControlPlane),
            "client" => Ok(Place::Client),
            "router" => Ok(Place::Router),
            _ => match name.strip_prefix('n').and_then(|number| number.parse().ok()) {
                Some(number @ 1..=MAX_NODES) => Ok(Place::Node(number)),
                _ => bail!("no machine is called {name:?}: use cp, n1 to n{MAX_NODES}, client or router"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_from_the_name() {
        let table = [
            ("cp", "172.30.0.2", "fd00:30::2", "02:00:00:30:00:02"),
            ("n1", "172.30.0.11", "fd00:30::11", "02:00:00:30:00:0b"),
            ("n9", "172.30.0.19", "fd00:30::19", "02:00:00:30:00:13"),
            ("client", "172.30.0.50", "fd00:30::50", "02:00:00:30:00:32"),
            ("router", "172.30.0.60", "fd00:30::60", "02:00:00:30:00:3c"),
        ];
        for (name, v4, v6, mac) in table {
            let place: Place = name.parse().unwrap();
            assert_eq!(place.to_string(), name);
            assert_eq!(place.v4().to_string(), v4);
            assert_eq!(place.v6().to_string(), v6);
            assert_eq!(place.mac(), mac);
        }
    }

    #[test]
    fn only_nodes_have_pod_subnets() {
        assert_eq!(Place::Node(3).pods_v4().unwrap(), "10.244.3.0/24");
        assert_eq!(Place::Node(3).pods_v6().unwrap(), "fd00:10:244:3::/64");
        assert_eq!(Place::Client.pods_v4(), None);
    }

    #[test]
    fn unknown_names_are_refused_with_the_known_ones() {
        for name in ["", "n", "n0", "n10", "sw", "node1", "n-1"] {
            let error = name.parse::<Place>().unwrap_err().to_string();
            assert!(error.contains("n1 to n9"), "{error}");
        }
    }

    #[test]
    fn a_bed_has_its_nodes_and_three_more_machines() {
        let names: Vec<_> = Place::all(2).iter().map(Place::to_string).collect();
        assert_eq!(names, ["cp", "n1", "n2", "client", "router"]);
    }
}
