//! Datagrams of others.

use std::net::SocketAddr;
use std::time::Duration;

use super::Liveness;
use super::judge::QUESTIONS;
use super::peer::{Fall, Peer};
use crate::Settings;
use crate::auth::KeyId;
use crate::output::{Action, Note};
use crate::wire::{Body, Claim, Datagram, Evidence, Flags, Verdict};

impl Liveness {
    /// Believes a datagram, if it is new, for this life of this node, and from a member.
    pub(super) fn take(&mut self, from: SocketAddr, datagram: &Datagram, key: Option<KeyId>, now: Duration) {
        let Datagram { from: sender, to, sequence, body } = datagram;
        let known = self.peers.get_mut(sender).filter(|_| *to == self.boot);
        let Some(peer) = known else {
            self.counters.unknown += 1;
            return;
        };
        if self.keys.is_plain() && from.ip().to_canonical() != peer.address.ip().to_canonical() {
            self.counters.forged += 1;
            return;
        }
        let last = match body {
            Body::Heartbeat { .. } => &mut peer.beat,
            Body::Claim(_) => &mut peer.claim,
        };
        if *sequence <= *last {
            self.counters.replayed += 1;
            return;
        }
        *last = *sequence;
        self.counters.received += 1;
        match body {
            Body::Heartbeat { flags, echo } => {
                peer.key = key;
                self.take_heartbeat(*sender, *flags, *echo, now);
            }
            Body::Claim(claim) => self.take_claim(*sender, *claim, now),
        }
    }

    fn take_heartbeat(&mut self, sender: u64, flags: Flags, echo: u64, now: Duration) {
        let watched = self.neighbours.contains(&sender) || self.kin.contains(&sender);
        let hears = watched && self.fence.trusts(echo);
        let Some(peer) = self.peers.get_mut(&sender) else { return };
        if flags.has(Flags::WANT) {
            peer.wanted = Some(now);
            if !watched {
                self.guests.insert(sender);
            }
        }
        if hears && self.is_isolated(None, now) {
            self.begin_anew(now);
            self.forgive_long_silence(now);
        }
        if flags.has(Flags::ANSWERS) {
            self.learn_that_it_answers(sender);
        }
        if flags.has(Flags::DOWN) {
            self.share_blame(sender, now);
        }
        let Some(peer) = self.peers.get_mut(&sender) else { return };
        if hears {
            peer.hear(&self.settings, self.punctual, now);
        }
        let is_new = watched && peer.news > 0;
        peer.news -= u8::from(is_new);
        let fallen_by = peer.fall.as_ref().map(|fall| fall.evidence);
        peer.refuses_alive |= flags.has(Flags::REFUTE) && fallen_by == Some(Evidence::Refused);
        if is_back(peer, flags, &self.settings, now) {
            let beat = peer.beat;
            // Who does not watch it hears it only when it speaks to everybody.
            self.rose(sender, beat, watched, now);
        }
        if flags.has(Flags::PROMPT) {
            self.beat_to([sender], Flags::default());
        }
        self.take_standing(sender, flags, echo, now);
        if is_new {
            self.tell_newcomer(sender, now);
        }
    }

    fn learn_that_it_answers(&mut self, sender: u64) {
        let Some(peer) = self.peers.get_mut(&sender) else { return };
        if std::mem::take(&mut peer.is_starting) {
            let name = peer.name.clone();
            self.actions.push_back(Action::Answers(name));
        }
    }

    /// A new process was told by memberlist only, which may count one for a while that fell before. It never heard that
    /// one and would not find it silent.
    fn tell_newcomer(&mut self, newcomer: u64, now: Duration) {
        if self.fence.is_closed() || self.down.contains(&newcomer) {
            return;
        }
        let listed = self.peers.get(&newcomer).map_or(now, |peer| peer.listed);
        // One that was there already knows; and one that was cut off may be wrong about all who fell.
        let is_news = |fall: &&Fall| now >= fall.held_until && fall.since <= listed && !fall.is_doubtful;
        let fallen = |boot: &u64| {
            let fall = self.peers.get(boot)?.fall.as_ref().filter(is_news)?;
            Some(Claim { verdict: Verdict::Down, about: *boot, beat: fall.beat, evidence: fall.evidence })
        };
        let claims: Vec<Claim> = self.down.iter().filter_map(fallen).take(QUESTIONS).collect();
        claims.into_iter().for_each(|claim| self.claim_to([newcomer], claim));
    }

    /// The first is heard after a long time in which nobody was: memberlist may have told the others of this node's death,
    /// and they are silent until it told them better.
    fn forgive_long_silence(&mut self, now: Duration) {
        let latest = self.neighbours.iter().filter_map(|boot| self.peers.get(boot)?.heard).max();
        if !self.neighbours.is_empty() && latest.is_none_or(|heard| now >= heard + self.settings.alone) {
            self.peers.values_mut().for_each(Peer::look_away);
        }
    }

