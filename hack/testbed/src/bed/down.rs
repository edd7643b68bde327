//! Taking a bed down.

use std::path::Path;
use std::{fs, io};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::{Bed, lock};
use crate::cgroup::Tree;
use crate::host;
use crate::machine::Machine;
use crate::options::Options;
use crate::preflight;
use crate::progress::Progress;

impl Bed {
    /// Ends everything the bed runs and removes everything it wrote.
    pub fn down(&self) -> Result<()> {
        down(&self.options)
    }
}

/// Ends the bed of this name, however much of it there is; harmless if there is nothing.
pub fn down(options: &Options) -> Result<()> {
    preflight::need_root()?;
    options.check()?;
    let progress = Progress::new(options.quiet);
    {
        let _lock = lock(options, progress)?;
        clear(options, &Tree::of_host()?)?;
        // Last, because it gives the lock up.
        fs::remove_dir_all(&options.state)
            .with_context(|| format!("cannot remove {}", options.state.display()))?;
        if let Some(beds) = options.state.parent() {
            // Gone with its last bed; other beds keep it.
            let _others = fs::remove_dir(beds);
        }
    }
    progress.step(&format!("bed {} is down", options.name));
    Ok(())
}

/// Ends what runs and empties the state folder. The folder itself stays, because the caller's lock lies
/// on it. Kills by the switch's init, with which the kernel ends all machines at once, and then by control
/// group, which also finds what a crashed `up` had not written down yet.
pub(super) fn clear(options: &Options, tree: &Tree) -> Result<()> {
    let group = tree.group(options.group_name());
    group.thaw()?;
    let switch = Machine {
        name: super::SWITCH.to_owned(),
        folder: options.state.join("machines").join(super::SWITCH),
        group: group.child(super::SWITCH),
    };
    if let Some(init) = switch.init() {
        init.signal(Signal::SIGKILL)?;
    }
    host::release(tree, &group)?;
    empty(&options.state).with_context(|| format!("cannot empty {}", options.state.display()))
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
