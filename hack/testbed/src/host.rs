//! What beds change on the host itself, shared by all that run: kernel settings and mount points.
//!
//! The first bed writes down what was there before, the last one puts it back. Beds are counted by their
//! control groups, which can't be forgotten in a crash as a counter could.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::cgroup::{Group, Tree};
use crate::machine::PRIVATE_FOLDERS;
use crate::options::GROUP_PREFIX;

/// What was there before the first bed.
const RECORD: &str = "/run/metallb-testbed.json";
/// Taken while the record or the number of beds changes. One of the settings guarded, so no file is left.
const LOCK: &str = "/proc/sys/kernel/panic";

/// kubelet sets these for the whole machine.
const CHANGED_BY_KUBELET: [&str; 3] = ["vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops"];
/// A few containerds and kubelets need more inotify instances than the usual 128.
const INSTANCES: &str = "fs/inotify/max_user_instances";
const ENOUGH_INSTANCES: u32 = 1024;

/// Files over which each machine mounts its own.
const PRIVATE_FILES: [&str; 2] = ["/etc/hostname", "/etc/machine-id"];

/// The record, as kept on disk.
#[derive(Debug, Default, PartialEq, Eq)]
struct Before {
    settings: BTreeMap<String, String>,
    /// Files and folders that were missing, parents first.
    made: Vec<PathBuf>,
}

/// Prepares the host and makes the bed's control group, which counts the bed in.
pub(crate) fn prepare(bed: &Group) -> Result<()> {
    let _lock = lock()?;
    let mut before = Before::load()?;
    for name in CHANGED_BY_KUBELET.into_iter().chain([INSTANCES]) {
        if !before.settings.contains_key(name) {
            before.settings.insert(name.to_owned(), setting(name)?);
        }
    }
    let missing = missing_mount_points();
    before.made.extend(missing.iter().cloned());
    // First the record, then the change: a crash in between is put right by the next `down`.
    before.save()?;
    make_mount_points(&missing)?;
    if setting(INSTANCES)?.parse().is_ok_and(|now: u32| now < ENOUGH_INSTANCES) {
        set(INSTANCES, &ENOUGH_INSTANCES.to_string())?;
    }
    bed.create()
}

/// Ends the bed's control group; if it was the last one, puts everything back.
pub(crate) fn release(tree: &Tree, bed: &Group) -> Result<()> {
    let _lock = lock()?;
    bed.end()?;
    if !beds(tree).is_empty() || !Path::new(RECORD).exists() {
        return Ok(());
    }
    let before = Before::load()?;
    for (name, value) in &before.settings {
        if setting(name)? != *value {
            set(name, value)?;
        }
    }
    for path in before.made.iter().rev() {
        // Somebody else may have begun to use it; then it is not ours to remove.
        let _kept = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
    }
    fs::remove_file(RECORD).with_context(|| format!("cannot remove {RECORD}"))
}

/// The control groups of all beds on this host.
pub(crate) fn beds(tree: &Tree) -> Vec<String> {
    tree.top_names().into_iter().filter(|name| name.starts_with(GROUP_PREFIX)).collect()
}

fn lock() -> Result<File> {
    let file = File::open(LOCK).with_context(|| format!("cannot open {LOCK}"))?;
    file.lock().with_context(|| format!("cannot lock {LOCK}"))?;
    Ok(file)
}

fn setting(name: &str) -> Result<String> {
    let file = format!("/proc/sys/{name}");
    Ok(fs::read_to_string(&file).with_context(|| format!("cannot read {file}"))?.trim().to_owned())
}

fn set(name: &str, value: &str) -> Result<()> {
    let file = format!("/proc/sys/{name}");
    fs::write(&file, value).with_context(|| format!("cannot write {value} to {file}"))
}

/// Missing folders with their missing parents, and missing files; parents first.
fn missing_mount_points() -> Vec<PathBuf> {
    let mut missing = Vec::new();
    for folder in PRIVATE_FOLDERS {
        let mut chain: Vec<&Path> = Path::new(folder).ancestors().take_while(|path| !path.exists()).collect();
        chain.reverse();
        for path in chain {
            if !missing.iter().any(|known| known == path) {
                missing.push(path.to_owned());
            }
        }
    }
    missing.extend(PRIVATE_FILES.iter().map(PathBuf::from).filter(|path| !path.exists()));
    missing
}

fn make_mount_points(missing: &[PathBuf]) -> Result<()> {
    for path in missing {
        let is_file = PRIVATE_FILES.iter().any(|file| Path::new(file) == path);
        let made = if is_file { File::create(path).map(drop) } else { fs::create_dir(path) };
        made.with_context(|| format!("cannot make the mount point {}", path.display()))?;
    }
    Ok(())
}

impl Before {
    fn load() -> Result<Before> {
        match fs::read_to_string(RECORD) {
            Ok(text) => Before::parse(&text).with_context(|| format!("{RECORD} is damaged; remove it")),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Before::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {RECORD}")),
        }
    }

    fn save(&self) -> Result<()> {
        let draft = format!("{RECORD}.new");
        fs::write(&draft, self.to_json().to_string()).with_context(|| format!("cannot write {draft}"))?;
        fs::rename(&draft, RECORD).with_context(|| format!("cannot write {RECORD}"))
    }

    fn to_json(&self) -> Value {
        json!({"settings": self.settings, "made": self.made})
    }

    fn parse(text: &str) -> Option<Before> {
        let value: Value = serde_json::from_str(text).ok()?;
        let settings = value.get("settings")?.as_object()?.iter();
        let made = value.get("made")?.as_array()?.iter();
        Some(Before {
            settings: settings
                .map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
                .collect::<Option<_>>()?,
            made: made.map(|path| Some(PathBuf::from(path.as_str()?))).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_read_back_as_written() {
        let before = Before {
            settings: BTreeMap::from([("kernel/panic".to_owned(), "0".to_owned())]),
            made: vec![PathBuf::from("/etc/cni"), PathBuf::from("/etc/cni/net.d")],
        };
        assert_eq!(Before::parse(&before.to_json().to_string()), Some(before));
    }

    #[test]
    fn a_damaged_record_is_refused_instead_of_restoring_half_of_it() {
        for text in ["", "{}", r#"{"settings": {"a": 1}, "made": []}"#, r#"{"settings": {}, "made": [1]}"#] {
            assert_eq!(Before::parse(text), None, "{text}");
        }
    }
}
