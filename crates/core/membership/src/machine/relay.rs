//! Pings on behalf of others, and answers to pings.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::message::{IndirectPing, Message, Ping, canonical};

use super::Machine;
use super::action::Note;

/// Under way at once. A flood of requests must not cost memory; an honest cluster asks for a handful a second.
const MOST: usize = 1024;

/// The pings under way. All wait equally long, so the first is the first to end.
#[derive(Debug, Default)]
pub(super) struct Relays(VecDeque<Relay>);

#[derive(Clone, Copy, Debug)]
struct Relay {
    /// Of our ping.
    sequence: u32,
    /// Of theirs.
    theirs: u32,
    asker: SocketAddr,
    wants_nack: bool,
    ends: Duration,
}

impl Relays {
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.0.front().map(|relay| relay.ends)
    }

    fn take(&mut self, sequence: u32) -> Option<Relay> {
        let place = self.0.iter().position(|relay| relay.sequence == sequence)?;
        self.0.remove(place)
    }

    fn take_ended(&mut self, now: Duration) -> Option<Relay> {
        self.0.pop_front_if(|relay| relay.ends <= now)
    }
}

impl Machine {
    /// Answers a ping.
    pub(super) fn answer(&mut self, from: SocketAddr, ping: &Ping) {
        if self.is_for_me(&ping.node, from) {
            let ack = Message::Ack { sequence: ping.sequence, payload: Vec::new() };
            self.send(self.listens(ping.source, from), &ack);
        }
    }

    /// Where whoever asks wants the answer.
    fn listens(&self, source: Option<SocketAddr>, from: SocketAddr) -> SocketAddr {
        let source = source.filter(|source| source.port() > 0).unwrap_or(from);
        canonical(source.ip(), source.port())
    }

    pub(super) fn is_for_me(&mut self, node: &str, from: SocketAddr) -> bool {
        let is_for_me = node.is_empty() || node == self.me;
        if !is_for_me {
            self.note(Note::MistakenFor { name: node.to_owned(), from });
        }
        is_for_me
    }

    /// Pings somebody for somebody else.
    pub(super) fn relay(&mut self, from: SocketAddr, request: &IndirectPing, now: Duration) {
        if self.relays.0.len() >= MOST {
            return;
        }
        let sequence = self.next_sequence();
        self.relays.0.push_back(Relay {
            sequence,
            theirs: request.sequence,
            asker: self.listens(request.source, from),
            wants_nack: request.wants_nack,
            ends: now.saturating_add(self.settings.probe_timeout),
        });
        let ping = self.ping(sequence, request.node.clone());
        self.send(self.reach(request.target), &Message::Ping(ping));
    }

    /// The answer to a ping on behalf of somebody, if it is one.
    pub(super) fn pass_on_ack(&mut self, sequence: u32) {
        if let Some(relay) = self.relays.take(sequence) {
            self.send(relay.asker, &Message::Ack { sequence: relay.theirs, payload: Vec::new() });
        }
    }

    pub(super) fn relays_end(&mut self, now: Duration) {
        while let Some(relay) = self.relays.take_ended(now) {
            if relay.wants_nack {
                self.send(relay.asker, &Message::Nack { sequence: relay.theirs });
            }
        }
    }

    pub(super) fn ping(&self, sequence: u32, node: String) -> Ping {
        Ping { sequence, node, source: Some(self.address), source_node: self.me.clone() }
    }
}
