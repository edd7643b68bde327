//! Project tasks: `cargo xtask help` lists them.

use std::process::ExitCode;

#[expect(clippy::print_stderr, reason = "a command line tool says here why it failed")]
fn main() -> ExitCode {
    match xtask::run(std::env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}"); // causes on one line; a backtrace helps nobody here
            ExitCode::FAILURE
        }
    }
}
