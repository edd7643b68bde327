//! Suspicions and verdicts.

use std::time::Duration;

use super::Liveness;
use super::peer::{Fall, Falls, Peer, Suspicion};
use crate::Settings;
use crate::output::{Action, Note};
use crate::wire::{Claim, Evidence, Flags, Verdict};

/// Once in so many periods a watcher is asked whether a member is still down.
const ASK: u32 = 5;

/// Of so many times one that does not watch it asks the member itself: in a large ring everybody does, at one.
const ASK_ITSELF: u32 = 4;

/// No more of them in one period, however many are down.
pub(super) const QUESTIONS: usize = 16;

impl Liveness {
    /// Looks at everybody this node watches.
    pub(super) fn judge_all(&mut self, now: Duration) {
        for boot in self.neighbours.clone() {
            self.suspect_if_silent(boot, self.patience_with(boot), now);
            self.judge(boot, now);
            let suspicion = self.peers.get(&boot).and_then(|peer| peer.suspicion);
            let is_old = suspicion.is_some_and(|suspicion| now >= suspicion.since + self.settings.period);
            // Not for each refusal: what is asked is refused as well.
            if is_old && self.last_beat == now {
                self.ask_about(boot);
            }
        }
    }

    fn patience_with(&self, boot: u64) -> Duration {
        self.peers.get(&boot).map_or(Duration::MAX, |peer| peer.timeout(&self.settings))
    }

    /// Suspects a member that was silent for that long.
    pub(super) fn suspect_if_silent(&mut self, boot: u64, patience: Duration, now: Duration) {
        let Some(peer) = self.peers.get(&boot) else { return };
        let due = peer.suspect_at(patience, &self.settings, self.anew, self.lenient_until);
        let watched = peer.fall.is_none() && peer.suspicion.is_none() && self.neighbours.contains(&boot);
        if watched && due.is_some_and(|due| now >= due) {
            self.suspect(boot, Evidence::Silent, now);
        }
    }

    /// A closed port: the process is gone, or a firewall says so.
    pub(super) fn take_refusal(&mut self, boot: u64, now: Duration) {
        let Some(peer) = self.peers.get_mut(&boot) else { return };
        if peer.heard.is_none() || peer.fall.is_some() || peer.refuses_alive {
            return;
        }
        match &mut peer.suspicion {
            Some(Suspicion { evidence: Evidence::Refused, .. }) => {}
            Some(suspicion) => suspicion.evidence = Evidence::Refused,
            None => self.suspect(boot, Evidence::Refused, now),
        }
        self.judge(boot, now);
    }

    /// One behind a closed fence judges nobody: what it does not hear may be its own fault.
    fn suspect(&mut self, boot: u64, evidence: Evidence, now: Duration) {
        let open = !self.fence.is_closed();
        let Some(peer) = self.peers.get_mut(&boot).filter(|_| open) else { return };
        peer.suspicion = Some(Suspicion { since: now, evidence });
        let (name, silent) = (peer.name.clone(), now.saturating_sub(peer.heard.unwrap_or(now)));
        self.counters.suspicions += 1;
        self.note(Note::Suspected { name, evidence, silent });
        self.ask_about(boot);
    }

    /// Tells the other watchers, and asks the accused itself.
    fn ask_about(&mut self, boot: u64) {
        let Some(peer) = self.peers.get(&boot) else { return };
        let Some(suspicion) = peer.suspicion else { return };
        let (verdict, evidence) = (Verdict::Suspect, suspicion.evidence);
        let claim = Claim { verdict, about: boot, beat: peer.beat, evidence };
        let watchers = self.watchers_of(peer.place, boot);
        self.claim_to(watchers.into_iter().chain([boot]), claim);
        self.beat_to([boot], Flags::PROMPT);
    }

