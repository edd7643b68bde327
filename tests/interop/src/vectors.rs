//! Golden vectors, as the library writes them today.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::peer::program;

/// What `peer vectors` writes; what is random or captured differs each time.
///
/// # Errors
/// When the program can't be built or fails.
pub fn vectors() -> Result<Value> {
    let output = Command::new(program()?).arg("vectors").output()?;
    ensure!(output.status.success(), "peer vectors: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}
