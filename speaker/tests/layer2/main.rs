//! The layer 2 thread against real neighbours: arping, ndisc6, tcpdump and the kernel's own neighbour table.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod conflict;
mod contract;
mod flood;
mod handover;
mod kinds;
mod listed;
mod many;
mod measured;
mod netns;
mod process;
mod prompt;
mod refresh;
mod refused;
mod replug;
mod snooping;
mod stall;
mod storm;
mod tools;
mod vanish;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

use metallb_l2::Interfaces as Scope;
use metallb_speaker::Exclusion;
use metallb_speaker::interfaces::{InterfaceWatch, Interfaces};
use metallb_speaker::layer2::{Command, Conflict, Layer2, Options};
use metallb_telemetry::metrics::Metrics;
use metallb_testbed::wait::{Seen, seen, until};
use netns::Namespace;

const NODE_MAC: &str = "02:00:00:00:00:11";
const V4: &str = "192.0.2.200";
const V6: &str = "2001:db8::1:200";
const DEADLINE: Duration = Duration::from_secs(10);

/// A node that announces, and a client on the same link.
struct Wire {
    node: Namespace,
    client: Namespace,
    runtime: Option<tokio::runtime::Runtime>,
    layer2: Option<Layer2>,
    metrics: Metrics,
    conflicts: tokio::sync::mpsc::Receiver<Conflict>,
    interfaces: tokio::sync::watch::Receiver<Interfaces>,
}

