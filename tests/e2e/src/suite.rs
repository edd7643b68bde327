//! One bed for the tests of a file: up, tests in order, down. What failed is kept to be looked at.

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use libtest_mimic::{Arguments, Trial};
use metallb_testbed::{Bed, Options};

use crate::cluster::repository;

/// A test: its sentence and what it does.
pub type Test<T> = (&'static str, fn(&T) -> Result<()>);

/// Runs the tests of a file on a bed of its own, named `name`; `prepare` makes of the bed what the tests need.
///
/// When a test fails, logs, events and objects of the bed are collected under `artifacts/` first.
/// With `METALLB_KEEP_BED=1` the bed stays up.
pub fn run<T: Send + Sync + 'static>(
    name: &'static str,
    prepare: fn(Bed) -> Result<T>,
    tests: Vec<Test<T>>,
) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // The tests share a cluster and build on what the earlier ones left.
    arguments.test_threads = Some(1);
    let shared: Arc<OnceLock<T>> = Arc::default();
    let trial = |(sentence, body): Test<T>| {
        let shared = shared.clone();
        Trial::test(sentence, move || checked(name, &shared, prepare, body))
    };
    let listing = arguments.list;
    let conclusion = libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect());
    if !listing && let Err(error) = finish(name) {
        report(&format!("taking bed {name} down failed: {error:#}"));
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}

fn checked<T>(
    name: &str,
    shared: &OnceLock<T>,
    prepare: fn(Bed) -> Result<T>,
    body: fn(&T) -> Result<()>,
) -> Result<(), libtest_mimic::Failed> {
    let prepared = match shared.get() {
        Some(prepared) => prepared,
        None => {
            let bed = Bed::up(Options::named(name))?;
            let made = prepare(bed).inspect_err(|_| collect(name))?;
            shared.get_or_init(|| made)
        }
    };
    body(prepared).inspect_err(|_| collect(name)).map_err(|error| format!("{error:#}").into())
}

fn collect(name: &str) {
    let folder = repository().join("artifacts").join("failures").join(name);
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
