//! A start with every Service assigned, and a further range for the pool.

use std::time::Duration;

use anyhow::Result;

use super::fill::number;
use super::{PATIENCE, Run, Values, at_rest, say};
use crate::figures::Bound;
use crate::sight::Sight;
use crate::subject::Subject;

/// After the pool's status is written, so long nothing else may happen.
const AFTERMATH: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Starts {
    in_step: Vec<f64>,
    served: Vec<f64>,
    writes: Vec<f64>,
    resident: Vec<f64>,
}

#[derive(Default)]
struct Edits {
    cpu: Vec<f64>,
    service_writes: Vec<f64>,
    pool_writes: Vec<f64>,
}

pub(super) async fn run(run: &mut Run<'_>) -> Result<()> {
    let (mut starts, mut edits) = (Starts::default(), Edits::default());
    for number in 1..=run.plan.repeat {
        say(&format!("restart {number}"));
        let controller = start(run, &mut starts).await?;
        edit(run, number, &controller, &mut edits).await?;
        controller.stop().await?;
    }
    run.add("restart", "start to in step", "s", Values::of(Bound::None, starts.in_step));
    run.add("restart", "in step to new Service served", "s", Values::of(Bound::Each(1.0), starts.served));
    run.add("restart", "writes to other Services", "", Values::of(Bound::Each(0.0), starts.writes));
    run.add("restart", "resident memory", "MB", Values::of(Bound::Each(60.0), starts.resident));
    run.add("range added", "CPU", "ms", Values::of(Bound::Median(50.0), edits.cpu));
    run.add("range added", "writes to Services", "", Values::of(Bound::Each(0.0), edits.service_writes));
    run.add("range added", "writes to the pool", "", Values::of(Bound::Each(1.0), edits.pool_writes));
    Ok(())
}

async fn start(run: &Run<'_>, starts: &mut Starts) -> Result<Subject> {
    let mut sight = Sight::begin(&run.cluster.client).await?;
    let before = run.requests().await?;
    let mut controller = Subject::controller(&run.plan.controller, &run.cluster)?;
    let ready = controller.probed_ready().await?;
    run.cluster.create_service("new".to_owned()).await?;
    let served = sight.one("new", PATIENCE).await?;
    at_rest(&controller).await?;
    let writes = run.requests().await?.since(&before).service_writes();
    starts.in_step.push(ready.duration_since(controller.started).as_secs_f64());
    starts.served.push(served.duration_since(ready).as_secs_f64());
    // One of them is the new Service's own.
    starts.writes.push(number(writes.saturating_sub(1)));
    starts.resident.push(controller.memory()?.resident);
    run.cluster.delete_services(vec!["new".to_owned()]).await?;
    at_rest(&controller).await?;
    Ok(controller)
}

/// The pool has 2^16 addresses and gets 256 more with every edit.
async fn edit(run: &Run<'_>, edit: usize, controller: &Subject, edits: &mut Edits) -> Result<()> {
    let more = (1..=edit).map(|number| format!("10.201.{number}.0/24"));
    let ranges: Vec<String> = std::iter::once("10.200.0.0/16".to_owned()).chain(more).collect();
    let before = run.requests().await?;
    let cpu = controller.cpu()?;
    run.cluster.set_ranges(&ranges).await?;
    run.cluster.pool_holds(65_536 + 256 * i64::try_from(edit)?).await?;
    tokio::time::sleep(AFTERMATH).await;
    let cpu = controller.cpu()?.saturating_sub(cpu);
    let requests = run.requests().await?.since(&before);
    edits.cpu.push(cpu.as_secs_f64() * 1000.0);
    edits.service_writes.push(number(requests.service_writes()));
    edits.pool_writes.push(number(requests.pool_writes()));
    Ok(())
}
