//! What is known about another member.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::Settings;
use crate::auth::KeyId;
use crate::watch::Place;
use crate::wire::Evidence;

/// Of the longest pause, this part is forgotten with each heartbeat: half of it in about 20 s.
const FORGET: u32 = 256;

/// So many heartbeats of a new process are answered with the verdicts that stand: one answer may be lost.
const NEWS: u8 = 3;

/// A node that is late itself excuses others' silence for so many periods, at most: those who live were heard whenever it
/// did run.
const LENIENCE: u32 = 2;

/// A member as this node sees it.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) place: Place,
    /// Since when memberlist counts it.
    pub(super) listed: Duration,
    /// It answers for nothing yet: neither its metadata nor a heartbeat says that it does.
    pub(super) is_starting: bool,
    /// Its last heartbeat's sequence, against replays.
    pub(super) beat: u64,
    /// Its last claim's sequence.
    pub(super) claim: u64,
    /// When it was last heard, since this node watches it.
    pub(super) heard: Option<Duration>,
    /// The longest pause between heartbeats lately.
    pause: Duration,
    /// When it last asked for heartbeats.
    pub(super) wanted: Option<Duration>,
    /// The key of its last heartbeat.
    pub(super) key: Option<KeyId>,
    /// When memberlist last heard from it.
    pub(super) elsewhere: Option<Duration>,
    /// When its port of memberlist was last found closed.
    pub(super) closed: Option<Duration>,
    pub(super) suspicion: Option<Suspicion>,
    /// Who suspects it, and since when.
    pub(super) witnesses: BTreeMap<u64, Duration>,
    /// When somebody last said that it lives.
    pub(super) vouched: Option<Duration>,
    /// Its port was closed to this node while it lived: refusals mean nothing.
    pub(super) refuses_alive: bool,
    pub(super) fall: Option<Fall>,
    /// When somebody was last asked whether it is still down.
    pub(super) asked: Option<Duration>,
    /// When it was last asked itself.
    pub(super) asked_itself: Option<Duration>,
    /// How often it is yet to be told who is down.
    pub(super) news: u8,
    /// Its last sequence when it last rose: verdicts from before are void.
    pub(super) risen: u64,
}

/// Why and since when a member is suspected here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspicion {
    pub(super) since: Duration,
    pub(super) evidence: Evidence,
}

/// A verdict.
#[derive(Clone, Debug)]
pub(super) struct Fall {
    /// What was known of its heartbeats; later ones contradict.
    pub(super) beat: u64,
    pub(super) since: Duration,
    pub(super) evidence: Evidence,
    /// It does not count before, whatever is heard.
    pub(super) held_until: Duration,
    /// It is heard well, and would count if it were not held.
    pub(super) is_back: bool,
    /// Found by one that heard nobody, or that stood still or was cut off since: nobody is told of it later.
    pub(super) is_doubtful: bool,
    /// Heartbeats heard since.
    pub(super) fresh: u8,
    /// When the last of them came.
    pub(super) last: Duration,
}

impl Fall {
    /// The verdict as it stands for the next life of the member. A process that ended and was started again does not
    /// come and go: nothing holds it.
    pub(super) fn of_an_earlier_life(&self) -> Self {
        let (held_until, evidence) = (self.since, Evidence::Silent);
        Self { beat: 0, evidence, held_until, is_back: false, fresh: 0, ..self.clone() }
    }
}

/// What is remembered of a life that memberlist does not list for a while.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// Its last sequences, against replays.
    beat: u64,
    claim: u64,
    /// Verdicts from before this heartbeat are void: memberlist has overruled them.
    risen: u64,
}

/// How often one life of a member fell lately.
#[derive(Clone, Copy, Debug)]
pub(super) struct Falls {
    count: u32,
    /// A fall before is one of a series.
    pub(super) until: Duration,
}

impl Falls {
    /// One more.
    pub(super) fn add(before: Option<&Self>, settings: &Settings, now: Duration) -> Self {
        let lately = before.filter(|falls| now < falls.until);
        let count = lately.map_or(0, |falls| falls.count).saturating_add(1);
        let falls = Self { count, until: now };
        Self { until: now + falls.hold(settings) + settings.flapping, ..falls }
    }

