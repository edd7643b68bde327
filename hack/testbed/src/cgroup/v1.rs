//! cgroup v1: one tree for each controller, or for a few that are mounted together.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{FREEZE_DEADLINE, subdirectories, write};
use crate::wait::{self, Seen};

/// What kubelet, containerd and runc insist on. `systemd` carries no controller; kubelet ends if it is missing.
const NEEDED: [&str; 9] =
    ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "name=systemd"];
/// Used when the host has them.
const WELCOME: [&str; 4] = ["net_cls", "net_prio", "perf_event", "hugetlb"];

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hierarchy {
    root: PathBuf,
    controllers: Vec<String>,
}

impl Hierarchy {
    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|own| own == controller)
    }
}

/// All hierarchies that concern us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    hierarchies: Vec<Hierarchy>,
}

impl Tree {
    /// Reads `/proc/mounts`. `None`: no controller is mounted the v1 way.
    pub fn parse(mounts: &str) -> Option<Tree> {
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        for line in mounts.lines() {
            let Some(hierarchy) = parse_mount(line) else { continue };
            if hierarchies.iter().all(|known| known.controllers != hierarchy.controllers) {
                hierarchies.push(hierarchy);
            }
        }
        let has_controllers = hierarchies.iter().any(|hierarchy| hierarchy.has("memory"));
        has_controllers.then_some(Tree { hierarchies })
    }

    /// Refuses a host on which kubelet would not start.
    pub fn checked(self) -> Result<Tree> {
        let missing: Vec<_> =
            NEEDED.into_iter().filter(|needed| !self.hierarchies.iter().any(|h| h.has(needed))).collect();
        if !missing.is_empty() {
            let missing = missing.join(" ");
            bail!("control groups (v1) are not mounted: {missing}; mount them below /sys/fs/cgroup");
        }
        Ok(self)
    }

    pub fn roots(&self) -> Vec<PathBuf> {
        self.hierarchies.iter().map(|hierarchy| hierarchy.root.clone()).collect()
    }

    /// `NAME:OPTIONS` for each hierarchy, as `machine-init` mounts it at `/sys/fs/cgroup/NAME`.
    pub fn mount_plan(&self) -> String {
        let words = self.hierarchies.iter().map(|hierarchy| {
            let options = hierarchy.controllers.join(",");
            let none = if options.starts_with("name=") { "none," } else { "" };
            let name = hierarchy.root.file_name().unwrap_or_default().to_string_lossy();
            format!("{name}:{none}{options}")
        });
        words.collect::<Vec<_>>().join(" ")
    }

    pub fn create(&self, path: &Path) -> Result<()> {
        for hierarchy in &self.hierarchies {
            let dir = hierarchy.root.join(path);
            fs::create_dir_all(&dir)
                .with_context(|| format!("cannot make control group {}", dir.display()))?;
            if hierarchy.has("cpuset") {
                fill_cpuset(&hierarchy.root, path)?;
            }
        }
        Ok(())
    }

    fn freezer(&self, path: &Path) -> Result<PathBuf> {
        self.directory("freezer", path)
    }

    /// The directory of a group in the tree of this controller.
    pub fn directory(&self, controller: &str, path: &Path) -> Result<PathBuf> {
        let hierarchy = self.hierarchies.iter().find(|hierarchy| hierarchy.has(controller));
        Ok(hierarchy.with_context(|| format!("no {controller} hierarchy"))?.root.join(path))
    }

    pub fn freeze(&self, path: &Path) -> Result<()> {
        let state = self.freezer(path)?.join("freezer.state");
        write(&state, "FROZEN")?;
        // A group with many tasks passes through FREEZING; it takes another write to finish.
        wait::until_soon("frozen group", FREEZE_DEADLINE, || {
            let now = fs::read_to_string(&state)?;
            if now.trim() == "FROZEN" {
                return Ok(Seen::Done(()));
            }
            write(&state, "FROZEN")?;
            Ok(Seen::NotYet(now))
        })
    }

    /// Paused containers have a frozen group of their own, so every one below is thawed too.
    pub fn thaw(&self, path: &Path) -> Result<()> {
        thaw_tree(&self.freezer(path)?)
    }

    pub fn is_frozen(&self, path: &Path) -> bool {
        let state = self.freezer(path).and_then(|dir| Ok(fs::read_to_string(dir.join("freezer.state"))?));
        state.is_ok_and(|state| state.trim() != "THAWED")
    }
}

fn thaw_tree(dir: &Path) -> Result<()> {
    let state = dir.join("freezer.state");
    if state.exists() {
        write(&state, "THAWED")?;
    }
    subdirectories(dir).iter().try_for_each(|below| thaw_tree(below))
}

/// A new cpuset is empty and refuses tasks until it is given CPUs and memory of its parent.
fn fill_cpuset(root: &Path, path: &Path) -> Result<()> {
    let mut parent = root.to_owned();
    for part in path {
        let dir = parent.join(part);
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let value = fs::read_to_string(parent.join(file))
                .with_context(|| format!("cannot read {file} of {}", parent.display()))?;
            write(&dir.join(file), value.trim())?;
        }
        // Groups that daemons make below inherit the two.
        write(&dir.join("cgroup.clone_children"), "1")?;
        parent = dir;
    }
    Ok(())
}

/// `cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,relatime,cpu,cpuacct 0 0`
fn parse_mount(line: &str) -> Option<Hierarchy> {
    let mut fields = line.split_ascii_whitespace();
    let (root, kind, options) = (fields.nth(1)?, fields.next()?, fields.next()?);
    if kind != "cgroup" {
        return None;
    }
    let controllers: Vec<String> = options
        .split(',')
        .filter(|option| NEEDED.contains(option) || WELCOME.contains(option))
        .map(str::to_owned)
        .collect();
    (!controllers.is_empty()).then(|| Hierarchy { root: PathBuf::from(root), controllers })
}
