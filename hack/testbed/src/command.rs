//! Running a program to its end, with a deadline, and keeping what it said.

use std::fs::File;
use std::io::Write;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::process::Process;

/// What a finished program left.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

/// A program ended with a failure. Found in an error's chain by `downcast_ref`.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {status}\n{}{}", .stdout, .stderr)]
pub struct CommandFailed {
    /// The command, and where it ran.
    pub what: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Output {
    /// Turns a failure status into an error that carries all that was said.
    pub fn success(self, what: &str) -> Result<Output> {
        if self.status.success() {
            return Ok(self);
        }
        let Output { status, stdout, stderr } = self;
        Err(CommandFailed { what: what.to_owned(), status, stdout, stderr }.into())
    }
}

/// What a program reads.
#[derive(Debug, Default)]
pub(crate) enum Input {
    #[default]
    Nothing,
    Text(String),
    File(File),
}

/// Runs `command` to its end. When it takes longer than `deadline` it is killed, and that is an error.
pub(crate) fn finish(what: &str, mut command: Command, input: Input, deadline: Duration) -> Result<Output> {
    let (stdin, text) = match input {
        Input::Nothing => (Stdio::null(), None),
        Input::Text(text) => (Stdio::piped(), Some(text)),
        Input::File(file) => (Stdio::from(file), None),
    };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("cannot start {what}"))?;
    if let Some(text) = text {
        feed(&mut child, text);
    }
    // Noted while the child is surely ours: unreaped, its pid cannot be given to another.
    let process = Process::of(child.id().cast_signed());
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(child.wait_with_output()));
    match result.recv_timeout(deadline) {
        Ok(output) => {
            let output = output.with_context(|| format!("cannot read the output of {what}"))?;
            Ok(Output {
                status: output.status,
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            })
        }
        Err(_) => {
            if let Some(process) = process {
                process.signal(Signal::SIGKILL)?;
            }
            bail!("{what} did not end within {} s and was killed", deadline.as_secs_f64())
        }
    }
}

/// Writes on a thread of its own: a child that answers before it has read everything must not block us.
fn feed(child: &mut Child, text: String) {
    if let Some(mut stdin) = child.stdin.take() {
        // A child that ends early closes the pipe; its status tells more than our failed write.
        thread::spawn(move || stdin.write_all(text.as_bytes()));
    }
}

/// A command with nothing of our own environment: a proxy variable of the host must not reach the
/// daemons and clients of the bed.
pub(crate) fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).env("HOME", "/root").env("LANG", "C.UTF-8");
    command
}

/// Where programs are looked for, on the host and in machines.
pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(20);

    fn sh(script: &str) -> Command {
        let mut command = clean("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_and_status_come_back() {
        let output = finish("test", sh("echo out; echo err >&2; exit 3"), Input::Nothing, LONG).unwrap();
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("out\n", "err\n"));
        let error = output.success("the test").unwrap_err();
        let failed = error.downcast_ref::<CommandFailed>().unwrap();
        assert_eq!(failed.status.code(), Some(3));
        assert!(error.to_string().contains("err"), "{error}");
    }

    #[test]
    fn input_larger_than_a_pipe_is_read_back_whole() {
        let text = "x".repeat(1 << 20);
        let output = finish("cat", sh("cat"), Input::Text(text.clone()), LONG).unwrap();
        assert_eq!(output.stdout, text);
    }

    #[test]
    fn a_command_that_hangs_is_killed_at_its_deadline() {
        let start = Instant::now();
        let error =
            finish("sleeper", sh("exec sleep 600"), Input::Nothing, Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().starts_with("sleeper did not end within 0.05 s"), "{error}");
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn the_environment_of_the_caller_does_not_leak() {
        let output = finish("env", sh("env"), Input::Nothing, LONG).unwrap();
        assert!(!output.stdout.contains("CARGO"), "{}", output.stdout);
    }
}
