//! Starts the operator.

use std::process::ExitCode;

use clap::Parser;
use metallb_operator::flags::Flags;
use metallb_operator::run;
use metallb_process::go_style;
use metallb_telemetry::logs;

fn main() -> ExitCode {
    let flags = Flags::parse_from(go_style(std::env::args_os()));
    let status = match run::blocking(&flags, std::env::vars_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = error.as_ref() as &dyn std::error::Error, "the operator can't start");
            ExitCode::FAILURE
        }
    };
    logs::finish();
    status
}
