//! One candidate of an election over a Lease, compatible with client-go's `leaderelection`.
//!
//! ```text
//!              Lease free, expired, or of our own earlier life: a write
//!   standby ──────────────────────────────────────────────▶ leading ──┐ every 2 s: a write
//!     ▲  │                                                   │   ▲    │
//!     │  │ nothing but 403 for a while                       │   └────┘
//!     │  ▼                                                   │
//!     │ alone ── any other answer that shows a leader ──┐    │ 10 s after the last write
//!     └─────────────────────────────────────────────────┴────┘ that was confirmed was sent
//! ```
//!
//! Why there are never two: a leader counts its 10 s from when it *sent* the last confirmed write; others count 15 s
//! from when they *saw* that write, which is later. No two clocks are compared, and they may run 30 % apart.

use std::time::Duration;

use crate::lease::{Draft, Observed, Record};

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

/// A point in time: how long after an origin the driver chose.
pub type Moment = Duration;

/// How long things take. By default client-go's figures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timings {
    /// How long others respect a Lease that does not change.
    pub respected: Duration,
    /// How long a leader goes on without a confirmed write.
    pub renew_deadline: Duration,
    /// From one try to the next.
    pub retry: Duration,
    /// A candidate that never could read a Lease leads without one after so long a time of refusals: long enough
    /// for roles that are created along with the pods.
    pub patience: Duration,
    /// The same for one that could: longer than any other replica may believe in what it saw.
    pub long_patience: Duration,
    /// How often it asks whether it is allowed by now.
    pub ask_again: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            respected: seconds(15),
            renew_deadline: seconds(10),
            retry: seconds(2),
            patience: seconds(4),
            long_patience: seconds(30),
            ask_again: seconds(20),
        }
    }
}

/// Who runs for office.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Candidate {
    /// What stands in `holderIdentity`: different for every process.
    pub identity: String,
    /// What the identities of earlier processes in the same pod begin with: they are dead, or this one would not
    /// run. Empty if there is no such thing.
    pub earlier_lives: String,
}

/// What happened.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Input {
    /// A watch shows this version.
    Seen(Observed),
    /// A watch shows that the Lease was deleted.
    Vanished,
    /// The answer to the last request.
    Answered(Answer),
    /// A deadline passed.
    Tick,
    /// Give up the office, and don't run again.
    Release,
}

/// What came of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Answer {
    /// The Lease is this; None: there is none.
    Read(Option<Observed>),
    /// It was written and is this now.
    Written(Observed),
    /// It was not written: there is another version, or none.
    Conflict,
    /// This process may not use Leases.
    Forbidden,
    /// Nobody knows.
    Failed,
}

/// What to ask the API server. One at a time: the next comes after the answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// Read the Lease.
    Read,
    /// Write it.
    Write(Draft),
}

/// A candidate and what it knows.
#[derive(Debug)]
pub struct Election {
    me: Candidate,
    timings: Timings,
    /// Keeps candidates from trying in the same moment.
    jitter: Duration,
    lease: Lease,
    /// The request under way, and when it was sent.
    under_way: Option<(Request, Moment)>,
    next_try: Moment,
    /// Writes in a row that were refused because of their version.
    conflicts: u32,
    leads_until: Option<Moment>,
    /// Until when somebody else may still believe in a Lease that is not there any more.
    respects_until: Moment,
    /// Whether a write of ours was confirmed since somebody else held the Lease.
    was_ours: bool,
    refused: Refused,
    alone: bool,
    releasing: bool,
}

/// The Lease, as far as is known.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Lease {
    Unknown,
    Missing,
    /// This version, first seen then.
    There(Observed, Moment),
}

/// How long nothing was answered but that Leases are forbidden.
#[derive(Debug, Default)]
struct Refused {
    since: Option<Moment>,
    /// Whether it was ever otherwise.
    was_allowed: bool,
}

impl Election {
    /// A candidate. `jitter` is at most one retry period, different for each process.
    #[must_use]
    pub fn new(me: Candidate, timings: Timings, jitter: Duration) -> Self {
        Self {
            me,
            timings,
            jitter,
            lease: Lease::Unknown,
            under_way: None,
            next_try: Moment::ZERO,
            conflicts: 0,
            leads_until: None,
            respects_until: Moment::ZERO,
            was_ours: false,
            refused: Refused::default(),
            alone: false,
            releasing: false,
        }
    }

