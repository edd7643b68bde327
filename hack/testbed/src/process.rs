//! A process of which we are sure: a pid with the moment it started.
//!
//! A pid alone may have been given to a stranger since it was written down. Before anything is
//! signalled or entered, the start time is compared.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A pid and its start time. Two processes never share both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The pid as this program sees it.
    pub pid: i32,
    /// Clock ticks between the machine's boot and the start of the process.
    pub started: u64,
}

/// What `/proc/PID/stat` says, as far as we care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub process: Process,
    pub state: char,
    pub parent: i32,
    /// Those that have not ended yet, and the first one.
    pub threads: u32,
}

impl Stat {
    /// Reads one line of `/proc/PID/stat`. The command's name may hold spaces and parentheses.
    pub fn parse(line: &str) -> Option<Stat> {
        let (pid, rest) = line.split_once(" (")?;
        let (_, rest) = rest.rsplit_once(") ")?;
        let mut fields = rest.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let threads = fields.nth(15)?.parse().ok()?;
        let started = fields.nth(1)?.parse().ok()?;
        Some(Stat { process: Process { pid: pid.trim().parse().ok()?, started }, state, parent, threads })
    }

    /// The state of a running pid, if there is one.
    pub fn of(pid: i32) -> Option<Stat> {
        Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The first thread may be a zombie while others still hold the sockets.
    fn is_dead(self) -> bool {
        self.state == 'X' || (self.state == 'Z' && self.threads <= 1)
    }
}

impl Process {
    /// The process that has this pid now.
    pub fn of(pid: i32) -> Option<Process> {
        Stat::of(pid).map(|stat| stat.process)
    }

    fn stat(self) -> Option<Stat> {
        Stat::of(self.pid).filter(|stat| stat.process == self && !stat.is_dead())
    }

    /// Whether exactly this process still runs (a zombie does not).
    pub fn is_alive(self) -> bool {
        self.stat().is_some()
    }

    /// Whether it was stopped by SIGSTOP.
    pub fn is_stopped(self) -> bool {
        self.stat().is_some_and(|stat| stat.state == 'T')
    }

    /// Sends a signal. `false`: the process is gone already.
    pub fn signal(self, signal: Signal) -> Result<bool> {
        if !self.is_alive() {
            return Ok(false);
        }
        match kill(Pid::from_raw(self.pid), signal) {
            Ok(()) => Ok(true),
            Err(nix::Error::ESRCH) => Ok(false),
            Err(error) => Err(error).with_context(|| format!("cannot send {signal} to process {}", self.pid)),
        }
    }
}

/// The pid a process has in its own, innermost pid namespace.
pub(crate) fn innermost_pid(pid: i32) -> Option<i32> {
    parse_innermost_pid(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_innermost_pid(status: &str) -> Option<i32> {
    let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    pids.split_ascii_whitespace().last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str =
        "4711 (a) (b c) S 17 4711 4711 0 -1 4194560 137 0 0 0 0 0 0 0 20 0 1 0 98765 2314240 135 1";

    #[test]
    fn a_stat_line_is_read_even_if_the_name_looks_like_fields() {
        let stat = Stat::parse(LINE).unwrap();
        assert_eq!(stat.process, Process { pid: 4711, started: 98765 });
        assert_eq!((stat.state, stat.parent, stat.threads), ('S', 17, 1));
    }

    #[test]
    fn a_zombie_is_dead_when_its_last_thread_is() {
        let stat = Stat::parse(LINE).unwrap();
        for (state, threads, expected) in [('S', 1, false), ('Z', 2, false), ('Z', 1, true), ('X', 0, true)] {
            assert_eq!(Stat { state, threads, ..stat }.is_dead(), expected, "{state} {threads}");
        }
    }

    #[test]
    fn a_broken_stat_line_is_nobody() {
        for line in ["", "4711", "4711 (a", "4711 (a) S 1", "x (a) S 1 2 3"] {
            assert_eq!(Stat::parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn a_reused_pid_is_not_the_process_we_knew() {
        let me = Process::of(std::process::id().cast_signed()).unwrap();
        assert!(me.is_alive());
        let before_me = Process { started: me.started - 1, ..me };
        assert!(!before_me.is_alive());
        assert!(!before_me.signal(Signal::SIGKILL).unwrap());
    }

    #[test]
    fn the_innermost_pid_is_the_last_one() {
        assert_eq!(parse_innermost_pid("Name:\tx\nNSpid:\t900\t31\t7\nUid:\t0"), Some(7));
        assert_eq!(parse_innermost_pid("Name:\tx\n"), None);
    }
}
