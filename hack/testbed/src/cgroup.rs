//! The control groups of a bed: one for the bed, one below it for each machine.
//!
//! Two kinds of host exist. With cgroup v1 (or "hybrid") every controller is a tree of its own; with
//! v2 there is one tree for all. Nothing outside this module knows which kind the host has.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::process::Process;
use crate::wait::{self, Seen};

mod v1;
mod v2;

/// The group of a machine's daemons, beside the `kubepods` that kubelet makes: they share the processors with pods as one,
/// and not each of their threads, as on a node of systemd's.
const DAEMONS: &str = "daemons";
/// The group of what runs in the background of all machines.
const BACKGROUND: &str = "background";
/// Kernels since 5.15 know groups that run only while those beside them don't.
const IDLE: &str = "cpu.idle";
/// What every group has that was given no other share.
const USUAL_SHARE: u32 = 1024;
/// How long the kernel may take to end killed processes.
const EXIT_DEADLINE: Duration = Duration::from_secs(20);
/// How long it may take to stop processes.
const FREEZE_DEADLINE: Duration = Duration::from_secs(5);

/// The control group trees of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tree {
    V1(v1::Tree),
    V2(v2::Tree),
}

impl Tree {
    /// Finds what the host has mounted.
    pub fn of_host() -> Result<Tree> {
        let mounts = fs::read_to_string("/proc/mounts").context("cannot read /proc/mounts")?;
        Tree::parse(&mounts)
    }

    /// A v2 tree counts only where the v1 trees are not: hybrid hosts mount it without controllers.
    fn parse(mounts: &str) -> Result<Tree> {
        match v1::Tree::parse(mounts) {
            Some(tree) => tree.checked().map(Tree::V1),
            None => v2::Tree::parse(mounts).map(Tree::V2),
        }
    }

    /// The group at `path` below the roots.
    pub fn group(&self, path: impl Into<PathBuf>) -> Group {
        Group { tree: self.clone(), path: path.into() }
    }

    /// "v1" or "v2", for people.
    pub fn kind(&self) -> &'static str {
        match self {
            Tree::V1(_) => "v1",
            Tree::V2(_) => "v2",
        }
    }

    /// How `machine-init` is to mount the trees inside a machine.
    pub fn mount_plan(&self) -> String {
        match self {
            Tree::V1(tree) => tree.mount_plan(),
            Tree::V2(_) => "v2".to_owned(),
        }
    }

    /// Checks that the controllers a kubelet needs can be had.
    pub fn check(&self) -> Result<()> {
        match self {
            Tree::V1(_) => Ok(()),
            Tree::V2(tree) => tree.check(),
        }
    }

    /// The names of the groups right below the root.
    pub fn top_names(&self) -> Vec<String> {
        let Some(root) = self.roots().into_iter().next() else { return Vec::new() };
        subdirectories(&root).iter().filter_map(|dir| Some(dir.file_name()?.to_str()?.to_owned())).collect()
    }

    fn roots(&self) -> Vec<PathBuf> {
        match self {
            Tree::V1(tree) => tree.roots(),
            Tree::V2(tree) => vec![tree.root.clone()],
        }
    }
}

/// One control group: the same path in every tree of the host.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    tree: Tree,
    path: PathBuf,
}

impl Group {
    /// A group below this one.
    pub fn child(&self, name: &str) -> Group {
        self.tree.group(self.path.join(name))
    }

    fn directories(&self) -> Vec<PathBuf> {
        self.tree.roots().into_iter().map(|root| root.join(&self.path)).collect()
    }

    /// Makes it; harmless if it is there.
    pub fn create(&self) -> Result<()> {
        match &self.tree {
            Tree::V1(tree) => tree.create(&self.path),
            Tree::V2(tree) => tree.create(&self.path),
        }
    }

    /// The files into which a process writes its pid so that a machine can be made in this group.
    pub fn birth_files(&self) -> Vec<PathBuf> {
        self.directories().iter().map(|dir| dir.join("cgroup.procs")).collect()
    }

    /// The files into which a process writes its pid to join the machine that lives in this group.
    pub fn join_files(&self) -> Vec<PathBuf> {
        self.child(DAEMONS).birth_files()
    }

    /// To be called once the machine was born: makes room for its kubelet.
    pub fn settle(&self) -> Result<()> {
        match &self.tree {
            Tree::V1(tree) => tree.create(&self.path.join(DAEMONS)),
            Tree::V2(tree) => tree.settle(&self.path),
        }
    }

