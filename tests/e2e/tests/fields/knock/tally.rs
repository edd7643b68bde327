//! What came of knocks: how many are lost, and who waited how long.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

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
        let first = self.knocks.first().map_or(self.end, |knock| knock.at);
        let lost = |knock: &Knock| Some((knock.at.duration_since(first), knock.outcome.err()?));
        self.knocks.iter().filter_map(lost).collect()
    }

    /// The longest time from a knock to the first answer to it or to a later one at the same door.
    pub(crate) fn longest_wait(&self) -> Duration {
        let (mut answered, mut longest) = (BTreeMap::new(), Duration::ZERO);
        for knock in self.knocks.iter().rev() {
            let answer = answered.entry(knock.door).or_insert(self.end);
            if let Ok(took) = knock.outcome {
                *answer = (*answer).min(knock.at + took);
            }
            longest = longest.max(answer.saturating_duration_since(knock.at));
        }
        longest
    }
}
