//! The node's interfaces, kept up to date by what the kernel tells of changes.

pub(crate) mod state;

use std::io::{self, Read, Write};

use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::io::unix::AsyncFd;

use crate::interface::Interface;
use crate::netlink::{Dump, dump_request, take_datagram};
use crate::{address, reactor};
use state::LinkTable;

/// Larger than any datagram the kernel sends.
const BUFFER: usize = 64 * 1024;
/// How often a dump is repeated that something interrupted.
const TRIES: usize = 5;
/// Room for the news of some thousand links that change at once.
const NEWS_BUFFER: usize = 4 * 1024 * 1024;

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

/// What became of the news that waited.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum News {
    /// All of them were taken in.
    Complete,
    /// Some were lost: everything was listed anew.
    Resynced,
}

/// Lists interfaces once and then follows them: a change costs as much as it changes, however many interfaces there
/// are. When news were lost everything is listed anew.
#[derive(Debug)]
pub struct LinkMonitor {
    news: AsyncFd<Socket>,
    table: LinkTable,
    buffer: Vec<u8>,
}

impl LinkMonitor {
    /// Subscribes to changes of links and addresses, and lists them.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new() -> Result<Self, LinkError> {
        let groups = libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR;
        let socket = open(groups).map_err(LinkError::Open)?;
        socket.set_nonblocking(true).map_err(LinkError::Open)?;
        // Up to the system's limit; what does not fit is made up for by listing.
        let _ = socket.set_recv_buffer_size(NEWS_BUFFER);
        let news = reactor::register(socket).map_err(LinkError::Open)?;
        let mut monitor = Self { news, table: LinkTable::default(), buffer: vec![0; BUFFER] };
        monitor.resync()?;
        Ok(monitor)
    }

    /// The interfaces with a name that is wanted, as far as the kernel told, ordered by index.
    #[must_use]
    pub fn interfaces(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Interface> {
        self.table.interfaces(is_wanted)
    }

    /// Lists all interfaces anew. News that waited meanwhile are older or the same.
    ///
    /// # Errors
    /// When the kernel does not answer; what was known stays.
    pub fn resync(&mut self) -> Result<(), LinkError> {
        // The kernel answers from within these calls: they do not block on anything.
        let mut socket = open(0).map_err(LinkError::Open)?;
        for _ in 0..TRIES {
            // News from before the list are in it; those from after it wait to be taken in.
            self.skip_news()?;
            let mut table = LinkTable::default();
            let is_consistent = list(&mut socket, &mut table, &mut self.buffer).map_err(LinkError::List)?;
            self.table = table;
            if is_consistent {
                break;
            }
            // Something changed meanwhile. After some tries what was read is good enough: news of it wait.
        }
        Ok(())
    }

    /// Resolves when there is news. Safe to cancel.
    ///
    /// # Errors
    /// When the socket fails for good.
    pub async fn changed(&self) -> Result<(), LinkError> {
        self.news.readable().await.map(drop).map_err(LinkError::Wait)
    }

    /// Takes in all news there are.
    ///
    /// # Errors
    /// When the socket fails for good, or news were lost and the kernel does not answer.
    pub fn take_news(&mut self) -> Result<News, LinkError> {
        loop {
            match read_news(&self.news, &mut self.buffer) {
                Ok(None) => return Ok(News::Complete),
                Ok(Some(length)) => {
                    let datagram = self.buffer.get(..length).unwrap_or_default();
                    take_datagram(datagram, &mut self.table).map_err(LinkError::Wait)?;
                }
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    self.resync()?;
                    return Ok(News::Resynced);
                }
                Err(error) => return Err(LinkError::Wait(error)),
            }
        }
    }

    fn skip_news(&mut self) -> Result<(), LinkError> {
        loop {
            match read_news(&self.news, &mut self.buffer) {
                Ok(None) => return Ok(()),
                Ok(Some(_)) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) => return Err(LinkError::Wait(error)),
            }
        }
    }
}

/// The length of the next datagram, if there is one.
fn read_news(news: &AsyncFd<Socket>, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    loop {
        match news.try_io(tokio::io::Interest::READABLE, |mut socket| socket.read(buffer)) {
            Ok(length) => return Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
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
fn list(socket: &mut Socket, table: &mut LinkTable, buffer: &mut [u8]) -> io::Result<bool> {
    let mut is_consistent = true;
    for dump in [Dump::Links, Dump::Addresses] {
        is_consistent &= run_dump(socket, dump, table, buffer)?;
    }
    Ok(is_consistent)
}

/// Reads a dump to its end, so that nothing of it is left for the next one; whether it is consistent.
fn run_dump(socket: &mut Socket, dump: Dump, table: &mut LinkTable, buffer: &mut [u8]) -> io::Result<bool> {
    socket.write_all(&dump_request(dump))?;
    let mut is_consistent = true;
    loop {
        let length = socket.read(buffer)?;
        let progress = take_datagram(buffer.get(..length).unwrap_or_default(), table)?;
        is_consistent &= !progress.is_interrupted;
        if progress.is_done {
            return Ok(is_consistent);
        }
    }
}
