//! Other programs, and the commit whose code they run.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail};

/// The commit whose code is run, and whether that was edited since.
pub(crate) fn code(root: &Path, covers: &[&str]) -> anyhow::Result<String> {
    let commit = git(root, &["rev-parse", "--short", "HEAD"])?;
    let edited = git(root, &[&["status", "--porcelain", "--"], covers].concat())?;
    Ok(if edited.is_empty() { commit } else { format!("{commit} and edits") })
}

/// Whether nothing of this differs from what it was at the commit.
pub(crate) fn is_as_at(root: &Path, commit: &str, covers: &[&str]) -> bool {
    git(root, &[&["diff", "--quiet", commit, "--"], covers].concat()).is_ok()
}

fn git(root: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut git = command("git", arguments);
    git.current_dir(root).stdout(Stdio::piped()).stderr(Stdio::null());
    Ok(text(&succeed(&mut git)?))
}

pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

pub(crate) fn succeed(command: &mut Command) -> anyhow::Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.spawn().and_then(std::process::Child::wait_with_output);
    let output = output.with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program} failed ({})", output.status);
    }
    Ok(output)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
