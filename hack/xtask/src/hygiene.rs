//! What does not belong into tracked files: names of this machine or of package registries, files nobody can read
//! in one sitting, tests switched off without a word.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::rust_source::{code, without_tests};
use crate::shell;

/// Texts by path, seen from the project's folder.
type Files = BTreeMap<String, String>;

/// Hosts of package registries. Written in halves, since this file is tracked as well.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("proxy.golang", ".org"),
    concat!("sum.golang", ".org"),
    concat!("pypi", ".org"),
    concat!("registry.npmjs", ".org"),
    concat!("deb.debian", ".org"),
];

/// Folders of the machines this is written on.
const MACHINE_FOLDERS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/fa", "rm/")];

/// Cargo writes the registry's address into each line of files of this name.
const LOCK_FILE: &str = "Cargo.lock";

/// Longest file of Rust, without its tests.
const MOST_LINES: usize = 500;

/// Every finding in the files git knows or would take.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let listed = shell::output(Command::new("git").current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let readable = |name: &str| Some((name.to_owned(), std::fs::read_to_string(root.join(name)).ok()?));
    let files: Files = listed.split_terminator('\0').filter_map(readable).collect();
    Ok(findings(&files))
}

fn findings(files: &Files) -> Vec<String> {
    files.iter().flat_map(|(name, text)| file_findings(name, text)).collect()
}

fn file_findings(name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        found.extend(line_finding(name, line).map(|what| format!("{name}:{number}: {what}")));
    }
    if name.ends_with(".rs") {
        found.extend(source_findings(name, text).into_iter().map(|what| format!("{name}: {what}")));
    }
    found
}

fn line_finding(name: &str, line: &str) -> Option<String> {
    if let Some(host) = REGISTRIES.iter().find(|host| !name.ends_with(LOCK_FILE) && line.contains(**host)) {
        return Some(format!(
            "names the package registry {host}; say what is needed, not where it is fetched"
        ));
    }
    let folder = MACHINE_FOLDERS.iter().find(|folder| names_folder(line, folder))?;
    Some(format!("names {folder}, a folder of one machine; use a path below the project"))
}

/// Whether `folder` begins a path in `line`, rather than being a part of a longer one.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '}' | ')' | '*' | '/'))
    })
}

fn source_findings(name: &str, source: &str) -> Vec<String> {
    let code = code(source);
    let mut found = Vec::new();
    if code.contains("#[ignore]") {
        found.push("a test is ignored without a reason; write #[ignore = \"why\"]".to_owned());
    }
    if name.ends_with("/mod.rs") {
        found.push("modules are foo.rs with foo/, not foo/mod.rs".to_owned());
    }
    let lines = without_tests(&code).lines().count();
    if !is_test(name) && lines > MOST_LINES {
        found.push(format!("{lines} lines without tests, more than {MOST_LINES}; split it"));
    }
    found
}

fn is_test(name: &str) -> bool {
    name.starts_with("tests/") || name.contains("/tests/") || name.ends_with("/tests.rs")
}

#[cfg(test)]
mod tests;
