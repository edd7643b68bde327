//! The client's side of one question and its answer, on raw sockets.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use nix::cmsg_space;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, bind, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Answer, MOMENT, Mac};

/// The receiver looks this often whether it should end.
const LOOK: Duration = Duration::from_millis(100);
const ETHERTYPE_ARP: u16 = 0x0806;

/// A socket on the client's cable, for one address.
#[derive(Debug)]
pub(super) enum Line {
    Arp { socket: Socket, question: Vec<u8>, own: Mac, target: Ipv4Addr },
    Ndp { socket: Socket, question: Vec<u8>, to: SocketAddrV6, target: Ipv6Addr },
}

impl Line {
    /// To be called in the client's network.
    pub(super) fn open(address: IpAddr) -> Result<Self> {
        let interfaces: Vec<_> = getifaddrs()?.filter(|each| each.interface_name == "eth0").collect();
        let links = interfaces.iter().filter_map(|each| each.address.as_ref()?.as_link_addr().copied());
        let link = links.into_iter().next().context("the client has no eth0")?;
        let mac = link.addr().context("eth0 has no MAC")?;
        match address {
            IpAddr::V4(target) => {
                let addresses =
                    interfaces.iter().filter_map(|each| Some(each.address.as_ref()?.as_sockaddr_in()?.ip()));
                let own = addresses.into_iter().next().context("eth0 has no IPv4 address")?;
                Self::arp(link, mac, own, target)
            }
            IpAddr::V6(target) => Self::ndp(&link, mac, target),
        }
    }

    fn arp(link: LinkAddr, mac: Mac, own: Ipv4Addr, target: Ipv4Addr) -> Result<Self> {
        let protocol = Protocol::from(i32::from(ETHERTYPE_ARP.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
        prepare(&socket)?;
        bind(socket.as_raw_fd(), &link)?;
        let mut question = [0xff; 6].to_vec();
        question.extend(mac);
        question.extend(ETHERTYPE_ARP.to_be_bytes());
        // Ethernet, IPv4, their lengths; a request.
        question.extend([0, 1, 8, 0, 6, 4, 0, 1]);
        question.extend(mac);
        question.extend(own.octets());
        question.extend([0; 6]);
        question.extend(target.octets());
        Ok(Self::Arp { socket, question, own: mac, target })
    }

    fn ndp(link: &LinkAddr, mac: Mac, target: Ipv6Addr) -> Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        prepare(&socket)?;
        let index = u32::try_from(link.ifindex())?;
        socket.set_multicast_if_v6(index)?;
        socket.set_multicast_hops_v6(255)?;
        let [.., high, middle, low] = target.octets();
        let group =
            Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(high), u16::from_be_bytes([middle, low]));
        // A neighbour solicitation with our MAC; the kernel fills in the checksum.
        let mut question = vec![135, 0, 0, 0, 0, 0, 0, 0];
        question.extend(target.octets());
        question.extend([1, 1]);
        question.extend(mac);
        Ok(Self::Ndp { socket, question, to: SocketAddrV6::new(group, 0, 0, index), target })
    }

    pub(super) fn ask(&self) -> io::Result<usize> {
        match self {
            Self::Arp { socket, question, .. } => socket.send(question),
            Self::Ndp { socket, question, to, .. } => socket.send_to(question, &(*to).into()),
        }
    }

    /// What is said next about the address.
    pub(super) fn receive(&self) -> Option<Answer> {
        let (Self::Arp { socket, .. } | Self::Ndp { socket, .. }) = self;
        let mut bytes = [0; 256];
        let (length, at) = receive(socket, &mut bytes)?;
        let bytes = bytes.get(..length)?;
        let (mac, was_asked) = match self {
            Self::Arp { own, target, .. } => arp_reply(bytes, *own, *target)?,
            Self::Ndp { target, .. } => advertisement(bytes, *target)?,
        };
        Some(Answer { at, mac, was_asked })
    }
}

/// Whose reply it is, and whether it is for us alone.
fn arp_reply(frame: &[u8], own: Mac, target: Ipv4Addr) -> Option<(Mac, bool)> {
    let is_reply = frame.get(20..22)? == [0, 2] && frame.get(28..32)? == target.octets();
    let mac = frame.get(22..28)?.try_into().ok()?;
    is_reply.then_some((mac, frame.get(..6)? == own))
}

/// Whose advertisement it is, and whether its flag says that it was solicited.
fn advertisement(message: &[u8], target: Ipv6Addr) -> Option<(Mac, bool)> {
    let has_mac = message.first()? == &136 && message.get(24..26)? == [2, 1];
    let mac = message.get(26..32)?.try_into().ok()?;
    (has_mac && message.get(8..24)? == target.octets()).then_some((mac, message.get(4)? & 0x40 != 0))
}

fn prepare(socket: &Socket) -> Result<()> {
    socket.set_read_timeout(Some(LOOK))?;
    Ok(setsockopt(socket, sockopt::ReceiveTimestampns, &true)?)
}

/// Length of the next packet, and when the kernel got it.
fn receive(socket: &Socket, bytes: &mut [u8]) -> Option<(usize, Instant)> {
    let mut parts = [IoSliceMut::new(bytes)];
    let mut room = cmsg_space!(TimeSpec);
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::empty()).ok()?;
    let (now, wall) = now()?;
    let stamp = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
        _ => None,
    });
    let age = stamp.map_or(Duration::ZERO, |stamp| wall.saturating_sub(stamp));
    Some((message.bytes, now.checked_sub(age)?))
}

/// The same moment by the clock that waits are measured by, and by the one that the kernel stamps with. Looks that had a
/// pause in between would date an answer too early.
fn now() -> Option<(Instant, Duration)> {
    loop {
        let before = Instant::now();
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        if before.elapsed() <= MOMENT {
            return Some((before, wall));
        }
    }
}
