//! What a client sees of a Service during a change, and what it may cost.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use metallb_e2e::Cluster;
use metallb_e2e::probe::{Mac, Probe, Wait};
use metallb_e2e::stream::{Fate, Stream};
use metallb_testbed::wait::{self, Seen};

use crate::knock::{Knocks, Tally};

/// One node alone must have answered for so long.
const STEADY: Duration = Duration::from_secs(1);
/// Until it does, at most: one that comes and goes too often is held out for a while.
const SETTLED: Duration = Duration::from_secs(60);
/// The bound of moves by plan.
const NO_GAP: Duration = Duration::from_millis(50);
/// The bound on a machine that does other things, too.
const NEVER: Duration = Duration::from_secs(3);
/// Where no speaker is replaced nobody waits that long, whatever else the machine does.
const UNMOVED: Duration = Duration::from_secs(1);
/// Until another speaker has started and answers, beside a move by plan: as docs/operator.md says.
const STARTED: Duration = Duration::from_millis(3_200);
/// From so many rounds on the promised bound holds.
const MANY_ROUNDS: usize = 5;

/// How often each change is made.
pub(crate) fn rounds() -> usize {
    let asked = std::env::var("METALLB_FIELD_ROUNDS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// What a change may cost those who use a Service. Waits are judged where the promised bounds hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Bound {
    /// No knock is lost, nobody waits longer than in a move by plan, no connection ends, and the same node answers all the time.
    Nothing,
    /// The wait of a move by plan.
    Planned,
    /// The same for who uses the Service. Nobody tells anybody that a speaker stops: who asks for the hardware address just
    /// then waits until its successor answers.
    Untold,
    /// Anything: the change is meant to stop the Service.
    Free,
}

/// A Service that is knocked at and asked for until this is finished or dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    knocks: Knocks,
    /// By another way to the same pods.
    control: Knocks,
    probe: Probe,
    stream: Stream,
    owner: Mac,
    since: Instant,
}

/// What was seen of it.
#[derive(Debug)]
pub(crate) struct Sight {
    knocks: Tally,
    control: Tally,
    /// The longest wait of a question for the hardware address.
    asked: Option<Wait>,
    owner: Mac,
    /// Who answered.
    macs: BTreeSet<Mac>,
    fate: Fate,
}

impl Watch {
    /// Begins once one node alone answers.
    pub(crate) fn start(cluster: &Cluster, address: IpAddr) -> Result<Self> {
        let bed = &cluster.bed;
        let probe = Probe::start(bed, address)?;
        let owner = only_one(&probe)?;
        let knocks = Knocks::start(bed, vec![SocketAddr::new(address, 80)])?;
        let control = Knocks::start(bed, node_ports(cluster)?)?;
        knocks.wait_answered(SETTLED)?;
        control.wait_answered(SETTLED)?;
        let stream = Stream::open(bed, address)?;
        Ok(Self { knocks, control, probe, stream, owner, since: Instant::now() })
    }

    /// Ends once one node alone answers.
    pub(crate) fn finish(self) -> Result<Sight> {
        let Self { knocks, control, probe, stream, owner, since } = self;
        only_one(&probe)?;
        let knocks = knocks.finish(since)?;
        let control = control.finish(since)?;
        let asked = probe.waits(since, Instant::now()).into_iter().max_by_key(|wait| wait.time);
        let macs = probe.said_since(since, |_| true).into_iter().map(|answer| answer.mac).collect();
        Ok(Sight { knocks, control, asked, owner, macs, fate: stream.finish()? })
    }
}

/// The Service's port at each node: no address moves, and no speaker is in the way.
fn node_ports(cluster: &Cluster) -> Result<Vec<SocketAddr>> {
    let service = cluster.get(&["service", "web", "-n", "default"])?;
    let port = service["spec"]["ports"][0]["nodePort"].as_u64().context("the Service has no node port")?;
    let port = u16::try_from(port)?;
    let door = |node: &String| cluster.bed.v4(node).map(|address| SocketAddr::from((address, port)));
    cluster.bed.node_names().iter().map(door).collect()
}

/// Waits until one node alone has answered for a while, and says which.
fn only_one(probe: &Probe) -> Result<Mac> {
    let called = Instant::now();
    wait::until("answers of one node only", SETTLED, || {
        let since = Instant::now().checked_sub(STEADY).unwrap_or(called).max(called);
        let lately: Vec<Mac> = probe.said_since(since, |_| true).iter().map(|answer| answer.mac).collect();
        let distinct: BTreeSet<&Mac> = lately.iter().collect();
        Ok(match lately.last() {
            Some(mac) if called.elapsed() >= STEADY && lately.len() > 10 && distinct.len() == 1 => {
                Seen::Done(*mac)
            }
            _ => Seen::NotYet(format!("{} answers of {distinct:x?}", lately.len())),
        })
    })
}

