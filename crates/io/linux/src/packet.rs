//! Packet sockets: whole Ethernet frames from and to one interface.
//!
//! Neighbour solicitations come through a packet socket as well, not through a raw ICMPv6 one: a unicast probe for
//! an address that is announced but not the kernel's own would be forwarded instead of delivered there.

use std::io::{self, Read};

use socket2::{Domain, SockFilter, Socket, Type};
use thiserror::Error;
use tokio::io::unix::AsyncFd;

use crate::{address, filter, reactor};

/// Longer than any frame that is answered; longer ones are cut and then refused by the decoder.
const LONGEST_FRAME: usize = 512;

/// What a socket receives. Any frame can be sent on either.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Protocol {
    /// ARP requests.
    Arp,
    /// Neighbour solicitations.
    Ndp,
}

/// A packet socket could not be set up.
#[derive(Debug, Error)]
pub enum SocketError {
    /// The process lacks the capability.
    #[error("opening a packet socket: the capability NET_RAW is missing")]
    Privilege,
    /// Opening failed otherwise.
    #[error("opening a packet socket")]
    Open(#[source] io::Error),
    /// The kernel refused the filter program.
    #[error("attaching a filter to a packet socket")]
    Filter(#[source] io::Error),
    /// The interface is gone or unsuitable.
    #[error("binding a packet socket to interface {index}")]
    Bind {
        /// The interface.
        index: u32,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Sends any frame, and receives those of one protocol that may need an answer, on one interface.
#[derive(Debug)]
pub struct PacketSocket {
    socket: AsyncFd<Socket>,
}

impl PacketSocket {
    /// Opens a socket on an interface. Needs `CAP_NET_RAW` and a tokio runtime.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open(protocol: Protocol, index: u32) -> Result<Self, SocketError> {
        let (ethertype, filter) = match protocol {
            Protocol::Arp => (libc::ETH_P_ARP, filter::arp_requests(index)),
            Protocol::Ndp => (libc::ETH_P_IPV6, filter::neighbour_solicitations(index)),
        };
        let bind = |source| SocketError::Bind { index, source };
        let ethertype = u16::try_from(ethertype).map_err(|error| bind(io::Error::other(error)))?;
        let socket = open_filtered(&filter)?;
        let address = address::packet(ethertype, index).map_err(bind)?;
        socket.bind(&address).map_err(bind)?;
        Ok(Self { socket: reactor::register(socket).map_err(SocketError::Open)? })
    }

    /// The next frame. Safe to cancel: a frame is taken only when it is returned.
    ///
    /// # Errors
    /// When the interface went down or away, or the socket fails otherwise.
    pub async fn receive(&self) -> io::Result<Vec<u8>> {
        let mut frame = vec![0; LONGEST_FRAME];
        loop {
            let mut guard = self.socket.readable().await?;
            match guard.try_io(|socket| socket.get_ref().read(&mut frame)) {
                Ok(Ok(length)) => {
                    frame.truncate(length);
                    return Ok(frame);
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Err(error),
                // Somebody else's wake-up: nothing is there yet.
                Err(_) => {}
            }
        }
    }

    /// Sends a frame as it is. Never waits: when the interface's queue is full the frame is lost, as on any wire.
    ///
    /// # Errors
    /// When the frame is not sent.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.get_ref().send(frame).map(drop)
    }
}

/// Receives nothing until it is bound: no frame slips in before the filter is there.
fn open_filtered(filter: &[SockFilter]) -> Result<Socket, SocketError> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, None).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => SocketError::Privilege,
        _ => SocketError::Open(error),
    })?;
    socket.set_nonblocking(true).map_err(SocketError::Open)?;
    socket.attach_filter(filter).map_err(SocketError::Filter)?;
    Ok(socket)
}
