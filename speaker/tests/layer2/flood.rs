//! Floods of requests that do not concern this node: what they cost, and whether ours are answered meanwhile.

use std::net::Ipv6Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use etherparse::{Icmpv6Type, PacketBuilder};
use metallb_l2::{ArpFrame, ArpOperation, ArpPacket, solicited_node};
use metallb_linux::{LONGEST_FRAME, PacketSocket, Protocol, Targets};
use metallb_net::MacAddr;

use super::process::{Process, STEP};
use super::*;

const RATE: u64 = 100_000;
const FRAMES: u64 = 4096;
const TIME: Duration = Duration::from_secs(4);
pub const CLIENT: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x50]);
/// Far more than one filter of the kernel holds one by one.
const MANY: u32 = 5000;

fn request(target: u32) -> Vec<u8> {
    request_of(CLIENT, target)
}

/// A station's question for an address.
pub fn request_of(station: MacAddr, target: u32) -> Vec<u8> {
    let packet = ArpPacket {
        operation: ArpOperation::Request,
        sender_mac: station,
        sender_ip: [192, 0, 2, 50].into(),
        target_mac: MacAddr::default(),
        target_ip: target.into(),
    };
    ArpFrame { destination: MacAddr::BROADCAST, source: station, packet }.encode()
}

pub fn index_of(client: &Namespace) -> u32 {
    client.sh("ip -o link show eth0").split(':').next().unwrap().trim().parse().unwrap()
}

/// A neighbour's question for an address of the group of the announced one: the last three bytes are the same.
fn solicitation(number: u64) -> Vec<u8> {
    let IpAddr::V6(ours) = ip(V6) else { panic!("{V6}") };
    let target = ours.to_bits() + (u128::from(number + 1) << 24);
    solicitation_of(target.into(), "fe80::50".parse().unwrap())
}

/// A neighbour's question for an address.
pub fn solicitation_of(target: Ipv6Addr, source: Ipv6Addr) -> Vec<u8> {
    let group = solicited_node(target).octets();
    let [.., a, b, c, d] = group;
    let builder = PacketBuilder::ethernet2(CLIENT.octets(), [0x33, 0x33, a, b, c, d])
        .ipv6(source.octets(), group, 255)
        .icmpv6(Icmpv6Type::NeighborSolicitation);
    let mut frame = Vec::new();
    builder.write(&mut frame, &[&target.octets()[..], &[1, 1], &CLIENT.octets()].concat()).unwrap();
    frame
}

/// Sends these at this rate, one after the other, until told to stop; counts what was sent.
fn flood(client: &Namespace, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>, frames: Vec<Vec<u8>>) {
    let index = index_of(client);
    let (started, start) = std::sync::mpsc::channel();
    client.run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let entered = runtime.enter();
        let socket = PacketSocket::open(Protocol::Arp, index, &Targets::default()).unwrap();
        drop(entered);
        started.send((runtime, socket)).unwrap();
    });
    let (runtime, socket) = start.recv().unwrap();
    std::thread::spawn(move || {
        let begin = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let due = u64::try_from(begin.elapsed().as_micros()).unwrap() * RATE / 1_000_000;
            let missing = usize::try_from(due - sent.load(Ordering::Relaxed)).unwrap();
            for frame in frames.iter().cycle().take(missing) {
                let _ = socket.send(frame);
            }
            sent.store(due, Ordering::Relaxed);
            std::thread::park_timeout(Duration::from_micros(500));
        }
        drop((socket, runtime));
    });
}

/// The time each of some requests for an announced address waits for its answer; lost ones wait a second.
pub fn waits(client: &Namespace) -> Vec<Duration> {
    let index = index_of(client);
    client.run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let IpAddr::V4(v4) = ip(V4) else { panic!("{V4}") };
            let asked = v4.to_bits();
            let targets = Targets { leading: Vec::new(), last: std::iter::once(asked..=asked).collect() };
            let socket = PacketSocket::open(Protocol::Arp, index, &targets).unwrap();
            let mut buffer = vec![0; LONGEST_FRAME];
            let begin = Instant::now();
            let mut waits = Vec::new();
            while begin.elapsed() < TIME {
                while let Ok(Some(_)) = socket.receive(&mut buffer) {}
                let sent = Instant::now();
                socket.send(&request(asked)).unwrap();
                let _ = tokio::time::timeout(Duration::from_secs(1), socket.readable()).await;
                waits.push(sent.elapsed());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            waits.sort_unstable();
            waits
        })
    })
}

