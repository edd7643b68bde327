//! Whom to join, and when: the labelled pods that are not members (contract 02 §1.3).
//!
//! The original tries all of them once a minute and when its node changes. Here a new address is tried at once, and
//! again after ever longer pauses: whoever appears in the API server is heard of within moments.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// Joins under way at a time. One that succeeds names all members, so most of the others need no attempt of their own.
const AT_ONCE: usize = 4;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The original tries once a minute, and for as long both sides of a partition that is over answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Those who can be reached answer within this time.
const SETTLING: Duration = Duration::from_secs(3);

/// The attempts made so far.
#[derive(Debug, Default)]
pub(super) struct Joins {
    attempts: BTreeMap<IpAddr, Attempt>,
    under_way: BTreeSet<IpAddr>,
    /// Those whose last answer was no understanding: they have another secret.
    strangers: BTreeSet<IpAddr>,
    /// When candidates were first known.
    began: Option<Duration>,
    /// When it was last asked who is due: deadlines before it are done with.
    looked: Duration,
    has_joined: bool,
    /// Whether the members may be those from before a gap: that they are listed proves nothing.
    has_stale_list: bool,
    /// Joined and attempted since the last summary.
    round: (usize, usize),
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    next: Duration,
    pause: Duration,
}

/// How a round of attempts ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Round {
    /// How many could be joined.
    pub(super) joined: usize,
    /// How many were tried.
    pub(super) expected: usize,
}

impl Joins {
    /// Whom to try to join now. Each must be [reported](Self::ended).
    pub(super) fn due(
        &mut self,
        candidates: &BTreeSet<IpAddr>,
        members: &BTreeSet<IpAddr>,
        now: Duration,
    ) -> Vec<IpAddr> {
        self.began.get_or_insert(now);
        self.looked = now;
        self.attempts.retain(|address, _| candidates.contains(address) && !members.contains(address));
        self.strangers.retain(|address| candidates.contains(address) && !members.contains(address));
        let wanted = candidates.difference(members).filter(|address| !self.under_way.contains(*address));
        let is_due =
            |address: &&IpAddr| self.attempts.get(*address).is_none_or(|attempt| attempt.next <= now);
        let free = AT_ONCE.saturating_sub(self.under_way.len());
        let due: Vec<IpAddr> = wanted.filter(is_due).take(free).copied().collect();
        self.under_way.extend(due.iter().copied());
        due
    }

    /// What was tried so far means nothing: this node was cut off, or stood still. Attempts still under way wait for
    /// answers that were lost.
    pub(super) fn begin_anew(&mut self) {
        self.attempts.clear();
        self.under_way.clear();
        self.strangers.clear();
        self.has_joined = false;
        // One that has just been started has no list from before.
        self.has_stale_list = self.began.is_some();
    }

    /// A member told all it knows.
    pub(super) fn heard(&mut self) {
        self.has_joined = true;
    }

    /// An attempt is over. Returns how the round went once no attempt is under way any more.
    pub(super) fn ended(&mut self, address: IpAddr, is_joined: bool, now: Duration) -> Option<Round> {
        self.under_way.remove(&address);
        let before = self.attempts.get(&address).map(|attempt| attempt.pause * 2);
        let pause = before.unwrap_or(FIRST_PAUSE).min(LONGEST_PAUSE);
        self.attempts.insert(address, Attempt { next: now + pause, pause });
        self.has_joined |= is_joined;
        self.round.0 += usize::from(is_joined);
        self.round.1 += 1;
        if !self.under_way.is_empty() {
            return None;
        }
        let (joined, expected) = std::mem::take(&mut self.round);
        Some(Round { joined, expected })
    }

    /// What the one that was tried is, as far as is known now: one that is gone is no stranger any more.
    pub(super) fn answered(&mut self, address: IpAddr, is_stranger: bool) {
        if is_stranger {
            self.strangers.insert(address);
        } else {
            self.strangers.remove(&address);
        }
    }

    /// Whether somebody is there who has another secret.
    pub(super) fn meets_strangers(&self) -> bool {
        !self.strangers.is_empty()
    }

    /// When somebody is due again, or the list is settled. While as many attempts as may be are under way, the end of
    /// one of them comes first.
    pub(super) fn next(&self) -> Option<Duration> {
        let has_room = self.under_way.len() < AT_ONCE;
        let idle = |(address, attempt): (&IpAddr, &Attempt)| {
            (has_room && !self.under_way.contains(address)).then_some(attempt.next)
        };
        let settling = self.began.map(|began| began + SETTLING).filter(|at| *at > self.looked);
        self.attempts.iter().filter_map(idle).chain(settling).min()
    }

    /// Whether one of the others was joined or [heard](Self::heard) since [it began](Self::begin_anew), or there is none.
    pub(super) fn has_joined(&self, candidates: &BTreeSet<IpAddr>, members: &BTreeSet<IpAddr>) -> bool {
        let is_list_true = !self.has_stale_list || members.len() <= 1;
        self.has_joined || is_list_true && candidates.is_subset(members)
    }

