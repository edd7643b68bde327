//! The command `testbed`: see `testbed --help`.

use std::process::ExitCode;

use clap::Parser;
use metallb_testbed::cli::{self, Cli};

#[expect(clippy::print_stderr, reason = "the error of a command")]
fn main() -> ExitCode {
    match cli::run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("testbed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
