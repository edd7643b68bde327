//! A fuzz target for minutes, on nightly.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use metallb_fuzz::Target;

use crate::shell::{command, succeed};
use crate::table::Outcome;

/// The targets, built.
pub(crate) struct Fuzzer {
    folder: PathBuf,
}

impl Fuzzer {
    pub(crate) fn build(root: &Path) -> anyhow::Result<Self> {
        let folder = root.join("tests/fuzz/targets");
        ensure_cargo_fuzz()?;
        succeed(&mut cargo_fuzz(&folder, "build"))?;
        Ok(Self { folder })
    }

    pub(crate) fn soak(&self, target: &Target, seconds: u64) -> anyhow::Result<Outcome> {
        let corpus = self.folder.join("corpus").join(target.name);
        let seeds = seed(&corpus, target)?;
        let limit = format!("-max_total_time={seconds}");
        let mut command = cargo_fuzz(&self.folder, "run");
        command.arg(target.name).arg(corpus).arg(seeds).arg("--");
        command.args([&limit, "-timeout=10", "-max_len=4096", "-print_final_stats=1"]);
        let output = command.stderr(Stdio::piped()).output().context("cannot run cargo fuzz")?;
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        let executions = executions(&log).with_context(|| format!("{} did not run:\n{log}", target.name))?;
        Ok(Outcome { seconds, executions: Some(executions), held: output.status.success() })
    }
}

fn ensure_cargo_fuzz() -> anyhow::Result<()> {
    let nightly = |arguments: &[&str]| {
        let mut command = command("rustup", &["run", "nightly", "cargo"]);
        command.args(arguments).stdout(Stdio::null());
        command
    };
    succeed(&mut nightly(&["--version"])).context("make soak needs Rust's nightly toolchain by rustup")?;
    if succeed(nightly(&["fuzz", "--version"]).stderr(Stdio::null())).is_err() {
        succeed(&mut command("cargo", &["install", "cargo-fuzz", "--locked"]))?;
    }
    Ok(())
}

/// Without a sanitizer: the code under test has no `unsafe`, and runs several times as often without.
fn cargo_fuzz(folder: &Path, verb: &str) -> Command {
    let mut command = command("rustup", &["run", "nightly", "cargo", "fuzz", verb, "--sanitizer", "none"]);
    command.arg("--fuzz-dir").arg(folder).current_dir(folder);
    command
}

fn seed(corpus: &Path, target: &Target) -> anyhow::Result<PathBuf> {
    let seeds = corpus.with_extension("seeds");
    for folder in [corpus, &seeds] {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for (number, text) in target.seeds.iter().enumerate() {
        fs::write(seeds.join(number.to_string()), text)?;
    }
    Ok(seeds)
}

fn executions(log: &str) -> Option<u64> {
    log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_read_from_the_final_statistics() {
        assert_eq!(executions("x\nstat::number_of_executed_units: 1234\ny"), Some(1234));
        assert_eq!(executions("INFO: nothing"), None);
    }
}
