//! How a claim stands among others: the lower, the better.

/// How many owners there were before, and one; 0 is nobody's. Two bits put it behind others.
pub(super) type Rank = u32;

/// Of a holder that may have lost it unawares, or that does not know all the others hold: behind everybody else.
pub(super) const WEAK: Rank = 1 << 31;
/// Of one that claimed it while nobody remembered anything, a moment ago: behind those who held it for longer.
pub(super) const FRESH: Rank = 1 << 30;
/// The number alone.
pub(super) const COUNT: Rank = FRESH - 1;
