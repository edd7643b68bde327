//! Services created one at a time beside all the others: from the request to the address.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::fill::number;
use super::{Run, Values, at_rest, say};
use crate::bare::Task;
use crate::figures::{Bound, max, median, quantile};
use crate::requests::Requests;
use crate::sight::Sight;
use crate::subject::Subject;

const DEADLINE: Duration = Duration::from_secs(30);
/// Between one Service and the next.
const PAUSE: Duration = Duration::from_millis(10);

struct Turn {
    milliseconds: Vec<f64>,
    requests: Requests,
    cpu: f64,
}

pub(super) async fn run(run: &mut Run<'_>, condition: bool) -> Result<()> {
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for number in 1..=run.plan.repeat {
        say(&format!("single {number}: controller"));
        let mut controller = Subject::controller(&run.plan.controller, &run.cluster)?;
        controller.probed_ready().await?;
        ours.push(turn(run, controller).await?);
        say(&format!("single {number}: bare client"));
        let mut client = Subject::bare(&run.cluster, Task::Follow, condition)?;
        client.told_ready().await?;
        bare.push(turn(run, client).await?);
    }
    report(run, &ours, &bare);
    Ok(())
}

async fn turn(run: &Run<'_>, subject: Subject) -> Result<Turn> {
    at_rest(&subject).await?;
    let mut sight = Sight::begin(&run.cluster.client).await?;
    let before = run.requests().await?;
    let cpu = subject.cpu()?;
    let names: Vec<String> = (0..run.plan.samples).map(|number| format!("single-{number:04}")).collect();
    let mut milliseconds = Vec::new();
    for name in &names {
        let asked = Instant::now();
        run.cluster.create_service(name.clone()).await?;
        let served = sight.one(name, DEADLINE).await?;
        milliseconds.push(served.duration_since(asked).as_secs_f64() * 1000.0);
        tokio::time::sleep(PAUSE).await;
    }
    at_rest(&subject).await?;
    let requests = run.requests().await?.since(&before);
    let cpu = subject.cpu()?.saturating_sub(cpu).as_secs_f64();
    run.cluster.delete_services(names).await?;
    at_rest(&subject).await?;
    subject.stop().await?;
    Ok(Turn { milliseconds, requests, cpu })
}

fn report(run: &mut Run<'_>, ours: &[Turn], bare: &[Turn]) {
    let samples = number(u64::try_from(run.plan.samples).unwrap_or(u64::MAX));
    let both = |bound, value: &dyn Fn(&Turn) -> f64| Values {
        bound,
        ours: ours.iter().map(value).collect(),
        bare: bare.iter().map(value).collect(),
    };
    let name = "single";
    run.add(
        name,
        "created to address, median",
        "ms",
        both(Bound::Ratio(1.3), &|turn| median(&turn.milliseconds)),
    );
    let p99 = |turn: &Turn| quantile(&turn.milliseconds, 99, 100);
    run.add(name, "created to address, p99", "ms", both(Bound::Ratio(1.3), &p99));
    run.add(name, "created to address, max", "ms", both(Bound::None, &|turn| max(&turn.milliseconds)));
    let each = |count: u64| number(count) / samples;
    let writes = |turn: &Turn| each(turn.requests.service_writes());
    run.add(name, "status writes for each", "", both(Bound::Each(1.0), &writes));
    run.add(name, "events for each", "", both(Bound::Each(1.0), &|turn| each(turn.requests.events())));
    // Batched: fewer than Services. How many depends on how quickly they come.
    run.add(
        name,
        "pool writes for each",
        "",
        both(Bound::Each(0.99), &|turn| each(turn.requests.pool_writes())),
    );
    run.add(name, "CPU for each", "ms", both(Bound::None, &|turn| turn.cpu * 1000.0 / samples));
}
