//! A UDP socket that also tells which destination sent a datagram back: its port is closed.

use std::io::{self, ErrorKind, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// Room for bursts while the thread is busy: what memberlist asks for, too. The kernel gives what it allows.
const RECEIVE_BUFFER: usize = 2 << 20;

/// Errors taken from the queue at a time, so that a flood of them does not keep us from everything else.
const ERRORS_AT_ONCE: usize = 64;

/// What the socket has to tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Arrival {
    /// That many bytes are in the buffer.
    Datagram { from: SocketAddr, length: usize },
    /// Nobody listens there.
    Refused(SocketAddr),
}

/// The socket.
#[derive(Debug)]
pub(super) struct Datagrams(UdpSocket);

impl Datagrams {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        match address {
            SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?,
            SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?,
        }
        socket.bind(&address.into())?;
        UdpSocket::from_std(socket.into()).map(Self)
    }

    /// Resolves when there is something to [receive](Self::receive). Safe to cancel.
    pub(super) async fn ready(&self) -> io::Result<()> {
        self.0.ready(Interest::READABLE | Interest::ERROR).await.map(drop)
    }

    /// What has arrived; nothing if there is no more for now.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Arrival>> {
        // What did not arrive elsewhere makes the next call fail as well: that failure says nothing about this socket.
        for _ in 0..2 {
            match self.0.try_recv_from(buffer) {
                Ok((length, from)) => {
                    let from = SocketAddr::new(from.ip().to_canonical(), from.port());
                    return Ok(Some(Arrival::Datagram { from, length }));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return self.receive_refusal(),
                Err(error) if is_the_end(&error) => return Err(error),
                Err(_) => {}
            }
        }
        // An error that is told is cleared. If there was another one, it came a moment ago and wakes the thread again.
        self.rest(Interest::READABLE);
        self.receive_refusal()
    }

    /// The next refusal of the queue of errors.
    fn receive_refusal(&self) -> io::Result<Option<Arrival>> {
        for _ in 0..ERRORS_AT_ONCE {
            match self.0.try_io(Interest::ERROR, || self.read_error()) {
                Ok(Some(to)) => return Ok(Some(Arrival::Refused(to))),
                Ok(None) => {}
                Err(error) if is_the_end(&error) => return Err(error),
                Err(_) => {
                    self.rest(Interest::ERROR);
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Is not [ready](Self::ready) before something new comes: an error that is told for ever keeps nobody busy.
    fn rest(&self, interest: Interest) {
        // It can only fail.
        let _ = self.0.try_io(interest, || Err::<(), _>(ErrorKind::WouldBlock.into()));
    }

    /// Sends, if the kernel has room; these protocols live with losses.
    pub(super) fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        // Not by way of the runtime, which has to be told first that there is room.
        let (socket, to) = (SockRef::from(&self.0), to.into());
        match socket.send_to(bytes, &to) {
            // What became of an earlier datagram is told in place of sending this one.
            Err(error) if error.kind() != ErrorKind::WouldBlock && !is_the_end(&error) => {
                socket.send_to(bytes, &to)
            }
            sent => sent,
        }
        .map(drop)
    }

    /// The next error of the queue: the destination if its port is closed.
    fn read_error(&self) -> io::Result<Option<SocketAddr>> {
        let mut payload = [0];
        let mut parts = [IoSliceMut::new(&mut payload)];
        let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let message =
            recvmsg::<SockaddrStorage>(self.0.as_fd().as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let is_refusal = |control| match control {
            ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => {
                i32::try_from(error.ee_errno) == Ok(libc::ECONNREFUSED)
            }
            _ => false,
        };
        // One that says more than there is room for is none that is known here.
        let is_refused = message.cmsgs().is_ok_and(|mut controls| controls.any(is_refusal));
        Ok(message.address.filter(|_| is_refused).and_then(|address| to_std(&address)))
    }
}

/// Whether an error tells that this socket is of no use any more, and another one may be: what it is, or that somebody has
/// ended it (`ss --kill`). Every other one is about a destination, or passes. ICMP messages cause errors of a dozen kinds, and
/// anybody can send those: the kernel does not ask whether what they quote was ever sent.
fn is_the_end(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EBADF | libc::ENOTSOCK | libc::EINVAL | libc::ECONNABORTED))
}

fn to_std(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(four) = address.as_sockaddr_in() {
        return Some(SocketAddr::new(four.ip().into(), four.port()));
    }
    let six = address.as_sockaddr_in6()?;
    Some(SocketAddr::new(six.ip().to_canonical(), six.port()))
}

#[cfg(test)]
impl Datagrams {
    /// One that fails as soon as it is read: not a socket of this kind at all.
    pub(super) fn broken() -> Self {
        Self::disguised(Socket::new(Domain::UNIX, Type::STREAM, None).unwrap())
    }

    fn disguised(socket: Socket) -> Self {
        socket.set_nonblocking(true).unwrap();
        Self(UdpSocket::from_std(socket.into()).unwrap())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn next(socket: &Datagrams) -> (Arrival, Vec<u8>) {
        let mut buffer = [0; 2048];
        let look = async {
            loop {
                if let Some(arrival) = socket.receive(&mut buffer).unwrap() {
                    return arrival;
                }
                socket.ready().await.unwrap();
            }
        };
        let arrival = timeout(Duration::from_secs(5), look).await.expect("something arrives");
        let length = if let Arrival::Datagram { length, .. } = arrival { length } else { 0 };
        (arrival, buffer[..length].to_vec())
    }

    fn any_port(address: &str) -> Datagrams {
        Datagrams::bind(SocketAddr::new(address.parse().unwrap(), 0)).unwrap()
    }

    #[tokio::test]
    async fn a_datagram_arrives_with_its_sender_and_a_closed_port_is_told_by_name() {
        for address in ["127.0.0.1", "::1"] {
            let (here, there) = (any_port(address), any_port(address));
            let (from, to) = (here.0.local_addr().unwrap(), there.0.local_addr().unwrap());
            here.send(to, b"hello").unwrap();
            let (arrival, bytes) = next(&there).await;
            assert_eq!((arrival, bytes.as_slice()), (Arrival::Datagram { from, length: 5 }, &b"hello"[..]));
            drop(there);
            here.send(to, b"gone?").unwrap();
            assert_eq!(next(&here).await.0, Arrival::Refused(to));
            // The socket is as good as before.
            let other = any_port(address);
            here.send(to, b"gone?").unwrap();
            here.send(other.0.local_addr().unwrap(), b"still there").unwrap();
            assert_eq!(next(&other).await.1, b"still there");
        }
    }

    #[test]
    fn no_icmp_message_ends_a_socket() {
        // What Linux makes of destinations unreachable (codes 0 to 15), of time exceeded and of parameter problems, for
        // IPv4 and IPv6, and what local firewalls and routes say.
        let told = [
            libc::ENETUNREACH,
            libc::EHOSTUNREACH,
            libc::ENOPROTOOPT,
            libc::ECONNREFUSED,
            libc::EMSGSIZE,
            libc::EOPNOTSUPP,
            libc::EHOSTDOWN,
            libc::ENONET,
            libc::EPROTO,
            libc::EACCES,
            libc::EPERM,
        ];
        let passes = [libc::ENOMEM, libc::ENOBUFS, libc::EAGAIN, libc::EINTR];
        let ends = [libc::EBADF, libc::ENOTSOCK, libc::EINVAL, libc::ECONNABORTED];
        let table = told.iter().chain(&passes).map(|errno| (errno, false));
        for (errno, is_end) in table.chain(ends.iter().map(|errno| (errno, true))) {
            let error = io::Error::from_raw_os_error(*errno);
            assert_eq!(is_the_end(&error), is_end, "{error}");
        }
    }

    #[tokio::test]
    async fn a_socket_that_is_none_of_its_kind_fails() {
        let broken = Datagrams::broken();
        broken.ready().await.unwrap();
        assert!(broken.receive(&mut [0; 64]).is_err());
    }

    #[tokio::test]
    async fn an_error_that_is_told_for_ever_keeps_nobody_busy() {
        // Readable, and each attempt to read it fails: it is not connected.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let socket = Datagrams::disguised(listener.into());
        for _ in 0..3 {
            let _waiting = TcpStream::connect(to).unwrap();
            timeout(Duration::from_secs(5), socket.ready()).await.expect("something is there").unwrap();
            assert_eq!(socket.receive(&mut [0; 64]).unwrap(), None);
            let again = timeout(Duration::from_millis(100), socket.ready()).await;
            assert!(again.is_err(), "nothing new is there");
        }
    }
}
