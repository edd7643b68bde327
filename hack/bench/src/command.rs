//! The command line, and the bed the scenarios run on.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Parser, Subcommand};
use metallb_testbed::{Bed, Options, down};

use crate::bare::{self, Task};
use crate::figures::Report;
use crate::layer2::{self, Layer2Plan};
use crate::pick::Scenario;
use crate::scenarios;

/// Benchmarks on the test bed's API server (root): of the controller, or of the part that is named.
#[derive(Debug, Parser)]
#[command(name = "metallb-bench", args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    plan: Plan,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The bare client, as the benchmark starts it.
    #[command(hide = true)]
    Bare {
        #[arg(long)]
        kubeconfig: PathBuf,
        /// Also writes the condition that the controller writes.
        #[arg(long)]
        condition: bool,
        task: Task,
    },
    /// The speaker: how soon addresses are made known and answered, and at what price.
    Layer2(Layer2Plan),
}

/// What is measured, and how often.
#[derive(Clone, Debug, Args)]
pub(crate) struct Plan {
    /// The controller, built for release.
    #[arg(long, default_value = "target/release/controller")]
    pub(crate) controller: PathBuf,
    /// How many Services there are.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) services: usize,
    /// How often each scenario runs, controller and bare client in turn.
    #[arg(long, default_value_t = 3)]
    pub(crate) repeat: usize,
    /// Services created one at a time, in each turn.
    #[arg(long, default_value_t = 200)]
    pub(crate) samples: usize,
    /// Only these scenarios, separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Scenario>,
    /// A file to which the figures are added as JSON lines.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Fails if a figure is out of its bound.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    // Fails only if a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match arguments.part {
        Some(Part::Bare { kubeconfig, condition, task }) => {
            runtime()?.block_on(bare::run(&kubeconfig, task, condition))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Part::Layer2(plan)) => layer2::measure(&plan),
        None => measure(&arguments.plan),
    }
}

/// Like the controller's own.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().context("no runtime")
}

fn measure(plan: &Plan) -> Result<ExitCode> {
    let controller = plan.controller.canonicalize();
    let controller = controller.with_context(|| format!("no controller at {}", plan.controller.display()))?;
    let plan = Plan { controller, ..plan.clone() };
    ensure!(
        plan.repeat > 0 && plan.samples > 0 && plan.services > 0,
        "nothing to measure: use numbers above 0"
    );
    let options = Options::named("bench").with_nodes(0);
    // Another run's leftovers would be measured, too.
    down(&options)?;
    let bed = Bed::up(options.clone())?;
    // Threads started in the network of the control plane stay there, and so do the programs they start.
    let report = bed.in_network_of("cp", || runtime()?.block_on(scenarios::run(&plan, &bed.kubeconfig())));
    down(&options)?;
    tell(&report?, plan.json.as_deref(), plan.check)
}

#[expect(clippy::print_stdout, reason = "the result of a command")]
pub(crate) fn tell(report: &Report, json: Option<&Path>, check: bool) -> Result<ExitCode> {
    println!("{report}");
    if let Some(file) = json {
        report.add_to(file)?;
    }
    let failed = check && report.out_of_bounds() > 0;
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
