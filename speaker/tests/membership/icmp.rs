//! ICMP messages that anybody can send: a socket that hears of closed ports hears of those, too.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::{Icmpv4Header, Icmpv4Type, PacketBuilder};
use metallb_speaker::membership::Members;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::time::sleep;

use crate::heartbeats::received;
use crate::ours::{Net, Ours, heartbeats};

/// Destination unreachable: the host, its port, source route failed, source host isolated, and prohibited.
const CODES: [u8; 5] = [1, 3, 5, 8, 13];

/// memberlist's port, and that of heartbeats.
const PORTS: [u16; 2] = [7946, 7947];

fn octets(address: IpAddr) -> [u8; 4] {
    let IpAddr::V4(address) = address else { unreachable!("networks of these tests are of IPv4") };
    address.octets()
}

/// One that says that what `from` sent to `to`, between these ports, did not arrive.
fn unreachable(code: u8, port: u16, from: IpAddr, to: IpAddr) -> Vec<u8> {
    let mut quoted = Vec::new();
    let packet = PacketBuilder::ipv4(octets(from), octets(to), 64).udp(port, port);
    packet.write(&mut quoted, &[]).unwrap();
    let kind = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::from_values(code, 0).unwrap());
    let mut message = Icmpv4Header::with_checksum(kind, &quoted).to_bytes().to_vec();
    message.extend(quoted);
    message
}

/// The sockets at an address, as the kernel numbers them.
fn sockets(address: IpAddr) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let local = PORTS.map(|port| format!("{:08X}:{port:04X}", u32::from_ne_bytes(octets(address))));
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let here = rows.filter(|row| local.iter().any(|local| row[1] == local));
    here.map(|row| format!("{} is {}", row[1], row[9])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_messages_close_no_socket_and_move_nothing() {
    let net = Net::new();
    let [mut first, mut second] = [1, 2].map(|host| {
        let mut settings = net.ours(host);
        settings.heartbeats = heartbeats();
        Ours::start(settings, &[net.ip(1), net.ip(2)])
    });
    for member in [&mut first, &mut second] {
        member.until(&["rs-1", "rs-2"]).await;
        member.opens().await;
    }
    let (opened, before) = (sockets(net.ip(1)), received(&first));
    assert_eq!(opened.len(), PORTS.len(), "{opened:?}");
    let changes = |members: &Members| members.alive.len() != 2 || members.is_fenced || members.has_foreign;
    let attack = async {
        let stranger = std::net::UdpSocket::bind(SocketAddr::new(net.ip(9), 0)).unwrap();
        let forger = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4));
        let forger = forger.expect("these tests need root with CAP_NET_RAW");
        for round in 0..40 {
            // Of several the socket tells the last one.
            let codes = CODES.into_iter().cycle().skip(round).take(CODES.len());
            for (port, code) in PORTS.into_iter().flat_map(|port| codes.clone().map(move |code| (port, code)))
            {
                // Nobody listens at the third address. Who says so of a member lies about that one.
                let to = net.ip(if code == 3 { 3 } else { 2 });
                let message = unreachable(code, port, net.ip(1), to);
                // Such an error shows when the socket is read.
                stranger.send_to(b"read me", SocketAddr::new(net.ip(1), port)).unwrap();
                forger.send_to(&message, &SocketAddr::new(net.ip(1), 0).into()).unwrap();
            }
            sleep(Duration::from_millis(25)).await;
        }
        sleep(Duration::from_secs(2)).await;
    };
    tokio::select! {
        members = first.members.wait_for(changes) => panic!("{:?}", members.unwrap()),
        members = second.members.wait_for(changes) => panic!("{:?}", members.unwrap()),
        () = attack => {}
    }
    assert_eq!(sockets(net.ip(1)), opened);
    assert!(received(&first) > before + 10, "{} {before}", received(&first));
    let metrics = first.metrics.encode();
    let value = |name| metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    assert_eq!(value("metallb_speaker_fenced"), Some("0"));
    assert_ne!(value("metallb_speaker_heartbeats_refused_total"), Some("0"), "none has arrived");
}
