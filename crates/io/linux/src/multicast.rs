//! The multicast groups an interface is in on behalf of announced addresses.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv6Addr;

use socket2::{Domain, Socket, Type};

/// Groups joined on one interface. Dropping it leaves them all.
///
/// The memory of a socket holds some two thousand memberships; further ones go to another socket.
#[derive(Debug)]
pub struct Memberships {
    index: u32,
    shards: Vec<Socket>,
    /// Which shard joined a group.
    joined: BTreeMap<Ipv6Addr, usize>,
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
        let shard = match self.join_on_last(group) {
            Some(result) => result?,
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
        let shard = self.joined.remove(&group).and_then(|shard| self.shards.get(shard));
        shard.map_or(Ok(()), |socket| socket.leave_multicast_v6(&group, self.index))
    }

    /// Nothing when there is no socket yet or the last one is full.
    fn join_on_last(&self, group: Ipv6Addr) -> Option<io::Result<usize>> {
        let socket = self.shards.last()?;
        match socket.join_multicast_v6(&group, self.index) {
            Ok(()) => Some(Ok(self.shards.len().saturating_sub(1))),
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOMEM | libc::ENOBUFS)) => None,
            Err(error) => Some(Err(error)),
        }
    }

    fn join_on_new(&mut self, group: Ipv6Addr) -> io::Result<usize> {
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, None)?;
        socket.join_multicast_v6(&group, self.index)?;
        self.shards.push(socket);
        Ok(self.shards.len().saturating_sub(1))
    }
}
