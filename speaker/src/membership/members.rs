//! What the rest of the speaker is told about the ring.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use metallb_net::Prefix;

/// Who counts, as seen from here.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Members {
    /// The nodes whose speaker is alive, this one included.
    pub alive: BTreeSet<String>,
    /// What those who send heartbeats call their processes; those that seem to be dead among them.
    pub boots: BTreeMap<String, u64>,
    /// Those of them whose process was just started: they answer for nothing yet.
    pub starting: BTreeSet<String>,
    /// Whether some member says nothing of heartbeats: a speaker of the original, most likely.
    pub has_foreign: bool,
    /// Members that do not say that they know the elections advertisements may ask for: those, or of an earlier version.
    pub plain: BTreeSet<String>,
    /// The subnets that members say they have interfaces in, by node.
    pub subnets: Arc<BTreeMap<String, Vec<Prefix>>>,
    /// Where none of them is a candidate, one of these answers. Empty unless this node is one that comes and goes: it
    /// itself, and those that were found dead. The others have no use for it, since they would be candidates.
    pub reluctant: BTreeSet<String>,
    /// Nodes whose speaker said goodbye and has not come back.
    pub left: BTreeSet<String>,
    /// When they became these, by the clock that counts from the machine's start.
    pub since: Duration,
    /// Whether those who could be found have been heard, or there was time enough for that. Before, nobody should
    /// conclude from this list that an address is theirs.
    pub is_settled: bool,
    /// Whether this node must not answer: it was cut off or stood still, and has not heard from the others since.
    pub is_fenced: bool,
    /// How often that has begun: it may be over before anybody looks.
    pub closings: u64,
    /// How many of the [stalls](super::Membership::stalled) told of this list takes into account.
    pub asked: u64,
}

impl Members {
    /// Those among whom owners are chosen. One that starts is left out, so that its addresses stay where they are until
    /// it can answer; unless nobody else is there. The original's speakers count everybody, and then so must we.
    #[must_use]
    pub fn counted(&self) -> BTreeSet<String> {
        let ready: BTreeSet<String> = self.alive.difference(&self.starting).cloned().collect();
        if self.has_foreign || ready.is_empty() { self.alive.clone() } else { ready }
    }
}

/// What this node knows of itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Own {
    /// How often it was found that it had stood still, and how long the last time.
    pub(super) stalls: u64,
    pub(super) gap: Duration,
    /// Whether the interface of its address is without carrier.
    pub(super) is_cut_off: bool,
    /// Whether it answers for what it owns, or did once since its start.
    pub(super) answers: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_starts_does_not_count_unless_all_do_or_one_is_not_ours() {
        let set = |names: &str| names.split_whitespace().map(str::to_owned).collect::<BTreeSet<_>>();
        for (alive, starting, has_foreign, counted) in [
            ("a b c", "", false, "a b c"),
            ("a b c", "b", false, "a c"),
            ("a b c", "a b", false, "c"),
            ("a b c", "a b c", false, "a b c"),
            ("a", "a", false, "a"),
            ("a b", "b", true, "a b"),
            ("", "", false, ""),
        ] {
            let members =
                Members { alive: set(alive), starting: set(starting), has_foreign, ..Members::default() };
            assert_eq!(members.counted(), set(counted), "{members:?}");
        }
    }
}
