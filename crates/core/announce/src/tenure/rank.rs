//! How a claim stands among others: the lower, the better.

use std::time::Duration;

/// When it was made, in seconds, and one more than that of the owner before at least; 0 is nobody's. Two bits mark it.
pub(super) type Rank = u32;

/// Of a holder that may have lost it unawares, or that does not know all the others hold: behind everybody else.
pub(super) const WEAK: Rank = 1 << 31;
/// Of one that claimed it while nobody remembered anything, a moment ago. It stands no worse for that.
pub(super) const FRESH: Rank = 1 << 30;
/// The number alone.
pub(super) const COUNT: Rank = FRESH - 1;

/// When the count of seconds begins: in 2020. It lasts until 2054.
const BEGIN: Duration = Duration::from_secs(1_577_836_800);

/// What clocks say that are further on: behind all that are right, and with room for later owners.
const LATEST: Rank = COUNT - (1 << 16);

/// How a claim stands beside another one of the same address.
pub(super) fn standing(rank: Rank) -> Rank {
    rank & !FRESH
}

/// The seconds, by a clock that was right when the process started and was never set since.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seconds {
    /// How far it is ahead of the clock this process goes by.
    ahead: Duration,
    current: Rank,
}

impl Seconds {
    /// It is so late (since 1970) now.
    pub(super) fn set(&mut self, time_of_day: Duration, now: Duration) {
        self.ahead = time_of_day.saturating_sub(BEGIN).saturating_sub(now);
        self.tick(now);
    }

    pub(super) fn tick(&mut self, now: Duration) {
        self.current = Rank::try_from((self.ahead + now).as_secs()).unwrap_or(LATEST).min(LATEST);
    }

    /// The number of a claim made now, after an owner with that one; 0 if there was none.
    pub(super) fn after(self, before: Rank) -> Rank {
        before.saturating_add(1).max(self.current).min(COUNT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_has_the_time_it_was_made_and_stands_behind_the_owner_before() {
        let at = Duration::from_secs;
        for (time_of_day, started, now, before, expected, why) in [
            (BEGIN + at(50), at(7), at(7), 0, 50, "it was made then"),
            (BEGIN + at(50), at(7), at(17), 0, 60, "time has passed"),
            (BEGIN + at(50), at(7), at(17), 40, 60, "an owner long ago"),
            (BEGIN + at(50), at(7), at(17), 60, 61, "in the same second"),
            (BEGIN + at(50), at(7), at(17), 99, 100, "another one's clock is ahead"),
            (BEGIN + at(50), at(7), at(17), COUNT, COUNT, "there is no later one"),
            (Duration::MAX, at(7), at(7), 41, LATEST, "after the end of the count"),
            (Duration::MAX, at(7), at(7), LATEST, LATEST + 1, "an owner after it"),
            (at(0), at(0), at(0), 0, 1, "a clock that was never set, just started"),
            (at(0), at(7), at(9), 11, 12, "a clock that was never set"),
        ] {
            let mut seconds = Seconds::default();
            seconds.set(time_of_day, started);
            seconds.tick(now);
            assert_eq!(seconds.after(before), expected, "{why}");
        }
    }
}
