//! One link that is spoken on: its sockets, readers and multicast memberships.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, AbortHandle, BoxStream, StreamExt, abortable};
use metallb_l2::{
    AnnouncedTable, Cover, GroupChange, gratuitous_advertisement, gratuitous_arp, group_changes,
    group_changes_of, membership_report,
};
use metallb_linux::{PacketSocket, Protocol, SocketError, Targets};

use super::groups::{Groups, LinkGroups, Order, groups_of};
use super::reach::Reach;
use super::spec::{LinkSpec, PROTOCOLS};

/// A socket may have frames.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    /// The link it belongs to.
    pub(super) index: u32,
    /// What the socket is for.
    pub(super) protocol: Protocol,
    /// Its number among those.
    pub(super) share: usize,
}

/// The streams that tell when newly opened sockets may have frames.
pub(super) type Streams = Vec<BoxStream<'static, Ready>>;

/// A link in use.
#[derive(Debug)]
pub(super) struct Port {
    spec: LinkSpec,
    /// At least one for each protocol spoken.
    sockets: BTreeMap<Protocol, Vec<OpenSocket>>,
    groups: LinkGroups,
    /// What was ordered to be joined, and did not fail.
    joined: BTreeSet<Ipv6Addr>,
    /// The memberships may not fit the table: the link is new, or something was not done.
    is_in_doubt: bool,
    /// A group could not be joined, nor when it was tried again, so that this is told once.
    is_failing: bool,
}

