//! The node's interfaces, and the news that something about them changed.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::io::unix::AsyncFd;

use crate::interface::Interface;
use crate::netlink::{Dump, dump_request, take_datagram};
use crate::{address, reactor};

/// Larger than any datagram the kernel sends for a dump.
const BUFFER: usize = 64 * 1024;
/// How often a dump is repeated that something interrupted.
const TRIES: usize = 5;

/// The kernel could not be asked about interfaces.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The routing socket could not be opened.
    #[error("opening a netlink socket")]
    Open(#[source] io::Error),
    /// Asking or reading failed.
    #[error("listing interfaces through netlink")]
    List(#[source] io::Error),
    /// Waiting for news failed.
    #[error("waiting for netlink notifications")]
    Wait(#[source] io::Error),
}

/// Lists interfaces and tells when to list them again. Level-triggered: a notification only says "look again",
/// so one that got lost costs nothing as long as another look follows.
#[derive(Debug)]
pub struct LinkMonitor {
    news: AsyncFd<Socket>,
}

impl LinkMonitor {
    /// Subscribes to changes of links and addresses.
    ///
    /// # Errors
    /// When the kernel refuses the socket.
    pub fn new() -> Result<Self, LinkError> {
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        let socket = open(groups).map_err(LinkError::Open)?;
        socket.set_nonblocking(true).map_err(LinkError::Open)?;
        Ok(Self { news: reactor::register(socket).map_err(LinkError::Open)? })
    }

    /// All interfaces as they are now, ordered by index.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn list(&self) -> Result<Vec<Interface>, LinkError> {
        // The kernel answers from within these calls: they do not block on anything.
        let mut socket = open(0).map_err(LinkError::Open)?;
        let mut interfaces = BTreeMap::new();
        for _ in 0..TRIES {
            interfaces.clear();
            if list_once(&mut socket, &mut interfaces).map_err(LinkError::List)? {
                break;
            }
            // Something changed meanwhile. After some tries what was read is good enough: news of it wait.
        }
        Ok(interfaces.into_values().collect())
    }

    /// Resolves when something changed since the last call; any number of changes is one. Safe to cancel.
    ///
    /// # Errors
    /// When the socket fails for good.
    pub async fn changed(&self) -> Result<(), LinkError> {
        let mut guard = self.news.readable().await.map_err(LinkError::Wait)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            match guard.get_inner().read(&mut buffer) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    guard.clear_ready();
                    return Ok(());
                }
                // Notifications were lost: all the more reason to look again.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(LinkError::Wait(error)),
            }
        }
    }
}

fn open(groups: i32) -> io::Result<Socket> {
    let route = Protocol::from(libc::NETLINK_ROUTE);
    let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(route))?;
    socket.bind(&address::netlink(u32::try_from(groups).map_err(io::Error::other)?)?)?;
    Ok(socket)
}

/// Whether the list is consistent.
fn list_once(socket: &mut Socket, interfaces: &mut BTreeMap<u32, Interface>) -> io::Result<bool> {
    let mut is_consistent = true;
    for dump in [Dump::Links, Dump::Addresses] {
        is_consistent &= run_dump(socket, dump, interfaces)?;
    }
    Ok(is_consistent)
}

/// Reads a dump to its end, so that nothing of it is left for the next one; whether it is consistent.
fn run_dump(socket: &mut Socket, dump: Dump, interfaces: &mut BTreeMap<u32, Interface>) -> io::Result<bool> {
    socket.write_all(&dump_request(dump))?;
    let mut buffer = vec![0; BUFFER];
    let mut is_consistent = true;
    loop {
        let length = socket.read(&mut buffer)?;
        let progress = take_datagram(buffer.get(..length).unwrap_or_default(), interfaces)?;
        is_consistent &= !progress.is_interrupted;
        if progress.is_done {
            return Ok(is_consistent);
        }
    }
}
