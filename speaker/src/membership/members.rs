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
    /// The newest [question](super::Membership::ask) this list is younger than.
    pub asked: u64,
}
