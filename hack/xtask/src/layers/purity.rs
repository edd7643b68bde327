//! What core's sources must not name: the standard library needs no dependency to do I/O.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::rust_source::{code, paths, without_tests};

use super::Sources;

/// Beginnings of paths, and what to do instead.
const FORBIDDEN: &[(&str, &str)] = &[
    ("std::net::Tcp", "sockets belong to crates/io"),
    ("std::net::Udp", "sockets belong to crates/io"),
    ("std::os", "the system belongs to crates/io"),
    ("std::fs", "files belong to crates/io"),
    ("std::env", "the environment is an input: take it as a value"),
    ("std::process", "processes belong to crates/io"),
    ("std::thread", "core is synchronous; its caller owns the threads"),
    ("std::time::SystemTime", "time is an input: take `now` as a value"),
    ("std::sync::Mutex", "one task owns the state"),
    ("std::sync::RwLock", "one task owns the state"),
];

/// Breaches in the sources of one crate.
pub(super) fn check(package: &str, sources: &Sources) -> Vec<String> {
    let broken = sources.iter().flat_map(|(file, source)| {
        let paths = paths(&without_tests(&code(source)));
        let broken = paths.iter().filter_map(|path| Some((path.clone(), why_not(path)?))).collect::<Vec<_>>();
        broken.into_iter().map(move |(path, why)| format!("{package} must not name {path} in {file}: {why}"))
    });
    broken.collect()
}

fn why_not(path: &str) -> Option<&'static str> {
    if path.ends_with("::now") {
        return Some("time is an input: take `now` as a value");
    }
    if path == "async" {
        return Some("core is synchronous; async belongs to crates/io and the binaries");
    }
    FORBIDDEN.iter().find(|(start, _)| begins_with(path, start)).map(|(_, why)| *why)
}

/// Whether `path` begins with `start`, where a module's name counts as a whole.
fn begins_with(path: &str, start: &str) -> bool {
    let in_type = start.ends_with("Tcp") || start.ends_with("Udp");
    path.strip_prefix(start).is_some_and(|rest| in_type || rest.is_empty() || rest.starts_with("::"))
}

/// The Rust files below `folder` that are not tests; both are named as seen from `root`.
pub(super) fn sources(root: &Path, folder: &Path) -> anyhow::Result<Sources> {
    let mut found = Sources::new();
    collect(root, folder, &mut found)?;
    Ok(found)
}

fn collect(root: &Path, folder: &Path, found: &mut Sources) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(root.join(folder)).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if entry.file_type()?.is_dir() && name != "tests" {
            collect(root, &path, found)?;
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let source = fs::read_to_string(entry.path());
            let source = source.with_context(|| format!("cannot read {}", path.display()))?;
            found.insert(path.display().to_string(), source);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