impl Bound {
    /// Tells what was seen in one round, and judges what holds in each.
    pub(crate) fn look_at(self, what: &str, sight: &Sight) -> Result<()> {
        let Sight { knocks, control, asked, owner, macs, fate } = sight;
        let lost = knocks.lost();
        let is_late = asked.is_some_and(|wait| wait.is_of_one_node());
        say(&format!(
            "{what}: of {} knocks {} lost, of {} at node ports {}; longest wait {} for an answer to a knock, {} at node ports, {} for \
             one to ARP ({}); the connection {fate}",
            knocks.count(),
            lost.len(),
            control.count(),
            control.lost().len(),
            Milliseconds(knocks.longest_wait()),
            Milliseconds(control.longest_wait()),
            Milliseconds(sight.asked()),
            if is_late { "late, by the same node" } else { "by another node" },
        ));
        if self == Self::Nothing {
            ensure!(lost.is_empty(), "{what}: knocks were lost: {lost:?}");
            ensure!(*macs == BTreeSet::from([*owner]), "{what}: {macs:x?} answered, {owner:x?} did before");
            ensure!(matches!(fate, Fate::Survived(_)), "{what}: the connection {fate}");
        }
        Ok(())
    }

    /// Tells how long anybody waited in all rounds, and judges it. What was waited for at the node ports, by another way to the same
    /// pods, is told beside it: the machine takes that of itself.
    pub(crate) fn judge(self, what: &str, sights: &[Sight]) -> Result<()> {
        let waits = |wait: fn(&Sight) -> Duration| Waits::of(sights.iter().map(wait).collect());
        let knocked = waits(|sight| sight.knocks.longest_wait());
        let control = waits(|sight| sight.control.longest_wait());
        let asked = waits(Sight::asked);
        let waited = format!("{what}: knocks waited {knocked}, at node ports {control}, ARP {asked}");
        say(&waited);
        let [knocks_may, asked_may] = self.may_wait(promised());
        ensure!(
            knocked.longest <= knocks_may,
            "{waited}: a knock may wait {} ({self:?})",
            Milliseconds(knocks_may)
        );
        ensure!(asked.longest <= asked_may, "{waited}: ARP may wait {} ({self:?})", Milliseconds(asked_may));
        Ok(())
    }

    /// How long a knock and a question for the hardware address may wait, where moves by plan may take `promised`.
    fn may_wait(self, promised: Duration) -> [Duration; 2] {
        match self {
            Self::Nothing => [promised.min(UNMOVED); 2],
            Self::Planned => [promised; 2],
            Self::Untold => [promised, promised + STARTED],
            Self::Free => [Duration::MAX; 2],
        }
    }
}

impl Sight {
    fn asked(&self) -> Duration {
        self.asked.map(|wait| wait.time).unwrap_or_default()
    }
}

/// In milliseconds, and tenths of them.
struct Milliseconds(Duration);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} ms", self.0.as_secs_f64() * 1000.0)
    }
}

/// The longest waits of several rounds.
struct Waits {
    median: Duration,
    longest: Duration,
}

impl Waits {
    fn of(mut waits: Vec<Duration>) -> Self {
        waits.sort_unstable();
        let median = waits.get(waits.len() / 2).copied().unwrap_or_default();
        Self { median, longest: waits.last().copied().unwrap_or_default() }
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in the median, {} at most", Milliseconds(self.median), Milliseconds(self.longest))
    }
}

/// How long moves by plan may make anybody wait.
fn promised() -> Duration {
    if rounds() < MANY_ROUNDS { NEVER } else { NO_GAP }
}

#[expect(clippy::print_stdout, reason = "the figures are what these tests report")]
fn say(what: &str) {
    println!("{what}");
}

pub(crate) fn waits_are_judged_by_what_a_change_may_cost() -> Result<()> {
    let table = [
        (Bound::Nothing, [true, false, true, false]),
        (Bound::Planned, [true, false, true, false]),
        (Bound::Untold, [true, false, true, true]),
        (Bound::Free, [true; 4]),
    ];
    for (bound, due) in table {
        let [knocks_may, asked_may] = bound.may_wait(NO_GAP).map(|may| may.as_millis());
        let found = [50 <= knocks_may, 51 <= knocks_may, 50 <= asked_may, 51 <= asked_may];
        ensure!(found == due, "{bound:?}: {found:?}");
    }
    ensure!(Bound::Untold.may_wait(NO_GAP)[1] < Duration::from_secs(4), "a speaker starts within that time");
    ensure!(Bound::Nothing.may_wait(NEVER) == [UNMOVED; 2], "whatever else the machine does");
    Ok(())
}
