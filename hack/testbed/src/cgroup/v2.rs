//! cgroup v2: one tree. A group with controllers for its children may hold no process itself, so the
//! daemons of a machine live in a leaf.
//!
//! Written for the hosts most people have, but not yet run on one: see the README.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::{DAEMONS, FREEZE_DEADLINE, USUAL_SHARE, processes_in, subdirectories, write};
use crate::wait;

/// What kubelet and runc insist on.
const NEEDED: [&str; 4] = ["cpu", "cpuset", "memory", "pids"];
/// Used when the host has them.
const WELCOME: [&str; 2] = ["io", "hugetlb"];

/// The tree, by its mount point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tree {
    pub root: PathBuf,
}

impl Tree {
    /// Reads `/proc/mounts`.
    pub fn parse(mounts: &str) -> Result<Tree> {
        let root = mounts.lines().find_map(|line| {
            let mut fields = line.split_ascii_whitespace();
            let (root, kind) = (fields.nth(1)?, fields.next()?);
            (kind == "cgroup2").then(|| PathBuf::from(root))
        });
        Ok(Tree { root: root.context("no control groups are mounted; mount cgroup2 at /sys/fs/cgroup")? })
    }

    /// Where the daemons of the machine in group `path` live.
    fn leaf(&self, path: &Path) -> PathBuf {
        self.root.join(path).join(DAEMONS)
    }

    /// Refuses a host that keeps back a controller.
    pub fn check(&self) -> Result<()> {
        let file = self.root.join("cgroup.controllers");
        let has = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let missing: Vec<_> = missing_controllers(&has);
        if !missing.is_empty() {
            bail!("control groups (v2) lack {}; delegate them to {}", missing.join(" "), self.root.display());
        }
        // The true root may hold processes; a container's root is a group like any other.
        if self.root.join("cgroup.type").exists() && !processes_in(&self.root).is_empty() {
            let root = self.root.display();
            bail!(
                "control groups (v2) at {root}: processes sit in this container's root; move them to a group below"
            );
        }
        Ok(())
    }

    /// Makes the group and hands every controller down to it.
    pub fn create(&self, path: &Path) -> Result<()> {
        let mut dir = self.root.clone();
        for part in path {
            enable_controllers(&dir)?;
            dir = dir.join(part);
            if !dir.is_dir() {
                fs::create_dir(&dir)
                    .with_context(|| format!("cannot make control group {}", dir.display()))?;
            }
        }
        Ok(())
    }

    /// Moves the newborn machine into its leaf, then hands the controllers to the machine's group. The
    /// cgroup namespace keeps its root at the group, so that kubelet sees it as `/`.
    pub fn settle(&self, path: &Path) -> Result<()> {
        let machine = self.root.join(path);
        let leaf = self.leaf(path);
        if !leaf.is_dir() {
            fs::create_dir(&leaf).with_context(|| format!("cannot make control group {}", leaf.display()))?;
        }
        for pid in processes_in(&machine) {
            write(&leaf.join("cgroup.procs"), &pid.to_string())?;
        }
        enable_controllers(&machine)
    }

    /// 100 is what v2 gives by itself.
    pub fn share(&self, path: &Path, parts: u32) -> Result<()> {
        let weight = (parts.saturating_mul(100) / USUAL_SHARE).max(1);
        write(&self.root.join(path).join("cpu.weight"), &weight.to_string())
    }

    pub fn freeze(&self, path: &Path) -> Result<()> {
        let dir = self.root.join(path);
        write(&dir.join("cgroup.freeze"), "1")?;
        wait::until_soon("frozen group", FREEZE_DEADLINE, || {
            let events = fs::read_to_string(dir.join("cgroup.events"))?;
            Ok(wait::seen(events.lines().any(|event| event == "frozen 1"), events))
        })
    }

    pub fn thaw(&self, path: &Path) -> Result<()> {
        thaw_tree(&self.root.join(path))
    }

    pub fn is_frozen(&self, path: &Path) -> bool {
        fs::read_to_string(self.root.join(path).join("cgroup.freeze")).is_ok_and(|state| state.trim() == "1")
    }
}

fn missing_controllers(has: &str) -> Vec<&'static str> {
    NEEDED.into_iter().filter(|needed| !has.split_ascii_whitespace().any(|has| has == *needed)).collect()
}

/// Enables what the group itself was given. One write each, so that a refused one does not spoil the
/// others; only a refusal of what is needed counts.
fn enable_controllers(dir: &Path) -> Result<()> {
    let has = fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
    let given = has.split_ascii_whitespace().filter(|c| NEEDED.contains(c) || WELCOME.contains(c));
    for controller in given {
        let enabled = write(&dir.join("cgroup.subtree_control"), &format!("+{controller}"));
        if NEEDED.contains(&controller) {
            enabled?;
        }
    }
    Ok(())
}

fn thaw_tree(dir: &Path) -> Result<()> {
    let state = dir.join("cgroup.freeze");
    if state.exists() {
        write(&state, "0")?;
    }
    subdirectories(dir).iter().try_for_each(|below| thaw_tree(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_needed_controller_that_is_refused_is_an_error() {
        let dir = std::env::temp_dir().join(format!("testbed-v2-test-{}", std::process::id()));
        // A folder in the place of the file: every write is refused.
        fs::create_dir_all(dir.join("cgroup.subtree_control")).unwrap();
        let enable = |has: &str| {
            fs::write(dir.join("cgroup.controllers"), has).unwrap();
            enable_controllers(&dir)
        };
        assert!(enable("io hugetlb\n").is_ok());
        assert!(enable("rdma\n").is_ok());
        let error = enable("io memory\n").unwrap_err().to_string();
        assert!(error.contains("+memory"), "{error}");
        fs::remove_dir_all(dir).unwrap();
    }
}
