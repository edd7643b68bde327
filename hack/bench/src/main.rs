//! Macro benchmarks: of speakers on a LAN, and of the controller against a real API server, in ratios to a bare client that does nothing but
//! the same writes. `make bench` runs them; the README says what is measured and how far to trust it.

mod bare;
mod cluster;
mod command;
mod figures;
mod layer2;
mod pick;
mod requests;
mod scenarios;
mod sight;
mod subject;

use std::process::ExitCode;

use clap::Parser;

#[expect(clippy::print_stderr, reason = "the error of a command")]
fn main() -> ExitCode {
    match command::run(command::Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("metallb-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
