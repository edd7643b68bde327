//! What is measured, in the order in which addresses become more.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use metallb_testbed::Bed;
use serde_json::json;

use super::announced::{Asked, Histogram};
use super::flood::{Flood, RATE};
use super::lab::{self, MANY, ONE};
use super::prober::Prober;
use super::{API_SERVER_FLAGS, Layer2Plan};
use crate::cluster::{Cluster, until};
use crate::figures::{Bound, Figure, Report, max, median, quantile};
use crate::scenarios::{at_rest, say};
use crate::sight::Sight;
use crate::subject::Subject;

/// How long things may take that are not measured.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long CPU time is counted.
const IDLE: Duration = Duration::from_secs(20);
const FLOODED: Duration = Duration::from_secs(5);
/// From one question to the next under the flood.
const PACE: Duration = Duration::from_millis(5);
/// Before each Service that is created by itself, as in the measurements of the original: what the one before it leads to, events
/// and statuses, has come to an end by then.
const APART: Duration = Duration::from_millis(100);
/// The Service of the only address `router` announces.
const THE_ONE: u32 = 90_000;
/// The first of the Services created one at a time.
const SINGLES: u32 = 20_000;

/// How long a Service took, in milliseconds from the request that creates it.
struct Single {
    /// Until the API server's answer to the request.
    created: f64,
    /// Until its status was seen here.
    assigned: f64,
    /// Until its address was answered.
    answered: f64,
    /// From its status seen here until made known there, if it was heard.
    heard: Option<f64>,
}

struct Run<'a> {
    plan: &'a Layer2Plan,
    bed: &'a Bed,
    cluster: Cluster,
    asked: Asked,
    /// The speaker at `cp`, whose figures these are.
    speaker: Subject,
    prober: Option<Prober>,
    /// Services created one at a time so far, and how many of them are still there.
    created: u32,
    singles: u32,
    figures: Vec<Figure>,
}

/// Runs everything.
pub(super) async fn run(plan: &Layer2Plan, bed: &Bed) -> Result<Report> {
    let cluster = Cluster::prepare(&bed.kubeconfig()).await?;
    lab::prepare(&cluster, bed).await?;
    let asked = Asked { token: lab::token(&cluster.client).await? };
    let start = |machine| {
        let address = bed.v4(machine)?.to_string();
        bed.in_network_of(machine, || Subject::speaker(&plan.speaker, &cluster, (machine, &address)))
    };
    let speaker = start(MANY)?;
    let others = [start(ONE)?, start(super::prober::CLIENT)?];
    let mut controller = Subject::controller(&plan.controller, &cluster)?;
    controller.probed_ready().await?;
    let prober = Some(Prober::start(bed)?);
    let mut run =
        Run { plan, bed, cluster, asked, speaker, prober, created: 0, singles: 0, figures: Vec::new() };
    run.measure().await?;
    let about = about(plan, run.prober()?.asked);
    controller.stop().await?;
    for speaker in others.into_iter().chain([run.speaker]) {
        speaker.stop().await?;
    }
    Ok(Report { figures: run.figures, about })
}

