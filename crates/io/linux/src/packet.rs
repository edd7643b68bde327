//! Packet sockets: whole Ethernet frames from and to one interface.
//!
//! Neighbour solicitations come through a packet socket as well, not through a raw ICMPv6 one: a unicast probe for
//! an address that is announced but not the kernel's own would be forwarded instead of delivered there.

use std::io::{self, Read};
use std::os::fd::AsRawFd;

use socket2::{Domain, SockFilter, Socket, Type};
use thiserror::Error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::closing::LateClosed;
use crate::filter::{self, Targets};
use crate::{address, reactor};

/// Longer than any frame that is answered; longer ones are cut and then refused by the decoder.
pub const LONGEST_FRAME: usize = 512;
/// Room for frames that arrive while the process is busy: some thousands.
const RECEIVE_BUFFER: usize = 2 * 1024 * 1024;

/// What a socket receives. Any frame can be sent on either.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Protocol {
    /// ARP.
    Arp,
    /// Neighbour discovery.
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

impl SocketError {
    /// Whether the kernel had no room for so long a filter: a shorter one may do.
    #[must_use]
    pub fn is_for_room(&self) -> bool {
        matches!(self, Self::Filter(error) if error.raw_os_error() == Some(libc::ENOMEM))
    }
}

/// Sends any frame, and receives those of one protocol that concern certain addresses, on one interface. Dropping it does
/// not wait until it is closed.
#[derive(Debug)]
pub struct PacketSocket {
    socket: AsyncFd<LateClosed>,
    protocol: Protocol,
    index: u32,
}

impl PacketSocket {
    /// Opens a socket on an interface. Needs `CAP_NET_RAW` and a tokio runtime.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open(protocol: Protocol, index: u32, targets: &Targets) -> Result<Self, SocketError> {
        let ethertype = match protocol {
            Protocol::Arp => libc::ETH_P_ARP,
            Protocol::Ndp => libc::ETH_P_IPV6,
        };
        let bind = |source| SocketError::Bind { index, source };
        let ethertype = u16::try_from(ethertype).map_err(|error| bind(io::Error::other(error)))?;
        let socket = open_filtered(&program(protocol, index, targets))?;
        widen(&socket);
        let address = address::packet(ethertype, index).map_err(bind)?;
        socket.bind(&address).map_err(bind)?;
        let socket = reactor::register(socket).map_err(SocketError::Open)?;
        Ok(Self { socket, protocol, index })
    }

    /// Receives frames about these addresses from now on.
    ///
    /// # Errors
    /// When the kernel refuses; what held before holds on.
    pub fn follow(&self, targets: &Targets) -> Result<(), SocketError> {
        let program = program(self.protocol, self.index, targets);
        self.socket.get_ref().attach_filter(&program).map_err(SocketError::Filter)
    }

    /// Resolves when there may be frames. Safe to cancel.
    ///
    /// # Errors
    /// When the runtime is ending.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await.map(drop)
    }

    /// The next frame if there is one, read into a buffer of [`LONGEST_FRAME`].
    ///
    /// # Errors
    /// When the interface went down or away, or the socket fails otherwise.
    pub fn receive<'a>(&self, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        loop {
            let read = self.socket.try_io(Interest::READABLE, |socket| (&**socket).read(buffer));
            match read {
                Ok(length) => return Ok(buffer.get(..length)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
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
fn open_filtered(filter: &[SockFilter]) -> Result<LateClosed, SocketError> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, None).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => SocketError::Privilege,
        _ => SocketError::Open(error),
    })?;
    let socket = LateClosed::new(socket);
    socket.set_nonblocking(true).map_err(SocketError::Open)?;
    socket.attach_filter(filter).map_err(SocketError::Filter)?;
    Ok(socket)
}

fn program(protocol: Protocol, index: u32, targets: &Targets) -> Vec<SockFilter> {
    let program = match protocol {
        Protocol::Arp => filter::arp(index, targets),
        Protocol::Ndp => filter::ndp(index, targets),
    };
    program.into_iter().map(SockFilter::from).collect()
}

/// Beyond the limit of the system with the right for it, else up to the limit. Neither is worth failing for.
fn widen(socket: &Socket) {
    let bytes = libc::c_int::try_from(RECEIVE_BUFFER).unwrap_or(libc::c_int::MAX);
    let length = libc::socklen_t::try_from(std::mem::size_of_val(&bytes)).unwrap_or(0);
    #[expect(unsafe_code, reason = "no safe wrapper of this option exists")]
    // SAFETY: the pointer is to an integer of the length given that lives for the call; the descriptor is open.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const bytes).cast(),
            length,
        )
    };
    if outcome != 0 {
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    }
}
