//! Starts the controller.

use std::process::ExitCode;

use clap::Parser;
use metallb_controller::{Conversion, Flags};
use metallb_linux::heap;
use metallb_telemetry::logs;

fn main() -> ExitCode {
    if let Some(conversion) = Conversion::asked_for(std::env::args_os()) {
        return conversion.run();
    }
    let status = match start(Flags::parse_from(metallb_process::go_style(std::env::args_os()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logs::init(logs::Level::Error);
            tracing::error!(error = format!("{error:#}"), "controller ends");
            ExitCode::FAILURE
        }
    };
    logs::finish();
    status
}

fn start(flags: Flags) -> anyhow::Result<()> {
    let settings = flags.validate()?;
    heap::keep_small();
    logs::init(settings.log_level);
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(metallb_controller::run(settings))?;
    // Whatever still runs is abandoned: its work is found and done by the next start.
    runtime.shutdown_background();
    Ok(())
}
