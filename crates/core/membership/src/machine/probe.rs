//! One member after the other is asked whether it lives.
//!
//! ```text
//!   ping ──no ack in time──▶ ask others to ping, ping over a stream ──interval over, no ack──▶ suspect
//!    │                        │
//!    └── ack: fine            └── ack: fine (over the stream: fine, but noted)
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use crate::wire::message::{Accusation, IndirectPing, Message, State};

use super::Machine;
use super::action::{Action, Note};
use super::member::{Contact, Record};

/// The probe under way.
#[derive(Debug)]
pub(super) struct Probe {
    target: Contact,
    /// The life that does not answer.
    incarnation: u32,
    sequence: u32,
    phase: Phase,
    ends: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nobody else knows of it yet.
    Direct { until: Duration },
    /// Others try, too.
    Indirect { nacks_expected: u32, nacks: u32, stream_ack: bool },
}

impl Probe {
    pub(super) fn deadline(&self) -> Duration {
        match self.phase {
            Phase::Direct { until } => until,
            Phase::Indirect { .. } => self.ends,
        }
    }

    pub(super) fn answered_over_a_stream(&mut self, sequence: u32) {
        if let Phase::Indirect { stream_ack, .. } = &mut self.phase
            && self.sequence == sequence
        {
            *stream_ack = true;
        }
    }

    fn count_nack(&mut self) {
        if let Phase::Indirect { nacks_expected, nacks, .. } = &mut self.phase {
            *nacks = nacks.saturating_add(1).min(*nacks_expected);
        }
    }
}

impl Machine {
    /// Whether it is time for the next one. A turn that came while the last one took long is made up for once.
    pub(super) fn probe_is_due(&mut self, now: Duration) -> bool {
        let Some(due) = self.turns.probe.filter(|due| *due <= now) else { return false };
        self.turns.probe = Some(due.saturating_add(self.settings.probe_interval).max(now));
        true
    }

    pub(super) fn start_probe(&mut self, now: Duration) {
        let grace = self.settings.gossip_to_the_dead_time;
        let Some(target) = self.roster.next_to_probe(&self.me, now, grace, &mut self.dice) else { return };
        let (target, incarnation, state) = (target.contact(), target.incarnation, target.state);
        let sequence = self.next_sequence();
        let ping = Message::Ping(self.ping(sequence, target.name.clone()));
        if state == State::Alive {
            self.send(target.address, &ping);
        } else {
            // It may not know yet that it has to contradict.
            let suspect = Message::Suspect(self.accuse(target.name.clone(), incarnation));
            self.send_only(target.address, target.takes_checksums(), &[ping, suspect]);
        }
        let interval = self.health.stretch(self.settings.probe_interval);
        let direct = self.settings.probe_timeout.min(interval);
        self.probe = Some(Probe {
            target,
            incarnation,
            sequence,
            phase: Phase::Direct { until: now.saturating_add(direct) },
            ends: now.saturating_add(interval),
        });
    }

    pub(super) fn acknowledged(&mut self, sequence: u32) {
        if self.probe.take_if(|probe| probe.sequence == sequence).is_some() {
            self.health.improve();
        } else {
            self.pass_on_ack(sequence);
        }
    }

    pub(super) fn not_acknowledged(&mut self, sequence: u32) {
        if let Some(probe) = self.probe.as_mut().filter(|probe| probe.sequence == sequence) {
            probe.count_nack();
        }
    }

    pub(super) fn give_up_waiting(&mut self, to: SocketAddr, now: Duration) {
        if let Some(probe) = self.probe.take_if(|probe| probe.target.address == to) {
            self.ask_others(probe, now);
        }
    }

    /// What the passing of time does to the probe under way.
    pub(super) fn probe_ends(&mut self, now: Duration) {
        if let Some(probe) = self.probe.take_if(|probe| probe.deadline() <= now) {
            self.ask_others(probe, now);
        }
        if let Some(probe) = self.probe.take_if(|probe| probe.deadline() <= now) {
            self.conclude(probe, now);
        }
    }

    /// Ends the first phase, unless that is over.
    fn ask_others(&mut self, probe: Probe, now: Duration) {
        let Phase::Direct { .. } = probe.phase else {
            self.probe = Some(probe);
            return;
        };
        let target = &probe.target;
        let qualifies = |record: &Record| {
            let member = &record.member;
            member.state == State::Alive && member.name != self.me && member.name != target.name
        };
        let helpers = self.roster.choose(self.settings.indirect_checks, &mut self.dice, qualifies);
        let mut nacks_expected = 0;
        for helper in &helpers {
            nacks_expected += u32::from(helper.sends_nacks());
            self.send(helper.address, &Message::IndirectPing(self.request(&probe, helper)));
        }
        if !self.settings.disable_tcp_pings && target.takes_stream_pings() {
            let ping = self.ping(probe.sequence, target.name.clone());
            let within = probe.ends.saturating_sub(now);
            self.actions.push_back(Action::StreamPing { to: target.address, ping, within });
        }
        let phase = Phase::Indirect { nacks_expected, nacks: 0, stream_ack: false };
        self.probe = Some(Probe { phase, ..probe });
    }

    fn request(&self, probe: &Probe, helper: &Contact) -> IndirectPing {
        IndirectPing {
            sequence: probe.sequence,
            target: probe.target.address,
            node: probe.target.name.clone(),
            wants_nack: helper.sends_nacks(),
            source: Some(self.address),
            source_node: self.me.clone(),
        }
    }

    fn conclude(&mut self, probe: Probe, now: Duration) {
        let Phase::Indirect { nacks_expected, nacks, stream_ack } = probe.phase else { return };
        let name = probe.target.name;
        if stream_ack {
            self.health.improve();
            self.note(Note::OnlyOverStreams { name });
            return;
        }
        // Those who were to help and did not even say that they failed are a sign that we are the one cut off.
        self.health.worsen(if nacks_expected == 0 { 1 } else { nacks_expected - nacks });
        if self.member(&name).is_some_and(|member| member.state == State::Alive) {
            self.note(Note::Suspected { name: name.clone() });
        }
        let accusation = self.accuse(name, probe.incarnation);
        self.hear_suspect(accusation, None, now);
    }

    pub(super) fn accuse(&self, node: String, incarnation: u32) -> Accusation {
        Accusation { incarnation, node, from: self.me.clone() }
    }
}