    /// Whether a suspect falls.
    pub(super) fn judge(&mut self, boot: u64, now: Duration) {
        let Some(peer) = self.peers.get(&boot).filter(|peer| peer.fall.is_none()) else { return };
        let Some(suspicion) = peer.suspicion else { return };
        let since_heard = |at: &Duration| peer.heard.is_none_or(|heard| *at >= heard);
        let Settings { silence, grace, lone, alone, .. } = self.settings;
        let agreed = peer.witnesses.values().any(since_heard);
        let vouched = |time: Duration| peer.vouched.is_some_and(|at| now < at + time);
        let waited = |time: Duration| now >= suspicion.since + time;
        // It answers memberlist: only this layer does not reach it. Nobody would take over, or both would answer.
        let answers = |at: Duration| at >= suspicion.since && now < at + silence;
        let lives = peer.elsewhere.is_some_and(answers) && !peer.is_gone();
        let is_only_watcher = self.is_only_watcher(boot);
        let is_doubtful = !agreed && self.is_doubtful(boot, is_only_watcher, now);
        let falls = if agreed || is_only_watcher {
            // A port is closed where no process is, or where a firewall says so: the other port tells which it is.
            suspicion.evidence == Evidence::Refused && peer.is_gone() || waited(grace)
        } else if is_doubtful {
            waited(alone) && peer.elsewhere.is_none_or(|at| at < suspicion.since)
        } else {
            waited(lone) && !vouched(lone)
        };
        if lives && waited(alone) {
            let name = peer.name.clone();
            self.peers.get_mut(&boot).into_iter().for_each(Peer::look_away);
            self.note(Note::Overruled(name));
        } else if falls && !lives {
            self.counters.verdicts += 1;
            let (beat, evidence) = (peer.beat, suspicion.evidence);
            let claim = Claim { verdict: Verdict::Down, about: boot, beat, evidence };
            let was_watched = self.fell(boot, claim, now);
            if is_doubtful {
                // Whoever hears of it proves that this node was the one cut off: only the accused is told, to refute it.
                self.doubt_falls();
                self.claim_to([boot], claim);
            } else {
                self.spread(claim, was_watched);
            }
        }
    }

    /// Members that are silent or refuse what is sent: whether memberlist [hears](Self::heard_elsewhere) them within the
    /// grace that suspects have, or is [refused](Self::refused_elsewhere) as well, decides whether they fall.
    pub fn doubted(&self) -> impl Iterator<Item = &str> {
        let neighbours = self.neighbours.iter().filter_map(|boot| self.peers.get(boot));
        neighbours.filter(|peer| peer.suspicion.is_some()).map(|peer| peer.name.as_str())
    }

    /// Whether nobody else could bear witness: the other watchers are down, or refuse what is sent.
    fn is_only_watcher(&self, boot: u64) -> bool {
        let Some(peer) = self.peers.get(&boot) else { return false };
        let gone = |other: u64| {
            let suspicion = self.peers.get(&other).and_then(|other| other.suspicion);
            suspicion.is_some_and(|suspicion| suspicion.evidence == Evidence::Refused)
        };
        self.watchers_of(peer.place, boot).into_iter().all(|other| other == self.boot || gone(other))
    }

    /// Whether this node hears nobody, but perhaps the accused: then the fault may be its own.
    pub(super) fn is_isolated(&self, accused: Option<u64>, now: Duration) -> bool {
        let hears = |boot: &u64| {
            let peer = self.peers.get(boot);
            Some(*boot) != accused && peer.is_some_and(|peer| peer.heard_within(self.settings.silence, now))
        };
        !self.neighbours.iter().any(hears)
    }

    /// Whether this node hears nobody, and has only itself to believe: that it is the one that is cut off, or that all
    /// others fell, some of them by such a verdict.
    fn is_doubtful(&self, accused: u64, is_only_watcher: bool, now: Duration) -> bool {
        let fall = |boot: &u64| self.peers.get(boot)?.fall.as_ref();
        let is_any_doubtful = || self.down.iter().filter_map(fall).any(|fall| fall.is_doubtful);
        self.is_isolated(Some(accused), now) && (!is_only_watcher || is_any_doubtful())
    }

    /// What was found before may be wrong by now: others lived on.
    pub(super) fn doubt_falls(&mut self) {
        let falls = self.peers.values_mut().filter_map(|peer| peer.fall.as_mut());
        falls.for_each(|fall| fall.is_doubtful = true);
    }

    /// The silence was this node's own: the others get the time to be heard.
    pub(super) fn begin_anew(&mut self, now: Duration) {
        (self.anew, self.punctual) = (now, now);
        self.peers.values_mut().for_each(|peer| peer.suspicion = None);
    }

    /// A member does not count any more. Whether this node watched it, and did not hear so before.
    pub(super) fn fell(&mut self, boot: u64, claim: Claim, now: Duration) -> bool {
        let was_watched = self.neighbours.contains(&boot);
        let Some(peer) = self.peers.get_mut(&boot).filter(|peer| peer.fall.is_none()) else { return false };
        let falls = Falls::add(self.falls.get(&boot), &self.settings, now);
        let hold = if self.has_foreign { Duration::ZERO } else { falls.hold(&self.settings) };
        self.falls.insert(boot, falls);
        let beat = claim.beat.max(peer.beat);
        let (evidence, held_until) = (claim.evidence, now + hold);
        let (since, last) = (now, now);
        let (is_back, is_doubtful, fresh) = (false, false, 0);
        peer.fall = Some(Fall { beat, since, evidence, held_until, is_back, is_doubtful, fresh, last });
        peer.suspicion = None;
        peer.asked = Some(now);
        let name = peer.name.clone();
        self.down.insert(boot);
        self.fence.forget(boot);
        self.actions.push_back(Action::Down(name.clone()));
        if !hold.is_zero() {
            self.note(Note::Held { name, hold });
        }
        self.look_around();
        was_watched
    }

