//! The multicast groups an interface is in on behalf of announced addresses.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;

use socket2::{Domain, Socket, Type};

use crate::closing::LateClosed;

/// Groups joined on one interface. Dropping it leaves them all before long, without waiting for it.
///
/// The memory of a socket (`net.core.optmem_max`) holds some two thousand memberships. How many is found out by
/// trying: what one socket has no room for goes to another.
#[derive(Debug)]
pub struct Memberships {
    index: u32,
    shards: Vec<Shard>,
    /// Which shard joined a group.
    joined: BTreeMap<Ipv6Addr, usize>,
}

#[derive(Debug)]
struct Shard {
    socket: LateClosed,
    /// It had no room the last time, and nothing was left since.
    is_full: bool,
}

impl Memberships {
    /// No groups yet, on the interface with this index.
    #[must_use]
    pub fn new(index: u32) -> Self {
        Self { index, shards: Vec::new(), joined: BTreeMap::new() }
    }

    /// Joins a group, so that frames to it arrive and switches that snoop know.
    ///
    /// # Errors
    /// When the kernel refuses; the group is then not joined.
    pub fn join(&mut self, group: Ipv6Addr) -> io::Result<()> {
        if self.joined.contains_key(&group) {
            return Ok(());
        }
        let shard = match self.join_on_open(group)? {
            Some(shard) => shard,
            None => self.join_on_new(group)?,
        };
        self.joined.insert(group, shard);
        Ok(())
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// When the kernel refuses; the interface is then gone, and the membership with it.
    pub fn leave(&mut self, group: Ipv6Addr) -> io::Result<()> {
        let shard = self.joined.remove(&group).and_then(|shard| self.shards.get_mut(shard));
        let Some(shard) = shard else { return Ok(()) };
        shard.is_full = false;
        shard.socket.leave_multicast_v6(&group, self.index)
    }

    /// Joins on the first socket that has room; none when there is none.
    fn join_on_open(&mut self, group: Ipv6Addr) -> io::Result<Option<usize>> {
        for (number, shard) in self.shards.iter_mut().enumerate().filter(|(_, shard)| !shard.is_full) {
            match shard.socket.join_multicast_v6(&group, self.index) {
                Ok(()) => return Ok(Some(number)),
                Err(error) if is_full(&error) => shard.is_full = true,
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn join_on_new(&mut self, group: Ipv6Addr) -> io::Result<usize> {
        let socket = LateClosed::new(Socket::new(Domain::IPV6, Type::DGRAM, None)?);
        socket.join_multicast_v6(&group, self.index)?;
        self.shards.push(Shard { socket, is_full: false });
        Ok(self.shards.len().saturating_sub(1))
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::ENOBUFS))
}
