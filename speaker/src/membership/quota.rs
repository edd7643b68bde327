//! Log lines that strangers can cause: only so many of them.

use std::time::Duration;

/// Lines at once; after them there is one a [`PAUSE`].
const AT_ONCE: u32 = 50;
const PAUSE: Duration = Duration::from_secs(1);

/// What may still be written.
#[derive(Debug)]
pub(super) struct Quota {
    left: u32,
    /// Up to when what is left was added up.
    counted: Duration,
    withheld: u64,
}

impl Quota {
    pub(super) fn new(now: Duration) -> Self {
        Self { left: AT_ONCE, counted: now, withheld: 0 }
    }

    /// How many lines were withheld since the last one, if another may be written now.
    pub(super) fn take(&mut self, now: Duration) -> Option<u64> {
        while self.left < AT_ONCE && now >= self.counted + PAUSE {
            self.left += 1;
            self.counted += PAUSE;
        }
        if self.left == AT_ONCE {
            self.counted = now;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(std::mem::take(&mut self.withheld))
            }
            None => {
                self.withheld += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_a_burst_and_then_a_line_a_second_that_tells_how_many_there_were() {
        let at = Duration::from_millis;
        let mut quota = Quota::new(at(0));
        assert!((0..AT_ONCE).all(|_| quota.take(at(10_000)) == Some(0)));
        assert!((0..1000).all(|_| quota.take(at(10_999)).is_none()));
        assert_eq!(quota.take(at(11_000)), Some(1000));
        assert_eq!(quota.take(at(11_000)), None);
        // An hour later all is as at the start.
        assert_eq!(quota.take(at(3_600_000)), Some(1));
        assert!((1..AT_ONCE).all(|_| quota.take(at(3_600_000)) == Some(0)));
        assert_eq!(quota.take(at(3_600_000)), None);
    }
}
