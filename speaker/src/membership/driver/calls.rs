//! When one that hears nobody exchanges state with somebody, or one that stood still, or is deaf: without memberlist's port.

use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Memberlist itself exchanges as often.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The exchanges of one that is forsaken: after ever longer pauses, for the others may all be dead. Those of one that is deaf
/// tell it that it is suspected, and the others that it lives, before the suspicion ends.
#[derive(Debug)]
pub(super) struct Calls {
    next: Duration,
    pause: Duration,
    is_forsaken: bool,
    /// Whether one is due whoever is heard: this node was cut off, or stood still.
    is_owed: bool,
    /// Whether one has failed since somebody was heard.
    has_failed: bool,
}

impl Calls {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            next: now + FIRST_PAUSE,
            pause: FIRST_PAUSE,
            is_forsaken: false,
            is_owed: false,
            has_failed: false,
        }
    }

    /// This node was cut off, or stood still: it calls at once, for what it lists may be long gone.
    pub(super) fn begin_anew(&mut self, now: Duration) {
        (self.next, self.pause, self.is_owed) = (now, FIRST_PAUSE, true);
    }

    /// Whether to call somebody now. The first that is heard again can tell what was missed.
    pub(super) fn is_due(&mut self, is_forsaken: bool, is_deaf: bool, now: Duration) -> bool {
        let was_forsaken = std::mem::replace(&mut self.is_forsaken, is_forsaken);
        let is_owed = std::mem::take(&mut self.is_owed);
        if !is_forsaken {
            (self.next, self.pause) = (self.next.min(now + FIRST_PAUSE), FIRST_PAUSE);
            self.has_failed = false;
            if was_forsaken || !(is_deaf || is_owed) {
                return was_forsaken;
            }
        }
        if now < self.next {
            return false;
        }
        self.next = now + self.pause;
        self.pause = LONGEST_PAUSE.min(self.pause * 2);
        true
    }

    /// Whether a failure is no news.
    pub(super) fn is_known_to_fail(&mut self) -> bool {
        std::mem::replace(&mut self.has_failed, self.is_forsaken) && self.is_forsaken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The seconds, of so many, in which one that is forsaken calls.
    fn due(calls: &mut Calls, seconds: std::ops::Range<u64>) -> Vec<u64> {
        seconds.filter(|second| calls.is_due(true, false, at(*second))).collect()
    }

    #[test]
    fn one_that_hears_nobody_calls_after_ever_longer_pauses_until_somebody_is_heard() {
        let mut calls = Calls::new(at(0));
        assert!(!calls.is_due(false, false, at(0)));
        assert_eq!(due(&mut calls, 0..200), [1, 2, 4, 8, 16, 32, 64, 124, 184]);
        assert!(calls.is_due(false, false, at(200)), "who is heard can tell what was missed");
        assert!(!calls.is_due(false, false, at(201)), "once");
        assert_eq!(due(&mut calls, 250..260), [250, 251, 253, 257]);
    }

    #[test]
    fn one_that_was_cut_off_calls_at_once() {
        let mut calls = Calls::new(at(0));
        due(&mut calls, 0..100);
        calls.begin_anew(at(100));
        assert_eq!(due(&mut calls, 100..110), [100, 101, 103, 107]);
    }

    #[test]
    fn one_that_stood_still_calls_once_whoever_is_heard() {
        for is_deaf in [false, true] {
            let mut calls = Calls::new(at(0));
            assert!(!calls.is_due(false, false, at(10)));
            calls.begin_anew(at(10));
            assert!(calls.is_due(false, is_deaf, at(10)), "those it lists may have taken over");
            assert!(!calls.is_due(false, is_deaf, at(10)));
            assert!(!calls.is_due(false, false, at(20)), "one exchange is enough");
        }
    }

    #[test]
    fn only_the_first_failure_of_one_that_hears_nobody_is_news() {
        let mut calls = Calls::new(at(0));
        calls.is_due(false, false, at(1));
        assert!(!calls.is_known_to_fail() && !calls.is_known_to_fail(), "others are heard: each is");
        calls.is_due(true, false, at(2));
        assert!(!calls.is_known_to_fail() && calls.is_known_to_fail() && calls.is_known_to_fail());
        calls.is_due(false, false, at(3));
        calls.is_due(true, false, at(4));
        assert!(!calls.is_known_to_fail());
    }

    #[test]
    fn one_that_is_deaf_calls_every_second_while_it_hears_heartbeats_and_not_after_it() {
        let mut calls = Calls::new(at(0));
        let mut due = |is_forsaken, is_deaf, seconds: std::ops::Range<u64>| {
            seconds.filter(|second| calls.is_due(is_forsaken, is_deaf, at(*second))).collect::<Vec<_>>()
        };
        assert_eq!(due(false, true, 0..5), [1, 2, 3, 4]);
        assert_eq!(due(true, true, 5..20), [5, 7, 11, 19]);
        assert_eq!(due(false, true, 20..23), [20, 21, 22], "the first is heard again");
        assert!(due(false, false, 23..30).is_empty());
    }
}
