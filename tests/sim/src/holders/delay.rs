//! Who keeps an address for a while though another node is preferred.

use std::collections::BTreeMap;
use std::time::Duration;

use super::NODES;
use super::check::answering;
use super::cluster::{Cluster, Node};
use super::speaker::Speaker;

/// For so long a node is to be preferred under `preempt: Delayed`.
pub(super) const DELAY: Duration = Duration::from_secs(5);
/// Who has held an address for so long has heard what the others hold, and they have heard of it.
const SETTLED: Duration = Duration::from_secs(1);

/// A deadline is met so much late.
const LATE: Duration = Duration::from_millis(1);

/// Since when things are as the delay counts.
#[derive(Debug, Default)]
pub(super) struct Delays {
    /// Since when one sees another one as one that may own something.
    seen: BTreeMap<(&'static str, &'static str), Duration>,
    holdings: BTreeMap<usize, Holding>,
    /// Not all had heard the same since the last rest, or asked for the same.
    is_excused: bool,
}

/// An address that one answers for.
#[derive(Clone, Copy, Debug)]
struct Holding {
    holder: &'static str,
    boot: Option<u64>,
    since: Duration,
    /// It was claimed while nobody remembered anything: it goes where it is elected to.
    is_fresh: bool,
}

/// Somebody got an address of one that stays too soon.
#[derive(Debug)]
#[expect(dead_code, reason = "it is printed")]
pub(super) struct Early {
    number: usize,
    from: &'static str,
    to: &'static str,
    seen_since: Option<Duration>,
}

impl Delays {
    /// Time passes with things as they are.
    pub(super) fn passes(&mut self, cluster: &Cluster) -> Option<Early> {
        let is_unlike = |node: &Node| node.is_plain || node.is_cut_off;
        self.is_excused |= !cluster.cut.is_empty()
            || cluster.loss > 0
            || !cluster.has_advertisement
            || cluster.nodes.values().any(is_unlike);
        for (one, other) in NODES.iter().flat_map(|one| NODES.map(|other| (*one, other))) {
            if is_seen(cluster, one, other) {
                self.seen.entry((one, other)).or_insert(cluster.now);
            } else {
                self.seen.remove(&(one, other));
            }
        }
        let early = cluster.services.iter().filter_map(|number| self.early(cluster, *number)).next();
        self.holdings.retain(|number, _| cluster.services.contains(number));
        cluster.services.iter().for_each(|number| self.hold(cluster, *number));
        early
    }

    /// All agree.
    pub(super) fn rest(&mut self) {
        self.is_excused = false;
    }

    fn early(&self, cluster: &Cluster, number: usize) -> Option<Early> {
        let Holding { holder: from, since, is_fresh, .. } =
            *self.holdings.get(&number).filter(|holding| holding.is_there(cluster))?;
        let answering = answering(cluster, number);
        let to = answering.first().copied().filter(|_| !answering.contains(&from))?;
        let seen_since = self.seen.get(&(from, to)).copied();
        let is_over = seen_since.is_some_and(|since| cluster.now + LATE >= since + DELAY);
        let is_excused = is_fresh || self.is_excused || cluster.now < since + SETTLED;
        (!is_over && !is_excused).then_some(Early { number, from, to, seen_since })
    }

    /// While it is handed over nobody answers: it is still who did that loses it.
    fn hold(&mut self, cluster: &Cluster, number: usize) {
        let answering = answering(cluster, number);
        let before = self.holdings.get(&number).copied().filter(|holding| holding.is_there(cluster));
        if before.is_some() && answering.is_empty() {
            return;
        }
        let is_kept = |holding: &Holding| answering.contains(&holding.holder);
        let kept = before.filter(is_kept).map(|holding| (holding.holder, holding.since));
        let Some((holder, since)) = kept.or_else(|| Some((*answering.first()?, cluster.now))) else {
            self.holdings.remove(&number);
            return;
        };
        let is_fresh = speaker(cluster, holder).is_some_and(|speaker| speaker.has_claimed_anew(number));
        let boot = cluster.nodes.get(holder).and_then(|node| node.boot);
        self.holdings.insert(number, Holding { holder, boot, since, is_fresh });
    }
}

impl Holding {
    /// Whether who holds it goes on as before.
    fn is_there(&self, cluster: &Cluster) -> bool {
        let node = cluster.nodes.get(self.holder).filter(|node| node.boot == self.boot);
        node.is_some_and(|node| !node.is_frozen && !node.is_held)
            && speaker(cluster, self.holder).is_some_and(Speaker::answers_anything)
    }
}

fn speaker<'a>(cluster: &'a Cluster, node: &str) -> Option<&'a Speaker> {
    cluster.nodes.get(node)?.speaker.as_ref()
}

fn is_seen(cluster: &Cluster, one: &str, other: &str) -> bool {
    let seen = speaker(cluster, one).and_then(|speaker| speaker.seen.get(other));
    seen.is_some_and(|seen| seen.boot.is_some() && !seen.is_down && !seen.is_starting)
}
