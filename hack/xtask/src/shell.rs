//! Runs a program and takes what it prints.

use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

/// The standard output of `command`; its standard error goes to ours.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {program}; is it installed and in PATH?"))?;
    if !done.status.success() {
        bail!("{program} failed ({}); its own message is above", done.status);
    }
    String::from_utf8(done.stdout).with_context(|| format!("{program} printed something that is not text"))
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The standard output of `command`, if it is there and succeeds.
pub(crate) fn quiet(command: &mut Command) -> Option<String> {
    let done = command.stderr(Stdio::null()).output().ok().filter(|done| done.status.success())?;
    String::from_utf8(done.stdout).ok()
}
