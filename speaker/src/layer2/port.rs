//! One link that is spoken on: its sockets, readers and multicast memberships.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use futures::stream::{self, AbortHandle, BoxStream, StreamExt, abortable};
use metallb_l2::{
    AnnouncedTable, GroupChange, gratuitous_advertisement, gratuitous_arp, group_changes, group_changes_of,
};
use metallb_linux::{Memberships, PacketSocket, Protocol, SocketError};

use super::spec::{LinkSpec, PROTOCOLS};

/// A frame received, or the failure of a reader, which then has ended.
#[derive(Debug)]
pub(super) struct Received {
    /// The link it came from.
    pub(super) index: u32,
    /// What the socket is for.
    pub(super) protocol: Protocol,
    /// The frame.
    pub(super) frame: io::Result<Vec<u8>>,
}

/// The streams of what newly opened sockets receive.
pub(super) type Streams = Vec<BoxStream<'static, Received>>;

/// A link in use.
#[derive(Debug)]
pub(super) struct Port {
    spec: LinkSpec,
    sockets: BTreeMap<Protocol, OpenSocket>,
    memberships: Memberships,
    joined: BTreeSet<Ipv6Addr>,
}

#[derive(Debug)]
struct OpenSocket {
    socket: Arc<PacketSocket>,
    /// Ends the stream of what the socket receives.
    reader: AbortHandle,
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Port {
    /// Opens the sockets a link needs. The streams yield what they receive, until the port is dropped.
    pub(super) fn open(spec: LinkSpec) -> Result<(Self, Streams), SocketError> {
        let memberships = Memberships::new(spec.link.index);
        let mut port =
            Self { spec: spec.clone(), sockets: BTreeMap::new(), memberships, joined: BTreeSet::new() };
        let streams = port.update(spec)?;
        Ok((port, streams))
    }

    /// Takes over changed properties and opens and closes sockets accordingly. When it fails nothing is taken over.
    pub(super) fn update(&mut self, spec: LinkSpec) -> Result<Streams, SocketError> {
        let index = spec.link.index;
        let (mut opened, mut streams) = (Vec::new(), Vec::new());
        for protocol in PROTOCOLS {
            if spec.speaks(protocol) && !self.sockets.contains_key(&protocol) {
                let socket = Arc::new(PacketSocket::open(protocol, index)?);
                let (stream, reader) = abortable(frames(socket.clone(), index, protocol));
                opened.push((protocol, OpenSocket { socket, reader }));
                streams.push(stream.boxed());
            }
        }
        self.sockets.retain(|protocol, _| spec.speaks(*protocol));
        if !spec.speaks(Protocol::Ndp) {
            // Where IPv6 is taken down the kernel forgets the memberships, however long the sockets last:
            // when it comes up again they are joined anew.
            self.memberships = Memberships::new(index);
            self.joined.clear();
        }
        self.sockets.extend(opened);
        self.spec = spec;
        Ok(streams)
    }

    /// How the link is used.
    pub(super) fn spec(&self) -> &LinkSpec {
        &self.spec
    }

    /// Name of the link.
    pub(super) fn name(&self) -> &str {
        &self.spec.link.name
    }

    pub(super) fn send(&self, protocol: Protocol, frame: &[u8]) -> io::Result<()> {
        match self.sockets.get(&protocol) {
            Some(open) => open.socket.send(frame),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Makes an address known on this link; how many frames went out.
    pub(super) fn announce(&self, address: IpAddr) -> io::Result<u64> {
        let link = &self.spec.link;
        match (address, link.link_local) {
            (IpAddr::V4(v4), _) if self.spec.arp => {
                let [request, reply] = gratuitous_arp(link.mac, v4);
                self.send(Protocol::Arp, &request.encode())?;
                self.send(Protocol::Arp, &reply.encode())?;
                Ok(2)
            }
            (IpAddr::V6(v6), Some(source)) => {
                self.send(Protocol::Ndp, &gratuitous_advertisement(link.mac, source, v6).encode())?;
                Ok(1)
            }
            // The link does not speak the address's family.
            (IpAddr::V4(_) | IpAddr::V6(_), _) => Ok(0),
        }
    }

    /// Brings all memberships in line with the table.
    pub(super) fn sync_groups(&mut self, table: &AnnouncedTable) {
        if self.spec.speaks(Protocol::Ndp) {
            for change in group_changes(table, &self.spec.link.name, &self.joined) {
                self.change_group(change);
            }
        }
    }

    /// The same after a change of this one address.
    pub(super) fn sync_groups_of(&mut self, address: IpAddr, table: &AnnouncedTable) {
        if self.spec.speaks(Protocol::Ndp) {
            let change = group_changes_of(address, table, &self.spec.link.name, &self.joined);
            change.into_iter().for_each(|change| self.change_group(change));
        }
    }

    /// What fails is not counted as done: the next full sync tries it again.
    fn change_group(&mut self, change: GroupChange) {
        let link = &self.spec.link.name;
        match change {
            GroupChange::Join(group) => match self.memberships.join(group) {
                Ok(()) => {
                    self.joined.insert(group);
                }
                Err(error) => tracing::warn!(interface = link, %group, %error, "multicast group not joined"),
            },
            GroupChange::Leave(group) => {
                self.joined.remove(&group);
                if let Err(error) = self.memberships.leave(group) {
                    tracing::debug!(interface = link, %group, %error, "multicast group not left");
                }
            }
        }
    }
}

/// Everything a socket receives, ending with its first failure.
fn frames(
    socket: Arc<PacketSocket>,
    index: u32,
    protocol: Protocol,
) -> impl futures::Stream<Item = Received> + Send + 'static {
    stream::unfold(Some(socket), move |socket| async move {
        let socket = socket?;
        let frame = socket.receive().await;
        let next = frame.is_ok().then_some(socket);
        Some((Received { index, protocol, frame }, next))
    })
}
