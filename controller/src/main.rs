//! Starts the controller.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use metallb_controller::Flags;
use metallb_process::go_style;
use metallb_telemetry::logs;

fn main() -> anyhow::Result<ExitCode> {
    let flags = match Flags::try_parse_from(go_style(std::env::args_os())) {
        Ok(flags) => flags,
        Err(usage) => {
            usage.print().context("printing usage")?;
            return Ok(ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2)));
        }
    };
    let settings = flags.validate()?;
    logs::init(settings.log_level);
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(metallb_controller::run(settings))?;
    // Whatever still runs is abandoned: its work is found and done by the next start.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}
