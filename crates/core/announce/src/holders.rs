//! What this speaker and the others hold, as it is used: who takes part, what is waited for, and what is heard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::company::Company;
use crate::footing::{Footing, Position};
use crate::tenure::Tenure;

/// The members of the ring, by their nodes.
#[derive(Clone, Copy, Debug)]
pub struct Roll<'a> {
    /// Those that count, or would if they did not start.
    pub alive: &'a BTreeSet<String>,
    /// What those that say so call their processes; those that are taken for dead among them.
    pub boots: &'a BTreeMap<String, u64>,
    /// Those that do not say that they know the elections advertisements may ask for.
    pub plain: &'a BTreeSet<String>,
    /// Those that answer for nothing yet.
    pub starting: &'a BTreeSet<String>,
}

/// What is held by whom, and whether that is known well enough to decide.
#[derive(Debug)]
pub struct Holders {
    /// The claims.
    pub tenure: Tenure,
    company: Company,
    footing: Footing,
    /// Whether the members have changed since they were heard.
    is_met: bool,
    /// Whether they were heard at all.
    has_begun: bool,
}

impl Holders {
    /// As the speaker of this node sees them, whose process starts now: `time_of_day` is counted from 1970.
    #[must_use]
    pub fn new(me: &str, time_of_day: Duration, now: Duration) -> Self {
        let (company, footing) = (Company::default(), Footing::default());
        let mut tenure = Tenure::new(me, now);
        tenure.set_clock(time_of_day, now);
        Self { tenure, company, footing, is_met: false, has_begun: false }
    }

    /// Takes in who the members are.
    pub fn meet(&mut self, roll: Roll<'_>, now: Duration) {
        self.company.set(roll.boots, roll.plain, now);
        self.is_met = true;
    }

    /// Whether the members are to be looked at anew though they have not changed.
    #[must_use]
    pub fn is_stale(&self, now: Duration) -> bool {
        self.company.next_deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Whether some member knows no election but the contract's.
    #[must_use]
    pub fn has_plain(&self) -> bool {
        self.company.has_plain()
    }

    /// Hears the others out, if it matters what they hold. False as long as that must be known before anything is decided.
    pub fn hear<'a>(
        &mut self,
        roll: Roll<'_>,
        (is_wanted, position): (bool, Position),
        letters: impl IntoIterator<Item = (&'a str, &'a [u8])>,
        now: Duration,
    ) -> bool {
        let Self { tenure, company, footing, is_met, has_begun } = self;
        if !std::mem::replace(has_begun, true) {
            tenure.begin(now);
        }
        tenure.look_at_clock(now);
        tenure.set_wanted(is_wanted);
        if !tenure.is_used() {
            tenure.rest();
            (*footing, *is_met) = (Footing::default(), true);
            return true;
        }
        footing.set(position, tenure, now);
        if std::mem::take(is_met) {
            tenure.set_peers(company.boots(), now);
            tenure.set_down(|node| !roll.alive.contains(node), now);
            tenure.set_starting(|node| roll.starting.contains(node));
        }
        letters.into_iter().for_each(|(from, bytes)| tenure.receive(from, bytes, now));
        tenure.tick(now);
        footing.is_sure(tenure, now)
    }

    /// Whether nothing is decided until the others have told what they hold.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.footing.is_waiting()
    }

    /// When there is something to do though nothing has changed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        let tenure = self.tenure.is_used().then(|| self.tenure.next_deadline()).flatten();
        tenure
            .into_iter()
            .chain(self.company.next_deadline())
            .chain(self.footing.next_deadline(&self.tenure))
            .min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenure::wire::{Word, decode};
    use crate::testing::ip;

    #[test]
    fn what_is_claimed_when_it_begins_to_matter_is_claimed_at_that_moment() {
        let at = Duration::from_secs;
        let (alive, boots) = (["n1".to_owned()].into(), [("n1".to_owned(), 1), ("n2".to_owned(), 2)].into());
        let (plain, starting) = (BTreeSet::new(), BTreeSet::new());
        let roll = Roll { alive: &alive, boots: &boots, plain: &plain, starting: &starting };
        let (address, mut holders) = (ip("192.0.2.1"), Holders::new("n1", Duration::ZERO, at(1)));
        assert!(holders.hear(roll, (false, Position::Open), [], at(1)));
        assert!(holders.hear(roll, (false, Position::Open), [], at(1000)));
        holders.tenure.claim(address);
        assert!(!holders.tenure.is_fresh("n1", &[address]));
        holders.meet(roll, at(1000));
        holders.hear(roll, (true, Position::Open), [], at(1000));
        holders.tenure.tell(at(1000));
        let words = std::iter::from_fn(|| holders.tenure.poll()).filter_map(|letter| decode(&letter.bytes));
        let claims = words.filter_map(|letter| match letter.word {
            Word::Changed { claims, .. } => Some(claims),
            _ => None,
        });
        assert_eq!(claims.collect::<Vec<_>>(), [vec![(address, 1000)]]);
    }

    #[test]
    fn a_process_is_young_from_when_it_may_claim_however_long_it_waited_for_the_api_server() {
        let (start, address) = (Duration::from_secs(1), ip("192.0.2.1"));
        let at = |seconds| start + Duration::from_secs(seconds);
        let (alive, boots) = (["n1".to_owned()].into(), [("n1".to_owned(), 1)].into());
        let (plain, starting) = (BTreeSet::new(), BTreeSet::new());
        let roll = Roll { alive: &alive, boots: &boots, plain: &plain, starting: &starting };
        let mut holders = Holders::new("n1", Duration::ZERO, start);
        holders.meet(roll, at(300));
        for (now, is_young) in [(300, true), (389, true), (391, false)] {
            assert!(holders.hear(roll, (true, Position::Open), [], at(now)));
            holders.tenure.claim(address);
            assert_eq!(holders.tenure.is_fresh("n1", &[address]), is_young, "after {now} s");
        }
    }
}