impl Wire {
    /// The speaker's part runs; nothing is announced yet. The node has an address of its own in neither subnet.
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options::default();
        change(&mut options);
        Self::connected_by(options, connect)
    }

    fn connected_by(options: Options, connect: impl FnOnce(&Namespace, &Namespace)) -> Self {
        Self::built(options, Path::new("/does/not/exist"), connect)
    }

    fn built(mut options: Options, exclusion: &Path, connect: impl FnOnce(&Namespace, &Namespace)) -> Self {
        let exclusion = Exclusion::read(exclusion).unwrap();
        let (node, client) = (Namespace::new(), Namespace::new());
        connect(&node, &client);
        let metrics = Metrics::default();
        let counters = metrics.speaker().unwrap();
        let (told, conflicts) = tokio::sync::mpsc::channel(8);
        options.conflicts = Some(told);
        let (runtime, layer2, interfaces) = node.run(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let entered = runtime.enter();
            let (watch, interfaces) = InterfaceWatch::new(exclusion).unwrap();
            runtime.spawn(watch.run());
            let layer2 = Layer2::start(interfaces.clone(), counters, options).unwrap();
            drop(entered);
            (runtime, layer2, interfaces)
        });
        Self { node, client, runtime: Some(runtime), layer2: Some(layer2), metrics, conflicts, interfaces }
    }

    fn send(&self, command: Command) {
        self.send_all(vec![command]);
    }

    fn send_all(&self, commands: Vec<Command>) {
        let (runtime, layer2) = (self.runtime.as_ref().unwrap(), self.layer2.as_ref().unwrap());
        assert!(runtime.block_on(layer2.send(commands)));
    }

    fn announce(&self, address: &str) {
        self.send(Command::Announce { address: ip(address), interfaces: Scope::All });
    }

    /// Waits until the client gets an answer from the node's hardware address.
    fn until_answered(&self, address: &str) {
        until(&format!("{address} is answered"), DEADLINE, || {
            let (_, text) = self.client.try_sh(&question(address));
            Ok(seen(text.to_lowercase().contains(NODE_MAC), text))
        })
        .unwrap();
    }

    fn until_silent(&self, address: &str) {
        until(&format!("{address} is not answered"), DEADLINE, || {
            let (answered, text) = self.client.try_sh(&question(address));
            Ok(seen(!answered, text))
        })
        .unwrap();
    }

    /// What tcpdump sees at the client, from when it listens until `count` packets of the filter came.
    fn capture(&self, count: usize, filter: &str, action: impl FnOnce()) -> String {
        let mut dump = Dump::start(&self.client, count, filter);
        action();
        dump.finish()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // The runtime holds no more than the watch of interfaces; it may end in the background.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Connects node and client by a link on which both can speak.
fn connect(node: &Namespace, client: &Namespace) {
    node.connect("eth0", NODE_MAC, client, "eth0");
    client.sh("ip link set eth0 up");
    client.sh("ip addr add 192.0.2.50/24 dev eth0");
    client.sh("ip addr add 2001:db8::50/64 dev eth0 nodad");
    until_no_tentative(node, "eth0");
    until_no_tentative(client, "eth0");
}

/// A running tcpdump, killed when the test ends early.
struct Dump(Child);

impl Dump {
    fn start(client: &Namespace, count: usize, filter: &str) -> Self {
        let mut child = client
            .spawn(&format!("timeout 15 tcpdump -i eth0 -n -e -l -v --immediate-mode -c {count} {filter}"));
        let mut line = String::new();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        while !line.contains("listening on") {
            line.clear();
            assert_ne!(errors.read_line(&mut line).unwrap(), 0, "tcpdump ended before it listened");
        }
        child.stderr = Some(errors.into_inner());
        Self(child)
    }

    /// Whether nothing of the filter was seen so far.
    fn is_waiting(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// All that was seen up to now, however little.
    fn stop(mut self) -> String {
        // It runs under another program, which hands this on.
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.0.id().cast_signed()),
            nix::sys::signal::SIGTERM,
        )
        .unwrap();
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    fn finish(&mut self) -> String {
        let mut text = String::new();
        self.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        let status = self.0.wait().unwrap();
        assert!(status.success(), "tcpdump saw too little within its time:\n{text}");
        text
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn question(address: &str) -> String {
    match ip(address) {
        IpAddr::V4(_) => format!("arping -c 1 -w 1 -I eth0 {address}"),
        IpAddr::V6(_) => format!("ndisc6 -1 -r 1 -w 1000 {address} eth0"),
    }
}

fn until_no_tentative(namespace: &Namespace, interface: &str) {
    until("addresses are usable", DEADLINE, || {
        let text = namespace.sh(&format!("ip -6 addr show dev {interface}"));
        Ok(seen(text.contains("fe80::") && !text.contains("tentative"), text))
    })
    .unwrap();
}

#[test]
fn announced_addresses_are_answered_and_withdrawn_ones_are_not() {
    let wire = Wire::new();
    for address in [V4, V6] {
        wire.until_silent(address);
        wire.announce(address);
        wire.until_answered(address);
        wire.send(Command::Withdraw { address: ip(address) });
        wire.until_silent(address);
    }
    let text = wire.metrics.encode();
    for counter in ["requests_received", "responses_sent", "gratuitous_sent"] {
        for address in [V4, V6] {
            assert!(text.contains(&format!("metallb_layer2_{counter}{{ip=\"{address}\"}}")), "{text}");
        }
    }
}

#[test]
fn a_new_ipv4_address_is_made_known_as_request_and_reply_and_again_later() {
    let wire = Wire::new();
    let seen = wire.capture(4, "arp and src host 192.0.2.200", || wire.announce(V4));
    assert_eq!(seen.matches("Request who-has 192.0.2.200").count(), 2, "{seen}");
    assert_eq!(seen.matches("Reply 192.0.2.200 is-at 02:00:00:00:00:11").count(), 2, "{seen}");
    assert_eq!(seen.matches("> ff:ff:ff:ff:ff:ff").count(), 4, "{seen}");
}

#[test]
fn a_new_ipv6_address_is_made_known_by_an_overriding_advertisement_to_all_nodes() {
    let wire = Wire::new();
    let seen = wire.capture(2, "icmp6 and ip6[40] == 136", || wire.announce(V6));
    assert_eq!(seen.matches("> ff02::1: [icmp6 sum ok]").count(), 2, "{seen}");
    assert_eq!(seen.matches("Flags [override]").count(), 2, "{seen}");
    assert_eq!(seen.matches("hlim 255").count(), 2, "{seen}");
}

#[test]
fn the_neighbour_table_of_a_client_follows_the_announcement() {
    let wire = Wire::new();
    for address in [V4, V6] {
        wire.client.sh(&format!("ip neigh replace {address} lladdr 02:00:00:00:00:99 nud stale dev eth0"));
        wire.announce(address);
        until("the client knows the new owner", DEADLINE, || {
            let text = wire.client.sh(&format!("ip neigh show {address}"));
            Ok(seen(text.contains(NODE_MAC), text))
        })
        .unwrap();
    }
}

/// A probe for reachability is sent to the address itself, which the node's kernel does not consider its own.
#[test]
fn a_unicast_probe_of_a_kernel_is_answered() {
    let wire = Wire::new();
    wire.announce(V6);
    wire.until_answered(V6);
    wire.client.sh(&format!("ip neigh replace {V6} lladdr {NODE_MAC} nud probe dev eth0"));
    until("the probe confirms the neighbour", DEADLINE, || {
        let text = wire.client.sh(&format!("ip neigh show {V6}"));
        Ok(if text.contains("FAILED") { Seen::Never(text) } else { seen(text.contains("REACHABLE"), text) })
    })
    .unwrap();
}

#[test]
fn a_host_that_wants_an_announced_ipv6_address_for_itself_learns_that_it_is_taken() {
    let wire = Wire::new();
    wire.announce(V6);
    wire.until_answered(V6);
    wire.client.sh(&format!("ip addr add {V6}/64 dev eth0"));
    until("duplicate address detection fails", DEADLINE, || {
        let text = wire.client.sh("ip -6 addr show dev eth0");
        Ok(seen(text.contains("dadfailed"), text))
    })
    .unwrap();
}

#[test]
fn an_interface_that_goes_down_and_comes_back_answers_and_announces_again() {
    let wire = Wire::new();
    wire.announce(V4);
    wire.until_answered(V4);
    wire.node.sh("ip link set eth0 down");
    wire.until_silent(V4);
    let seen = wire.capture(2, "arp and src host 192.0.2.200", || {
        wire.node.sh("ip link set eth0 up");
    });
    assert!(seen.contains("Reply 192.0.2.200 is-at 02:00:00:00:00:11"), "{seen}");
    wire.until_answered(V4);
}

#[test]
fn groups_are_joined_again_after_the_kernel_has_taken_ipv6_down_and_up() {
    let wire = Wire::new();
    wire.announce(V6);
    wire.until_answered(V6);
    let groups = || wire.node.sh("ip -6 maddr show dev eth0");
    // An MTU below 1280 ends IPv6 on a link that otherwise stays up.
    wire.node.sh("ip link set eth0 mtu 1200");
    wire.until_silent(V6);
    wire.node.sh("ip link set eth0 mtu 1500");
    wire.until_answered(V6);
    until("the group is joined again", DEADLINE, || {
        Ok(seen(groups().contains("ff02::1:ff01:200"), groups()))
    })
    .unwrap();
}

#[test]
fn an_interface_that_is_removed_and_made_anew_serves_addresses_announced_before() {
    let wire = Wire::new();
    wire.announce(V4);
    wire.announce(V6);
    wire.until_answered(V6);
    wire.node.sh("ip link del eth0");
    wire.node.connect("eth0", NODE_MAC, &wire.client, "eth0");
    wire.client.sh("ip link set eth0 up");
    wire.client.sh("ip addr add 192.0.2.50/24 dev eth0");
    wire.client.sh("ip addr add 2001:db8::50/64 dev eth0 nodad");
    until_no_tentative(&wire.client, "eth0");
    wire.until_answered(V4);
    wire.until_answered(V6);
    until("the group is joined again", DEADLINE, || {
        let groups = wire.node.sh("ip -6 maddr show dev eth0");
        Ok(seen(groups.contains("ff02::1:ff01:200"), groups))
    })
    .unwrap();
}

#[test]
fn another_hardware_address_is_told_to_the_neighbours() {
    let wire = Wire::new();
    wire.announce(V4);
    wire.until_answered(V4);
    wire.client.sh(&format!("ip neigh replace {V4} lladdr {NODE_MAC} nud stale dev eth0"));
    wire.node.sh("ip link set eth0 address 02:00:00:00:00:77");
    until("the client knows the new hardware address", DEADLINE, || {
        let text = wire.client.sh(&format!("ip neigh show {V4}"));
        Ok(seen(text.contains("02:00:00:00:00:77"), text))
    })
    .unwrap();
}

#[test]
fn only_the_named_interfaces_answer() {
    let wire = Wire::new();
    let elsewhere = Scope::Named(BTreeSet::from(["eth1".to_owned()]));
    wire.send(Command::Announce { address: ip(V4), interfaces: elsewhere });
    wire.announce("192.0.2.201");
    wire.until_answered("192.0.2.201");
    wire.until_silent(V4);
    let here = Scope::Named(BTreeSet::from(["eth0".to_owned()]));
    wire.send(Command::Announce { address: ip(V4), interfaces: here });
    wire.until_answered(V4);
}

#[test]
fn a_part_of_a_bridge_is_silent_and_the_bridge_answers() {
    let wire = Wire::new();
    wire.announce(V4);
    wire.until_answered(V4);
    wire.node.sh("ip link add br0 address 02:00:00:00:00:55 type bridge");
    wire.node.sh("ip link set br0 up");
    wire.node.sh("ip link set eth0 master br0");
    until("only the bridge answers", DEADLINE, || {
        let (_, text) = wire.client.try_sh(&question(V4));
        let text = text.to_lowercase();
        Ok(seen(text.contains("02:00:00:00:00:55") && !text.contains(NODE_MAC), text))
    })
    .unwrap();
}

#[test]
fn an_address_is_made_known_again_long_after_its_burst() {
    let wire = Wire::with(|options| options.refresh = Some(Duration::from_secs(3)));
    wire.announce(V4);
    let started = std::time::Instant::now();
    // A burst is five rounds within five seconds, and nothing after that.
    until("the burst is over", DEADLINE, || Ok(seen(started.elapsed() > Duration::from_millis(5500), "")))
        .unwrap();
    let sent = || {
        let text = wire.metrics.encode();
        let name = format!("metallb_layer2_gratuitous_sent{{ip=\"{V4}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap()
    };
    let before = sent();
    until("it is made known again, twice", DEADLINE, || Ok(seen(sent() >= before + 4, sent()))).unwrap();
}

#[test]
fn the_loss_of_the_carrier_is_published() {
    let wire = Wire::new();
    let has_carrier = || wire.interfaces.borrow().iter().any(|it| it.name == "eth0" && it.has_carrier);
    assert!(has_carrier());
    let started = std::time::Instant::now();
    wire.client.sh("ip link set eth0 down");
    until("the loss is published", DEADLINE, || Ok(seen(!has_carrier(), started.elapsed().as_millis())))
        .unwrap();
    wire.client.sh("ip link set eth0 up");
    until("the return is published", DEADLINE, || Ok(seen(has_carrier(), ""))).unwrap();
}

#[test]
fn groups_are_left_when_the_last_address_is_withdrawn() {
    let wire = Wire::new();
    let groups = || wire.node.sh("ip -6 maddr show dev eth0");
    wire.announce("2001:db8:1::1:200");
    wire.announce(V6);
    wire.until_answered(V6);
    wire.send(Command::Withdraw { address: ip(V6) });
    wire.until_silent(V6);
    assert!(groups().contains("ff02::1:ff01:200"), "another address still needs the group");
    wire.send(Command::Withdraw { address: ip("2001:db8:1::1:200") });
    until("the group is left", DEADLINE, || Ok(seen(!groups().contains("ff02::1:ff01:200"), groups())))
        .unwrap();
}

/// Contract 02 §8: nor is anything sent unasked, at the stop or later.
#[test]
fn nothing_is_answered_after_the_stop() {
    let mut wire = Wire::with(|options| options.refresh = None);
    for address in [V4, V6] {
        wire.announce(address);
        wire.until_answered(address);
    }
    // What is seen from then on has to do with the stop.
    for address in [V4, V6] {
        wire.until_quiet(address);
    }
    let filter = format!("ether src {NODE_MAC} and (arp or (icmp6 and ip6[40] == 136))");
    let mut dump = Dump::start(&wire.client, 1, &filter);
    wire.layer2.take().unwrap().stop();
    for address in [V4, V6] {
        let (answered, text) = wire.client.try_sh(&question(address));
        assert!(!answered, "{text}");
    }
    assert!(dump.is_waiting(), "something was sent: {}", dump.finish());
}
