//! `make soak`: every fuzz target for minutes, on nightly, and the outcome in `docs/soak.md`.
//!
//! `SOAK_SECONDS` says how long each runs (600 by default); arguments name targets, none means all. A crash is
//! reported, leaves its input in `tests/fuzz/targets/artifacts`, and makes the command fail when all targets ran.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail, ensure};
use metallb_fuzz::{TARGETS, Target};

const HEAD: &str = "# Soak\n\n\
    How long each fuzz target ran without a rest, and what came of it. Written by `make soak`; the targets are \
    described in `tests/fuzz`.\n\n\
    | target | date | seconds | executions | crashes | code |\n|---|---|---|---|---|---|\n";

/// What one target came to.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Outcome {
    executions: u64,
    crashed: bool,
}

fn main() -> anyhow::Result<()> {
    let seconds = seconds()?;
    let chosen = chosen(std::env::args().skip(1))?;
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("the project has no folder")?;
    ensure_cargo_fuzz()?;
    let code = code(root)?;
    let folder = root.join("tests/fuzz/targets");
    succeed(&mut cargo_fuzz(&folder, "build"))?;
    let mut crashed = Vec::new();
    for target in chosen {
        let outcome = soak(&folder, target, seconds)?;
        record(&root.join("docs/soak.md"), target.name, &row(target.name, seconds, &outcome, &code))?;
        crashed.extend(outcome.crashed.then_some(target.name));
    }
    ensure!(crashed.is_empty(), "crashed: {}; see tests/fuzz/targets/artifacts", crashed.join(", "));
    Ok(())
}

fn seconds() -> anyhow::Result<u64> {
    match std::env::var("SOAK_SECONDS") {
        Ok(text) => text.parse().with_context(|| format!("SOAK_SECONDS={text:?}: use a number of seconds")),
        Err(_) => Ok(600),
    }
}

fn chosen(names: impl Iterator<Item = String>) -> anyhow::Result<Vec<&'static Target>> {
    let named = |name: String| {
        let known = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
        TARGETS
            .iter()
            .find(|target| target.name == name)
            .with_context(|| format!("no target is called {name:?}: use some of {}", known()))
    };
    let chosen: Vec<_> = names.map(named).collect::<Result<_, _>>()?;
    Ok(if chosen.is_empty() { TARGETS.iter().collect() } else { chosen })
}

/// The commit whose code is run, and whether it was edited since.
fn code(root: &Path) -> anyhow::Result<String> {
    let git =
        |arguments: &[&str]| succeed(command("git", arguments).current_dir(root).stdout(Stdio::piped()));
    let commit = text(&git(&["rev-parse", "--short", "HEAD"])?);
    let edited = text(&git(&["status", "--porcelain", "--", "crates", "tests/fuzz"])?);
    Ok(if edited.is_empty() { commit } else { format!("{commit} and edits") })
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

fn soak(folder: &Path, target: &Target, seconds: u64) -> anyhow::Result<Outcome> {
    let corpus = folder.join("corpus").join(target.name);
    let seeds = seed(&corpus, target)?;
    let limit = format!("-max_total_time={seconds}");
    let mut command = cargo_fuzz(folder, "run");
    command.arg(target.name).arg(corpus).arg(seeds).arg("--");
    command.args([&limit, "-timeout=10", "-max_len=4096", "-print_final_stats=1"]);
    let output = command.stderr(Stdio::piped()).output().context("cannot run cargo fuzz")?;
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let executions = executions(&log).with_context(|| format!("{} did not run:\n{log}", target.name))?;
    Ok(Outcome { executions, crashed: !output.status.success() })
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

fn row(name: &str, seconds: u64, outcome: &Outcome, code: &str) -> String {
    let date = jiff::Timestamp::now().strftime("%Y-%m-%d");
    let crashes = u8::from(outcome.crashed);
    format!("| {name} | {date} | {seconds} | {} | {crashes} | {code} |", outcome.executions)
}

/// Puts the target's row into the table, instead of its older one.
fn record(file: &Path, name: &str, row: &str) -> anyhow::Result<()> {
    let before = fs::read_to_string(file).unwrap_or_default();
    let mut rows: BTreeMap<String, String> = rows(&before);
    rows.insert(name.to_owned(), row.to_owned());
    let rows: String = rows.into_values().map(|row| row + "\n").collect();
    fs::write(file, format!("{HEAD}{rows}")).with_context(|| format!("cannot write {}", file.display()))
}

fn rows(table: &str) -> BTreeMap<String, String> {
    let rows = table.lines().filter_map(|line| Some((line.strip_prefix("| ")?.split(' ').next()?, line)));
    rows.filter(|(name, _)| *name != "target").map(|(name, row)| (name.to_owned(), row.to_owned())).collect()
}

fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

fn succeed(command: &mut Command) -> anyhow::Result<Output> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_replaces_the_older_one_of_its_target() {
        let old = format!("{HEAD}| b | 1 |\n| a | 1 |\n");
        let rows = rows(&old);
        assert_eq!(rows.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(rows["b"], "| b | 1 |");
    }

    #[test]
    fn executions_are_read_from_the_final_statistics() {
        assert_eq!(executions("x\nstat::number_of_executed_units: 1234\ny"), Some(1234));
        assert_eq!(executions("INFO: nothing"), None);
    }

    #[test]
    fn unknown_targets_are_refused_by_name() {
        assert_eq!(chosen(std::iter::empty()).unwrap().len(), TARGETS.len());
        let error = chosen(["nothing".to_owned()].into_iter()).unwrap_err().to_string();
        assert!(error.contains("ranges"), "{error}");
    }
}
