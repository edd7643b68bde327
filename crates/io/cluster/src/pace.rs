//! How fast failing calls are repeated.

use std::time::Duration;

use kube::runtime::utils::Backoff;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// Doubling pauses from 100 ms to 5 s: short enough that an API server that comes back
/// is noticed at once, long enough that a missing one costs nothing.
#[derive(Clone, Debug)]
pub struct Pace {
    next: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Iterator for Pace {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(LONGEST);
        Some(pause)
    }
}

impl Backoff for Pace {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_start_over_after_a_success() {
        let mut pace = Pace::default();
        let millis: Vec<u128> = pace.by_ref().take(8).map(|pause| pause.as_millis()).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        pace.reset();
        assert_eq!(pace.next(), Some(FIRST));
    }
}