    fn take_claim(&mut self, sender: u64, claim: Claim, now: Duration) {
        // What one that does not count says of others does not count either; but it may accuse this node, to be answered.
        if self.down.contains(&sender) && claim.about != self.boot {
            return;
        }
        match claim.verdict {
            Verdict::Suspect if claim.about == self.boot => self.answer_accuser(sender),
            Verdict::Suspect => self.take_suspicion(sender, claim, now),
            Verdict::Down if claim.about == self.boot => self.refute(now),
            Verdict::Down => self.take_verdict(sender, claim, now),
            Verdict::Alive => self.take_vouching(claim, now),
            Verdict::Ask if claim.about == self.boot => self.answer_doubter(sender),
            Verdict::Ask => self.answer_about(sender, claim, now),
        }
    }

    /// Suspected, and alive: those who watch this node hear so at once.
    fn answer_accuser(&mut self, accuser: u64) {
        let mut receivers = self.neighbours.clone();
        if !receivers.contains(&accuser) {
            receivers.push(accuser);
        }
        self.beat_to(receivers, Flags::default());
    }

    /// Somebody holds this node down: it may not have heard that others count it.
    fn answer_doubter(&mut self, doubter: u64) {
        if !self.fence.is_closed() {
            self.beat_to([doubter], Flags::REFUTE);
        }
    }

    fn take_suspicion(&mut self, witness: u64, claim: Claim, now: Duration) {
        let about = claim.about;
        self.answer_about(witness, claim, now);
        let Some(peer) = self.peers.get_mut(&about).filter(|peer| peer.fall.is_none()) else { return };
        peer.witnesses.insert(witness, now);
        if peer.suspicion.is_none() && peer.heard.is_some() {
            // Is the port closed to this node as well?
            self.beat_to([about], Flags::PROMPT);
        }
        self.suspect_if_silent(about, self.settings.silence, now);
        self.judge(about, now);
    }

    /// What this node knows about one in doubt.
    fn answer_about(&mut self, asker: u64, claim: Claim, now: Duration) {
        let Claim { about, beat, .. } = claim;
        let Some(peer) = self.peers.get(&about) else { return };
        let (verdict, evidence, known) = match &peer.fall {
            Some(fall) => (Verdict::Down, fall.evidence, fall.beat),
            None => (Verdict::Alive, Evidence::Silent, peer.beat),
        };
        let hears = peer.heard_within(self.settings.period * 3 / 2, now) && peer.suspicion.is_none();
        // One that stood still knows no verdicts of now.
        if verdict == Verdict::Down && !self.fence.is_closed() || hears && known >= beat {
            self.claim_to([asker], Claim { verdict, about, beat: known, evidence });
        }
    }

    /// Somebody else's verdict, unless this node knows better.
    fn take_verdict(&mut self, by: u64, claim: Claim, now: Duration) {
        let Claim { about, beat, .. } = claim;
        let Some(peer) = self.peers.get(&about) else { return };
        if beat < peer.beat.max(peer.risen) {
            if peer.fall.is_none() && peer.heard_within(self.settings.period * 3 / 2, now) {
                let alive = Claim { verdict: Verdict::Alive, beat: peer.beat, ..claim };
                self.claim_to([by], alive);
            }
            return;
        }
        if peer.fall.is_some() {
            return;
        }
        let name = peer.name.clone();
        let by = self.peers.get(&by).map_or_else(String::new, |peer| peer.name.clone());
        self.note(Note::Told { name, by });
        let was_watched = self.fell(about, claim, now);
        self.spread(claim, was_watched);
    }

    /// Somebody hears the one that is suspected, or down, here.
    fn take_vouching(&mut self, claim: Claim, now: Duration) {
        let Some(peer) = self.peers.get_mut(&claim.about) else { return };
        peer.vouched = Some(now);
        let contradicts = peer.fall.as_ref().is_some_and(|fall| claim.beat > fall.beat);
        if contradicts {
            self.rose(claim.about, claim.beat, false, now);
        }
    }
}

/// Whether a heartbeat makes a fallen member count again.
fn is_back(peer: &mut Peer, flags: Flags, settings: &Settings, now: Duration) -> bool {
    let beat = peer.beat;
    let Some(fall) = peer.fall.as_mut().filter(|fall| beat > fall.beat) else { return false };
    let Fall { fresh, last, held_until, is_back, .. } = fall;
    let refuted = flags.has(Flags::REFUTE);
    if now > *last + settings.silence {
        *fresh = 0;
    }
    // One that wakes has many questions to answer at once: that is one sign of life.
    if *fresh == 0 || now >= *last + settings.period / 2 {
        *fresh = fresh.saturating_add(1);
        *last = now;
    }
    *is_back = refuted || *fresh >= settings.fresh;
    *is_back && now >= *held_until
}
