//! A timer that wakes its thread once.
//!
//! On the way to a deadline the runtime's own wheel of timers wakes an idle thread several times, and once more when a deadline is
//! set: for a thread that works some microseconds many times a second most of its wakes would be of that kind.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::time::sleep;

use crate::{reactor, since_boot};

/// A timer of the kernel, by the clock of [`since_boot`].
#[derive(Debug)]
pub struct Alarm {
    /// None where the kernel has none to spare: the runtime's timers do as well.
    timer: Option<AsyncFd<File>>,
    /// What it was set to, unless it has gone off.
    set: Option<Duration>,
}

impl Alarm {
    /// One that is not set. To be called in the runtime that is to wait for it.
    #[must_use]
    pub fn new() -> Self {
        Self { timer: open().and_then(reactor::register).ok(), set: None }
    }

    /// Resolves when the clock shows `at`. Safe to cancel.
    pub async fn at(&mut self, at: Duration) {
        while at > since_boot() {
            if self.wait_for(at).await.is_err() {
                // No more than a timer that fails is lost.
                self.timer = None;
            }
        }
    }

    /// Waits until it is time, or for less.
    async fn wait_for(&mut self, at: Duration) -> io::Result<()> {
        let Some(timer) = &self.timer else {
            sleep(at.saturating_sub(since_boot())).await;
            return Ok(());
        };
        // Left as it was it would wake its thread for nothing: setting it is one short call.
        if self.set != Some(at) {
            set(timer.get_ref(), at)?;
            self.set = Some(at);
        }
        let mut guard = timer.readable().await?;
        let mut times = [0; 8];
        match timer.get_ref().read(&mut times) {
            Ok(_) => self.set = None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        // It goes off once, and has been read.
        guard.clear_ready();
        Ok(())
    }
}

impl Default for Alarm {
    fn default() -> Self {
        Self::new()
    }
}

fn open() -> io::Result<File> {
    // SAFETY: the call takes no pointers.
    #[expect(unsafe_code, reason = "the standard library has no such timer")]
    let descriptor: RawFd =
        unsafe { libc::timerfd_create(libc::CLOCK_BOOTTIME, libc::TFD_NONBLOCK | libc::TFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made it, and nobody else knows it.
    #[expect(unsafe_code, reason = "what the kernel hands out is a number")]
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

/// Has it go off once, when the clock shows `at`, or at once if it has.
fn set(timer: &File, at: Duration) -> io::Result<()> {
    let never = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let at = libc::timespec {
        tv_sec: at.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        // Zero would be never.
        tv_nsec: at.subsec_nanos().max(1).into(),
    };
    let value = libc::itimerspec { it_interval: never, it_value: at };
    // SAFETY: the descriptor is open as long as the file is borrowed, the pointer is to a value that lives for the call, and
    // nothing is written to where the old one would go.
    #[expect(unsafe_code, reason = "the standard library has no such timer")]
    let outcome = unsafe {
        libc::timerfd_settime(
            timer.as_raw_fd(),
            libc::TFD_TIMER_ABSTIME,
            &raw const value,
            std::ptr::null_mut(),
        )
    };
    if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use tokio::runtime::Builder;

    use super::*;

    const SOON: Duration = Duration::from_millis(30);
    /// No machine is that late.
    const LONG: Duration = Duration::from_secs(20);

    fn run(test: impl Future<Output = ()>) {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn it_goes_off_when_it_is_time_and_not_before() {
        run(async {
            let mut alarm = Alarm::new();
            assert!(alarm.timer.is_some());
            for _ in 0..3 {
                let at = since_boot() + SOON;
                alarm.at(at).await;
                assert!((at..at + LONG).contains(&since_boot()));
            }
        });
    }

    #[test]
    fn what_has_passed_is_not_waited_for() {
        run(async {
            let mut alarm = Alarm::new();
            alarm.at(Duration::ZERO).await;
            alarm.at(since_boot()).await;
            assert_eq!(alarm.set, None);
        });
    }

    /// Each wait but the last is given up, as by whoever waits for something else as well.
    #[test]
    fn the_last_moment_asked_for_counts_be_it_earlier_or_later() {
        run(async {
            let mut alarm = Alarm::new();
            for first in [LONG, SOON * 10] {
                let mut context = Context::from_waker(Waker::noop());
                let is_ready = pin!(alarm.at(since_boot() + first)).poll(&mut context).is_ready();
                assert!(!is_ready, "{first:?}");
                let at = since_boot() + SOON * 20;
                alarm.at(at).await;
                assert!((at..at + LONG / 2).contains(&since_boot()), "{first:?}");
            }
        });
    }

    #[test]
    fn who_waits_is_woken_once() {
        let wakes = || {
            let status = fs::read_to_string("/proc/thread-self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).unwrap();
            line.trim().parse::<u32>().unwrap()
        };
        run(async {
            let mut alarm = Alarm::new();
            alarm.at(since_boot() + SOON).await;
            let before = wakes();
            for _ in 0..20 {
                alarm.at(since_boot() + SOON * 3).await;
            }
            let took = wakes() - before;
            assert!(took < 30, "{took} wakes for twenty moments: the wheel of timers needs forty");
        });
    }

    #[test]
    fn without_a_timer_of_the_kernel_the_runtime_has_one() {
        run(async {
            let mut alarm = Alarm { timer: None, set: None };
            let at = since_boot() + SOON;
            alarm.at(at).await;
            assert!(since_boot() >= at);
        });
    }
}
