//! Raw ARP from outside: questions, and the answers and unasked announcements that come.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use metallb_l2::{ArpFrame, ArpOperation, ArpPacket};
use metallb_linux::{LONGEST_FRAME, LinkMonitor, PacketSocket, Protocol, Targets};
use metallb_net::MacAddr;
use metallb_testbed::Bed;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// The machine that asks.
pub(crate) const CLIENT: &str = "client";
/// A question without an answer counts as this long.
const LOST: Duration = Duration::from_secs(1);
/// From one question to the next while there is no answer: the finest step of the runtime's timer.
const STEP: Duration = Duration::from_millis(1);

/// A station that speaks ARP and nothing else.
pub(crate) struct Prober {
    socket: PacketSocket,
    /// None while it is being dropped.
    runtime: Option<Runtime>,
    mac: MacAddr,
    address: Ipv4Addr,
    buffer: Vec<u8>,
    /// Questions asked so far, and waited for.
    pub(crate) asked: u64,
}

/// When what was waited for was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    /// The first frame by which the address was made known unasked, if it came before the answer.
    pub(crate) gratuitous: Option<Instant>,
    /// The first answer.
    pub(crate) answered: Instant,
}

impl Drop for Prober {
    fn drop(&mut self) {
        // Also where nothing may block. It runs nothing that would have to end.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

impl Prober {
    /// On the client's interface.
    pub(crate) fn start(bed: &Bed) -> Result<Self> {
        let address = bed.v4(CLIENT)?;
        bed.in_network_of(CLIENT, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let entered = runtime.enter();
            let links = LinkMonitor::new()?.interfaces(|name| name == "eth0");
            let link = links.first().context("the client has no eth0")?;
            let mac = link.mac.context("the client's eth0 has no hardware address")?;
            let socket = PacketSocket::open(Protocol::Arp, link.index, &Targets::default())?;
            drop(entered);
            Ok(Self {
                socket,
                runtime: Some(runtime),
                mac,
                address,
                buffer: vec![0; LONGEST_FRAME],
                asked: 0,
            })
        })
    }

    /// The frame of a question.
    pub(crate) fn question(&self, target: Ipv4Addr) -> Vec<u8> {
        let packet = ArpPacket {
            operation: ArpOperation::Request,
            sender_mac: self.mac,
            sender_ip: self.address,
            target_mac: MacAddr::default(),
            target_ip: target,
        };
        ArpFrame { destination: MacAddr::BROADCAST, source: self.mac, packet }.encode()
    }

    /// Sends a frame as it is; false when a full queue has lost it, as a wire would.
    pub(crate) fn send(&self, frame: &[u8]) -> bool {
        self.socket.send(frame).is_ok()
    }

    /// Asks until there is an answer, or not any more.
    pub(crate) fn until_answered(
        &mut self,
        target: Ipv4Addr,
        patience: Duration,
    ) -> Result<Option<Sighting>> {
        self.listen_to(&[target])?;
        let question = self.question(target);
        let (begin, mut gratuitous) = (Instant::now(), None);
        while begin.elapsed() < patience {
            self.send(&question);
            self.asked += 1;
            let asked = Instant::now();
            while asked.elapsed() < STEP {
                match self.next(STEP)? {
                    Some(frame) if frame.destination == self.mac => {
                        return Ok(Some(Sighting { gratuitous, answered: Instant::now() }));
                    }
                    Some(_) => gratuitous = gratuitous.or_else(|| Some(Instant::now())),
                    None => {}
                }
            }
        }
        Ok(None)
    }

    /// Asks for each address in turn; the times by address, in the order they were asked.
    pub(crate) fn times(&mut self, targets: &[Ipv4Addr]) -> Result<Vec<Duration>> {
        self.listen_to(targets)?;
        targets.iter().map(|target| self.time(*target)).collect()
    }

    /// Asks once. What waits from earlier questions is no answer.
    fn time(&mut self, target: Ipv4Addr) -> Result<Duration> {
        while self.socket.receive(&mut self.buffer)?.is_some() {}
        let question = self.question(target);
        let asked = Instant::now();
        self.send(&question);
        self.asked += 1;
        while asked.elapsed() < LOST {
            let frame = self.next(LOST)?;
            if frame.is_some_and(|frame| frame.destination == self.mac && frame.packet.sender_ip == target) {
                return Ok(asked.elapsed());
            }
        }
        Ok(LOST)
    }

    fn listen_to(&self, targets: &[Ipv4Addr]) -> Result<()> {
        let mut first_and_last: BTreeMap<u16, (u32, u32)> = BTreeMap::new();
        for target in targets.iter().map(|target| target.to_bits()) {
            let network = u16::try_from(target >> 16)?;
            let (first, last) = first_and_last.entry(network).or_insert((target, target));
            (*first, *last) = (target.min(*first), target.max(*last));
        }
        let last = first_and_last.into_values().map(|(first, last)| first..=last).collect();
        Ok(self.socket.follow(&Targets { leading: Vec::new(), last })?)
    }

    fn next(&mut self, patience: Duration) -> Result<Option<ArpFrame>> {
        if let Some(frame) = self.socket.receive(&mut self.buffer)? {
            return Ok(ArpFrame::decode(frame).ok());
        }
        let socket = &self.socket;
        let Some(runtime) = &self.runtime else { return Ok(None) };
        let ready = runtime.block_on(async { timeout(patience, socket.readable()).await });
        if ready.is_err() {
            return Ok(None);
        }
        Ok(self.socket.receive(&mut self.buffer)?.and_then(|frame| ArpFrame::decode(frame).ok()))
    }
}
