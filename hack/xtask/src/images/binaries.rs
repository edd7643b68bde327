//! Compiles the products, statically and without a trace of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use crate::shell;
use crate::workspace::{Workspace, host};

use super::Profile;
use super::product::PRODUCTS;

/// What one run of cargo made.
pub(super) struct Compiled {
    binaries: BTreeMap<String, PathBuf>,
    packages: BTreeSet<String>,
}

impl Compiled {
    /// The binary called `name`.
    pub(super) fn binary(&self, name: &str) -> anyhow::Result<&Path> {
        self.binaries.get(name).map(PathBuf::as_path).with_context(|| format!("cargo built no binary {name}"))
    }

    /// Whether a package was compiled for the images, and not only to run while compiling.
    pub(super) fn has(&self, package: &str) -> bool {
        self.packages.contains(package)
    }
}

/// Compiles all products in one run: they share their features and most of their code.
pub(super) fn compile(workspace: &Workspace, profile: Profile) -> anyhow::Result<Compiled> {
    let platform = host()?;
    let mut cargo = shell::cargo();
    cargo.current_dir(workspace.root()).args(["build", "--bins", "--locked"]);
    // With a platform named, the flags below stay away from macros and build scripts, which cannot be static.
    cargo.args(["--target", &platform, "--message-format=json-render-diagnostics"]);
    cargo.args(match profile {
        Profile::Release => ["--profile", "release"],
        Profile::Dev => ["--profile", "dev-image"],
    });
    cargo.args(PRODUCTS.iter().flat_map(|product| ["--package", product.package]));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(workspace.root()).join("\x1f"));
    parse(&shell::output(&mut cargo)?, &platform)
}

/// Flags for the compiler.
fn flags(root: &Path) -> Vec<String> {
    let fixed = [
        "-Ctarget-feature=+crt-static",
        // Moved to another place at each start, a megabyte of tables would be every process's own.
        "-Crelocation-model=static",
        // A static binary cannot look the system call up by name, and would fall back to a device file.
        "--cfg=getrandom_backend=\"linux_getrandom\"",
    ];
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let traces = [(Some(root.to_owned()), "/metallb-rs"), (home, "/cargo")];
    // Names of folders end up in messages of panics; they must not differ from machine to machine.
    let remaps = traces.into_iter().filter_map(|(from, to)| Some((from?, to)));
    let remaps = remaps.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    fixed.into_iter().map(str::to_owned).chain(remaps).collect()
}

#[derive(Deserialize)]
struct Artifact {
    package_id: String,
    target: Target,
    filenames: Vec<PathBuf>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Reads cargo's messages, one a line.
fn parse(messages: &str, platform: &str) -> anyhow::Result<Compiled> {
    let mut compiled = Compiled { binaries: BTreeMap::new(), packages: BTreeSet::new() };
    for line in messages.lines().filter(|line| line.contains(r#""reason":"compiler-artifact""#)) {
        let artifact: Artifact = serde_json::from_str(line).context("cannot read cargo's messages")?;
        let for_platform = |path: &PathBuf| path.iter().any(|part| part == platform);
        if artifact.filenames.iter().any(for_platform) {
            compiled.packages.insert(artifact.package_id);
            compiled.binaries.extend(artifact.executable.map(|path| (artifact.target.name, path)));
        }
    }
    Ok(compiled)
}

#[cfg(test)]
mod tests;
