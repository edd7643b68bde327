//! Time that neither jumps nor runs backwards.

use std::time::Duration;

/// Whoever is not asked for that long was frozen, or had no processor: deadlines are never further ahead than half of
/// it.
const LONGEST_STEP: Duration = Duration::from_millis(500);

/// Counts what the caller's clock shows, as long as it goes on in steps of a bounded length. While a clock is set back
/// time stands still; a longer step, because the clock was set or the process was frozen, counts for little. So no
/// deadline passes in a moment in which nobody could have kept it.
#[derive(Debug)]
pub(super) struct Clock {
    outside: Duration,
    inside: Duration,
}

/// What came of a look at the clock.
pub(super) struct Reading {
    /// The time inside.
    pub(super) now: Duration,
    /// Whether nothing was done for longer than there was time.
    pub(super) was_frozen: bool,
}

impl Clock {
    pub(super) fn new(outside: Duration) -> Self {
        Self { outside, inside: Duration::ZERO }
    }

    /// The time inside when the caller's clock shows `outside`.
    pub(super) fn read(&mut self, outside: Duration) -> Reading {
        let step = outside.saturating_sub(self.outside);
        let was_frozen = step > LONGEST_STEP;
        // Not nothing: somebody who is always late gets on, too.
        let counts = if was_frozen { LONGEST_STEP / 10 } else { step };
        self.outside = outside;
        self.inside = self.inside.saturating_add(counts);
        Reading { now: self.inside, was_frozen }
    }

    /// What the caller's clock will show then. At most half a step ahead, so that the steps of a caller who is a
    /// little late count in full.
    pub(super) fn to_outside(&self, inside: Duration) -> Duration {
        let ahead = inside.saturating_sub(self.inside).min(LONGEST_STEP / 2);
        self.outside.saturating_add(ahead)
    }
}