impl Run<'_> {
    async fn measure(&mut self) -> Result<()> {
        let half = self.plan.addresses / 2;
        self.idle().await?;
        lab::create_endpoint(&self.cluster.client, THE_ONE).await?;
        lab::create_service(&self.cluster.client, THE_ONE, lab::one()).await?;
        self.single("first", false).await?;
        self.hold(0..half).await?;
        self.single("beside half", false).await?;
        self.single("after a deletion", true).await?;
        self.hold(half..self.plan.addresses).await?;
        let memory = self.speaker.memory()?;
        self.add("full", "resident memory", "MB", (Bound::Each(30.0), vec![memory.resident]));
        self.add("full", "the most it ever was", "MB", (Bound::None, vec![memory.peak]));
        // The prober waits by a runtime of its own.
        tokio::task::block_in_place(|| self.answers().and_then(|()| self.flood()))
    }

    async fn idle(&mut self) -> Result<()> {
        say("idle: three speakers, no Services");
        at_rest(&self.speaker).await?;
        let (before, begin) = (self.speaker.cpu()?, Instant::now());
        tokio::time::sleep(IDLE).await;
        let percent = percent(self.speaker.cpu()?.saturating_sub(before), begin.elapsed());
        let resident = self.speaker.memory()?.resident;
        self.add("idle", "resident memory", "MB", (Bound::Each(15.0), vec![resident]));
        self.add("idle", "CPU", "%", (Bound::Each(0.5), vec![percent]));
        Ok(())
    }

    /// Has the speaker hold these as well.
    async fn hold(&mut self, numbers: std::ops::Range<u32>) -> Result<()> {
        say(&format!("creating {} Services", numbers.len()));
        let all = usize::try_from(numbers.end + self.singles)?;
        lab::fill(&self.cluster.client, numbers).await?;
        let announced = async || Ok((self.asked.now()?.announced() >= all).then_some(()));
        until("all addresses announced", PATIENCE, announced).await?;
        at_rest(&self.speaker).await
    }

    /// Services created one at a time: from inside, seen until made known; from outside, created until answered.
    async fn single(&mut self, scenario: &'static str, after_deletion: bool) -> Result<()> {
        say(&format!("single, {scenario}: {} Services", self.plan.samples));
        let client = self.cluster.client.clone();
        let numbers = SINGLES + self.created..SINGLES + self.created + self.plan.samples;
        for number in numbers.clone() {
            lab::create_endpoint(&client, number).await?;
        }
        at_rest(&self.speaker).await?;
        let mut sight = Sight::begin(&client).await?;
        let before = self.asked.now()?.announce();
        let mut singles = Vec::new();
        for number in numbers {
            tokio::time::sleep(APART).await;
            if after_deletion {
                // One of those created just before.
                lab::delete_service(&client, number - self.plan.samples).await?;
                self.singles -= 1;
            }
            singles.push(self.one(number, &mut sight).await?);
            self.singles += 1;
            self.created += 1;
        }
        let inside = self.asked.now()?.announce().since(&before);
        self.report_single(scenario, &inside, &singles)
    }

    async fn one(&mut self, number: u32, sight: &mut Sight) -> Result<Single> {
        let (client, address) = (self.cluster.client.clone(), lab::address(number));
        let mut prober = self.prober.take().context("the prober ended early")?;
        let asked = Instant::now();
        let probing = tokio::task::spawn_blocking(move || {
            let seen = prober.until_answered(address, PATIENCE);
            (prober, seen)
        });
        lab::create_service(&client, number, address).await?;
        let created = milliseconds(asked.elapsed());
        let (prober, seen) = probing.await?;
        self.prober = Some(prober);
        let seen = seen?.with_context(|| format!("{address} is not answered"))?;
        let status = sight.one(&lab::name(number), PATIENCE).await?;
        let heard = seen.gratuitous.map(|at| {
            let late = at.saturating_duration_since(status).as_secs_f64();
            (late - status.saturating_duration_since(at).as_secs_f64()) * 1000.0
        });
        let assigned = milliseconds(status.saturating_duration_since(asked));
        let answered = milliseconds(seen.answered.duration_since(asked));
        Ok(Single { created, assigned, answered, heard })
    }

    fn report_single(
        &mut self,
        scenario: &'static str,
        inside: &Histogram,
        singles: &[Single],
    ) -> Result<()> {
        let samples = f64::from(self.plan.samples);
        // One that is held back by the fence for a moment is not counted.
        ensure!(
            inside.count() >= samples * 0.98,
            "only {} of {samples} announcements counted",
            inside.count()
        );
        let seen = |part| vec![inside.quantile(part)];
        self.add(scenario, "seen to gratuitous, median", "ms", (Bound::Each(2.0), seen(0.5)));
        self.add(scenario, "seen to gratuitous, p99", "ms", (Bound::Each(10.0), seen(0.99)));
        self.add(scenario, "seen to gratuitous, max", "ms", (Bound::None, seen(1.0)));
        let heard: Vec<f64> = singles.iter().filter_map(|single| single.heard).collect();
        self.add(scenario, "the same outside, median", "ms", (Bound::None, vec![median(&heard)]));
        self.add(scenario, "the same outside, p99", "ms", (Bound::None, vec![quantile(&heard, 99, 100)]));
        let times = |time: fn(&Single) -> f64| singles.iter().map(time).collect::<Vec<f64>>();
        let bounded = Bound::Each(40.0);
        for (names, times, bound) in [
            (
                ["API server's answer, median", "API server's answer, p99"],
                times(|it| it.created),
                Bound::None,
            ),
            (
                ["created to assigned, median", "created to assigned, p99"],
                times(|it| it.assigned),
                Bound::None,
            ),
            (["created to answered, median", "created to answered, p99"], times(|it| it.answered), bounded),
        ] {
            self.add(scenario, names[0], "ms", (Bound::None, vec![median(&times)]));
            self.add(scenario, names[1], "ms", (bound, vec![quantile(&times, 99, 100)]));
        }
        let longest = max(&times(|it| it.answered));
        self.add(scenario, "created to answered, max", "ms", (Bound::None, vec![longest]));
        Ok(())
    }

    /// Questions in turn: for one of many addresses, for the only one of another speaker, for the kernels' own.
    fn answers(&mut self) -> Result<()> {
        let kernels = [self.bed.v4(MANY)?, self.bed.v4(ONE)?];
        let many = (0..self.plan.rounds).map(|round| {
            lab::address(u32::try_from(u64::from(round) * 7919 % u64::from(self.plan.addresses)).unwrap_or(0))
        });
        let targets: Vec<Ipv4Addr> =
            many.flat_map(|many| [many, lab::one(), kernels[0], kernels[1]]).collect();
        let mut medians: [Vec<f64>; 4] = Default::default();
        for number in 1..=self.plan.repeat {
            say(&format!("answers {number}: {} probes", targets.len()));
            let times = self.prober()?.times(&targets)?;
            for (of, medians) in (0..).zip(&mut medians) {
                let times = times.iter().skip(of).step_by(4).map(|time| milliseconds(*time));
                medians.push(median(&times.collect::<Vec<f64>>()));
            }
        }
        let [many, one, kernel, other] = medians;
        self.compare("answer of many to that of one", Bound::Ratio(1.2), many.clone(), one.clone());
        self.compare("answer of many to the kernel's", Bound::None, many, kernel.clone());
        self.compare("answer of one to the kernel's", Bound::None, one, other.clone());
        self.compare("the kernels' own, one to the other", Bound::None, kernel, other);
        Ok(())
    }

    fn flood(&mut self) -> Result<()> {
        let (mut rates, mut percents, mut medians, mut longest) = (vec![], vec![], vec![], vec![]);
        for number in 1..=self.plan.repeat {
            say(&format!("flood {number}: {RATE} foreign requests a second"));
            let flood = Flood::start(self.bed)?;
            let (before, begin) = (self.speaker.cpu()?, Instant::now());
            let mut times = Vec::new();
            while begin.elapsed() < FLOODED {
                let time = self.prober()?.times(&[lab::address(number)])?;
                times.extend(time.into_iter().map(milliseconds));
                std::thread::park_timeout(PACE);
            }
            percents.push(percent(self.speaker.cpu()?.saturating_sub(before), begin.elapsed()));
            rates.push(flood.stop()?);
            medians.push(median(&times));
            longest.push(max(&times));
        }
        self.add("flood", "foreign requests", "/s", (Bound::AtLeast(0.98 * f64::from(RATE)), rates));
        self.add("flood", "CPU", "%", (Bound::Median(30.0), percents));
        self.add("flood", "own answered, median", "ms", (Bound::Median(5.0), medians));
        self.add("flood", "own answered, max", "ms", (Bound::None, longest));
        Ok(())
    }

    fn prober(&mut self) -> Result<&mut Prober> {
        self.prober.as_mut().context("the prober ended early")
    }

    fn add(
        &mut self,
        scenario: &'static str,
        name: &'static str,
        unit: &'static str,
        values: (Bound, Vec<f64>),
    ) {
        let (bound, ours) = values;
        self.figures.push(Figure { scenario, name, unit, bound, ours, bare: Vec::new() });
    }

    fn compare(&mut self, name: &'static str, bound: Bound, ours: Vec<f64>, bare: Vec<f64>) {
        self.figures.push(Figure { scenario: "answers", name, unit: "ms", bound, ours, bare });
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn percent(spent: Duration, of: Duration) -> f64 {
    spent.as_secs_f64() * 100.0 / of.as_secs_f64()
}

fn about(plan: &Layer2Plan, probes: u64) -> serde_json::Value {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    json!({"API server": API_SERVER_FLAGS, "addresses": plan.addresses, "samples": plan.samples, "rounds": plan.rounds, "repeat": plan.repeat,
           "probes": probes, "cpus": cpus, "load at the end": load.join(" ")})
}
