//! memberlist's ports: one number for datagrams and connections.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use metallb_linux::since_boot;
use metallb_telemetry::logs;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::sleep;

use super::datagrams::{Arrival, Datagrams};

/// Between two attempts to get a port.
const PAUSE: Duration = Duration::from_secs(1);
/// Connections that wait to be taken: more than are served at a time.
const WAITING: u32 = 1024;
/// When connections can't be taken, most likely for want of file descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// Both sockets, or none while they can't be had: what would be sent then is lost, as datagrams are.
#[derive(Debug)]
pub(super) struct Ports {
    address: SocketAddr,
    sockets: Option<Sockets>,
    /// No attempt before this. Sockets that failed soon after they were opened would do so again.
    next_attempt: Duration,
    has_failed: bool,
}

#[derive(Debug)]
struct Sockets {
    datagrams: Datagrams,
    listener: TcpListener,
}

impl Sockets {
    fn bind(address: SocketAddr) -> io::Result<Self> {
        let datagrams = Datagrams::bind(address)?;
        let listener = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        listener.set_reuseaddr(true)?;
        listener.bind(address)?;
        Ok(Self { datagrams, listener: listener.listen(WAITING)? })
    }
}

impl Ports {
    fn closed(address: SocketAddr) -> Self {
        Self { address, sockets: None, next_attempt: Duration::ZERO, has_failed: false }
    }

    /// Tries until both are there.
    pub(super) async fn get(address: SocketAddr) -> Self {
        let mut ports = Self::closed(address);
        loop {
            ports.open_if_due(since_boot());
            if ports.is_open() {
                return ports;
            }
            sleep(PAUSE).await;
        }
    }

    /// Opens them unless they are, or were tried just now. Says so when they can't be had, once.
    pub(super) fn open_if_due(&mut self, now: Duration) {
        if self.is_open() || now < self.next_attempt {
            return;
        }
        self.next_attempt = now + PAUSE;
        let address = self.address;
        match Sockets::bind(address) {
            Ok(sockets) => {
                tracing::info!(%address, "memberlist: listening");
                self.sockets = Some(sockets);
                self.has_failed = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    let error = logs::chain(&error);
                    tracing::error!(%address, error, "memberlist's port can't be had, trying again");
                }
            }
        }
    }

    /// They failed.
    pub(super) fn close(&mut self) {
        self.sockets = None;
    }

    pub(super) fn is_open(&self) -> bool {
        self.sockets.is_some()
    }

    /// When [`Self::open_if_due`] has something to do.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        (!self.is_open()).then_some(self.next_attempt)
    }

    /// Resolves when there is something to [receive](Self::receive). Safe to cancel.
    pub(super) async fn ready(&self) -> io::Result<()> {
        match &self.sockets {
            Some(sockets) => sockets.datagrams.ready().await,
            None => std::future::pending().await,
        }
    }

    /// What has arrived; nothing if there is no more for now.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Arrival>> {
        self.sockets.as_ref().map_or(Ok(None), |sockets| sockets.datagrams.receive(buffer))
    }

    /// Sends a datagram, if that is possible now.
    pub(super) fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        self.sockets.as_ref().map_or(Ok(()), |sockets| sockets.datagrams.send(to, bytes))
    }

    /// The next connection. Safe to cancel.
    pub(super) async fn accept(&self) -> (TcpStream, SocketAddr) {
        let Some(Sockets { listener, .. }) = &self.sockets else { return std::future::pending().await };
        loop {
            match listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => tracing::debug!(error = logs::chain(&error), "connection not taken"),
            }
            sleep(BREATH).await;
        }
    }
}

#[cfg(test)]
impl Ports {
    /// Open for long, and about to fail.
    pub(super) fn broken(address: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind((address.ip(), 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        Self { sockets: Some(Sockets { datagrams: Datagrams::broken(), listener }), ..Self::closed(address) }
    }
}

/// The address others reach this member at: for "all of them", the one the kernel would send from.
pub(super) fn own_address(bind: IpAddr) -> IpAddr {
    if !bind.is_unspecified() {
        return bind;
    }
    // Nothing is sent: connecting a datagram socket only asks the routing table. The destinations are set aside for
    // documentation, so the default route decides.
    let far = if bind.is_ipv4() { "192.0.2.1:9" } else { "[2001:db8::1]:9" };
    let route = UdpSocket::bind((bind, 0)).and_then(|socket| {
        socket.connect(far)?;
        socket.local_addr()
    });
    route.map_or(bind, |local| local.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_is_taken_is_tried_until_it_is_free() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = taken.local_addr().unwrap();
        let waiting = tokio::spawn(Ports::get(address));
        // The other half of the port is free: bound alone it would be of no use.
        assert!(Sockets::bind(address).is_err());
        assert!(!waiting.is_finished());
        drop(taken);
        tokio::time::timeout(PAUSE * 5, waiting).await.expect("still waiting").unwrap();
    }

    #[tokio::test]
    async fn sockets_that_fail_again_and_again_are_opened_once_a_second() {
        let mut ports = Ports::closed(SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut now = Duration::from_secs(9);
        for _ in 0..3 {
            ports.open_if_due(now);
            assert_eq!((ports.is_open(), ports.next_deadline()), (true, None));
            ports.close();
            ports.open_if_due(now + PAUSE - Duration::from_millis(1));
            assert_eq!((ports.is_open(), ports.next_deadline()), (false, Some(now + PAUSE)));
            now += PAUSE;
        }
    }

    #[tokio::test]
    async fn without_sockets_nothing_comes_and_what_is_sent_is_lost() {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let ports = Ports::closed(address);
        assert!(ports.send(address, b"lost").is_ok());
        assert_eq!(ports.receive(&mut [0; 64]).unwrap(), None);
        let comes = async {
            tokio::select! { _ = ports.ready() => (), _ = ports.accept() => () }
        };
        assert!(tokio::time::timeout(Duration::from_millis(50), comes).await.is_err());
    }

    #[test]
    fn an_address_that_is_named_is_the_own_one() {
        assert_eq!(own_address([192, 0, 2, 7].into()), IpAddr::from([192, 0, 2, 7]));
    }
}
