//! What came of knocks: how many are lost, who waited how long, and how long of it others waited as well.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Beyond this a knock of a control waited. An answer takes 1 to 5 ms where nothing is in the way.
const NOISE: Duration = Duration::from_millis(20);

/// One knock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Knock {
    pub(super) door: SocketAddr,
    pub(super) at: Instant,
    /// How long its answer took, or why there is none.
    pub(super) outcome: Result<Duration, ErrorKind>,
}

/// All knocks, in the order in which they were made.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(super) knocks: Vec<Knock>,
    pub(super) end: Instant,
}

impl Tally {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.knocks.len()
    }

    /// Those nobody answered: when, seen from the first one, and why.
    pub(crate) fn lost(&self) -> Vec<(Duration, ErrorKind)> {
        let first = self.first();
        let lost = |knock: &Knock| Some((knock.at.duration_since(first), knock.outcome.err()?));
        self.knocks.iter().filter_map(lost).collect()
    }

    /// The longest time from a knock to the first answer to it or to a later one at the same door.
    pub(crate) fn longest_wait(&self) -> Duration {
        self.waits().into_iter().map(Wait::length).max().unwrap_or_default()
    }

    /// The longest wait, each without the part of it in which the control waited as well: what those who come by another way
    /// to the same pods wait for at the same time is no matter of these doors. Where the control is answered quickly, a wait
    /// counts in full.
    pub(crate) fn longest_beyond(&self, control: &Self) -> Duration {
        self.worst(control).map_or(Duration::ZERO, Compared::beyond)
    }

    /// When that wait began, seen from the first knock, its whole length, and what the control waited then.
    pub(crate) fn tell_worst(&self, control: &Self) -> String {
        self.worst(control).map_or_else(String::new, |Compared { wait, shared }| {
            format!(
                "the knock made {} ms after the first one waited {} ms for an answer, the control waited for {} ms of them",
                wait.from.saturating_duration_since(self.first()).as_millis(),
                wait.length().as_millis(),
                shared.as_millis(),
            )
        })
    }

    fn worst(&self, control: &Self) -> Option<Compared> {
        let noise = control.noise();
        let shared = |wait: Wait| noise.iter().map(|span| wait.shared(*span)).sum::<Duration>();
        let compared = |wait: Wait| Compared { wait, shared: shared(wait) };
        self.waits().into_iter().map(compared).max_by_key(|compared| compared.beyond())
    }

    /// When the first knock was made.
    fn first(&self) -> Instant {
        self.knocks.first().map_or(self.end, |knock| knock.at)
    }

    /// When somebody waited for longer than answers take.
    fn noise(&self) -> Vec<Wait> {
        let mut waits = self.waits();
        waits.retain(|wait| wait.length() > NOISE);
        united(waits)
    }

    /// The wait of each knock, the last one first. That another door is answered ends none.
    fn waits(&self) -> Vec<Wait> {
        let mut answered: BTreeMap<SocketAddr, Instant> = BTreeMap::new();
        let wait = |knock: &Knock| {
            let later = answered.get(&knock.door).copied().unwrap_or(self.end);
            let to = knock.outcome.map_or(later, |took| later.min(knock.at + took));
            answered.insert(knock.door, to);
            Wait { from: knock.at, to }
        };
        self.knocks.iter().rev().map(wait).collect()
    }
}

/// From a knock to the answer that ended its wait.
#[derive(Clone, Copy, Debug)]
struct Wait {
    from: Instant,
    to: Instant,
}

impl Wait {
    fn length(self) -> Duration {
        self.to.saturating_duration_since(self.from)
    }

    /// How long both last at once.
    fn shared(self, other: Self) -> Duration {
        self.to.min(other.to).saturating_duration_since(self.from.max(other.from))
    }
}

/// The same times in spans that have nothing in common.
fn united(mut waits: Vec<Wait>) -> Vec<Wait> {
    waits.sort_by_key(|wait| wait.from);
    let mut spans: Vec<Wait> = Vec::new();
    for wait in waits {
        match spans.last_mut() {
            Some(last) if wait.from <= last.to => last.to = last.to.max(wait.to),
            _ => spans.push(wait),
        }
    }
    spans
}

/// A wait, and how long of it the control waited as well.
#[derive(Clone, Copy, Debug)]
struct Compared {
    wait: Wait,
    shared: Duration,
}

impl Compared {
    fn beyond(self) -> Duration {
        self.wait.length().saturating_sub(self.shared)
    }
}
