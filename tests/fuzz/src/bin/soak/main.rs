//! `make soak`: every fuzz target for minutes, and the long runs, with the outcome in `docs/soak.md`.
//!
//! Arguments name targets and runs, none means all; `SOAK_SECONDS` says how long each target runs (600 by default). A crash
//! is reported, leaves its input in `tests/fuzz/targets/artifacts`, and makes the command fail when all ran. `--stale`
//! runs nothing and names what is due again because the code it covers has changed.

mod fuzz;
mod runs;
mod shell;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use metallb_fuzz::{TARGETS, Target};

use self::fuzz::Fuzzer;
use self::runs::{RUNS, Run};

/// What can be run.
#[derive(Clone, Copy)]
enum Soak {
    Target(&'static Target),
    Run(&'static Run),
}

impl Soak {
    fn all() -> impl Iterator<Item = Self> {
        TARGETS.iter().map(Self::Target).chain(RUNS.iter().map(Self::Run))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Target(target) => target.name,
            Self::Run(run) => run.name,
        }
    }

    fn covers(self) -> &'static [&'static str] {
        match self {
            Self::Target(target) => target.covers,
            Self::Run(run) => run.covers,
        }
    }
}

fn main() -> anyhow::Result<()> {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).context("the project has no folder")?;
    let table = root.join("docs/soak.md");
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["--stale"] {
        return say_stale(root, &fs::read_to_string(&table)?);
    }
    let (seconds, chosen) = (seconds()?, chosen(&arguments)?);
    let needs_fuzzer = chosen.iter().any(|soak| matches!(soak, Soak::Target(_)));
    let fuzzer = needs_fuzzer.then(|| Fuzzer::build(root)).transpose()?;
    let mut broke = Vec::new();
    for soak in chosen {
        let code = shell::code(root, soak.covers())?;
        let outcome = match (soak, &fuzzer) {
            (Soak::Target(target), Some(fuzzer)) => fuzzer.soak(target, seconds)?,
            (Soak::Run(run), _) => run.soak(root)?,
            (Soak::Target(_), None) => continue,
        };
        table::record(&table, soak.name(), outcome, &code)?;
        broke.extend((!outcome.held).then(|| soak.name()));
    }
    ensure!(
        broke.is_empty(),
        "broke: {}; see tests/fuzz/targets/artifacts and artifacts/soak",
        broke.join(", ")
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what was asked for")]
fn say_stale(root: &Path, table: &str) -> anyhow::Result<()> {
    for soak in Soak::all() {
        let code = table::code_that_held(table, soak.name());
        if !code.is_some_and(|commit| shell::is_as_at(root, &commit, soak.covers())) {
            println!("{}", soak.name());
        }
    }
    Ok(())
}

fn seconds() -> anyhow::Result<u64> {
    match std::env::var("SOAK_SECONDS") {
        Ok(text) => text.parse().with_context(|| format!("SOAK_SECONDS={text:?}: use a number of seconds")),
        Err(_) => Ok(600),
    }
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<Soak>> {
    if names.is_empty() {
        return Ok(Soak::all().collect());
    }
    let named = |name: &String| {
        let known = || Soak::all().map(Soak::name).collect::<Vec<_>>().join(", ");
        Soak::all()
            .find(|soak| soak.name() == name)
            .with_context(|| format!("nothing to run is called {name:?}: use some of {}", known()))
    };
    names.iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_refused_by_name() {
        assert_eq!(chosen(&[]).unwrap().len(), TARGETS.len() + RUNS.len());
        let Err(error) = chosen(&["nothing".to_owned()]) else { panic!("taken") };
        let error = error.to_string();
        assert!(error.contains("nothing") && error.contains("ranges") && error.contains("outage"), "{error}");
    }

    #[test]
    fn names_are_different_and_what_is_covered_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let mut names: Vec<_> = Soak::all().map(Soak::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), TARGETS.len() + RUNS.len());
        for soak in Soak::all() {
            let missing = soak.covers().iter().find(|path| !root.join(path).exists());
            assert_eq!((missing, soak.covers().is_empty()), (None, false), "{}", soak.name());
        }
    }
}
