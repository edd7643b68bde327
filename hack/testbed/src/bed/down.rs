//! Taking a bed down.

use std::fs;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::{Bed, lock};
use crate::cgroup::Tree;
use crate::host;
use crate::machine::Machine;
use crate::options::Options;
use crate::progress::Progress;

impl Bed {
    /// Ends everything the bed runs and removes everything it wrote.
    pub fn down(&self) -> Result<()> {
        down(&self.options)
    }
}

/// Ends the bed of this name, however much of it there is; harmless if there is nothing.
pub fn down(options: &Options) -> Result<()> {
    options.check()?;
    let progress = Progress::new(options.quiet);
    {
        let _lock = lock(options, progress)?;
        clear(options, &Tree::of_host()?)?;
        if let Some(beds) = options.state.parent() {
            // Gone with its last bed; other beds keep it.
            let _others = fs::remove_dir(beds);
        }
    }
    progress.step(&format!("bed {} is down", options.name));
    Ok(())
}

/// Kills by the switch's init, with which the kernel ends all machines at once, and then by control
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
    match fs::remove_dir_all(&options.state) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", options.state.display()))
        }
        _ => Ok(()),
    }
}