/// Share of a core in percent, and median wait.
fn measure(further: u32, frame: impl Fn(u64) -> Vec<u8>) -> (u128, Duration) {
    let (node, client) = (Namespace::new(), Namespace::new());
    connect(&node, &client);
    client.sh(&format!("ip link set eth0 address {CLIENT}"));
    let process = Process::start(&node, further);
    until("answered before", DEADLINE, || {
        let (_, text) = client.try_sh(&question(V4));
        Ok(seen(text.to_lowercase().contains(NODE_MAC), text))
    })
    .unwrap();
    let begin = Instant::now();
    until("the bursts are over", DEADLINE, || Ok(seen(begin.elapsed() > Duration::from_secs(6), "")))
        .unwrap();
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    flood(&client, stop.clone(), sent.clone(), (0..FRAMES).map(frame).collect());
    let (before, begin) = (process.cpu_time(), Instant::now());
    let waits = waits(&client);
    let (spent, took) = (process.cpu_time() - before, begin.elapsed());
    stop.store(true, Ordering::Relaxed);
    let rate = u128::from(sent.load(Ordering::Relaxed)) * 1000 / took.as_millis();
    let percent = spent.as_millis() * 100 / took.as_millis();
    let (median, longest) = (*waits.get(waits.len() / 2).unwrap(), *waits.last().unwrap());
    let text = format!(
        "{rate} foreign requests/s beside {further} addresses: {percent} % of a core, {} kB, \
         {} answers, median {median:?}, longest {longest:?}\n",
        process.resident(),
        waits.len()
    );
    std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).unwrap();
    (percent, median)
}

#[test]
fn a_flood_for_foreign_addresses_costs_little_and_ours_are_answered() {
    let (percent, median) = measure(0, |number| request(0xc000_0200 + u32::try_from(number % 190).unwrap()));
    assert!(percent <= 30 && median <= Duration::from_millis(5), "{percent} %, median {median:?}");
}

#[test]
fn a_flood_between_thousands_of_scattered_addresses_costs_little_and_ours_are_answered() {
    let between = |number: u64| 0x0a00_0001 + u32::try_from(number * 7919 % u64::from(MANY)).unwrap() * STEP;
    let (percent, median) = measure(MANY, |number| request(between(number)));
    assert!(percent <= 30 && median <= Duration::from_millis(5), "{percent} %, median {median:?}");
}

#[test]
fn a_flood_of_solicitations_for_foreign_addresses_of_a_joined_group_costs_little_and_ours_are_answered() {
    let (percent, median) = measure(0, solicitation);
    assert!(percent <= 30 && median <= Duration::from_millis(5), "{percent} %, median {median:?}");
}

/// What one station may ask for one address: a row, and then so many a second (`metallb_l2::Limiter`).
const ROW: u64 = 10_000;
const A_SECOND: u64 = 5_000;

#[test]
fn a_storm_of_requests_for_an_announced_address_is_answered_in_part_and_others_wholly() {
    let wire = Wire::with(|options| options.refresh = None);
    wire.announce(V4);
    wire.until_answered(V4);
    let IpAddr::V4(ours) = ip(V4) else { panic!("{V4}") };
    let begin = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    flood(&wire.client, stop.clone(), Arc::default(), vec![request(ours.to_bits())]);
    let counted = |counter| wire.counted(counter, V4);
    until("questions are left unanswered", DEADLINE * 3, || {
        let (asked, answered) = (counted("requests_received"), counted("responses_sent"));
        Ok(seen(asked > answered + ROW, format!("{answered} of {asked}")))
    })
    .unwrap();
    // The client's own hardware address is another one than that of the storm.
    wire.until_answered(V4);
    let answered = counted("responses_sent");
    let most = ROW + A_SECOND * (begin.elapsed().as_secs() + 1) + 100;
    stop.store(true, Ordering::Relaxed);
    assert!(answered >= ROW && answered <= most, "{answered} answers, {most} at most");
}