    /// Whoever watched one that fell tells everybody, so the word gets through losses.
    pub(super) fn spread(&mut self, claim: Claim, was_watched: bool) {
        // What waited for one that stood still is no news.
        if was_watched && !self.fence.is_closed() {
            let receivers = self.everybody().into_iter().chain([claim.about]);
            self.claim_to(receivers, claim);
        }
    }

    /// One that was down holds this node down as well: what flaps is the link between them. Nobody would answer until the
    /// hold ends, or both sides would.
    pub(super) fn share_blame(&mut self, boot: u64, now: Duration) {
        let Some(peer) = self.peers.get_mut(&boot) else { return };
        let beat = peer.beat;
        if let Some(fall) = peer.fall.as_mut().filter(|fall| beat > fall.beat) {
            fall.held_until = fall.held_until.min(now);
        }
    }

    /// A member counts again.
    pub(super) fn rose(&mut self, boot: u64, beat: u64, tell: bool, now: Duration) {
        let Some(peer) = self.peers.get_mut(&boot) else { return };
        let Some(fall) = peer.fall.take() else { return };
        peer.risen = beat.max(fall.beat + 1);
        peer.witnesses.clear();
        if !peer.heard_within(self.settings.silence, now) {
            peer.look_away();
        }
        let (name, is_starting) = (peer.name.clone(), peer.is_starting);
        self.down.remove(&boot);
        self.actions.push_back(Action::Up(name));
        if is_starting {
            // It may answer since long: the word of it was lost while it was not to be reached.
            self.beat_to([boot], Flags::PROMPT);
        }
        self.look_around();
        // Where one is back, others may be: a partition may have ended.
        let down = self.down.iter();
        for boot in down {
            self.peers.get_mut(boot).into_iter().for_each(|peer| peer.asked = None);
        }
        if tell {
            let claim = Claim { verdict: Verdict::Alive, about: boot, beat, evidence: Evidence::Silent };
            let receivers = self.everybody();
            self.claim_to(receivers, claim);
        }
    }

    /// Verdicts of others are asked about; those that memberlist does not share, after all this time, mean that this
    /// layer does not reach the member.
    pub(super) fn review_fallen(&mut self, now: Duration) {
        let mut questions = QUESTIONS;
        for boot in self.down.clone() {
            let Some(peer) = self.peers.get(&boot) else { continue };
            let Some(fall) = &peer.fall else { continue };
            let Settings { alone, verdict, .. } = self.settings;
            let quiet = now >= fall.last + alone && now >= fall.held_until;
            // While it was held it was heard: what memberlist heard then says nothing of the time since.
            let proof = peer.elsewhere.is_some_and(|at| at > fall.last + alone);
            if quiet && (proof || now >= fall.held_until + verdict) {
                let (name, beat) = (peer.name.clone(), peer.beat);
                self.note(Note::Overruled(name));
                self.rose(boot, beat, false, now);
            } else if questions > 0 {
                questions -= usize::from(self.ask_whether_still_down(boot, now));
            }
        }
    }

    /// Whether it is time to ask a fallen member itself.
    fn may_ask_itself(&mut self, boot: u64, now: Duration) -> bool {
        let is_watched = self.kin.contains(&boot);
        let pause = self.settings.period * ASK * ASK_ITSELF;
        let Some(peer) = self.peers.get_mut(&boot) else { return false };
        let may_ask = is_watched || peer.asked_itself.is_none_or(|at| now >= at + pause);
        if may_ask {
            peer.asked_itself = Some(now);
        }
        may_ask
    }

    /// Word that a member is back may have been lost, or have come before memberlist told of its new life.
    fn ask_whether_still_down(&mut self, boot: u64, now: Duration) -> bool {
        let due = |asked: Duration| now >= asked + self.settings.period * ASK;
        let Some(peer) = self.peers.get_mut(&boot).filter(|peer| peer.asked.is_none_or(due)) else {
            return false;
        };
        peer.asked = Some(now);
        let place = peer.place;
        let Some(fall) = &peer.fall else { return false };
        let (about, beat, evidence) = (boot, fall.beat, fall.evidence);
        let me = self.boot;
        let watchers: Vec<u64> =
            self.watchers_of(place, boot).into_iter().filter(|watcher| *watcher != me).collect();
        let one = watchers.iter().cycle().nth(usize::try_from(self.beat % 8).unwrap_or(0)).copied();
        // Its watchers may not be to be reached, or not know this node. If it is counted by others, it knows itself.
        let itself = self.may_ask_itself(boot, now).then_some(boot);
        self.claim_to(one.into_iter().chain(itself), Claim { verdict: Verdict::Ask, about, beat, evidence });
        true
    }
}
