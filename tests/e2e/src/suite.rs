//! One bed for the tests of a file: up, tests in order, down. What failed is kept to be looked at.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::{Result, bail};
use libtest_mimic::{Arguments, Trial};
use metallb_testbed::{Bed, Options};

use crate::cluster::repository;

/// A test: its sentence and what it does.
pub type Test<T> = (&'static str, fn(&T) -> Result<()>);

/// Runs the tests of a file on a bed of its own, named `name`; `prepare` makes of the bed what the tests need.
///
/// For each test that fails, logs, events and objects of the bed are collected under `artifacts/failures/` first.
/// With `METALLB_KEEP_BED=1` the bed stays up.
pub fn run<T: Send + Sync + 'static>(
    name: &'static str,
    prepare: fn(Bed) -> Result<T>,
    tests: Vec<Test<T>>,
) -> ExitCode {
    run_on(Options::named(name), name, prepare, tests)
}

/// The same on a bed of etcd and an API server alone.
pub fn run_without_nodes<T: Send + Sync + 'static>(
    name: &'static str,
    prepare: fn(Bed) -> Result<T>,
    tests: Vec<Test<T>>,
) -> ExitCode {
    run_on(Options::named(name).with_nodes(0), name, prepare, tests)
}

fn run_on<T: Send + Sync + 'static>(
    options: Options,
    name: &'static str,
    prepare: fn(Bed) -> Result<T>,
    tests: Vec<Test<T>>,
) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The tests share a cluster and build on what the earlier ones left.
    arguments.test_threads = Some(1);
    let shared = Arc::new(Shared { options, name, prepare, prepared: OnceLock::new() });
    let trial = |(sentence, body): Test<T>| {
        let shared = shared.clone();
        Trial::test(sentence, move || {
            shared.test(sentence, body).map_err(|error| format!("{error:#}").into())
        })
    };
    let trials = tests.into_iter().map(trial).collect();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    let failures = failures_of(name);
    if let Err(error) = clear(&failures) {
        report(&format!("clearing {} failed: {error:#}", failures.display()));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if let Err(error) = finish(name) {
        report(&format!("taking bed {name} down failed: {error:#}"));
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

/// What the tests of a file have in common.
struct Shared<T> {
    options: Options,
    name: &'static str,
    prepare: fn(Bed) -> Result<T>,
    /// Made by the first test. When that fails it fails once: the others say so at once.
    prepared: OnceLock<Result<T, String>>,
}

impl<T> Shared<T> {
    fn test(&self, sentence: &str, body: fn(&T) -> Result<()>) -> Result<()> {
        let prepared = self.prepared.get_or_init(|| {
            let made = Bed::up(self.options.clone()).and_then(self.prepare);
            made.inspect_err(|_| collect(self.name, "bring-up")).map_err(|error| format!("{error:#}"))
        });
        match prepared {
            Ok(prepared) => body(prepared).inspect_err(|_| collect(self.name, sentence)),
            Err(error) => bail!("the bed is not as the tests need it: {error}"),
        }
    }
}

fn failures_of(name: &str) -> PathBuf {
    repository().join("artifacts/failures").join(name)
}

fn clear(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn collect(name: &str, sentence: &str) {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let folder = failures_of(name).join(sentence.chars().map(plain).collect::<String>());
    match Bed::attach(Options::named(name)).and_then(|bed| bed.collect(&folder)) {
        Ok(()) => report(&format!("logs, events and objects are in {}", folder.display())),
        Err(error) => report(&format!("collecting from bed {name} failed: {error:#}")),
    }
}

fn finish(name: &str) -> Result<()> {
    if std::env::var_os("METALLB_KEEP_BED").is_some() {
        report(&format!("bed {name} is kept: `testbed --name {name} down` ends it"));
        return Ok(());
    }
    metallb_testbed::down(&Options::named(name))
}

#[expect(clippy::print_stderr, reason = "a test harness talks to whoever runs it")]
fn report(line: &str) {
    eprintln!("{line}");
}
