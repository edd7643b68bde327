//! Go programs of ours, built into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cache;

/// The executable of a Go module of ours, whose `main` lies in the module's folder. It is built unless the cache has
/// it; another process that wants the same waits. The module's dependencies are fetched for that.
///
/// # Errors
/// When there is no Go, or the module can't be built.
pub fn go_program(module: &Path) -> Result<PathBuf> {
    go_program_in(&cache::folder(), module)
}

/// The same in this cache.
pub(crate) fn go_program_in(cache: &Path, module: &Path) -> Result<PathBuf> {
    let name =
        module.file_name().and_then(|name| name.to_str()).context("the module's folder has no name")?;
    let manifest = read_manifest(module)?;
    let entry = cache::entry(cache, &format!("go-{name}-{}", source_key(module)?), |out| {
        check_go(&manifest)?;
        // Without the C library, which an image of ours may lack.
        build(module, &["-tags=netgo,osusergo", "."], "-s -w", &out.join(name))
    })?;
    Ok(entry.join(name))
}

/// What the module's `go.mod` says.
pub(crate) fn read_manifest(module: &Path) -> Result<String> {
    fs::read_to_string(module.join("go.mod"))
        .with_context(|| format!("cannot read the Go module {}", module.display()))
}

/// Changes with every file of the module's folder.
pub(crate) fn source_key(module: &Path) -> Result<String> {
    let files = fs::read_dir(module)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = files.collect::<Result<Vec<_>, _>>()?;
    files.retain(|file| file.is_file());
    files.sort();
    let mut parts = Vec::new();
    for file in &files {
        parts.push(file.file_name().map(|name| name.as_encoded_bytes().to_vec()).unwrap_or_default());
        parts.push(fs::read(file)?);
    }
    Ok(cache::key(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

/// Whether there is a Go that is new enough for the module.
pub(crate) fn check_go(manifest: &str) -> Result<()> {
    let needed =
        manifest.lines().find_map(|line| line.strip_prefix("go ")).context("go.mod names no Go version")?;
    let advice = format!("install Go {needed} or newer from your Go distribution and put it on PATH");
    let Ok(output) = Command::new("go").args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local").output()
    else {
        bail!("no Go found: {advice}");
    };
    let found = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches("go").to_owned();
    if version_numbers(&found) < version_numbers(needed) {
        bail!("Go {found} is too old to build {}: {advice}", name(manifest));
    }
    Ok(())
}

fn name(manifest: &str) -> &str {
    manifest.lines().find_map(|line| line.strip_prefix("module ")).unwrap_or("the module")
}

fn version_numbers(version: &str) -> Vec<u32> {
    let numbers = version.split(['.', ' ', '-']).map_while(|part| part.parse().ok());
    numbers.take(2).collect()
}

/// Builds `what`, packages and flags before them. Settings that change the result of every package (`-trimpath`, `CGO_ENABLED`) stay at their
/// defaults, so that Go's own build cache serves us.
pub(crate) fn build(module: &Path, what: &[&str], link_flags: &str, out: &Path) -> Result<()> {
    let mut command = Command::new("go");
    command.current_dir(module).env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=readonly");
    command.args(["build", "-buildvcs=false", "-ldflags", link_flags, "-o"]).arg(out).args(what);
    run(command, "go build")
}

/// Runs a compiler to its end.
pub(crate) fn run(mut command: Command, what: &str) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {what}"))?;
    if !output.status.success() {
        bail!("{what} failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_versions_compare_by_number() {
        assert!(version_numbers("1.9.7") < version_numbers("1.24.0"));
        assert!(version_numbers("1.24") >= version_numbers("1.24.0"));
        assert!(version_numbers("1.26.8 X:nodwarf5") >= version_numbers("1.24.0"));
        assert!(version_numbers("") < version_numbers("1.24.0"));
    }

    #[test]
    fn a_key_changes_with_what_a_file_says_and_with_its_name() {
        let folder = std::env::temp_dir().join(format!("testbed-go-test-{}", std::process::id()));
        fs::create_dir_all(folder.join("below")).unwrap();
        let mut keys = Vec::new();
        for (file, text) in [("a.go", "1"), ("a.go", "2"), ("b.go", "2")] {
            fs::write(folder.join(file), text).unwrap();
            keys.push(source_key(&folder).unwrap());
        }
        fs::remove_dir_all(&folder).unwrap();
        assert!(keys[0] != keys[1] && keys[1] != keys[2], "{keys:?}");
    }
}
