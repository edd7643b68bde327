//! A switch that snoops on MLD: it sends solicitations only where somebody said to be in their group.

use std::net::Ipv6Addr;
use std::sync::mpsc;

use metallb_l2::Advertisement;
use metallb_linux::{LONGEST_FRAME, PacketSocket, Protocol, Targets};

use super::*;

const HEIR_MAC: &str = "02:00:00:00:00:12";
/// Each of an address whose group the switch has not heard of.
const MOVES: u16 = 10;
/// One each millisecond, and an address moves after some of them.
const QUESTIONS: u16 = 200;
const BEFORE: u16 = 50;
/// Answers have a little longer.
const TICKS: u16 = 300;
/// On two processors a question may be under way to the old owner's port while the new one's report and packet are faster. The
/// kernel's own report comes after two ticks: without ours several are lost in each move.
const LOST_AT_MOST: usize = 2;

fn address(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 1, 0x300 + number)
}

/// Whose question the one of this number is, so that its answer can be told from others.
fn asker(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, number)
}

fn only(address: Ipv6Addr) -> Targets {
    let word = |number: u32| {
        let word = u32::try_from((address.to_bits() >> (96 - 32 * number)) & 0xffff_ffff).unwrap();
        word..=word
    };
    Targets { leading: (0..3).map(word).collect(), last: (3..4).map(word).collect() }
}

/// Whether a solicitation of a group that nobody is in comes through to the node.
fn is_flooded(wire: &Wire) -> bool {
    let filter = "icmp6 and ip6[40] == 135 and dst host ff02::1:ff99:9999";
    let mut dump = Dump::start(&wire.node, 1, filter);
    wire.client.try_sh("ndisc6 -1 -r 1 -w 300 2001:db8::99:9999 eth0");
    !dump.is_waiting()
}

/// Without a querier a switch floods. It speaks MLDv2: to an older one kernels report at once.
fn begin_to_filter(switch: &Namespace, wire: &Wire) {
    until("the switch floods", DEADLINE, || Ok(seen(is_flooded(wire), ""))).unwrap();
    until_no_tentative(switch, "br0");
    for option in ["mcast_mld_version 2", "mcast_query_response_interval 100", "mcast_querier 1"] {
        switch.sh(&format!("ip link set br0 type bridge {option}"));
    }
    until("the switch filters", DEADLINE * 3, || {
        Ok(seen(!is_flooded(wire), switch.sh("ip -d link show br0")))
    })
    .unwrap();
}

/// Asks again and again, and says when it has begun: the numbers of the questions that got no answer.
fn unanswered(client: &Namespace, asked: Ipv6Addr, begun: mpsc::Sender<()>) -> BTreeSet<u16> {
    let index = flood::index_of(client);
    client.run(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let socket = PacketSocket::open(Protocol::Ndp, index, &only(asked)).unwrap();
            let mut pace = tokio::time::interval(Duration::from_millis(1));
            let (mut unanswered, mut buffer) = (BTreeSet::new(), vec![0; LONGEST_FRAME]);
            for number in 0..TICKS {
                pace.tick().await;
                if number == BEFORE {
                    begun.send(()).unwrap();
                }
                if number < QUESTIONS {
                    socket.send(&flood::solicitation_of(asked, asker(number))).unwrap();
                    unanswered.insert(number);
                }
                while let Ok(Some(frame)) = socket.receive(&mut buffer) {
                    let answered = Advertisement::decode(frame).map(|answer| answer.destination.segments());
                    if let Ok([.., 1, number]) = answered {
                        unanswered.remove(&number);
                    }
                }
            }
            unanswered
        })
    })
}

/// The same while the address moves from one node to the other.
fn unanswered_in_move(old: &Wire, heir: &Wire, number: u16) -> BTreeSet<u16> {
    let asked = address(number);
    let text = asked.to_string();
    old.announce(&text);
    old.until_answered(&text);
    let (begun, begin) = mpsc::channel();
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| unanswered(&old.client, asked, begun));
        begin.recv().unwrap();
        old.send(Command::HandOver { address: asked.into() });
        heir.announce(&text);
        asking.join().unwrap()
    })
}

#[test]
fn a_switch_hears_of_the_group_before_neighbours_hear_of_the_address() {
    let wire = Wire::new();
    let report = "(ip6[6] == 0 and ip6[48] == 143 and ip6[72:4] == 0xff010200)";
    let filter = format!("ether src {NODE_MAC} and ({report} or (icmp6 and ip6[40] == 136))");
    // The kernel's own report is one of these.
    let said = wire.capture(3, &filter, || wire.announce(V6));
    let (reported, advertised) =
        (said.find("multicast listener report v2"), said.find("neighbor advertisement"));
    assert!(reported.is_some() && advertised.is_some() && reported < advertised, "{said}");
    assert!(said.contains("gaddr ff02::1:ff01:200 to_ex"), "{said}");
    assert_eq!(said.matches("[icmp6 sum ok]").count(), 3, "{said}");
}

#[test]
fn nobody_asks_in_vain_while_an_address_moves_behind_a_switch_that_snoops() {
    let switch = Namespace::new();
    let old = Wire::connected_by(Options::default(), |node, client| {
        replug::connect_by_switch(node, client, &switch);
    });
    let heir = Wire::connected_by(Options::default(), |node, _| {
        replug::plug_in(node, HEIR_MAC, &switch, "heir");
        until_no_tentative(node, "eth0");
    });
    begin_to_filter(&switch, &old);
    let lost: Vec<BTreeSet<u16>> = (0..MOVES).map(|number| unanswered_in_move(&old, &heir, number)).collect();
    let count: usize = lost.iter().map(BTreeSet::len).sum();
    assert!(count <= LOST_AT_MOST, "questions without an answer in each move: {lost:?}");
}