    /// Takes in what happened at `now`.
    pub fn handle(&mut self, now: Moment, input: Input) {
        match input {
            Input::Seen(observed) => self.see(now, observed),
            Input::Vanished => self.lease = Lease::Unknown,
            Input::Answered(answer) => self.hear(now, answer),
            Input::Tick => {}
            Input::Release => self.releasing = true,
        }
    }

    /// The next request, if one is due and none is under way.
    pub fn poll_output(&mut self, now: Moment) -> Option<Request> {
        if self.under_way.is_some() || now < self.next_try() {
            return None;
        }
        let request = self.wanted(now)?;
        self.under_way = Some((request.clone(), now));
        // A leader's next renewal; whatever else is asked, its answer says when to ask again.
        self.next_try = now.saturating_add(self.timings.retry);
        Some(request)
    }

    /// When [`poll_output`](Self::poll_output) or [`is_leader`](Self::is_leader) may change without an input.
    #[must_use]
    pub fn next_deadline(&self, now: Moment) -> Option<Moment> {
        let request = self.under_way.is_none().then(|| self.next_request(now)).flatten();
        let ends = self.leads_until.filter(|moment| *moment > now);
        ends.into_iter().chain(request).min()
    }

    /// Whether this candidate may act as the leader.
    #[must_use]
    pub fn is_leader(&self, now: Moment) -> bool {
        !self.releasing && (self.alone || self.leads_until.is_some_and(|until| now < until))
    }

    /// Until when it may, without another answer; None: not at all, or without a limit when [alone](Self::is_alone).
    #[must_use]
    pub fn leads_until(&self) -> Option<Moment> {
        self.leads_until.filter(|_| !self.releasing)
    }