    /// The same for what other machines have processors of their own for: with v1 it shares the processors with its like
    /// in all machines, and gets what the others leave.
    pub fn background_files(&self) -> Result<Vec<PathBuf>> {
        let (Tree::V1(tree), Some(bed)) = (&self.tree, self.path.parent()) else {
            return Ok(self.join_files());
        };
        let background = bed.join(BACKGROUND);
        tree.create(&background)?;
        let processors = tree.directory("cpu", &background)?;
        self.tree.group(background).give_way()?;
        let own = tree.directory("cpu", &self.path.join(DAEMONS))?;
        let files = self.join_files().into_iter().filter(|file| !file.starts_with(&own));
        Ok(files.chain([processors.join("cgroup.procs")]).collect())
    }

    /// Has it get what those beside it leave of the processors, and give way to them at once. Kernels that don't know this give it
    /// what kubelet gives a pod that asks for no processor.
    pub fn give_way(&self) -> Result<()> {
        let (directory, weight) = match &self.tree {
            Tree::V1(tree) => (tree.directory("cpu", &self.path)?, ("cpu.shares", "2")),
            Tree::V2(tree) => (tree.root.join(&self.path), ("cpu.weight", "1")),
        };
        let (file, value) = if directory.join(IDLE).exists() { (IDLE, "1") } else { weight };
        write(&directory.join(file), value)
    }

    /// Has it get so many parts of the processors, where what else is beside it gets 1024 each and wants them as well.
    pub fn share(&self, parts: u32) -> Result<()> {
        match &self.tree {
            Tree::V1(tree) => {
                write(&tree.directory("cpu", &self.path)?.join("cpu.shares"), &parts.to_string())
            }
            Tree::V2(tree) => tree.share(&self.path, parts),
        }
    }

    /// Stops every process in and below it, until [`Group::thaw`].
    pub fn freeze(&self) -> Result<()> {
        match &self.tree {
            Tree::V1(tree) => tree.freeze(&self.path),
            Tree::V2(tree) => tree.freeze(&self.path),
        }
    }

    /// Lets everything in and below it go on.
    pub fn thaw(&self) -> Result<()> {
        match &self.tree {
            Tree::V1(tree) => tree.thaw(&self.path),
            Tree::V2(tree) => tree.thaw(&self.path),
        }
    }

    /// Whether it was frozen.
    pub fn is_frozen(&self) -> bool {
        match &self.tree {
            Tree::V1(tree) => tree.is_frozen(&self.path),
            Tree::V2(tree) => tree.is_frozen(&self.path),
        }
    }

    /// Every process in and below it.
    pub fn processes(&self) -> Vec<Process> {
        let mut pids: Vec<i32> = self.directories().iter().flat_map(|dir| processes_below(dir)).collect();
        pids.sort_unstable();
        pids.dedup();
        pids.into_iter().filter_map(Process::of).collect()
    }

    /// The groups with this name anywhere below it, as paths in one tree.
    pub fn find(&self, name: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        if let Some(dir) = self.directories().first() {
            find_below(dir, name, &mut found);
        }
        found
    }

    /// Kills everything in and below it, and removes it. Who was about to join it when we looked is
    /// killed at the next look, and cannot join any more once it is removed.
    pub fn end(&self) -> Result<()> {
        self.thaw()?;
        wait::until_soon("end of a control group", EXIT_DEADLINE, || {
            let left = self.processes();
            for process in &left {
                process.signal(Signal::SIGKILL)?;
            }
            match left.first() {
                Some(first) => Ok(Seen::NotYet(format!("{} processes, such as {first:?}", left.len()))),
                None => self.remove().map(Seen::Done),
            }
        })
        .with_context(|| format!("cannot end {}", self.path.display()))
    }

    fn remove(&self) -> Result<()> {
        self.directories().iter().try_for_each(|dir| remove_tree(dir))
    }
}

fn subdirectories(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|e| e.path())
        .collect()
}

/// The pids in one group's own list.
pub(crate) fn processes_in(dir: &Path) -> Vec<i32> {
    let list = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    list.lines().filter_map(|line| line.parse().ok()).collect()
}

/// The pids in one group and below it.
pub(crate) fn processes_below(dir: &Path) -> Vec<i32> {
    let mut pids = processes_in(dir);
    pids.extend(subdirectories(dir).iter().flat_map(|dir| processes_below(dir)));
    pids
}

fn find_below(dir: &Path, name: &str, found: &mut Vec<PathBuf>) {
    for below in subdirectories(dir) {
        if below.ends_with(name) {
            found.push(below.clone());
        }
        find_below(&below, name, found);
    }
}

fn remove_tree(dir: &Path) -> Result<()> {
    for below in subdirectories(dir) {
        remove_tree(&below)?;
    }
    match fs::remove_dir(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove control group {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// Writes to a control file; the error names the file.
fn write(file: &Path, value: &str) -> Result<()> {
    fs::write(file, value).with_context(|| format!("cannot write {value:?} to {}", file.display()))
}

#[cfg(test)]
mod tests;
