//! Speakers on a LAN of namespaces, measured from inside by their metrics and from outside by raw packets.
//!
//! `cp` announces all addresses but one, `router` that one, and `client` asks; each runs a speaker: they are a ring of three.

mod announced;
mod flood;
pub(crate) mod lab;
mod prober;
mod scenarios;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use metallb_testbed::{Bed, Options, down};

use crate::command;

/// What is measured, and how often.
#[derive(Clone, Debug, Args)]
pub(crate) struct Layer2Plan {
    /// The speaker, as it is in the image.
    #[arg(long, default_value_os_t = shipped("speaker"))]
    pub(crate) speaker: PathBuf,
    /// The controller, as it is in the image.
    #[arg(long, default_value_os_t = shipped("controller"))]
    pub(crate) controller: PathBuf,
    /// How many addresses are held at most; half as many where new ones are added.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) addresses: u32,
    /// Services created one at a time, each time.
    #[arg(long, default_value_t = 300)]
    pub(crate) samples: u32,
    /// Rounds of probes: each asks for one address, one of many, and the kernel's own.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) rounds: u32,
    /// How often rounds and the flood are repeated.
    #[arg(long, default_value_t = 3)]
    pub(crate) repeat: u32,
    /// A file to which the figures are added as JSON lines.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Fails if a figure is out of its bound.
    #[arg(long)]
    check: bool,
}

/// Where `cargo xtask images` leaves what it puts into images.
fn shipped(name: &str) -> PathBuf {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    ["target", &platform, "release", name].iter().collect()
}

/// As Kubernetes up to 1.32 did by itself, the API server finds the next cluster address in a bitmap. Since then it walks
/// over all that are taken, several times for each Service: some 10 ms of a processor beside 5,000, before there is
/// anything a controller could see.
pub(crate) const API_SERVER_FLAGS: &[&str] = &["--emulated-version=1.32"];

pub(crate) fn measure(plan: &Layer2Plan) -> Result<ExitCode> {
    let found =
        |path: &PathBuf| path.canonicalize().with_context(|| format!("nothing at {}", path.display()));
    let plan =
        Layer2Plan { speaker: found(&plan.speaker)?, controller: found(&plan.controller)?, ..plan.clone() };
    ensure!(
        plan.addresses > 1 && plan.samples > 0 && plan.rounds > 0 && plan.repeat > 0,
        "nothing to measure: use numbers above 0"
    );
    let options = Options::named("bench").with_nodes(0).with_api_server_flags(API_SERVER_FLAGS);
    // Another run's leftovers would be measured, too.
    down(&options)?;
    let bed = Bed::up(options.clone())?;
    let report = bed.in_network_of("cp", || command::runtime()?.block_on(scenarios::run(&plan, &bed)));
    down(&options)?;
    command::tell(&report?, plan.json.as_deref(), plan.check)
}