    /// How long the member stays down.
    pub(super) fn hold(&self, settings: &Settings) -> Duration {
        let Some(doublings) = self.count.checked_sub(3) else { return Duration::ZERO };
        settings.hold.saturating_mul(1 << doublings.min(16)).min(settings.hold_at_most)
    }
}

impl Peer {
    pub(super) fn new(name: String, boot: u64, memory: Option<Memory>, now: Duration) -> Self {
        let news = if memory.is_none() { NEWS } else { 0 };
        let Memory { beat, claim, risen } = memory.unwrap_or_default();
        Self {
            place: Place::of(&name, boot),
            listed: now,
            is_starting: true,
            name,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            beat,
            claim,
            heard: None,
            pause: Duration::ZERO,
            wanted: None,
            key: None,
            elsewhere: None,
            closed: None,
            suspicion: None,
            witnesses: BTreeMap::new(),
            vouched: None,
            refuses_alive: false,
            fall: None,
            asked: None,
            asked_itself: None,
            news,
            risen,
        }
    }

    /// What is to be remembered.
    pub(super) fn into_memory(self) -> Memory {
        let Self { beat, claim, risen, fall, .. } = self;
        Memory { beat, claim, risen: fall.map_or(risen, |fall| risen.max(fall.beat + 1)) }
    }

    /// It is not watched any more, so its silence means nothing.
    pub(super) fn look_away(&mut self) {
        self.heard = None;
        self.suspicion = None;
        self.pause = Duration::ZERO;
    }

    /// It was heard, by one that was on time since then.
    pub(super) fn hear(&mut self, settings: &Settings, punctual: Duration, now: Duration) {
        if let Some(before) = self.heard {
            let pause = now.saturating_sub(before);
            self.pause -= self.pause / FORGET;
            // One that ended in a verdict, or was longer still, was an outage: the next need not be as long.
            if before >= punctual && pause < settings.patience && self.fall.is_none() {
                self.pause = self.pause.max(pause);
            }
        }
        self.heard = Some(now);
        let suspected = self.suspicion.map(|suspicion| (suspicion.evidence, suspicion.since));
        let fallen = self.fall.as_ref().map(|fall| (fall.evidence, fall.since));
        if let Some((Evidence::Refused, since)) = suspected.or(fallen) {
            // What was sent before the process went may come after the word that it is gone.
            if now <= since + settings.period / 5 {
                return;
            }
            self.refuses_alive = true;
        }
        self.suspicion = None;
        self.witnesses.clear();
    }

    /// Whether there is no process any more: since anything was heard of it, memberlist's port was closed.
    pub(super) fn is_gone(&self) -> bool {
        let last = self.heard.max(self.elsewhere);
        self.closed.is_some_and(|closed| last.is_none_or(|last| last <= closed))
    }

    /// Silence that makes it suspect.
    pub(super) fn timeout(&self, settings: &Settings) -> Duration {
        let irregular = self.pause.saturating_sub(settings.period);
        (settings.silence + irregular).min(settings.patience.max(settings.silence))
    }

    /// Whether it was heard within that time.
    pub(super) fn heard_within(&self, time: Duration, now: Duration) -> bool {
        self.heard.is_some_and(|heard| now <= heard + time)
    }

    /// When that long a silence makes it suspect.
    pub(super) fn suspect_at(
        &self,
        patience: Duration,
        settings: &Settings,
        anew: Duration,
        lenient: Duration,
    ) -> Option<Duration> {
        let due = self.heard?.max(anew).saturating_add(patience);
        Some(due.max(lenient.min(due.saturating_add(settings.period * LENIENCE))))
    }

    /// When it may become suspect, or a suspect may fall.
    pub(super) fn next_judgement(
        &self,
        settings: &Settings,
        anew: Duration,
        lenient: Duration,
    ) -> Option<Duration> {
        if self.fall.is_some() {
            return None;
        }
        match self.suspicion {
            Some(suspicion) => Some(suspicion.since + settings.grace),
            None => self.suspect_at(self.timeout(settings), settings, anew, lenient),
        }
    }
}