#[derive(Debug)]
struct OpenSocket {
    socket: Arc<PacketSocket>,
    /// What it lets through.
    cover: Arc<Cover>,
    /// Ends the stream that tells when the socket may have frames.
    reader: AbortHandle,
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Port {
    /// Opens the sockets a link needs. The streams tell when they may have frames, until the port is dropped.
    pub(super) fn open(spec: LinkSpec, reach: &Reach) -> Result<(Self, Streams), SocketError> {
        let groups = groups_of(spec.link.index);
        let (sockets, joined) = (BTreeMap::new(), BTreeSet::new());
        let (is_in_doubt, is_failing) = (true, false);
        let mut port = Self { spec: spec.clone(), sockets, groups, joined, is_in_doubt, is_failing };
        let streams = port.update(spec, reach)?;
        Ok((port, streams))
    }

    /// Takes over changed properties and opens and closes sockets accordingly. When it fails nothing is taken over.
    pub(super) fn update(&mut self, spec: LinkSpec, reach: &Reach) -> Result<Streams, SocketError> {
        let index = spec.link.index;
        let (mut opened, mut streams) = (Vec::new(), Vec::new());
        for protocol in PROTOCOLS {
            if spec.speaks(protocol) && !self.sockets.contains_key(&protocol) {
                let mut sockets = Vec::new();
                for (share, cover) in reach.filters(protocol).iter().enumerate() {
                    let (socket, stream) = OpenSocket::open(Ready { index, protocol, share }, cover)?;
                    sockets.push(socket);
                    streams.push(stream);
                }
                opened.push((protocol, sockets));
            }
        }
        self.sockets.retain(|protocol, _| spec.speaks(*protocol));
        if !spec.speaks(Protocol::Ndp) {
            // Where IPv6 is taken down the kernel forgets the memberships, however long the sockets last:
            // when it comes up again they are joined anew.
            self.groups = groups_of(index);
            self.joined.clear();
            self.is_in_doubt = true;
            self.is_failing = false;
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

    /// Receives what concerns these addresses from now on, by as many sockets.
    pub(super) fn follow(
        &mut self,
        protocol: Protocol,
        covers: &[Arc<Cover>],
    ) -> Result<Streams, SocketError> {
        let index = self.spec.link.index;
        let Some(sockets) = self.sockets.get_mut(&protocol) else { return Ok(Streams::new()) };
        let mut opened = Vec::new();
        for (share, cover) in covers.iter().enumerate().rev() {
            match sockets.get_mut(share) {
                Some(socket) => socket.follow(cover)?,
                None => opened.push(OpenSocket::open(Ready { index, protocol, share }, cover)?),
            }
        }
        sockets.truncate(covers.len());
        let (new, streams): (Vec<OpenSocket>, Streams) = opened.into_iter().rev().unzip();
        sockets.extend(new);
        Ok(streams)
    }

    /// The next frame if there is one.
    pub(super) fn receive<'a>(&self, ready: Ready, buffer: &'a mut [u8]) -> io::Result<Option<&'a [u8]>> {
        match self.sockets.get(&ready.protocol).and_then(|sockets| sockets.get(ready.share)) {
            Some(open) => open.socket.receive(buffer),
            None => Ok(None),
        }
    }

    pub(super) fn send(&self, protocol: Protocol, frame: &[u8]) -> io::Result<()> {
        match self.sockets.get(&protocol).and_then(|sockets| sockets.first()) {
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

    /// Brings all memberships in line with the table, if that is in doubt; false when not all of it could be ordered.
    pub(super) fn sync_groups(
        &mut self,
        table: &AnnouncedTable,
        thread: &Groups,
        tried_after: Option<Duration>,
    ) -> bool {
        if !self.spec.speaks(Protocol::Ndp) {
            return true;
        }
        if std::mem::take(&mut self.is_in_doubt) {
            for change in group_changes(table, &self.spec.link.name, &self.joined) {
                self.order(change, thread, tried_after);
            }
        } else {
            // What was tried last did not fail.
            self.is_failing = false;
        }
        !self.is_in_doubt
    }

    /// Whether it was told that groups can't be joined.
    #[cfg(test)]
    pub(super) fn is_failing(&self) -> bool {
        self.is_failing
    }

    /// The same after a change of this one address. A group that is joined is reported at once.
    pub(super) fn sync_groups_of(
        &mut self,
        address: IpAddr,
        table: &AnnouncedTable,
        thread: &Groups,
    ) -> bool {
        if !self.spec.speaks(Protocol::Ndp) {
            return true;
        }
        let change = group_changes_of(address, table, &self.spec.link.name, &self.joined);
        let Some(change) = change else { return true };
        // Where nothing is in doubt what was tried last did not fail.
        self.is_failing &= self.is_in_doubt;
        let is_ordered = self.order(change, thread, None);
        if let (true, GroupChange::Join(group)) = (is_ordered, change) {
            self.report(group);
        }
        is_ordered
    }

    /// What finds no room is not counted as done: the next full sync tries it again.
    fn order(&mut self, change: GroupChange, thread: &Groups, tried_after: Option<Duration>) -> bool {
        let (index, groups) = (self.spec.link.index, Arc::downgrade(&self.groups));
        if !thread.order(Order { index, groups, change, tried_after }) {
            self.is_in_doubt = true;
            return false;
        }
        match change {
            GroupChange::Join(group) => self.joined.insert(group),
            GroupChange::Leave(group) => self.joined.remove(&group),
        };
        true
    }

    /// Something ordered was not done; whether it is to be tried again, by the next full sync.
    pub(super) fn hear_failure(&mut self, change: GroupChange, error: &io::Error) -> bool {
        let link = &self.spec.link.name;
        match change {
            GroupChange::Join(group) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    // There may be thousands, each tried again every few seconds.
                    tracing::warn!(interface = link, %group, %error, "multicast group not joined, trying again");
                }
                self.joined.remove(&group);
                self.is_in_doubt = true;
                true
            }
            GroupChange::Leave(group) => {
                tracing::debug!(interface = link, %group, %error, "multicast group not left");
                false
            }
        }
    }

    /// Has switches that snoop send solicitations here as well. The kernel does so some milliseconds after it joined, and the
    /// owner before stops sooner than that.
    fn report(&self, group: Ipv6Addr) {
        let link = &self.spec.link;
        if let Some(source) = link.link_local {
            // The kernel's makes up for one that is not sent.
            let _ = self.send(Protocol::Ndp, &membership_report(link.mac, source, group));
        }
    }
}

impl OpenSocket {
    fn open(ready: Ready, cover: &Arc<Cover>) -> Result<(Self, BoxStream<'static, Ready>), SocketError> {
        let socket = Arc::new(PacketSocket::open(ready.protocol, ready.index, &targets(cover))?);
        let (stream, reader) = abortable(readiness(socket.clone(), ready));
        Ok((Self { socket, cover: cover.clone(), reader }, stream.boxed()))
    }

    fn follow(&mut self, cover: &Arc<Cover>) -> Result<(), SocketError> {
        if !Arc::ptr_eq(cover, &self.cover) {
            self.socket.follow(&targets(cover))?;
            self.cover = cover.clone();
        }
        Ok(())
    }
}

fn targets(cover: &Cover) -> Targets {
    Targets { leading: cover.leading.clone(), last: cover.last.clone() }
}

/// Tells each time a socket may have frames, until the runtime ends.
fn readiness(socket: Arc<PacketSocket>, ready: Ready) -> impl futures::Stream<Item = Ready> + Send + 'static {
    stream::unfold(socket, move |socket| async move {
        socket.readable().await.ok()?;
        Some((ready, socket))
    })
}
