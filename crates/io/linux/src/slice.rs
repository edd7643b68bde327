//! How soon a thread runs once it has something to do.

use std::io;
use std::time::Duration;

/// Asks the scheduler to give the calling thread the processor in short turns, and therefore soon: among threads that
/// wait, the one whose turn would end first comes first. Its share of the processor stays what it was, and no right is
/// needed. Linux holds it to 0.1..100 ms, and listens since 6.12; before, this has no effect.
///
/// # Errors
/// When the system call is refused, as a sandbox may.
pub fn ask_for_short_turns(turn: Duration) -> io::Result<()> {
    let mut attributes = current()?;
    attributes.sched_runtime = u64::try_from(turn.as_nanos()).unwrap_or(u64::MAX);
    // SAFETY: the pointer is to a structure that lives for the call and says its own size. 0 is the calling thread.
    #[expect(unsafe_code, reason = "no safe wrapper of this call exists")]
    let outcome = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    succeeded(outcome)
}

/// How the calling thread is scheduled.
fn current() -> io::Result<libc::sched_attr> {
    let mut attributes = libc::sched_attr {
        size: SIZE,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the pointer is to a structure of the size that is given, which lives for the call.
    #[expect(unsafe_code, reason = "no safe wrapper of this call exists")]
    let outcome = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, SIZE, 0) };
    succeeded(outcome).map(|()| attributes)
}

/// Of the structure, in bytes, which is how its versions are told apart.
#[expect(clippy::cast_possible_truncation, reason = "it has 48 bytes")]
const SIZE: u32 = size_of::<libc::sched_attr>() as u32;

fn succeeded(outcome: libc::c_long) -> io::Result<()> {
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheduler_takes_the_wish_and_nothing_else_changes() {
        let before = current().unwrap();
        ask_for_short_turns(Duration::from_micros(500)).unwrap();
        let after = current().unwrap();
        assert_eq!((after.sched_policy, after.sched_nice), (before.sched_policy, before.sched_nice));
        // Linux before 6.12 does not keep it, and tells of none.
        let told = if before.sched_runtime == 0 { 0 } else { 500_000 };
        assert_eq!(after.sched_runtime, told);
    }
}