    /// Whether it leads because nobody may use Leases.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.alone && !self.releasing
    }

    /// Whether the office is given up, or was never held.
    #[must_use]
    pub fn is_released(&self) -> bool {
        self.releasing && self.under_way.is_none() && !self.has_to_release()
    }

    /// Who holds the Lease, as far as is known.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        match &self.lease {
            Lease::There(observed, _) => Some(&observed.record.holder),
            Lease::Unknown | Lease::Missing => None,
        }
    }

    fn see(&mut self, now: Moment, observed: Observed) {
        if let Lease::There(known, _) = &self.lease
            && (known.version == observed.version || observed.is_older_than(known))
        {
            return;
        }
        let Record { holder, respected, .. } = &observed.record;
        if *holder != self.me.identity {
            // Somebody else's word ends ours: it could only be written after our time, or by force.
            self.leads_until = None;
            self.was_ours = false;
            self.respects_until =
                if holder.is_empty() { Moment::ZERO } else { now.saturating_add(*respected) };
        }
        self.lease = Lease::There(observed, now);
        self.alone &= self.is_free(now);
        if self.is_free(now) && self.conflicts == 0 && self.leads_until.is_none() {
            self.next_try = now;
        }
    }

    fn hear(&mut self, now: Moment, answer: Answer) {
        let Some((_, sent)) = self.under_way.take() else { return };
        if answer != Answer::Forbidden && answer != Answer::Failed {
            self.refused = Refused { since: None, was_allowed: true };
        }
        match answer {
            Answer::Written(observed) => self.written(sent, observed),
            Answer::Read(observed) => self.read(now, observed),
            Answer::Conflict => {
                // Once it may be news we have not seen yet; more often others are at it.
                self.next_try = if self.conflicts == 0 { now } else { self.retry(now) };
                self.conflicts = self.conflicts.saturating_add(1);
                self.lease = Lease::Unknown;
            }
            Answer::Failed => {
                // An outage says nothing about rights, and others may have come into office meanwhile.
                self.refused.since = None;
                self.next_try = self.retry(now);
            }
            Answer::Forbidden => {
                self.refused.since.get_or_insert(now);
                self.consider_alone(now);
                let again = if self.alone { self.timings.ask_again } else { self.timings.retry };
                self.next_try = now.saturating_add(again);
            }
        }
    }

    fn written(&mut self, sent: Moment, observed: Observed) {
        self.conflicts = 0;
        self.alone = false;
        if let Lease::There(known, _) = &self.lease
            && observed.is_older_than(known)
            && known.record.holder != self.me.identity
        {
            // The watch was faster than the answer: by now somebody else stands there.
            return;
        }
        self.was_ours = observed.record.holder == self.me.identity;
        self.leads_until = self.was_ours.then(|| sent.saturating_add(self.timings.renew_deadline));
        self.next_try = sent.saturating_add(self.timings.retry);
        self.lease = Lease::There(observed, sent);
    }

    fn read(&mut self, now: Moment, observed: Option<Observed>) {
        match observed {
            Some(observed) => self.see(now, observed),
            None => self.lease = Lease::Missing,
        }
        self.next_try = now;
    }

    fn retry(&self, now: Moment) -> Moment {
        let jitter = if self.is_leader(now) { Duration::ZERO } else { self.jitter };
        now.saturating_add(self.timings.retry).saturating_add(jitter)
    }

    /// What to ask when it is time to ask.
    fn wanted(&self, now: Moment) -> Option<Request> {
        if self.releasing {
            return self.build_release();
        }
        match &self.lease {
            Lease::Unknown => Some(Request::Read),
            _ if self.alone && self.refused.since.is_some() => Some(Request::Read),
            _ if !self.is_free(now) => None,
            Lease::Missing => Some(Request::Write(self.build_claim(None))),
            Lease::There(observed, _) => Some(Request::Write(self.build_claim(Some(observed)))),
        }
    }

    /// Whether this candidate may write its name into the Lease as it is known.
    fn is_free(&self, now: Moment) -> bool {
        self.free_at().is_some_and(|free| free <= now)
    }

    /// From when on the Lease is free; None if it is not known.
    fn free_at(&self) -> Option<Moment> {
        match &self.lease {
            Lease::Unknown => None,
            Lease::Missing => Some(self.respects_until),
            Lease::There(observed, since) => {
                let Record { holder, respected, .. } = &observed.record;
                let ours = *holder == self.me.identity || self.is_earlier_life(holder);
                if ours || holder.is_empty() {
                    return Some(Moment::ZERO);
                }
                Some(since.saturating_add(*respected))
            }
        }
    }

    fn is_earlier_life(&self, holder: &str) -> bool {
        !self.me.earlier_lives.is_empty() && holder.starts_with(&self.me.earlier_lives)
    }

    fn next_request(&self, now: Moment) -> Option<Moment> {
        if self.releasing {
            return self.has_to_release().then(|| self.next_try().max(now));
        }
        let free = self.free_at().unwrap_or(now);
        Some(self.next_try().max(if self.alone { now } else { free }))
    }

    /// Giving up the office does not wait for the next renewal.
    fn next_try(&self) -> Moment {
        if self.releasing && self.conflicts == 0 { Moment::ZERO } else { self.next_try }
    }

    fn build_claim(&self, over: Option<&Observed>) -> Draft {
        let same = over.filter(|observed| observed.record.holder == self.me.identity);
        let next = |observed: &Observed| observed.record.transitions.saturating_add(1);
        Draft {
            over: over.map(|observed| observed.version.clone()),
            holder: self.me.identity.clone(),
            respected: self.timings.respected,
            acquired: same.and_then(|observed| observed.record.acquired),
            transitions: match same {
                Some(observed) => observed.record.transitions,
                None => over.map_or(0, next),
            },
        }
    }

    /// As client-go releases: nobody holds it, and nobody has to wait.
    fn build_release(&self) -> Option<Request> {
        let Lease::There(observed, _) = &self.lease else {
            return self.has_to_release().then_some(Request::Read);
        };
        self.has_to_release().then(|| {
            Request::Write(Draft {
                over: Some(observed.version.clone()),
                holder: String::new(),
                respected: Duration::from_secs(1),
                acquired: None,
                transitions: observed.record.transitions,
            })
        })
    }

    /// Whether others would wait for nothing if this candidate went now.
    fn has_to_release(&self) -> bool {
        match &self.lease {
            Lease::There(observed, _) => observed.record.holder == self.me.identity,
            Lease::Unknown => self.was_ours,
            Lease::Missing => false,
        }
    }

    fn runs_out(&self, since: Moment) -> Moment {
        let Timings { patience, long_patience, .. } = self.timings;
        since.saturating_add(if self.refused.was_allowed { long_patience } else { patience })
    }

    /// Leads without a Lease when nobody can have one. Whoever saw another one in office never does: that one will.
    fn consider_alone(&mut self, now: Moment) {
        let Some(since) = self.refused.since else { return };
        let others = self.holder().is_some_and(|holder| !holder.is_empty() && holder != self.me.identity);
        if now >= self.runs_out(since) && !others && !self.is_leader(now) {
            self.alone = true;
        }
    }
}
