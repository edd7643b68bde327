//! Files written by a task and kept in the repository: written anew, or compared with what is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// What to do with the files.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Make them so.
    Write,
    /// Say what is not so.
    Check,
}

impl Mode {
    /// The mode of a task's `--check` flag.
    pub(crate) fn of(check: bool) -> Self {
        if check { Self::Check } else { Self::Write }
    }
}

/// Everything that belongs into some folders of the project.
pub(crate) struct Generated {
    /// Folders that hold nothing else: what is not generated is removed from them.
    pub(crate) folders: Vec<PathBuf>,
    /// Contents by path, seen from the project's folder.
    pub(crate) files: BTreeMap<PathBuf, String>,
}

impl Generated {
    /// Does what `mode` says below `root` and returns what is out of date: nothing after writing.
    pub(crate) fn run(&self, root: &Path, mode: Mode) -> anyhow::Result<Vec<String>> {
        match mode {
            Mode::Write => self.write(root).map(|()| Vec::new()),
            Mode::Check => self.drift(root),
        }
    }

    fn write(&self, root: &Path) -> anyhow::Result<()> {
        for path in self.surplus(root)? {
            let path = root.join(path);
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
        for (path, content) in &self.files {
            let path = root.join(path);
            let folder = path.parent().unwrap_or(root);
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
            fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }

    fn drift(&self, root: &Path) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for (path, content) in &self.files {
            match fs::read_to_string(root.join(path)) {
                Ok(there) if there == *content => {}
                Ok(_) => found.push(format!("{} is out of date; run `cargo xtask bundle`", path.display())),
                Err(_) => found.push(format!("{} is missing; run `cargo xtask bundle`", path.display())),
            }
        }
        let surplus = self.surplus(root)?;
        found.extend(surplus.iter().map(|path| {
            format!("{} is generated no more; run `cargo xtask bundle`, which removes it", path.display())
        }));
        Ok(found)
    }

    /// Files in our folders that nobody generates.
    fn surplus(&self, root: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let mut surplus = Vec::new();
        for folder in self.folders.iter().filter(|folder| root.join(folder).is_dir()) {
            for entry in fs::read_dir(root.join(folder))? {
                let path = folder.join(entry?.file_name());
                if root.join(&path).is_file() && !self.files.contains_key(&path) {
                    surplus.push(path);
                }
            }
        }
        surplus.sort();
        Ok(surplus)
    }
}

#[cfg(test)]
pub(crate) mod tests;
