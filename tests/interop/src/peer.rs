//! A member of a ring that is not ours.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use metallb_testbed::{Process, Signal, go_program};
use serde::Deserialize;

/// Ample for anything a member does at once.
const REACTION: Duration = Duration::from_secs(10);

/// How a member takes part.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// What its secret's file says; empty for none.
    pub secret: Vec<u8>,
    /// What it says of itself.
    pub meta: Vec<u8>,
    /// Whom it joins at the start.
    pub join: Vec<SocketAddr>,
    /// Whether it compresses what it sends.
    pub compress: bool,
    /// How many times faster than usual it notices deaths.
    pub speed: u32,
}

impl PeerOptions {
    /// A member that knows nobody, has no secret, compresses, and probes five times as often as usual.
    #[must_use]
    pub fn new(name: &str, address: SocketAddr) -> Self {
        Self {
            name: name.to_owned(),
            address,
            secret: Vec::new(),
            meta: Vec::new(),
            join: Vec::new(),
            compress: true,
            speed: 5,
        }
    }

    fn args(&self) -> Vec<String> {
        let join: Vec<String> = self.join.iter().map(ToString::to_string).collect();
        vec![
            format!("-name={}", self.name),
            format!("-bind={}", self.address.ip()),
            format!("-port={}", self.address.port()),
            format!("-secret={}", hex(&self.secret)),
            format!("-meta={}", hex(&self.meta)),
            format!("-join={}", join.join(",")),
            format!("-compress={}", self.compress),
            format!("-speed={}", self.speed),
        ]
    }
}

/// A line of the member: something it saw in the ring, or what came of a command.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct Report {
    /// `ready`, `join`, `leave`, `update`, `list`, `elected` or `done`.
    pub event: String,
    /// The member meant, the command that is done, or the address an election was for.
    pub name: String,
    /// Where that member listens.
    pub address: String,
    /// What it says of itself, in hexadecimal digits.
    pub meta: String,
    /// Names, with `list` and `elected`.
    pub members: Vec<String>,
    /// How many members a command concerned.
    pub count: usize,
    /// Why a command failed.
    pub error: String,
}

/// The running program. Dropping it kills it without a goodbye.
#[derive(Debug)]
pub struct Peer {
    child: Child,
    commands: ChildStdin,
    reports: Receiver<Report>,
}

impl Peer {
    /// Starts the program and waits until it listens. Its log goes where the test's does.
    ///
    /// # Errors
    /// When it can't be built or started.
    pub fn start(options: &PeerOptions) -> Result<Self> {
        let mut command = Command::new(program()?);
        command.arg("member").args(options.args()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start the member")?;
        let commands = child.stdin.take().context("the member has no input")?;
        let output = child.stdout.take().context("the member has no output")?;
        let (send, reports) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(report) = serde_json::from_str(&line)
                    && send.send(report).is_err()
                {
                    return;
                }
            }
        });
        let peer = Self { child, commands, reports };
        peer.wait("ready", &options.name, REACTION)?;
        if !options.join.is_empty() {
            peer.done("join")?;
        }
        Ok(peer)
    }

    /// Skips what the member tells until it tells this.
    ///
    /// # Errors
    /// When it does not within the time; the error says what it told instead.
    pub fn wait(&self, event: &str, name: &str, within: Duration) -> Result<Report> {
        let end = Instant::now() + within;
        let mut skipped = Vec::new();
        loop {
            match self.reports.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(report) if report.event == event && report.name == name => return Ok(report),
                Ok(report) => skipped.push(report),
                Err(RecvTimeoutError::Timeout) => {
                    bail!("no {event} of {name} in {within:?}, but {skipped:?}")
                }
                Err(RecvTimeoutError::Disconnected) => bail!("the member ended before {event} of {name}"),
            }
        }
    }

    /// Skips what the member tells until it has told this of each of these, in whatever order.
    ///
    /// # Errors
    /// When it does not within the time; the error names the missing ones.
    pub fn wait_each(&self, event: &str, names: &[&str], within: Duration) -> Result<()> {
        let end = Instant::now() + within;
        let mut missing: BTreeSet<&str> = names.iter().copied().collect();
        while !missing.is_empty() {
            let report = self.reports.recv_timeout(end.saturating_duration_since(Instant::now()));
            let report = report.with_context(|| format!("no {event} of {missing:?} in {within:?}"))?;
            if report.event == event {
                missing.remove(report.name.as_str());
            }
        }
        Ok(())
    }

    /// Fails when the member has told of such an event since it was last listened to.
    ///
    /// # Errors
    /// When it has.
    pub fn never(&self, event: &str) -> Result<()> {
        let told = self.reports.try_iter().find(|report| report.event == event);
        told.map_or(Ok(()), |report| bail!("{report:?}"))
    }

    /// Gives a command and waits until it is done.
    ///
    /// # Errors
    /// When it fails.
    pub fn command(&mut self, command: &str, argument: &str) -> Result<Report> {
        writeln!(self.commands, "{command} {argument}")?;
        self.done(command)
    }

    /// The names of the members it sees, in order.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn members(&mut self) -> Result<Vec<String>> {
        writeln!(self.commands, "members")?;
        let mut names = self.wait("list", "", REACTION)?.members;
        self.done("members")?;
        names.sort();
        Ok(names)
    }

    /// Who announces an address, by the members it sees.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn elect(&mut self, address: IpAddr) -> Result<String> {
        writeln!(self.commands, "elect {address}")?;
        let elected = self.wait("elected", &address.to_string(), REACTION)?.members;
        self.done("elect")?;
        elected.into_iter().next().context("it elects nobody")
    }

    /// Sends a signal: stops the program where it stands, or lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let process = Process::of(self.child.id().cast_signed()).context("the member has ended")?;
        process.signal(signal).map(drop)
    }

    fn done(&self, command: &str) -> Result<Report> {
        let report = self.wait("done", command, REACTION)?;
        if report.error.is_empty() { Ok(report) } else { bail!("{command}: {}", report.error) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program, built if need be.
pub(crate) fn program() -> Result<PathBuf> {
    go_program(&Path::new(env!("CARGO_MANIFEST_DIR")).join("peer"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
