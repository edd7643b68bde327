//! A machine: a set of namespaces with an init of its own, and a control group around all it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use crate::cgroup::Group;
use crate::command;
use crate::config::FOLDER;
use crate::process::{Process, Stat};
use crate::wait::{self, Seen};

/// What becomes process 1: mounts, then the init program.
pub(crate) const MACHINE_INIT: &str = include_str!("machine/machine-init.sh");
/// The init program, also the pause program of pods.
pub(crate) const INIT_SOURCE: &str = include_str!("machine/init.c");

/// Folders each machine has to itself. The host must have them as mount points.
pub(crate) const PRIVATE_FOLDERS: [&str; 9] = [
    "/var/lib/kubelet",
    "/var/lib/containerd",
    "/var/lib/cni",
    "/var/log",
    "/var/tmp",
    "/etc/cni/net.d",
    "/etc/kubernetes",
    "/etc/frr",
    "/etc/bird",
];

const BIRTH_DEADLINE: Duration = Duration::from_secs(20);

/// Moves the shell into control groups and becomes the command: a child of ours that joins only after
/// it was started could leave children of its own behind in our group.
const JOIN: &str = r#"set -e; n=$1; shift
while [ "$n" -gt 0 ]; do echo $$ >"$1"; shift; n=$((n - 1)); done
exec "$@""#;

/// One machine of a bed, running or not. The switch is one too.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub name: String,
    /// What it keeps on disk, and the records of its process 1.
    pub folder: PathBuf,
    pub group: Group,
}

/// What all machines of a bed are made from.
#[derive(Clone, Debug)]
pub(crate) struct Mould {
    /// `machine-init`, in the state folder.
    pub machine_init: PathBuf,
    /// The init program, in the cache.
    pub init: PathBuf,
    /// How control groups are mounted inside.
    pub cgroups: String,
}

impl Machine {
    fn stat_file(&self) -> PathBuf {
        self.folder.join("init.stat")
    }

    /// Its process 1, if it runs.
    pub fn init(&self) -> Option<Process> {
        let stat = Stat::parse(&fs::read_to_string(self.stat_file()).ok()?)?;
        Some(stat.process).filter(|process| process.is_alive())
    }

    /// Its process 1, or an error that says what to do.
    pub fn running(&self) -> Result<Process> {
        self.init()
            .with_context(|| format!("machine {} is not running: power it on or bring the bed up", self.name))
    }

    /// Refuses a frozen machine: whoever joins it freezes with it.
    pub fn awake(&self) -> Result<Process> {
        let process = self.running()?;
        if self.group.is_frozen() {
            bail!("machine {} is frozen: thaw it first", self.name);
        }
        Ok(process)
    }

    /// A path as the machine sees it, as the outside reaches it.
    pub fn path(&self, inside: &str) -> Result<PathBuf> {
        Ok(PathBuf::from(format!("/proc/{}/root{inside}", self.running()?.pid)))
    }

    /// A file of one of its private folders, reachable even when the machine is dead or frozen.
    pub fn kept(&self, inside: &str) -> PathBuf {
        self.folder.join("root").join(inside.trim_start_matches('/'))
    }

    /// Begins its life inside the namespaces of `parent` (the host's, if there is none). Returns
    /// before it is ready: see [`Machine::born`].
    pub fn begin(&self, mould: &Mould, parent: Option<&Machine>) -> Result<()> {
        fs::create_dir_all(self.folder.join("root"))
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        fs::write(self.folder.join("private"), PRIVATE_FOLDERS.join("\n"))?;
        if self.stat_file().exists() {
            fs::remove_file(self.stat_file())?;
        }
        self.group.create()?;
        let log = fs::File::create(self.folder.join("init.log"))?;
        let mut command = joined(&self.group.birth_files());
        command.args(["setsid", "--fork"]);
        if let Some(parent) = parent {
            let pid = parent.awake()?.pid.to_string();
            command.args(["nsenter", "--target", &pid, "--net", "--mount", "--pid"]);
        }
        command.args(["unshare", "--net", "--mount", "--propagation", "private", "--uts", "--ipc", "--pid"]);
        command.args(["--fork", "--kill-child=KILL"]);
        if parent.is_some() {
            command.arg("--cgroup");
        }
        command.arg("sh").arg(&mould.machine_init).arg(&self.name).arg(&self.folder).arg(&mould.init);
        command.arg(if parent.is_some() { &mould.cgroups } else { "none" });
        command.current_dir("/").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let status = command.status().context("cannot run sh")?;
        if !status.success() {
            bail!("machine {} did not start ({status}): {}", self.name, self.init_log());
        }
        Ok(())
    }

    fn init_log(&self) -> String {
        fs::read_to_string(self.folder.join("init.log")).unwrap_or_default().trim().to_owned()
    }

    /// Waits until it has mounted what it needs and runs its init.
    pub fn born(&self, init: &Path) -> Result<()> {
        let name = init.file_name().unwrap_or_default().to_string_lossy().into_owned();
        wait::until_soon(&format!("machine {}", self.name), BIRTH_DEADLINE, || {
            let Some(process) = self.init() else { return Ok(Seen::NotYet(self.init_log())) };
            let runs = fs::read_to_string(format!("/proc/{}/comm", process.pid))?;
            Ok(wait::seen(runs.trim() == name, runs))
        })?;
        self.group.settle()
    }

    /// The command that runs what is added to it inside the machine: in all its namespaces and its
    /// control group. It does not outlive whoever runs it.
    pub fn enter(&self) -> Result<Command> {
        let mut command = self.enter_detached()?;
        command.args(["setpriv", "--pdeathsig", "KILL"]);
        Ok(command)
    }

    /// Like [`Machine::enter`], for what is to live on.
    pub fn enter_detached(&self) -> Result<Command> {
        self.enter_by(&self.group.join_files())
    }

    /// The same for what runs in the background.
    pub fn enter_background(&self) -> Result<Command> {
        self.enter_by(&self.group.background_files()?)
    }

    fn enter_by(&self, files: &[PathBuf]) -> Result<Command> {
        let pid = self.awake()?.pid.to_string();
        let mut command = joined(files);
        command.args(["nsenter", "--target", &pid]);
        command.args(["--net", "--mount", "--uts", "--ipc", "--pid", "--cgroup"]);
        Ok(command)
    }

    /// The command that runs what is added to it in the machine's network, and nothing else of it.
    pub fn enter_network(&self) -> Result<Command> {
        let mut command = command::clean("nsenter");
        command.args(["--target", &self.running()?.pid.to_string(), "--net"]);
        Ok(command)
    }

    /// Ends it as a power cut would: everything in it is gone when this returns.
    pub fn cut_power(&self) -> Result<()> {
        if let Some(init) = self.init() {
            init.signal(Signal::SIGKILL)?;
        }
        // Its groups go, too: stale ones of pods would cost the next kubelet seconds each.
        self.group.end()
    }
}

/// Home and temporary files are the machine's own, too: kubectl keeps what it learnt about an API
/// server at its home, kubelet and containerd leave temporary folders behind when killed.
fn joined(files: &[PathBuf]) -> Command {
    let mut command = command::clean("sh");
    command.env("HOME", FOLDER).env("TMPDIR", "/var/tmp");
    command.args(["-c", JOIN, "sh"]).arg(files.len().to_string()).args(files);
    command
}
