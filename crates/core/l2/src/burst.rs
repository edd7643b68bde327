//! When gratuitous packets go out: at once, then every 1.1 s until 5 s have passed (contract 02 §2.8).
//!
//! ```text
//!            Announce, Begin: a round at once
//!   idle ────────────────────────────────────────▶ bursting ──┐ deadline passed: a round
//!     ▲                                                │      │ Announce again: until = now + 5 s
//!     │                                                │      │ Begin again: the same, and a round at once
//!     └────────────────────────────────────────────────┘ ◀────┘
//!       Withdraw, or the next round lies beyond `until`
//! ```

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use crate::moment::Moment;

#[cfg(test)]
mod tests;

/// From one round to the next.
const INTERVAL: Duration = Duration::from_millis(1100);
/// How long after the last announcement rounds are repeated.
const LENGTH: Duration = Duration::from_secs(5);

/// What a burst is about.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Subject {
    /// One address, on all links it is announced on.
    Address(IpAddr),
    /// All addresses announced on the link with this index.
    Link(u32),
}

/// What happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Input {
    /// The subject has to be made known again.
    Announce(Subject),
    /// The subject starts, or somebody can be told of it only now: what was said of it before was not for them.
    Begin(Subject),
    /// The subject is no longer announced.
    Withdraw(Subject),
    /// A deadline passed.
    Tick,
}

/// A round of gratuitous packets to send now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Round {
    /// What to announce.
    pub subject: Subject,
    /// Whether it is the one that a burst begins with that was [begun](Input::Begin).
    pub is_first: bool,
}

/// The bursts under way.
#[derive(Debug, Default)]
pub struct Burst {
    schedules: HashMap<Subject, Schedule>,
    /// The same by time, for the next deadline.
    queue: BTreeSet<(Moment, Subject)>,
    due: VecDeque<Subject>,
}

#[derive(Clone, Copy, Debug)]
struct Schedule {
    next: Moment,
    until: Moment,
    /// A round is due and not yet handed out.
    due: bool,
    /// It is the first one.
    is_first: bool,
}

impl Burst {
    /// Takes in what happened at `now`; rounds that follow from it wait in [`Self::poll_output`].
    pub fn handle(&mut self, now: Moment, input: Input) {
        match input {
            Input::Announce(subject) => self.announce(now, subject, false),
            Input::Begin(subject) => {
                self.forget(subject);
                self.announce(now, subject, true);
            }
            Input::Withdraw(subject) => self.forget(subject),
            Input::Tick => self.tick(now),
        }
    }

    /// The next round to send, if one is due. A subject withdrawn meanwhile has none.
    pub fn poll_output(&mut self) -> Option<Round> {
        loop {
            let subject = self.due.pop_front()?;
            let Some(schedule) = self.schedules.get_mut(&subject) else { continue };
            if std::mem::take(&mut schedule.due) {
                return Some(Round { subject, is_first: schedule.is_first });
            }
        }
    }

    /// Whether the subject is made known again and again for now.
    #[must_use]
    pub fn is_under_way(&self, subject: Subject) -> bool {
        self.schedules.contains_key(&subject)
    }

    /// When [`Input::Tick`] is wanted next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.queue.first().map(|(at, _)| *at)
    }

    fn announce(&mut self, now: Moment, subject: Subject, is_first: bool) {
        let until = now + LENGTH;
        if let Some(schedule) = self.schedules.get_mut(&subject) {
            schedule.until = until;
            return;
        }
        self.schedule_round(now, subject, (until, is_first));
    }

    fn tick(&mut self, now: Moment) {
        while let Some((at, subject)) = self.queue.first().copied().filter(|(at, _)| *at <= now) {
            self.queue.remove(&(at, subject));
            let Some(schedule) = self.schedules.get(&subject).copied() else { continue };
            if at > schedule.until {
                self.schedules.remove(&subject);
                self.give_back();
                continue;
            }
            // A first round that nobody asked for yet is still to come.
            self.schedule_round(now, subject, (schedule.until, schedule.due && schedule.is_first));
        }
    }

    /// A round now, and the next one counted from now: a driver that was late does not send rounds in a row.
    fn schedule_round(&mut self, now: Moment, subject: Subject, (until, is_first): (Moment, bool)) {
        let next = now + INTERVAL;
        self.due.push_back(subject);
        self.queue.insert((next, subject));
        self.schedules.insert(subject, Schedule { next, until, due: true, is_first });
    }

    /// Thousands of addresses may burst at once, and then none for months.
    fn give_back(&mut self) {
        if self.schedules.is_empty() {
            self.schedules.shrink_to_fit();
            self.due.shrink_to_fit();
        }
    }

    fn forget(&mut self, subject: Subject) {
        if let Some(schedule) = self.schedules.remove(&subject) {
            self.queue.remove(&(schedule.next, subject));
        }
    }
}
