//! What the rest of the speaker tells those of other nodes.

use metallb_announce::Outgoing;
use metallb_membership::wire::message::Message;
use metallb_membership::wire::packet;
use metallb_telemetry::logs;

use super::super::mail::Post;
use super::super::ports::Ports;
use super::Driver;

/// Messages sent at a time, so that thousands do not keep us from everything else.
const AT_ONCE: usize = 64;

impl Driver {
    /// Sends this message and those behind it.
    pub(super) fn send_letters(&mut self, first: Outgoing, ports: &Ports, post: &mut Post) {
        let mut next = Some(first);
        for _ in 0..AT_ONCE {
            let Some(letter) = next else { return };
            self.send_letter(letter, ports);
            next = post.take();
        }
        if let Some(letter) = next {
            self.send_letter(letter, ports);
        }
    }

    fn send_letter(&self, Outgoing { to, bytes }: Outgoing, ports: &Ports) {
        let Some(address) =
            self.machine.members().find(|member| member.name == to).map(|member| member.address)
        else {
            return;
        };
        let body = packet::encode(&Message::User(bytes));
        let sealed = self.codec.seal(&[body], false, self.ahead.contains(&address.ip()));
        if let Err(error) = ports.send(address, &sealed) {
            tracing::debug!(to, error = logs::chain(&error), "memberlist: a message is not sent");
        }
    }
}
