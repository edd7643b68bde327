//! What core's sources must not name: the standard library needs no dependency to do I/O, and a crate that core may
//! use can have a part it may not.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::rust_source::{code, paths, without_tests};

use super::Sources;

const DICE: &str = "core throws no dice: take nonces and seeds as values";
const LOCKS: &str = "one task owns the state";
const SOCKETS: &str = "sockets belong to crates/io";
const TIME: &str = "time is an input: take `now` as a value";

/// Modules, and what to do instead.
const MODULES: &[(&str, &str)] = &[
    ("std::os", "the system belongs to crates/io"),
    ("std::io", "reading and writing belong to crates/io, and so do their errors"),
    ("std::fs", "files belong to crates/io"),
    ("std::env", "the environment is an input: take it as a value"),
    ("std::process", "processes belong to crates/io"),
    ("std::thread", "core is synchronous; its caller owns the threads"),
    ("ring::rand", DICE),
];

/// Names, wherever they stand in a path: their module may have been imported, or renamed.
const NAMES: &[(&str, &str)] = &[
    ("TcpListener", SOCKETS),
    ("TcpStream", SOCKETS),
    ("UdpSocket", SOCKETS),
    ("ToSocketAddrs", "resolving names asks the network, which belongs to crates/io"),
    ("SystemTime", TIME),
    ("RandomState", "core throws no dice: order by value, or take the seed as a value"),
    ("SystemRandom", DICE),
    ("Condvar", LOCKS),
    ("Mutex", LOCKS),
    ("RwLock", LOCKS),
    ("mpsc", "core is synchronous: return values instead of sending them"),
];

/// Functions and methods that read the clock.
const CLOCKS: &[&str] = &["::now", "::elapsed"];

/// What `use std as x`, `use std::*` and `use std::{self as x}` leave: the module's paths would no longer show.
const HIDDEN: &[&str] = &["std", "std::", "std::self", "ring", "ring::", "ring::self"];

/// Breaches in the sources of one crate.
pub(super) fn check(package: &str, sources: &Sources) -> Vec<String> {
    let broken = sources.iter().flat_map(|(file, source)| {
        let code = without_tests(&code(source));
        let paths = paths(&code).into_iter();
        let mut broken: Vec<_> = paths.filter_map(|path| why_not(&path).map(|why| (path, why))).collect();
        if calls_elapsed(&code) {
            broken.push((".elapsed()".to_owned(), TIME));
        }
        broken.into_iter().map(move |(path, why)| format!("{package} must not name {path} in {file}: {why}"))
    });
    broken.collect()
}

/// Whether a method of that name is called: `Instant` and `SystemTime` read the clock in it.
fn calls_elapsed(code: &str) -> bool {
    let calls = |after: &str| {
        let rest = after.trim_start().strip_prefix("elapsed");
        rest.is_some_and(|rest| rest.trim_start().starts_with('('))
    };
    code.split('.').skip(1).any(calls)
}

fn why_not(path: &str) -> Option<&'static str> {
    if CLOCKS.iter().any(|clock| path.ends_with(clock)) {
        return Some(TIME);
    }
    if HIDDEN.contains(&path) {
        return Some("name what you use of it, so that this check can see it");
    }
    if path == "async" {
        return Some("core is synchronous; async belongs to crates/io and the binaries");
    }
    let name = NAMES.iter().find(|(name, _)| path.split("::").any(|part| part == *name));
    let module = || MODULES.iter().find(|(module, _)| is_in(path, module));
    name.or_else(module).map(|(_, why)| *why)
}

/// Whether `path` names `module` or something in it.
fn is_in(path: &str, module: &str) -> bool {
    path.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
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
