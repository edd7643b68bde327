//! Configuration files, as Go reads them.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::peer::program;

/// What each of these files says: seven durations in nanoseconds, eight numbers, four switches. None if it is refused.
///
/// # Errors
/// When the program can't be built or fails.
pub fn settings(files: &[String]) -> Result<Vec<Option<Vec<i64>>>> {
    let mut command = Command::new(program()?);
    let mut child = command.arg("settings").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    serde_json::to_writer(child.stdin.take().context("it has no input")?, files)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "peer settings: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}
