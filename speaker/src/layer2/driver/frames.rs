//! What is heard: questions, which are answered, and claims of other stations, which are told.

use std::time::Duration;

use metallb_l2::{Answer, Claim, Silence, answer_arp, answer_ndp, claim_arp, claim_ndp};
use metallb_linux::Protocol;
use tokio::time::Instant;

use super::Driver;
use crate::layer2::Conflict;
use crate::layer2::port::{Port, Ready};

/// Frames read from one socket before the others and all else get their turn.
const FRAMES_AT_ONCE: usize = 64;
/// Conflicts told before questions are looked at again: somebody may claim thousands of addresses at once.
const CONFLICTS_AT_ONCE: usize = 64;
/// A storm of questions is told of this often.
const STORM_REPEAT: Duration = Duration::from_mins(1);

impl Driver {
    pub(super) fn read(&mut self, ready: Ready) {
        let Ready { index, protocol, share: _ } = ready;
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..FRAMES_AT_ONCE {
            let Some(port) = self.ports.get(&index) else { break };
            match port.receive(ready, &mut buffer) {
                Ok(Some(frame)) => self.hear(index, protocol, frame),
                Ok(None) => break,
                Err(error) => {
                    // The interface went down or away. If it did not, it is opened again before long.
                    tracing::debug!(index, %error, "an interface can't be read from any more");
                    self.close(index);
                    self.retry_soon();
                    break;
                }
            }
        }
        self.buffer = buffer;
    }

    pub(super) fn hear(&mut self, index: u32, protocol: Protocol, frame: &[u8]) {
        // Read all the same: what was asked while the fence was closed must not be answered once it is open.
        if !self.may_speak() {
            return;
        }
        let Some(port) = self.ports.get(&index) else { return };
        let link = &port.spec().link;
        let (answer, claim) = match protocol {
            Protocol::Arp => (answer_arp(frame, link, &self.table), claim_arp(frame, link, &self.table)),
            Protocol::Ndp => (answer_ndp(frame, link, &self.table), claim_ndp(frame, link, &self.table)),
        };
        if let Some(claim) = claim.filter(|claim| !self.macs.contains(&claim.mac))
            && self.hear_claim(claim)
        {
            return;
        }
        match answer {
            Ok(answer) => self.send_answer(index, protocol, &answer),
            Err(Silence::NotAnnounced(_)) => {}
            Err(reason) => {
                let interface = self.ports.get(&index).map_or("", Port::name);
                tracing::trace!(interface, %reason, "question not answered");
            }
        }
    }

    /// Whether the claim is that of the heir of an address that is handed over: it gets no answer.
    fn hear_claim(&mut self, claim: Claim) -> bool {
        let now = self.now();
        let is_heir = self.hand_overs.is_under_way(claim.address);
        self.conflicts.hear(now, claim);
        self.hand_overs.hear(now, claim.address);
        self.end_hand_overs();
        is_heir
    }

    fn send_answer(&mut self, index: u32, protocol: Protocol, answer: &Answer) {
        let ip = answer.address.to_string();
        let is_permitted = self.limiter.permits(self.now(), answer.asker, answer.address);
        // Looked at again: between the question and here the process may have stood still.
        let may_send = is_permitted && self.may_speak();
        let port = self.ports.get(&index).filter(|_| may_send);
        let sent = port.map(|port| (port, port.send(protocol, &answer.frame)));
        // Afterwards: the first of an address waits while metrics are read out.
        self.metrics.requests_received.with_label_values(&[ip.as_str()]).inc();
        let Some((port, outcome)) = sent else {
            if !is_permitted {
                self.log_storm(index, answer);
            }
            return;
        };
        match outcome {
            Ok(()) => {
                self.metrics.responses_sent.with_label_values(&[ip.as_str()]).inc();
                log_answer(port, protocol, answer);
            }
            Err(error) => tracing::debug!(interface = port.name(), ip, %error, "answer not sent"),
        }
    }

    fn log_storm(&mut self, index: u32, answer: &Answer) {
        let now = Instant::now();
        if self.storm_told.is_none_or(|at| now >= at + STORM_REPEAT) {
            self.storm_told = Some(now);
            let interface = self.ports.get(&index).map_or("", Port::name);
            let (ip, asker) = (answer.address, answer.asker);
            tracing::warn!(interface, %ip, %asker, "a storm of requests, answering only some of them");
        }
    }

    /// Counts claims that are conflicts, up to a limit, and tells of those that are news.
    pub(super) fn tell_conflicts(&mut self) {
        let now = self.now();
        for _ in 0..CONFLICTS_AT_ONCE {
            let Some(conflict) = self.conflicts.poll(now) else { return };
            // Thousands of them are no stall.
            self.gate.permits();
            let ip = conflict.claim.address.to_string();
            self.metrics.conflicts.with_label_values(&[ip.as_str()]).inc();
            if conflict.is_news {
                self.tell_conflict(conflict.claim);
            }
        }
    }

    fn tell_conflict(&self, claim: Claim) {
        let Claim { address, mac, link } = claim;
        let interface = self.ports.get(&link).map_or("", Port::name).to_owned();
        tracing::warn!(interface, ip = %address, %mac, "another station answers for an address announced by this node");
        if let Some(told) = &self.told {
            // When nobody takes them any more, or too many wait, the log and the metric have it.
            let _ = told.try_send(Conflict { address, mac, interface });
        }
    }
}

fn log_answer(port: &Port, protocol: Protocol, answer: &Answer) {
    let (interface, ip, asker) = (port.name(), answer.address, answer.asker);
    match protocol {
        Protocol::Arp => {
            tracing::debug!(interface, %ip, %asker, "got ARP request for service IP, sending response");
        }
        Protocol::Ndp => {
            tracing::debug!(interface, %ip, %asker, "got NDP request for service IP, sending response");
        }
    }
}
