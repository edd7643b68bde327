//! Messages of the rest of the speaker to those of other nodes, carried in memberlist's datagrams: they may get lost.

use metallb_announce::Outgoing;
use tokio::sync::mpsc;

/// Messages that wait in one direction: all that a speaker which holds ten thousand addresses tells some twenty others. One
/// too many is lost, and told again when it is missed.
const WAITING: usize = 4096;

/// The owner's end.
#[derive(Debug)]
pub struct Mail {
    received: mpsc::Receiver<Letter>,
    outgoing: mpsc::Sender<Outgoing>,
}

/// A message, and whose it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Letter {
    /// The sender's node.
    pub from: String,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// The end of the thread that has the socket.
#[derive(Debug)]
pub(crate) struct Post {
    received: mpsc::Sender<Letter>,
    outgoing: mpsc::Receiver<Outgoing>,
}

/// Both ends.
pub(super) fn between() -> (Mail, Post) {
    let (deliver, received) = mpsc::channel(WAITING);
    let (send, outgoing) = mpsc::channel(WAITING);
    (Mail { received, outgoing: send }, Post { received: deliver, outgoing })
}

impl Mail {
    /// The next message; never resolves when there will be none. Safe to cancel.
    pub async fn next(&mut self) -> Letter {
        match self.received.recv().await {
            Some(letter) => letter,
            None => std::future::pending().await,
        }
    }

    /// Another message, if one has arrived.
    pub fn take(&mut self) -> Option<Letter> {
        self.received.try_recv().ok()
    }

    /// Whether there is room for another message.
    pub fn has_room(&self) -> bool {
        self.outgoing.capacity() > 0
    }

    /// Sends a message, if there is room.
    pub fn send(&self, letter: Outgoing) {
        // What is lost is told again when it is missed.
        let _ = self.outgoing.try_send(letter);
    }
}

impl Post {
    /// The next message to send; never resolves when there will be none. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Outgoing {
        match self.outgoing.recv().await {
            Some(letter) => letter,
            None => std::future::pending().await,
        }
    }

    /// Another message to send, if there is one.
    pub(super) fn take(&mut self) -> Option<Outgoing> {
        self.outgoing.try_recv().ok()
    }

    /// Delivers a message, if there is room.
    pub(crate) fn deliver(&self, letter: Letter) {
        // As good as lost on the way.
        let _ = self.received.try_send(letter);
    }
}
