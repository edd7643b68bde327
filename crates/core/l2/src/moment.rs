//! Time as the machines see it.

use std::ops::Add;
use std::time::Duration;

/// A point in time, counted from an origin the driver chose. Machines get it; they never ask for it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(
    /// Nanoseconds: good for 584 years.
    u64,
);

impl Moment {
    /// The moment this long after the origin.
    #[must_use]
    pub fn after_origin(elapsed: Duration) -> Self {
        Self(nanoseconds(elapsed))
    }

    /// How long after the origin this is.
    #[must_use]
    pub fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(span)))
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
