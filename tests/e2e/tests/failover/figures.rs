//! What was measured, by family of addresses, and the bounds it is judged by.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use metallb_e2e::stream::Fate;

/// Enough to tell that it works, on every node; figures need more.
const FEW_ROUNDS: usize = 3;
/// From here on the promised bounds hold.
const MANY_ROUNDS: usize = 30;
/// Half of what the original takes; nothing may come near it, on however busy a machine.
const NEVER: Duration = Duration::from_secs(3);

/// How often each fault is made.
pub(crate) fn rounds() -> usize {
    number("METALLB_FAILOVER_ROUNDS").unwrap_or(FEW_ROUNDS)
}

/// A whole number in an environment variable.
pub(crate) fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Times without an answer, and what became of connections.
#[derive(Debug)]
pub(crate) struct Figures {
    what: &'static str,
    /// What the 99th percentile may be.
    bound: Duration,
    times: BTreeMap<&'static str, Vec<Duration>>,
    fates: BTreeMap<&'static str, Vec<Fate>>,
}

impl Figures {
    /// Judged by the 99th percentile that is promised, of enough rounds.
    pub(crate) fn new(what: &'static str, promised: Duration) -> Self {
        Self::within(what, if rounds() < MANY_ROUNDS { NEVER } else { promised })
    }

    /// Judged by this, however few they are.
    pub(crate) fn within(what: &'static str, bound: Duration) -> Self {
        Self { what, bound, times: BTreeMap::new(), fates: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, address: IpAddr, time: Duration) {
        self.times.entry(protocol(address)).or_default().push(time);
    }

    pub(crate) fn add_fate(&mut self, address: IpAddr, fate: Fate) {
        self.fates.entry(protocol(address)).or_default().push(fate);
    }

    /// Tells the figures and judges them.
    pub(crate) fn judge(mut self) -> Result<()> {
        for (protocol, fates) in &self.fates {
            say(&format!("{} {protocol}, TCP connections: {}", self.what, count(fates)));
        }
        let mut is_kept = true;
        for (protocol, times) in &mut self.times {
            times.sort_unstable();
            let (median, high, most) = (share(times, 50), share(times, 99), share(times, 100));
            say(&format!(
                "{} {protocol}: n {}, median {} ms, p99 {} ms, max {} ms",
                self.what,
                times.len(),
                median.as_millis(),
                high.as_millis(),
                most.as_millis()
            ));
            is_kept &= high <= self.bound;
        }
        ensure!(is_kept, "{}: a p99 is above {:?}: {:?}", self.what, self.bound, self.times);
        Ok(())
    }
}

fn protocol(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "ARP" } else { "NDP" }
}

/// The smallest time that this share of the sorted times does not exceed, in percent.
fn share(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied().unwrap_or_default()
}

/// How many survived, were reset or stalled, and the longest wait of those that survived.
fn count(fates: &[Fate]) -> String {
    let (mut survived, mut reset, mut stalled, mut longest) = (0, 0, 0, Duration::ZERO);
    for fate in fates {
        match fate {
            Fate::Survived(wait) => {
                survived += 1;
                longest = longest.max(*wait);
            }
            Fate::Reset(_) => reset += 1,
            Fate::Stalled => stalled += 1,
        }
    }
    format!(
        "{survived} survived (rest after {} ms at most), {reset} reset, {stalled} stalled",
        longest.as_millis()
    )
}

#[expect(clippy::print_stdout, reason = "the figures are what these tests report")]
pub(crate) fn say(what: &str) {
    println!("{what}");
}
