//! What the rest of the speaker is told about the ring.

use std::collections::BTreeSet;
use std::time::Duration;

/// Who counts, as seen from here.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Members {
    /// The nodes whose speaker is alive, this one included.
    pub alive: BTreeSet<String>,
    /// When they became these, by the clock that counts from the machine's start.
    pub since: Duration,
    /// Whether those who could be found have been heard, or there was time enough for that. Before, nobody should
    /// conclude from this list that an address is theirs.
    pub is_settled: bool,
    /// Whether this node must not answer: it was cut off or stood still, and has not heard from the others since.
    pub is_fenced: bool,
    /// How many of the [stalls](super::Membership::stalled) told of this list takes into account.
    pub asked: u64,
}

/// What this node knows of itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Own {
    /// How often it was found that it had stood still, and how long the last time.
    pub(super) stalls: u64,
    pub(super) gap: Duration,
    /// Whether the interface of its address is without carrier.
    pub(super) is_cut_off: bool,
}
