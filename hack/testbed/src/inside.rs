//! Running things inside machines.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::Signal;

use crate::address::Place;
use crate::bed::{Bed, joined};
use crate::cgroup::Group;
use crate::command::{self, Input, Output};
use crate::config::CONTAINERD_SOCKET;
use crate::process::{Process, Stat};
use crate::wait::{self, Seen};

/// How long a command may take unless the caller says otherwise.
const DEADLINE: Duration = Duration::from_secs(60);

/// Changes the folder inside: entering a machine ends at its root.
const IN_FOLDER: &str = r#"cd "$1" 2>/dev/null; shift; exec "$@""#;

impl Bed {
    /// Runs a command in a machine, in all its namespaces. A failure is an error (a
    /// [`CommandFailed`](crate::CommandFailed)) with all that was printed.
    pub fn run(&self, machine: &str, argv: &[&str]) -> Result<Output> {
        self.try_run(machine, argv)?.success(&describe(machine, argv))
    }

    /// The same, but a failure is no error: look at the status.
    pub fn try_run(&self, machine: &str, argv: &[&str]) -> Result<Output> {
        self.run_within(DEADLINE, machine, argv)
    }

    /// The same with another deadline than a minute. What takes longer is killed; that is an error.
    pub fn run_within(&self, deadline: Duration, machine: &str, argv: &[&str]) -> Result<Output> {
        self.run_with(machine, argv, Input::Nothing, deadline)
    }

    pub(crate) fn run_with(
        &self,
        machine: &str,
        argv: &[&str],
        input: Input,
        deadline: Duration,
    ) -> Result<Output> {
        let mut command = self.machine(self.place(machine)?).enter()?;
        command.args(argv);
        command::finish(&describe(machine, argv), command, input, deadline)
    }

    /// Runs a command in a machine with our own terminal, in our own folder if the machine has it.
    /// Returns its exit status.
    pub fn run_attached(&self, machine: &str, argv: &[&str]) -> Result<std::process::ExitStatus> {
        let mut command = self.machine(self.place(machine)?).enter()?;
        if let Ok(terminal) = std::env::var("TERM") {
            command.env("TERM", terminal);
        }
        let here = std::env::current_dir().context("the current folder is gone")?;
        command.args(["sh", "-c", IN_FOLDER, "sh"]).arg(here);
        command.args(argv).status().with_context(|| format!("cannot run {}", describe(machine, argv)))
    }

    /// Starts a command in a machine and lets it run. It ends when the result is dropped.
    pub fn spawn(&self, machine: &str, argv: &[&str]) -> Result<Running> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let place = self.place(machine)?;
        let machine = self.machine(place);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let log = self.state().join(format!("spawned-{}-{number}.log", std::process::id()));
        let output = File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;
        let mut command = machine.enter()?;
        command.args(argv).stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let what = describe(&place.to_string(), argv);
        let child = command.spawn().with_context(|| format!("cannot start {what}"))?;
        Ok(Running { what, child, log, group: machine.group })
    }

    /// Calls `f` on a thread in a machine's network: sockets made there belong to the machine.
    pub fn in_network_of<T: Send>(&self, machine: &str, f: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let pid = self.machine(self.place(machine)?).running()?.pid;
        let namespace =
            File::open(format!("/proc/{pid}/ns/net")).context("cannot open a network namespace")?;
        let thread = || {
            setns(&namespace, CloneFlags::CLONE_NEWNET).context("cannot enter a network namespace")?;
            f()
        };
        thread::scope(|scope| joined(scope.spawn(thread).join()))
    }

    /// Puts an image archive (OCI or Docker) on all nodes.
    pub fn load_image(&self, archive: &Path) -> Result<()> {
        thread::scope(|scope| {
            let loads: Vec<_> = Place::nodes(self.nodes())
                .map(|node| scope.spawn(move || self.load_on(node, archive)))
                .collect();
            loads.into_iter().try_for_each(|load| joined(load.join()))
        })
    }

    /// Fed by the open file: the machine need not see the path.
    pub(crate) fn import(&self, node: Place, archive: File) -> Result<()> {
        let argv = ["ctr", "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io", "images", "import", "-"];
        let output = self.run_with(&node.to_string(), &argv, Input::File(archive), DEADLINE)?;
        output.success("ctr images import")?;
        Ok(())
    }
}

fn describe(machine: &str, argv: &[&str]) -> String {
    format!("{machine}: {}", argv.join(" "))
}

/// A command that runs in a machine until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    what: String,
    child: Child,
    log: PathBuf,
    group: Group,
}

impl Running {
    /// What it printed so far, stdout and stderr as they came.
    pub fn output(&self) -> Result<String> {
        let bytes = fs::read(&self.log).with_context(|| format!("cannot read {}", self.log.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Waits until what it printed contains `text`.
    pub fn wait_for(&mut self, text: &str, deadline: Duration) -> Result<()> {
        let what = format!("{text:?} from {}", self.what);
        wait::until(&what, deadline, || {
            let output = self.output()?;
            let ended = self.child.try_wait()?;
            Ok(match (output.contains(text), ended) {
                (true, _) => Seen::Done(()),
                (false, Some(status)) => Seen::Never(format!("it ended ({status}): {output}")),
                (false, None) => Seen::NotYet(output),
            })
        })
    }

    /// Its process: the child that the entering program made in the machine.
    fn process(&self) -> Option<Process> {
        let parent = self.child.id().cast_signed();
        let mut processes = self.group.processes().into_iter();
        processes.find(|process| Stat::of(process.pid).is_some_and(|stat| stat.parent == parent))
    }

    /// Sends a signal to the command.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let process = self.process().with_context(|| format!("{} does not run any more", self.what))?;
        process.signal(signal).map(drop)
    }

    /// Ends it with SIGTERM, then returns all it printed.
    pub fn stop(mut self) -> Result<String> {
        if self.child.try_wait()?.is_none() {
            self.signal(Signal::SIGTERM)?;
            wait::until(&format!("end of {}", self.what), DEADLINE, || {
                Ok(wait::seen(self.child.try_wait()?.is_some(), "it still runs"))
            })?;
        }
        self.output()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The command dies with the program that entered the machine for it.
        let _dead_already = self.child.kill();
        let _status = self.child.wait();
        let _kept_for_looking = fs::remove_file(&self.log);
    }
}
