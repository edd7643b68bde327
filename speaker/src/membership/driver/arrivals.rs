//! What comes in: datagrams, connections, and how exchanges end.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use metallb_linux::since_boot;
use metallb_membership::machine::Note;
use metallb_membership::wire::message::{Message, StreamMessage};
use metallb_telemetry::logs;

use super::super::datagrams::Arrival;
use super::super::exchanges::{Next, Outcome};
use super::super::mail::{Letter, Post};
use super::super::ports::Ports;
use super::super::streams::{ExchangeError, Question};
use super::{Driver, GOODBYE, Wake};

/// Datagrams taken at a time, so that a flood does not keep us from everything else.
const AT_ONCE: usize = 64;
/// More than the largest cluster has.
const MOST_AHEAD: usize = 16_384;

impl Driver {
    /// Takes in why the loop turns. True if nothing has come but heartbeats. Fails when the socket does.
    pub(super) fn take(&mut self, wake: Wake, ports: &Ports, post: &mut Post) -> io::Result<bool> {
        let now = since_boot();
        match wake {
            Wake::Stop => {
                self.leaving = Some(now + GOODBYE);
                self.machine.leave(now);
            }
            Wake::Datagrams(ready) => {
                ready?;
                self.take_datagrams(ports, post, now)?;
            }
            // What says who sends heartbeats may have come before them.
            Wake::Heartbeats => return Ok(self.take_datagrams(ports, post, now)? == 0),
            Wake::Connection(stream, from) => {
                if !self.exchanges.serve(stream, from, self.codec.clone())
                    && let Some(withheld) = self.lines.take(now)
                {
                    tracing::warn!(%from, withheld, "too many connections at a time, this one is closed");
                }
            }
            Wake::Exchange(Next::Question(question)) => self.answer(question, now),
            Wake::Exchange(Next::Outcome(outcome)) => self.take_outcome(outcome, now),
            Wake::Letter(letter) => self.send_letters(letter, ports, post),
            Wake::Abandoned | Wake::Other => {}
        }
        Ok(false)
    }

    /// How many there were, of those that are taken at a time.
    fn take_datagrams(&mut self, ports: &Ports, post: &Post, now: Duration) -> io::Result<usize> {
        for taken in 0..AT_ONCE {
            match ports.receive(&mut self.buffer)? {
                None => return Ok(taken),
                Some(Arrival::Refused(to)) => {
                    if let (Some(beats), Some(name)) = (self.beats.as_mut(), self.names.get(&to)) {
                        beats.refused_elsewhere(name, now);
                    }
                    self.machine.unreachable(to, now);
                }
                Some(Arrival::Datagram { from, length }) => self.take_datagram((from, length), post, now),
            }
        }
        Ok(AT_ONCE)
    }

    fn take_datagram(&mut self, (from, length): (SocketAddr, usize), post: &Post, now: Duration) {
        let (messages, is_ahead) = match self.codec.open(self.buffer.get(..length).unwrap_or_default()) {
            Ok(messages) => messages,
            Err(error) => {
                self.metrics.packets_refused.inc();
                tracing::debug!(%from, error = logs::chain(&error), "memberlist: a datagram is refused");
                return;
            }
        };
        self.take_standing(from.ip(), is_ahead);
        if let (Some(beats), Some(name)) = (self.beats.as_mut(), self.names.get(&from)) {
            beats.heard_elsewhere(name, now);
        }
        for message in messages {
            if let (Message::User(bytes), Some(name)) = (&message, self.names.get(&from)) {
                post.deliver(Letter { from: name.clone(), bytes: bytes.clone() });
            }
            self.machine.datagram(from, message, now);
        }
    }

    fn answer(&mut self, question: Question, now: Duration) {
        self.take_standing(question.from.ip(), question.is_ahead);
        let answer = match question.message {
            StreamMessage::Ping(ping) => self.machine.stream_ping(&ping, question.from),
            StreamMessage::PushPull(theirs) => {
                Some(StreamMessage::PushPull(self.machine.push_pull(theirs, now)))
            }
            StreamMessage::Ack { .. } | StreamMessage::Error(_) => None,
        };
        // The connection may have ended meanwhile.
        let _ = question.answer.send(answer);
    }

    /// Remembers whom to write to with the new secret, until all do.
    fn take_standing(&mut self, from: IpAddr, is_ahead: bool) {
        if is_ahead && self.ahead.len() < MOST_AHEAD {
            self.ahead.insert(from);
        }
    }

    fn take_outcome(&mut self, outcome: Outcome, now: Duration) {
        match outcome {
            Outcome::Joined { address, answer } => {
                let is_joined = answer.is_ok();
                self.joins.answered(address, answer.as_ref().is_err_and(ExchangeError::is_from_a_stranger));
                match answer {
                    Ok(theirs) => self.machine.merge(theirs, now),
                    Err(error) => {
                        tracing::warn!(%address, error = logs::chain(&error), "memberlist: joining failed");
                    }
                }
                self.is_stale = true;
                self.log_round(address, is_joined, now);
            }
            Outcome::Synced { node, answer } => match answer {
                Ok(theirs) => {
                    self.joins.heard();
                    self.machine.merge(theirs, now);
                }
                Err(error) if self.calls.is_known_to_fail() => {
                    tracing::debug!(node, error = logs::chain(&error), "memberlist: push/pull failed");
                }
                Err(error) => {
                    tracing::warn!(node, error = logs::chain(&error), "memberlist: push/pull failed");
                }
            },
            Outcome::Pinged { sequence } => self.machine.stream_ack(sequence),
            Outcome::Failed { from, error } => {
                if let Some(withheld) = self.lines.take(now) {
                    let error = logs::chain(&error);
                    tracing::warn!(%from, error, withheld, "memberlist: a connection failed");
                }
            }
            Outcome::Nothing => {}
        }
    }

    /// Where another process lives that has this node's name, the others count that one, until they count this one.
    pub(super) fn take_note(&mut self, note: &Note) {
        match note {
            Note::Conflict { name, claimed, .. } if *name == self.settings.name => {
                self.leave_name_to(*claimed)
            }
            Note::Accepted => {
                if let Some(beats) = self.beats.as_mut() {
                    beats.has_namesake(Duration::ZERO);
                }
            }
            _ => {}
        }
    }

    fn leave_name_to(&mut self, claimed: SocketAddr) {
        if self.beats.as_mut().is_some_and(|beats| beats.has_namesake(self.patient_until)) {
            let (patience, node) = (self.settings.handover.as_secs(), &self.settings.name);
            tracing::warn!(
                node, address = %claimed,
                "another speaker runs under the name of this node: answering nothing until the others count this one, \
                 for {patience} s at most; look at METALLB_NODE_NAME of both"
            );
        }
    }

    fn log_round(&mut self, address: IpAddr, is_joined: bool, now: Duration) {
        let Some(round) = self.joins.ended(address, is_joined, now) else { return };
        if round.joined == round.expected {
            tracing::info!(joined = round.joined, "memberlist join successfully");
        } else {
            tracing::warn!(joined = round.joined, expected = round.expected, "partial join");
        }
    }
}
