//! Binding a port that a predecessor may still hold.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;

/// How long to wait between two tries: a predecessor ends within seconds.
const RETRY: Duration = Duration::from_millis(200);

/// All addresses of both families, or of IPv4 where the kernel has no IPv6: for [`bind`].
#[must_use]
pub fn everywhere(port: u16) -> [SocketAddr; 2] {
    [(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]
}

/// Listens on the first of `addresses` that can be had, trying again for as long as somebody else holds it.
///
/// With host networking a new pod starts before the old one has let go of its ports.
/// Other failures (no such address, no privilege) are retried as well, since an address
/// may appear later; each new reason is logged once.
pub async fn bind(addresses: &[SocketAddr], what: &'static str) -> TcpListener {
    let mut said: Option<io::ErrorKind> = None;
    let mut pace = tokio::time::interval(RETRY);
    loop {
        pace.tick().await;
        match TcpListener::bind(addresses).await {
            Ok(listener) => {
                tracing::info!(?addresses, what, "listening");
                return listener;
            }
            Err(error) if said == Some(error.kind()) => {}
            Err(error) => {
                tracing::warn!(?addresses, what, %error, "can't listen yet, trying again");
                said = Some(error.kind());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_taken_over_when_its_holder_lets_go() {
        let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = holder.local_addr().unwrap();
        let waiting = tokio::spawn(async move { bind(&[address], "test").await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(holder);
        assert_eq!(waiting.await.unwrap().local_addr().unwrap(), address);
    }
}
