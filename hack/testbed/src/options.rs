//! What the caller of a bed chooses, and the places that follow from it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::address::MAX_NODES;
use crate::cache;

/// Every control group of a bed is called like this, its name, and a mark of its state folder.
pub(crate) const GROUP_PREFIX: &str = "metallb-testbed-";

/// How a bed is called, how large it is and where it keeps its things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Two beds with different names can run side by side.
    pub name: String,
    /// How many nodes, `n1` to `n<nodes>`. Without any there is only an API server, for tests of clients.
    pub nodes: u8,
    /// Everything a bed writes: certificates, the machines' disks and logs. Removed by `down`.
    pub state: PathBuf,
    /// Executables and images, kept between beds and shared by all.
    pub cache: PathBuf,
    /// No progress lines.
    pub quiet: bool,
    /// Flags that the API server gets beside its own. Only the process that brings a bed up knows of them: one that finds it later
    /// and starts the API server again does so without.
    pub api_server_flags: Vec<String>,
}

impl Default for Options {
    /// As the environment says: `TESTBED_NAME`, else "tb".
    fn default() -> Options {
        Options::named(&env::var("TESTBED_NAME").unwrap_or_else(|_| "tb".to_owned()))
    }
}

impl Options {
    /// A bed of three nodes with this name, its folders at the usual places or where `TESTBED_STATE`
    /// and `METALLB_TESTBED_CACHE` say.
    pub fn named(name: &str) -> Options {
        let states =
            env::var_os("TESTBED_STATE").map_or_else(|| repository().join(".testbed"), PathBuf::from);
        Options {
            name: name.to_owned(),
            nodes: 3,
            state: absolute(states.join(name)),
            cache: absolute(cache::folder()),
            quiet: false,
            api_server_flags: Vec::new(),
        }
    }

    /// The same with another number of nodes.
    pub fn with_nodes(self, nodes: u8) -> Options {
        Options { nodes, ..self }
    }

    /// The same with these flags of the API server.
    pub fn with_api_server_flags(self, flags: &[&str]) -> Options {
        let api_server_flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        Options { api_server_flags, ..self }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 32 || !self.name.chars().all(plain) {
            bail!("bed name {:?}: use 1 to 32 lower-case letters, digits and dashes", self.name);
        }
        if self.nodes > MAX_NODES {
            bail!("{} nodes: use 0 to {MAX_NODES}", self.nodes);
        }
        Ok(())
    }

    /// The bed's control group. The mark keeps beds of the same name but of different working copies apart.
    pub(crate) fn group_name(&self) -> String {
        let mark = cache::key(&[self.state.as_os_str().as_encoded_bytes()]);
        format!("{GROUP_PREFIX}{}-{}", self.name, mark.get(..8).unwrap_or(&mark))
    }
}

/// The same place for those who run in other folders.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// The root of the source tree this program was built from.
fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beds_of_other_names_or_folders_have_other_groups() {
        let one = Options::named("one");
        let two = Options::named("two");
        let moved = Options { state: PathBuf::from("/elsewhere/one"), ..one.clone() };
        assert!(one.group_name().starts_with("metallb-testbed-one-"), "{}", one.group_name());
        assert_ne!(one.group_name(), two.group_name());
        assert_ne!(one.group_name(), moved.group_name());
        assert_eq!(one.group_name(), Options::named("one").group_name());
    }

    #[test]
    fn a_name_that_is_no_file_name_is_refused() {
        for name in ["", "../x", "Tb", "a b", &"x".repeat(33)] {
            assert!(Options::named(name).check().is_err(), "{name:?}");
        }
        assert!(Options::named("tb-2").check().is_ok());
    }

    #[test]
    fn the_number_of_nodes_is_bounded() {
        for nodes in [0, 9] {
            assert!(Options::named("tb").with_nodes(nodes).check().is_ok());
        }
        let error = Options::named("tb").with_nodes(10).check().unwrap_err().to_string();
        assert!(error.ends_with("use 0 to 9"), "{error}");
    }
}
