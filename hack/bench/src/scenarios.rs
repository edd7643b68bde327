//! The scenarios in their order: each leaves the cluster as the next one takes it.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::cluster::Cluster;
use crate::command::Plan;
use crate::figures::{Bound, Figure, Report};
use crate::pick::Scenario;
use crate::requests::Requests;
use crate::subject::Subject;

mod fill;
mod restart;
mod single;

/// A program that used less CPU than this in a second is at rest.
const REST: Duration = Duration::from_millis(30);
/// How long things may take that are not measured.
const PATIENCE: Duration = Duration::from_secs(300);

/// What every scenario works with.
struct Run<'a> {
    plan: &'a Plan,
    cluster: Cluster,
    figures: Vec<Figure>,
}

/// Runs what was asked for.
pub(crate) async fn run(plan: &Plan, kubeconfig: &Path) -> Result<Report> {
    let cluster = Cluster::prepare(kubeconfig).await?;
    let mut run = Run { plan, cluster, figures: Vec::new() };
    let wanted = |scenario: Scenario| scenario.is_in(&plan.only);
    if wanted(Scenario::Idle) {
        idle(&mut run).await?;
    }
    say(&format!("creating {} Services", plan.services));
    run.cluster.create_services(plan.services).await?;
    let mut condition = true;
    if wanted(Scenario::Fill) {
        condition = fill::run(&mut run).await?;
    }
    if wanted(Scenario::Restart) || wanted(Scenario::Single) {
        fill::assign(&run).await?;
    }
    if wanted(Scenario::Restart) {
        restart::run(&mut run).await?;
    }
    if wanted(Scenario::Single) {
        single::run(&mut run, condition).await?;
    }
    Ok(Report { figures: run.figures, about: about(plan) })
}

impl Run<'_> {
    fn add(&mut self, scenario: &'static str, name: &'static str, unit: &'static str, values: Values) {
        let Values { bound, ours, bare } = values;
        self.figures.push(Figure { scenario, name, unit, bound, ours, bare });
    }

    async fn requests(&self) -> Result<Requests> {
        Requests::now(&self.cluster.client).await
    }
}

/// The values of a figure, turn by turn, and their bound.
struct Values {
    bound: Bound,
    ours: Vec<f64>,
    bare: Vec<f64>,
}

impl Values {
    fn of(bound: Bound, ours: Vec<f64>) -> Self {
        Self { bound, ours, bare: Vec::new() }
    }
}

async fn idle(run: &mut Run<'_>) -> Result<()> {
    say("idle: no Services");
    let mut controller = Subject::controller(&run.plan.controller, &run.cluster)?;
    controller.probed_ready().await?;
    at_rest(&controller).await?;
    let memory = controller.memory()?;
    controller.stop().await?;
    run.add("idle", "resident memory", "MB", Values::of(Bound::Each(15.0), vec![memory.resident]));
    Ok(())
}

/// Waits until the program does nothing worth mentioning for two seconds.
pub(crate) async fn at_rest(subject: &Subject) -> Result<()> {
    let mut quiet = 0;
    for _ in 0..PATIENCE.as_secs() {
        let before = subject.cpu()?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        quiet = if subject.cpu()?.saturating_sub(before) < REST { quiet + 1 } else { 0 };
        if quiet == 2 {
            return Ok(());
        }
    }
    anyhow::bail!("it does not come to rest within {PATIENCE:?}")
}

#[expect(clippy::print_stderr, reason = "progress of a command")]
pub(crate) fn say(step: &str) {
    eprintln!("bench: {step}");
}

fn about(plan: &Plan) -> serde_json::Value {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    json!({"services": plan.services, "repeat": plan.repeat, "samples": plan.samples, "cpus": cpus,
           "load at the end": load.join(" ")})
}
