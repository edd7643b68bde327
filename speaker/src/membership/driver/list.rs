//! Who counts, for everybody else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use metallb_liveness::meta;
use metallb_membership::machine::{Event, Member};
use metallb_net::Prefix;
use tokio::sync::watch;

use super::super::beats::Beats;
use super::super::members::Members;
use super::Driver;

/// Nodes that said goodbye and are kept in mind: those that leave for ever are not forgotten otherwise.
const LONGEST_LEFT: usize = 1000;

impl Driver {
    pub(super) fn tell(&mut self, event: &Event, now: Duration) {
        self.note_goodbye(event);
        match (&mut self.beats, event) {
            (Some(beats), Event::Failed(member)) => beats.lost(&member.name),
            (Some(beats), Event::Joined(member) | Event::Left(member)) => beats.found(&member.name, now),
            (_, Event::Updated(_)) | (None, _) => {}
        }
        let (what, member) = match event {
            Event::Joined(member) => ("NodeJoin", member),
            Event::Left(member) | Event::Failed(member) => ("NodeLeave", member),
            Event::Updated(member) => ("NodeUpdate", member),
        };
        let Member { name: node, address, .. } = member;
        tracing::info!(node, %address, event = what, "node event - forcing sync");
        self.metrics.events.with_label_values(&[what]).inc();
    }

    /// Keeps in mind who has left of its own will, as long as it is away.
    fn note_goodbye(&mut self, event: &Event) {
        match event {
            Event::Left(member) if self.left.len() < LONGEST_LEFT => {
                self.left.insert(member.name.clone());
            }
            Event::Joined(member) | Event::Failed(member) => {
                self.left.remove(&member.name);
            }
            Event::Left(_) | Event::Updated(_) => {}
        }
    }

    /// Tells the heartbeats who is there.
    pub(super) fn meet(&mut self, now: Duration) {
        self.names = self.machine.members().map(|member| (member.address, member.name.clone())).collect();
        self.addresses = self.names.keys().map(SocketAddr::ip).collect();
        if let Some(beats) = self.beats.as_mut() {
            let members = self.machine.members();
            let members =
                members.map(|member| (member.name.as_str(), member.address, member.meta.as_slice()));
            beats.set_members(members, now);
        }
    }

    /// Has a new secret wait for those who read it only when they start, as the original's speakers do: others that send
    /// with it would be dead to them. Those who send with it already know it.
    pub(super) fn wait_for_foreign(&mut self, now: Duration) {
        let knows = |member: &&Member| {
            let is_ours = member.name == self.settings.name || meta::decode(&member.meta).is_some();
            is_ours || self.ahead.contains(&member.address.ip())
        };
        let unaware = self.machine.members().filter(|member| !knows(member));
        let nodes: Vec<&str> = unaware.map(|member| member.name.as_str()).collect();
        if !nodes.is_empty() && self.secret.wait(now) {
            tracing::warn!(
                ?nodes,
                "memberlist: the speakers of these nodes read a new secret only when they start; until they are restarted \
                 or replaced by ones of this project, all send with the old one"
            );
        }
    }

    /// Tells the heartbeats whether others may still be found.
    pub(super) fn settle(&mut self, candidates: &BTreeSet<IpAddr>, now: Duration) {
        let has_joined = self.joins.has_joined(candidates, &self.addresses);
        // Who has another secret may answer for this node's addresses: there is time for its file to arrive here or there.
        let until = if self.joins.meets_strangers() { self.patient_until } else { Duration::ZERO };
        let Some(beats) = self.beats.as_mut() else { return };
        if beats.kept_out(until) {
            let patience = self.settings.handover.as_secs();
            tracing::warn!(
                "the speakers that are there have another memberlist secret: answering nothing until they are joined, \
                 for {patience} s at most; look at the Secret memberlist, or metallb-memberlist of the operator"
            );
        }
        self.is_stale |= beats.set_joined(has_joined, now);
    }

    /// Tells the rest of the speaker who counts, if that has changed.
    pub(super) fn publish(
        &mut self,
        published: &watch::Sender<Members>,
        candidates: Option<&BTreeSet<IpAddr>>,
        (asked, now): (u64, Duration),
    ) {
        let settles = || candidates.is_some_and(|known| self.joins.is_settled(known, &self.addresses, now));
        let (was_settled, was_asked) = (published.borrow().is_settled, published.borrow().asked);
        let is_settled = was_settled || settles();
        if !self.is_stale && is_settled == was_settled && asked == was_asked {
            return;
        }
        let is_fenced = self.beats.as_ref().is_some_and(Beats::is_fenced);
        // While the others are not heard there is no news to give.
        let asked = if is_fenced { was_asked } else { asked };
        let left = self.left.clone();
        let members = Members { is_settled, is_fenced, asked, left, ..self.members() };
        self.metrics.members.set(i64::try_from(members.alive.len()).unwrap_or(i64::MAX));
        published.send_if_modified(|last| {
            let is_same = last.alive == members.alive && last.starting == members.starting;
            let since = if is_same { last.since } else { now };
            if last.starting != members.starting && !members.has_foreign {
                tracing::info!(starting = ?members.starting, "speakers that start get no addresses yet");
            }
            let closings = last.closings + u64::from(is_fenced && !last.is_fenced);
            let members = Members { since, closings, ..members };
            let is_new = *last != members;
            *last = members;
            is_new
        });
        self.is_stale = false;
    }

    /// What members say of their subnets. What this one says counts as the others heard it.
    fn subnets_of_all(&self) -> Arc<BTreeMap<String, Vec<Prefix>>> {
        let told = self.machine.members();
        Arc::new(
            told.filter_map(|member| Some((member.name.clone(), meta::subnets(&member.meta)?))).collect(),
        )
    }

    /// Who is alive, and how ready they are.
    fn members(&self) -> Members {
        let mut members = Members { subnets: self.subnets_of_all(), ..Members::default() };
        let beats = self.beats.as_ref();
        for member in self.machine.members() {
            let announced = meta::decode(&member.meta);
            members.has_foreign |= announced.is_none();
            if !announced.is_some_and(|announced| announced.knows_terms) {
                members.plain.insert(member.name.clone());
            }
            if let Some(announced) = announced {
                members.boots.insert(member.name.clone(), announced.boot);
            }
            let is_held = beats.is_some_and(Beats::is_held);
            let is_down = beats.is_some_and(|beats| beats.is_down(&member.name));
            if is_down || is_held && member.name == self.settings.name {
                if is_held {
                    members.reluctant.insert(member.name.clone());
                }
                continue;
            }
            let is_starting = match beats.filter(|_| member.name == self.settings.name) {
                Some(beats) => beats.is_starting(),
                None => {
                    let is_starting = announced.is_some_and(|announced| announced.is_starting);
                    is_starting && !beats.is_some_and(|beats| beats.answers(&member.name))
                }
            };
            if is_starting {
                members.starting.insert(member.name.clone());
            }
            members.alive.insert(member.name.clone());
        }
        members
    }
}
