//! What is said unasked: bursts, and a reminder every now and then.

use std::net::IpAddr;

use metallb_l2::{Input, Subject};

use super::Driver;

/// Gratuitous announcements sent before questions are looked at again, so that thousands of them (a link that came
/// up) do not hold up answers.
const ROUNDS_AT_ONCE: usize = 32;

impl Driver {
    /// Sends what is due, up to a limit; what is left waits in the outbox.
    pub(super) fn send_due(&mut self) {
        let now = self.now();
        if self.burst.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.burst.handle(now, Input::Tick);
        }
        while let Some(round) = self.burst.poll_output() {
            match round.subject {
                Subject::Address(address) => self.queue(address),
                Subject::Link(index) => self.queue_link(index, round.is_first),
            }
        }
        if let Some(address) = self.refresh.poll(now) {
            self.queue(address);
        }
        for _ in 0..ROUNDS_AT_ONCE {
            let Some((index, address)) = self.outbox.pop_front() else {
                // What is still unheard has nowhere to be made known, or must not be.
                self.unheard.clear();
                self.unheard.shrink_to(ROUNDS_AT_ONCE);
                self.outbox.shrink_to(ROUNDS_AT_ONCE);
                return;
            };
            self.send_gratuitous(index, address);
        }
    }

    /// Only for where it is announced: thousands of addresses on a link each are not that many on each of thousands.
    pub(super) fn queue(&mut self, address: IpAddr) {
        let Some(scope) = self.table.interfaces(address) else { return };
        let there = self.ports.iter().filter(|(_, port)| scope.contains(port.name()));
        self.outbox.extend(there.map(|(index, _)| (*index, address)));
    }

    fn queue_link(&mut self, index: u32, is_first: bool) {
        let name = self.ports.get(&index).map_or("", |port| port.name());
        // An address with a burst of its own is repeated by that, on all links.
        let is_due = |address: &IpAddr| is_first || !self.burst.is_under_way(Subject::Address(*address));
        let due = self.table.addresses_on(name).filter(is_due);
        self.outbox.extend(due.map(|address| (index, address)));
    }

    /// Checked anew: since it was queued the address may have been withdrawn, the link or the fence closed.
    fn send_gratuitous(&mut self, index: u32, address: IpAddr) {
        if !self.may_speak() || self.hand_overs.is_under_way(address) {
            return;
        }
        let Some(port) = self.ports.get(&index) else { return };
        if !self.table.interfaces(address).is_some_and(|scope| scope.contains(port.name())) {
            return;
        }
        match port.announce(address) {
            Ok(frames) => {
                if let Some(since) = self.unheard.remove(&address) {
                    self.metrics.announce.observe(since.elapsed().as_secs_f64());
                }
                let label = address.to_string();
                self.metrics.gratuitous_sent.with_label_values(&[label.as_str()]).inc_by(frames);
            }
            Err(error) => {
                let interface = port.name();
                tracing::debug!(interface, ip = %address, %error, "gratuitous packet not sent");
            }
        }
    }

    /// Neighbours on a link can be told again, or of a family that was not spoken there until now.
    pub(super) fn announce_link(&mut self, index: u32) {
        if !self.table.is_empty() {
            self.burst.handle(self.now(), Input::Begin(Subject::Link(index)));
        }
    }
}