    /// Whether the others have been heard, there are none, or they had time enough.
    pub(super) fn is_settled(
        &self,
        candidates: &BTreeSet<IpAddr>,
        members: &BTreeSet<IpAddr>,
        now: Duration,
    ) -> bool {
        let Some(began) = self.began else { return false };
        let is_alone = || candidates.difference(members).all(|address| self.attempts.contains_key(address));
        self.has_joined || now >= began + SETTLING || self.under_way.is_empty() && is_alone()
    }
}

/// Whether there is no other speaker: no member, and no pod where one may be.
pub(super) fn is_alone(candidates: Option<&BTreeSet<IpAddr>>, members: &BTreeSet<IpAddr>) -> bool {
    candidates.is_some_and(|candidates| candidates.union(members).nth(1).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(last: &[u8]) -> BTreeSet<IpAddr> {
        last.iter().map(|last| IpAddr::from([192, 0, 2, *last])).collect()
    }

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_new_address_is_tried_at_once_and_a_member_never() {
        let mut joins = Joins::default();
        assert_eq!(joins.due(&set(&[1, 2, 3]), &set(&[1]), at(0)).len(), 2);
        assert!(joins.due(&set(&[1, 2, 3]), &set(&[1]), at(0)).is_empty());
        assert_eq!(joins.due(&set(&[1, 2, 3, 4]), &set(&[1]), at(1)).len(), 1);
    }

    #[test]
    fn few_attempts_are_under_way_at_a_time() {
        let mut joins = Joins::default();
        let many: Vec<u8> = (1..=100).collect();
        assert_eq!(joins.due(&set(&many), &set(&[]), at(0)).len(), AT_ONCE);
        assert_eq!(joins.due(&set(&many), &set(&[]), at(0)).len(), 0);
        joins.ended([192, 0, 2, 1].into(), true, at(5));
        // The one that answered named everybody.
        assert!(joins.due(&set(&many), &set(&many), at(5)).is_empty());
    }

    #[test]
    fn an_address_that_does_not_answer_is_tried_again_after_ever_longer_pauses() {
        let mut joins = Joins::default();
        let (mut now, mut pauses) = (at(0), Vec::new());
        for _ in 0..9 {
            assert_eq!(joins.due(&set(&[2]), &set(&[]), now).len(), 1);
            joins.ended([192, 0, 2, 2].into(), false, now);
            assert!(joins.due(&set(&[2]), &set(&[]), now).is_empty());
            let next = joins.attempts.values().next().unwrap().next;
            pauses.push((next - now).as_secs());
            now = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 8, 8, 8, 8, 8]);
        // One that was a member and is lost is new again.
        assert!(joins.due(&set(&[2]), &set(&[2]), now).is_empty());
        assert_eq!(joins.due(&set(&[2]), &set(&[]), now).len(), 1);
    }

    #[test]
    fn a_round_is_summed_up_when_its_last_attempt_is_over() {
        let mut joins = Joins::default();
        joins.due(&set(&[1, 2]), &set(&[]), at(0));
        assert_eq!(joins.ended([192, 0, 2, 1].into(), true, at(1)), None);
        let round = joins.ended([192, 0, 2, 2].into(), false, at(2));
        assert_eq!(round, Some(Round { joined: 1, expected: 2 }));
    }

    #[test]
    fn the_list_is_settled_when_others_were_heard_or_had_their_time() {
        let (nobody, two) = (set(&[]), set(&[1, 2]));
        let mut joins = Joins::default();
        assert!(!joins.is_settled(&nobody, &nobody, at(0)), "nothing is known yet");
        joins.due(&set(&[1]), &set(&[1]), at(0));
        assert!(joins.is_settled(&set(&[1]), &set(&[1]), at(0)), "there is nobody else");
        let mut joins = Joins::default();
        joins.due(&two, &nobody, at(0));
        assert!(!joins.is_settled(&two, &nobody, at(1)));
        joins.ended([192, 0, 2, 1].into(), false, at(2));
        assert!(!joins.is_settled(&two, &nobody, at(2)), "one may still answer");
        assert!(joins.is_settled(&two, &nobody, at(3000)), "too late");
        joins.ended([192, 0, 2, 2].into(), true, at(4));
        assert!(joins.is_settled(&two, &nobody, at(4)), "one has answered");
    }

    #[test]
    fn one_that_nobody_answered_has_not_joined_while_somebody_is_missing() {
        let (nobody, me, both) = (set(&[]), set(&[1]), set(&[1, 2]));
        let mut joins = Joins::default();
        assert!(joins.has_joined(&nobody, &me) && joins.has_joined(&me, &me), "nobody else is there");
        assert!(joins.has_joined(&both, &both), "the other one has joined us");
        joins.due(&both, &me, at(0));
        joins.ended([192, 0, 2, 2].into(), false, at(5000));
        assert!(!joins.has_joined(&both, &me));
        joins.ended([192, 0, 2, 2].into(), true, at(6000));
        assert!(joins.has_joined(&both, &me));
    }

    #[test]
    fn one_that_was_cut_off_joins_anew_at_once_and_has_not_joined_before() {
        let (me, all) = (set(&[1]), set(&[1, 2, 3, 4, 5, 6]));
        let mut joins = Joins::default();
        joins.due(&all, &me, at(0));
        joins.ended([192, 0, 2, 2].into(), true, at(10));
        joins.due(&all, &me, at(10));
        assert!(joins.has_joined(&all, &me) && joins.due(&all, &me, at(20)).is_empty());
        joins.begin_anew();
        assert!(!joins.has_joined(&all, &me));
        assert_eq!(joins.due(&all, &me, at(20)).len(), AT_ONCE, "what hangs holds up nobody");
        joins.ended([192, 0, 2, 3].into(), false, at(30));
        assert!(!joins.has_joined(&all, &me));
        joins.ended([192, 0, 2, 2].into(), true, at(40));
        assert!(joins.has_joined(&all, &me));
    }

    #[test]
    fn one_that_was_cut_off_does_not_trust_its_list_until_a_member_of_it_was_heard() {
        let all = set(&[1, 2, 3]);
        let mut joins = Joins::default();
        joins.begin_anew();
        joins.due(&all, &all, at(0));
        assert!(joins.has_joined(&all, &all), "it has just been started, and all have joined it");
        for _ in 0..2 {
            joins.begin_anew();
            joins.due(&all, &all, at(10));
            assert!(!joins.has_joined(&all, &all), "they may have taken over meanwhile");
            joins.heard();
            assert!(joins.has_joined(&all, &all));
        }
    }

    #[test]
    fn one_that_was_cut_off_and_lists_only_itself_waits_for_nobody_but_missing_ones() {
        let (me, both) = (set(&[1]), set(&[1, 2]));
        let mut joins = Joins::default();
        joins.due(&me, &me, at(0));
        joins.begin_anew();
        assert!(joins.has_joined(&me, &me) && joins.has_joined(&set(&[]), &me), "nobody else is there");
        assert!(!joins.has_joined(&both, &me));
    }

    #[test]
    fn one_with_another_secret_is_met_until_it_is_joined_gone_or_no_candidate_any_more() {
        let (me, all) = (set(&[1]), set(&[1, 2, 3]));
        let stranger = IpAddr::from([192, 0, 2, 2]);
        let meeting = || {
            let mut joins = Joins::default();
            joins.due(&all, &me, at(0));
            assert!(!joins.meets_strangers());
            joins.answered(stranger, true);
            joins.answered([192, 0, 2, 3].into(), false);
            assert!(joins.meets_strangers(), "another one's silence is not its own");
            joins
        };
        let mut joins = meeting();
        joins.answered(stranger, false);
        assert!(!joins.meets_strangers(), "it is gone, or knows the secret now");
        let mut joins = meeting();
        joins.due(&all, &set(&[1, 2]), at(10));
        assert!(!joins.meets_strangers(), "it has joined us");
        let mut joins = meeting();
        joins.due(&set(&[1, 3]), &me, at(10));
        assert!(!joins.meets_strangers(), "its pod is gone");
        let mut joins = meeting();
        joins.begin_anew();
        assert!(!joins.meets_strangers(), "that was before");
    }

    #[test]
    fn what_is_over_or_must_wait_for_others_wakes_nobody() {
        let mut joins = Joins::default();
        joins.due(&set(&[1]), &set(&[1]), at(0));
        assert_eq!(joins.next(), Some(at(3000)), "the list is settled then at the latest");
        joins.due(&set(&[1]), &set(&[1]), at(3000));
        assert_eq!(joins.next(), None, "it is, and nobody is missing");
        let mut joins = Joins::default();
        joins.due(&set(&[2]), &set(&[]), at(0));
        joins.ended([192, 0, 2, 2].into(), false, at(10));
        assert_eq!(joins.due(&set(&[2, 3, 4, 5, 6]), &set(&[]), at(20)).len(), 4);
        assert_eq!(joins.due(&set(&[2, 3, 4, 5, 6]), &set(&[]), at(5000)).len(), 0);
        assert_eq!(joins.next(), None, "one is due, but all the others are under way");
        joins.ended([192, 0, 2, 3].into(), false, at(5001));
        assert_eq!(joins.next(), Some(at(1010)));
    }

    #[test]
    fn one_is_alone_when_neither_a_member_nor_a_pod_is_another() {
        for (candidates, members, expected) in [
            (Some(set(&[1])), set(&[1]), true),
            (Some(set(&[])), set(&[1]), true),
            (Some(set(&[1, 2])), set(&[1]), false),
            (Some(set(&[1])), set(&[1, 2]), false),
            (None, set(&[1]), false),
        ] {
            assert_eq!(is_alone(candidates.as_ref(), &members), expected, "{candidates:?} {members:?}");
        }
    }
}
