//! All Services pending at start: how long until each has an address.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{PATIENCE, Run, Values, at_rest, say};
use crate::bare::Task;
use crate::cluster::{addresses, until};
use crate::figures::Bound;
use crate::requests::Requests;
use crate::sight::Sight;
use crate::subject::Subject;

/// How long everything may take.
const DEADLINE: Duration = Duration::from_secs(900);

#[derive(Clone, Copy, Debug)]
struct Turn {
    assigned: f64,
    told: f64,
    cpu: f64,
    peak: f64,
    resident: f64,
    service_writes: f64,
    pool_writes: f64,
}

/// Measures; returns whether the controller writes a condition.
pub(super) async fn run(run: &mut Run<'_>) -> Result<bool> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    let mut condition = false;
    for number in 1..=run.plan.repeat {
        run.cluster.reset().await?;
        say(&format!("fill {number}: controller"));
        ours.push(turn(run, Subject::controller(&run.plan.controller, &run.cluster)?).await?);
        condition = check(run).await?;
        run.cluster.reset().await?;
        say(&format!("fill {number}: bare client"));
        bare.push(turn(run, Subject::bare(&run.cluster, Task::Fill, condition)?).await?);
    }
    report(run, &ours, &bare);
    Ok(condition)
}

/// Gives every Service an address without measuring, by the controller itself.
pub(super) async fn assign(run: &Run<'_>) -> Result<()> {
    say("assigning what has no address");
    // What the bare client gave may not be what a controller would have given.
    run.cluster.reset().await?;
    turn(run, Subject::controller(&run.plan.controller, &run.cluster)?).await.map(drop)
}

async fn turn(run: &Run<'_>, subject: Subject) -> Result<Turn> {
    // Started just before; the few milliseconds this takes are the same for both.
    let mut sight = Sight::begin(&run.cluster.client).await?;
    let before = run.requests().await?;
    let count = run.plan.services;
    let assigned = sight.all(count, DEADLINE).await?.duration_since(subject.started);
    let so_far = subject.cpu()?;
    let told = async || {
        let events = run.requests().await?.since(&before).events();
        Ok((events >= u64::try_from(count)?).then(|| subject.started.elapsed()))
    };
    let told = until("an event for each Service", PATIENCE, told).await?;
    at_rest(&subject).await?;
    let requests: Requests = run.requests().await?.since(&before);
    let memory = subject.memory()?;
    subject.stop().await?;
    Ok(Turn {
        assigned: assigned.as_secs_f64(),
        told: told.as_secs_f64(),
        cpu: so_far.as_secs_f64(),
        peak: memory.peak,
        resident: memory.resident,
        service_writes: number(requests.service_writes()),
        pool_writes: number(requests.pool_writes()),
    })
}

/// Every Service has an address of its own.
async fn check(run: &Run<'_>) -> Result<bool> {
    let services = run.cluster.services().await?;
    let distinct: BTreeSet<&str> = services.iter().flat_map(addresses).collect();
    ensure!(distinct.len() == services.len(), "{} addresses for {} Services", distinct.len(), services.len());
    let status = services.first().and_then(|service| service.status.as_ref());
    Ok(status.is_some_and(|status| status.conditions.iter().flatten().count() > 0))
}

fn report(run: &mut Run<'_>, ours: &[Turn], bare: &[Turn]) {
    let both = |bound, value: fn(&Turn) -> f64| Values {
        bound,
        ours: ours.iter().map(value).collect(),
        bare: bare.iter().map(value).collect(),
    };
    let count = number(u64::try_from(run.plan.services).unwrap_or(u64::MAX));
    run.add("fill", "start to all assigned", "s", both(Bound::Ratio(1.3), |turn| turn.assigned));
    run.add("fill", "start to all told", "s", both(Bound::None, |turn| turn.told));
    run.add("fill", "CPU", "s", both(Bound::None, |turn| turn.cpu));
    run.add("fill", "writes to Services", "", both(Bound::Each(count), |turn| turn.service_writes));
    run.add("fill", "writes to the pool", "", both(Bound::None, |turn| turn.pool_writes));
    run.add("fill", "peak memory", "MB", both(Bound::None, |turn| turn.peak));
    run.add("fill", "resident memory", "MB", both(Bound::Each(60.0), |turn| turn.resident));
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}
