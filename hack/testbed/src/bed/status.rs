//! What runs and what does not.

use std::fmt;

use super::{Bed, SWITCH};
use crate::address::Place;
use crate::daemon::Daemon;
use crate::machine::Machine;
use crate::process::Process;

/// A machine or daemon and how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The machine.
    pub machine: String,
    /// The daemon, or none for the machine itself.
    pub daemon: Option<Daemon>,
    /// How it is.
    pub state: State,
}

/// How a machine or daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs, under this pid of the host.
    Runs(i32),
    /// It is frozen or stopped.
    Frozen,
    /// It does not run.
    Gone,
}

impl Part {
    /// As part of a sentence.
    pub(super) fn in_words(&self) -> String {
        let daemon = self.daemon.map(|daemon| format!(" {daemon}")).unwrap_or_default();
        let state = match self.state {
            State::Runs(_) => "runs",
            State::Frozen => "is frozen",
            State::Gone => "does not run",
        };
        format!("{}{daemon} {state}", self.machine)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.daemon.map(|daemon| daemon.to_string()).unwrap_or_default();
        write!(f, "{:8}{name:25}", self.machine)?;
        match self.state {
            State::Runs(pid) => write!(f, "runs, pid {pid}"),
            State::Frozen => f.write_str("frozen"),
            State::Gone => f.write_str("does not run"),
        }
    }
}

impl Bed {
    /// Every machine and daemon with its state.
    pub fn status(&self) -> Vec<Part> {
        let mut parts = vec![machine_part(SWITCH, &self.switch())];
        for place in self.places() {
            let machine = self.machine(place);
            parts.push(machine_part(&place.to_string(), &machine));
            parts.extend(self.daemons(place).map(|daemon| daemon_part(place, &machine, daemon)));
        }
        parts
    }

    /// Every process of the bed, as the host sees it.
    pub fn processes(&self) -> Vec<Process> {
        self.group.processes()
    }

    /// Which kind of control groups the host has: "v1" or "v2".
    pub fn cgroup_kind(&self) -> &'static str {
        self.tree.kind()
    }

    /// What should run and does not.
    pub(super) fn defects(&self) -> Vec<Part> {
        self.status().into_iter().filter(|part| !matches!(part.state, State::Runs(_))).collect()
    }
}

fn machine_part(name: &str, machine: &Machine) -> Part {
    let state = match machine.init() {
        Some(_) if machine.group.is_frozen() => State::Frozen,
        Some(init) => State::Runs(init.pid),
        None => State::Gone,
    };
    Part { machine: name.to_owned(), daemon: None, state }
}

fn daemon_part(place: Place, machine: &Machine, daemon: Daemon) -> Part {
    let state = match daemon.process(machine) {
        Some(process) if process.is_stopped() || machine.group.is_frozen() => State::Frozen,
        Some(process) => State::Runs(process.pid),
        None => State::Gone,
    };
    Part { machine: place.to_string(), daemon: Some(daemon), state }
}
