//! What grows with the number of members (contract 02 §1.3).

use std::time::Duration;

/// The shortest life of a suspicion: `mult` intervals, times the decimal logarithm of the number of members.
pub(super) fn suspicion_timeout(mult: u32, members: usize, interval: Duration) -> Duration {
    let logarithm = (members.max(1) as f64).log10().max(1.0);
    // The original counts in thousandths.
    let scale = (logarithm * 1000.0).floor() / 1000.0;
    seconds(interval.as_secs_f64() * scale * f64::from(mult))
}

/// How often one message is gossiped.
pub(super) fn transmit_limit(mult: u32, members: usize) -> u32 {
    let digits = members.checked_ilog10().map_or(0, |log| log + 1);
    mult.saturating_mul(digits)
}

/// Between two exchanges of all state: beyond 32 members one interval more each time their number doubles, because
/// each exchange grows with it.
pub(super) fn push_pull_interval(interval: Duration, members: usize) -> Duration {
    let doublings = members.checked_next_power_of_two().map_or(usize::BITS, usize::ilog2);
    interval.saturating_mul(doublings.saturating_sub(4).max(1))
}

/// A duration of so many seconds, whatever comes out of a calculation.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
