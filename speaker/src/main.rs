//! Starts the speaker.

use std::process::ExitCode;

use clap::Parser;
use metallb_linux::heap;
use metallb_speaker::flags::Flags;
use metallb_telemetry::logs;

fn main() -> ExitCode {
    let status = match start(Flags::parse_from(metallb_process::go_style(std::env::args_os()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logs::init(logs::Level::Error);
            tracing::error!(error = format!("{error:#}"), "speaker ends");
            ExitCode::FAILURE
        }
    };
    logs::finish();
    status
}

fn start(flags: Flags) -> anyhow::Result<()> {
    let settings = flags.parse_settings()?;
    heap::keep_small();
    logs::init(settings.log_level);
    // Fails only when a provider is installed already, which serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Two threads: one decides while another reads from the API server. Answers have a thread of their own.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    Ok(runtime.block_on(metallb_speaker::run(settings))?)
}
