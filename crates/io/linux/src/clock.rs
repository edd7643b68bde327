//! The clock that goes on while the machine sleeps, and the one that is set.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long ago the machine started, time in which it was suspended included. Nobody can set this clock.
#[must_use]
pub fn since_boot() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives for the call. The clock exists since Linux 2.6.39, so the call
    // can't fail; if it did, the zero it started from would be read.
    #[expect(unsafe_code, reason = "the standard library has no such clock")]
    let _ = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// How late it is, since 1970; zero by a clock that is set to an earlier time.
#[must_use]
pub fn time_of_day() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_runs_and_counts_from_the_start_of_the_machine() {
        let first = since_boot();
        assert!(first > Duration::ZERO);
        while since_boot() == first {}
        assert!(since_boot() > first);
    }
}
