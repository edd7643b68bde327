//! How long a suspect has to speak up (Lifeguard's suspicion): the more members suspect it, the shorter.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::Settings;

use super::scale;

/// One suspect's time. It begins with the longest and shrinks with each further accuser.
#[derive(Debug)]
pub(super) struct Suspicion {
    since: Duration,
    shortest: Duration,
    longest: Duration,
    /// How many further accusers bring it down to the shortest.
    wanted: u32,
    confirmed: u32,
    accusers: BTreeSet<String>,
}

impl Suspicion {
    /// Accused by `accuser` among so many members, itself and the suspect included.
    pub(super) fn new(accuser: String, members: usize, settings: &Settings, now: Duration) -> Self {
        let mult = settings.suspicion_mult;
        let shortest = scale::suspicion_timeout(mult, members, settings.probe_interval);
        // Nobody's probes are in step: two accusers less than there are intervals. In a small cluster there are not
        // enough others to wait for, who are neither accuser nor suspect.
        let wanted = mult.saturating_sub(2);
        let others = members.saturating_sub(2);
        Self {
            since: now,
            shortest,
            longest: shortest.saturating_mul(settings.suspicion_max_timeout_mult),
            wanted: if others < wanted as usize { 0 } else { wanted },
            confirmed: 0,
            accusers: BTreeSet::from([accuser]),
        }
    }

    /// Another accusation. Whether it is news.
    pub(super) fn confirm(&mut self, accuser: &str) -> bool {
        if self.confirmed >= self.wanted || !self.accusers.insert(accuser.to_owned()) {
            return false;
        }
        self.confirmed += 1;
        true
    }

    /// What has passed of its time does not count.
    pub(super) fn renew(&mut self, now: Duration) {
        self.since = now;
    }

    /// When the suspect counts as dead.
    pub(super) fn ends(&self) -> Duration {
        self.since.saturating_add(self.lasts())
    }

    fn lasts(&self) -> Duration {
        if self.confirmed >= self.wanted {
            return self.shortest;
        }
        let share = f64::from(self.confirmed).ln_1p() / f64::from(self.wanted).ln_1p();
        let spread = self.longest.as_secs_f64() - self.shortest.as_secs_f64();
        let left = self.longest.as_secs_f64() - share * spread;
        scale::seconds((left * 1000.0).floor() / 1000.0).max(self.shortest)
    }
}
