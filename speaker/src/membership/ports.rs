//! memberlist's ports: one number for datagrams and connections.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use metallb_telemetry::logs;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until};

use super::datagrams::Datagrams;

/// Between two attempts to get a port.
const PAUSE: Duration = Duration::from_secs(1);
/// When connections can't be taken, most likely for want of file descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// Both sockets.
#[derive(Debug)]
pub(super) struct Ports {
    pub(super) datagrams: Datagrams,
    listener: TcpListener,
    opened: Instant,
}

impl Ports {
    async fn bind(address: SocketAddr) -> io::Result<Self> {
        let (datagrams, listener) = (Datagrams::bind(address)?, TcpListener::bind(address).await?);
        Ok(Self { datagrams, listener, opened: Instant::now() })
    }

    /// Others in the place of these, which failed. Those that failed soon after they were opened would do so again:
    /// there is a pause then.
    pub(super) async fn replace(self, address: SocketAddr) -> Self {
        let earliest = self.opened + PAUSE;
        drop(self);
        sleep_until(earliest).await;
        Self::get(address).await
    }

    /// Tries until both are there. Says so when they are not, once.
    pub(super) async fn get(address: SocketAddr) -> Self {
        let mut has_failed = false;
        loop {
            match Self::bind(address).await {
                Ok(ports) => return ports,
                Err(error) if !has_failed => {
                    has_failed = true;
                    let error = logs::chain(&error);
                    tracing::error!(%address, error, "memberlist's port can't be had, trying again");
                }
                Err(_) => {}
            }
            sleep(PAUSE).await;
        }
    }

    /// The next connection. Safe to cancel.
    pub(super) async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => tracing::debug!(error = logs::chain(&error), "connection not taken"),
            }
            sleep(BREATH).await;
        }
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
        assert!(Ports::bind(address).await.is_err());
        assert!(!waiting.is_finished());
        drop(taken);
        tokio::time::timeout(PAUSE * 5, waiting).await.expect("still waiting").unwrap();
    }

    #[tokio::test]
    async fn sockets_that_fail_again_and_again_are_opened_once_a_second() {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let ports = Ports::get(address).await;
        let began = ports.opened;
        let ports = ports.replace(address).await;
        assert!(ports.opened >= began + PAUSE, "{:?}", ports.opened - began);
    }

    #[test]
    fn an_address_that_is_named_is_the_own_one() {
        assert_eq!(own_address([192, 0, 2, 7].into()), IpAddr::from([192, 0, 2, 7]));
    }
}
