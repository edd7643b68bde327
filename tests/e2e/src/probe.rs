//! Asks who has an address, many times a second, and keeps every answer with its time.
//!
//! The tools that ask once wait a second for the answer; here a takeover is measured to a hundredth of one.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use metallb_testbed::Bed;
use metallb_testbed::wait::{self, Seen};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, bind};
use socket2::{Domain, Protocol, Socket, Type};

use crate::lan::CLIENT;

/// Between two questions.
pub const PACE: Duration = Duration::from_millis(10);
/// The receiver looks this often whether it should end.
const LOOK: Duration = Duration::from_millis(100);
const ETHERTYPE_ARP: u16 = 0x0806;

type Mac = [u8; 6];

/// An answer, when it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    /// When.
    pub at: Instant,
    /// Whose.
    pub mac: Mac,
}

/// Asks until it is dropped.
#[derive(Debug)]
pub struct Probe {
    answers: Arc<Mutex<Vec<Answer>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Probe {
    /// Begins to ask for an address from the client machine.
    pub fn start(bed: &Bed, address: IpAddr) -> Result<Self> {
        let line = Arc::new(bed.in_network_of(CLIENT, || Line::open(address))?);
        let answers = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let receive = {
            let (line, answers, stop) = (line.clone(), answers.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Some(mac) = line.receive() {
                        let answer = Answer { at: Instant::now(), mac };
                        answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
                    }
                }
            }
        };
        let send = {
            let stop = stop.clone();
            move || {
                let mut next = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    // A link that is down for a moment loses the question, as it would anybody's.
                    let _lost = line.ask();
                    next = (next + PACE).max(Instant::now());
                    thread::park_timeout(next.saturating_duration_since(Instant::now()));
                }
            }
        };
        let threads = vec![thread::spawn(receive), thread::spawn(send)];
        Ok(Self { answers, stop, threads })
    }

    /// All answers so far.
    #[must_use]
    pub fn answers(&self) -> Vec<Answer> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for an answer after `since` of another station than `not`, and returns it.
    pub fn wait_other(&self, since: Instant, not: Mac, deadline: Duration) -> Result<Answer> {
        wait::until("an answer of another node", deadline, || {
            let answers = self.answers();
            let found = answers.iter().find(|answer| answer.at >= since && answer.mac != not);
            Ok(found
                .map_or_else(|| Seen::NotYet(format!("{:?}", answers.last())), |found| Seen::Done(*found)))
        })
    }

    /// Waits until nobody but this station has answered for some time.
    pub fn wait_only(&self, mac: Mac, time: Duration, deadline: Duration) -> Result<()> {
        wait::until("answers of one node only", deadline, || {
            let (answers, since) = (self.answers(), Instant::now().checked_sub(time));
            let lately = answers.iter().rev().take_while(|answer| Some(answer.at) > since);
            let lately: Vec<Mac> = lately.map(|answer| answer.mac).collect();
            let is_steady = lately.len() > 10 && lately.iter().all(|seen| *seen == mac);
            Ok(if is_steady { Seen::Done(()) } else { Seen::NotYet(format!("{:x?}", lately.first())) })
        })
    }

    /// The longest time without an answer between two moments.
    #[must_use]
    pub fn longest_gap(&self, from: Instant, to: Instant) -> Duration {
        let times = self.answers().into_iter().map(|answer| answer.at).filter(|at| (from..=to).contains(at));
        let mut last = from;
        let mut longest = Duration::ZERO;
        for at in times.chain([to]) {
            longest = longest.max(at.saturating_duration_since(last));
            last = at;
        }
        longest
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// A MAC as six bytes.
pub fn parse_mac(text: &str) -> Result<Mac> {
    let bytes: Vec<u8> =
        text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect::<Result<_, _>>()?;
    bytes.try_into().map_err(|_| anyhow!("{text} is no MAC"))
}

/// A socket on the client's cable, for one address.
#[derive(Debug)]
enum Line {
    Arp { socket: Socket, question: Vec<u8>, target: Ipv4Addr },
    Ndp { socket: Socket, question: Vec<u8>, to: SocketAddrV6, target: Ipv6Addr },
}

impl Line {
    /// To be called in the client's network.
    fn open(address: IpAddr) -> Result<Self> {
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
        socket.set_read_timeout(Some(LOOK))?;
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
        Ok(Self::Arp { socket, question, target })
    }

    fn ndp(link: &LinkAddr, mac: Mac, target: Ipv6Addr) -> Result<Self> {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6))?;
        socket.set_read_timeout(Some(LOOK))?;
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

    fn ask(&self) -> io::Result<usize> {
        match self {
            Self::Arp { socket, question, .. } => socket.send(question),
            Self::Ndp { socket, question, to, .. } => socket.send_to(question, &(*to).into()),
        }
    }

    /// The MAC of the next answer about the address.
    fn receive(&self) -> Option<Mac> {
        let socket = match self {
            Self::Arp { socket, .. } | Self::Ndp { socket, .. } => socket,
        };
        let mut bytes = [0; 256];
        let length = (&mut &*socket).read(&mut bytes).ok()?;
        let bytes = bytes.get(..length)?;
        let (says, who, mac) = match self {
            Self::Arp { target, .. } => {
                (bytes.get(20..22)? == [0, 2], bytes.get(28..32)? == target.octets(), bytes.get(22..28)?)
            }
            Self::Ndp { target, .. } => (
                bytes.first()? == &136 && bytes.get(24..26)? == [2, 1],
                bytes.get(8..24)? == target.octets(),
                bytes.get(26..32)?,
            ),
        };
        if says && who { mac.try_into().ok() } else { None }
    }
}
