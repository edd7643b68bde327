//! What is said unasked: bursts, and a reminder every now and then.

use std::net::IpAddr;

use metallb_l2::{Input, Round, Subject};

use super::Driver;

/// Gratuitous announcements sent before questions are looked at again, so that thousands of them (a link that came
/// up) do not hold up answers.
const ROUNDS_AT_ONCE: usize = 32;

impl Driver {
    /// Sends what is due, up to a limit; what is left waits in the outbox.
    pub(super) fn send_due(&mut self) {
        self.queue_due();
        for _ in 0..ROUNDS_AT_ONCE {
            let Some((index, address)) = self.firsts.pop_front().or_else(|| self.outbox.pop_front()) else {
                // What is still unheard has nowhere to be made known, or must not be.
                self.unheard.clear();
                self.unheard.shrink_to(ROUNDS_AT_ONCE);
                self.firsts.shrink_to(ROUNDS_AT_ONCE);
                self.outbox.shrink_to(ROUNDS_AT_ONCE);
                return;
            };
            self.send_gratuitous(index, address);
        }
    }

    /// Whether something waits to be sent.
    pub(super) fn has_unsent(&self) -> bool {
        !self.firsts.is_empty() || !self.outbox.is_empty()
    }

    fn queue_due(&mut self) {
        let now = self.now();
        // Thousands of addresses on as many links take longer than from one round to the next: what is said again waits
        // until all is said, lest ever more waits.
        let may_repeat = !self.has_unsent();
        if may_repeat && self.burst.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.burst.handle(now, Input::Tick);
        }
        while let Some(Round { subject, is_first }) = self.burst.poll_output() {
            match subject {
                Subject::Address(address) => self.queue(address, is_first),
                Subject::Link(index) => self.queue_link(index, is_first),
            }
        }
        if may_repeat && let Some(address) = self.refresh.poll(now) {
            self.queue(address, false);
        }
    }

    /// Only for where it is announced: thousands of addresses on a link each are not that many on each of thousands. The
    /// first time it goes before all that is said again: neighbours may still ask a node that is dead.
    pub(super) fn queue(&mut self, address: IpAddr, is_first: bool) {
        let Some(scope) = self.table.interfaces(address) else { return };
        let there = self.ports.iter().filter(|(_, port)| scope.contains(port.name()));
        let queue = if is_first { &mut self.firsts } else { &mut self.outbox };
        queue.extend(there.map(|(index, _)| (*index, address)));
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
