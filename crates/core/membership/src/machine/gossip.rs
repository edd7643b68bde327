//! How news travel: with every ping and answer, and in rounds to a few random members.

use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::message::{Message, State};
use crate::wire::packet::{
    self, CHECKSUM_OVERHEAD, COMPOUND_OVERHEAD, ENCRYPTION_OVERHEAD, MOST_PARTS, PART_OVERHEAD,
};

use super::action::Action;
use super::member::Record;
use super::rumours::Space;
use super::{Machine, scale};

impl Machine {
    /// Makes a message known to all.
    pub(super) fn spread(&mut self, about: &str, message: &Message) {
        self.rumours.spread(about, packet::encode(message));
    }

    /// Sends a message, and with it as much news as there is room for.
    pub(super) fn send(&mut self, to: SocketAddr, message: &Message) {
        let body = packet::encode(message);
        let mut space = self.space();
        space.bytes = space.bytes.saturating_sub(PART_OVERHEAD + body.len());
        space.messages -= 1;
        let mut bodies = vec![body];
        bodies.extend(self.news(space));
        self.actions.push_back(Action::Send { to, with_checksum: false, bodies });
    }

    /// Sends these messages and nothing else.
    pub(super) fn send_only(&mut self, to: SocketAddr, with_checksum: bool, messages: &[Message]) {
        let bodies = messages.iter().map(packet::encode).collect();
        self.actions.push_back(Action::Send { to, with_checksum, bodies });
    }

    /// One round. The dead hear of it for a while, too: one of them may live and want to contradict.
    pub(super) fn gossip(&mut self, now: Duration) {
        if self.rumours.len() == 0 {
            return;
        }
        let grace = self.settings.gossip_to_the_dead_time;
        let listens = |record: &Record| match record.member.state {
            State::Alive | State::Suspect => record.member.name != self.me,
            State::Dead => now.saturating_sub(record.changed) <= grace,
            State::Left => false,
        };
        for listener in self.roster.choose(self.settings.gossip_nodes, &mut self.dice, listens) {
            let bodies = self.news(self.space());
            if bodies.is_empty() {
                return;
            }
            let with_checksum = listener.takes_checksums();
            self.actions.push_back(Action::Send { to: listener.address, with_checksum, bodies });
        }
    }

    pub(super) fn start_push_pull(&mut self) {
        let qualifies =
            |record: &Record| record.member.state == State::Alive && record.member.name != self.me;
        for partner in self.roster.choose(1, &mut self.dice, qualifies) {
            self.actions.push_back(Action::PushPull { to: partner.address, node: partner.name });
        }
    }

    fn news(&mut self, space: Space) -> Vec<Vec<u8>> {
        let limit = scale::transmit_limit(self.settings.retransmit_mult, self.roster.len());
        self.rumours.tell(space, limit)
    }

    /// What a datagram holds when everything is put around it. The original leaves the checksum out of account.
    fn space(&self) -> Space {
        let bytes = self
            .settings
            .udp_buffer_size
            .saturating_sub(COMPOUND_OVERHEAD + ENCRYPTION_OVERHEAD + CHECKSUM_OVERHEAD);
        Space { bytes, messages: MOST_PARTS }
    }
}
