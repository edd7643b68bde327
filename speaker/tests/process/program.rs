//! A speaker's process, in a network and with files of its own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use metallb_testbed::wait::{Seen, until};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::netns::Namespace;

/// Ample for anything a speaker says or does.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Its `/etc` and `/run` are those of the folder.
const OWN_FILES: &str = "mount --bind \"$0/etc\" /etc && mount --bind \"$0/run\" /run && exec \"$@\"";

/// Those of this machine.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A speaker that is not started yet: nothing of this machine reaches it but programs and libraries.
pub struct Program {
    command: Command,
    folder: Folder,
}

impl Program {
    /// One with these flags.
    pub fn new(flags: &[&str]) -> Self {
        let folder = Folder::new();
        let mut command = Command::new("unshare");
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.args(["--mount", "sh", "-c", OWN_FILES]).arg(&folder.0);
        command.arg(env!("CARGO_BIN_EXE_speaker")).args(flags);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, folder }
    }

    /// The same with these variables.
    pub fn with(mut self, variables: &[(&str, &str)]) -> Self {
        self.command.envs(variables.iter().copied());
        self
    }

    /// The same with a file below `/etc` or `/run`; one whose name ends with a slash is a folder.
    pub fn file(self, path: &str, content: &str) -> Self {
        let inside = self.folder.0.join(path.trim_start_matches('/'));
        if path.ends_with('/') {
            std::fs::create_dir_all(inside).unwrap();
        } else {
            std::fs::create_dir_all(inside.parent().unwrap()).unwrap();
            std::fs::write(inside, content).unwrap();
        }
        self
    }

    /// The same with so many open files at first, and so many if it asks.
    pub fn files(mut self, soft: u32, hard: u32) -> Self {
        let mut command = Command::new("prlimit");
        command.arg(format!("--nofile={soft}:{hard}")).arg(self.command.get_program());
        command.args(self.command.get_args()).env_clear();
        command.envs(self.command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command = command;
        self
    }

    /// Runs it to its end.
    pub fn output(self, node: &Namespace) -> Output {
        let Self { mut command, folder } = self;
        let output = node.run(move || command.output()).unwrap();
        drop(folder);
        output
    }

    /// Runs it with a log that has room for a page, and that nobody reads.
    pub fn start_unread(self, node: &Namespace) -> Speaker {
        let Self { mut command, folder } = self;
        let child = node.run(move || command.spawn()).unwrap();
        fcntl(child.stdout.as_ref().unwrap(), FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        Speaker { child, lines: channel().1, said: Vec::new(), folder }
    }

    pub fn start(self, node: &Namespace) -> Speaker {
        let Self { mut command, folder } = self;
        let mut child = node.run(move || command.spawn()).unwrap();
        let (say, lines) = channel();
        let log = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                // Nobody may be left to hear it.
                let _ = say.send(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Speaker { child, lines, said: Vec::new(), folder }
    }
}

/// A running speaker, killed with this.
pub struct Speaker {
    child: Child,
    lines: Receiver<Value>,
    pub said: Vec<Value>,
    folder: Folder,
}

impl Speaker {
    /// The first line with this message, said already or before long.
    pub fn says(&mut self, message: &str) -> Value {
        self.says_where(message, |_| true)
    }

    /// The first line with this message of which this holds.
    pub fn says_where(&mut self, message: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let is_it = |line: &&Value| text(line, "msg") == message && holds(line);
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(line) = self.said.iter().find(is_it) {
                return line.clone();
            }
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.said.push(line),
                Err(error) => panic!("never said: {message:?} ({error}); said: {:#?}", self.said),
            }
        }
    }

    /// Whether it has said so up to now.
    pub fn has_said(&mut self, message: &str) -> bool {
        self.said.extend(self.lines.try_iter());
        self.said.iter().any(|line| text(line, "msg") == message)
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Where a file below `/etc` or `/run` is outside.
    pub fn file(&self, path: &str) -> PathBuf {
        self.folder.0.join(path.trim_start_matches('/'))
    }

    /// A line of its limits, as the kernel has them.
    pub fn limit(&self, name: &str) -> String {
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", self.child.id())).unwrap();
        limits.lines().find(|line| line.starts_with(name)).unwrap().to_owned()
    }

    /// Waits for its end: with which status it was, none if a signal did it.
    pub fn ends(&mut self) -> Option<i32> {
        let child = &mut self.child;
        let status = until("the process ends", DEADLINE, || {
            Ok(child.try_wait()?.map_or_else(|| Seen::NotYet("it runs".to_owned()), Seen::Done))
        });
        status.unwrap().code()
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A field of a line, empty if it has none.
pub fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A folder with an `etc` and a `run` that hold next to nothing, gone with this.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("metallb-process-{}-{number}", std::process::id()));
        for below in ["etc/ssl/certs", "run"] {
            std::fs::create_dir_all(path.join(below)).unwrap();
        }
        // The client of the API server wants certificates, whatever it talks to.
        std::fs::copy(CERTIFICATES, path.join(CERTIFICATES.trim_start_matches('/'))).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
