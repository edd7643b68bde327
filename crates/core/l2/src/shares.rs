//! Ranges shared out among filters of which each holds only so many.
//!
//! An address must not be without a filter while ranges move from one to another. So they stay where they are: a share
//! that is full is split, and its upper half goes to a new share, numbered last. Whoever puts shares in force from the
//! last to the first has the half that moves in its new place before it leaves the old one.

use std::ops::RangeInclusive;

#[cfg(test)]
mod tests;

/// How many shares there may be, and how many ranges each holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ShareLimits {
    /// Shares.
    pub shares: usize,
    /// Ranges in each.
    pub ranges: usize,
}

/// Where shares begin.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    /// The first value of each share, by its number; each reaches to the next larger one. The first share's is 0.
    starts: Vec<u32>,
}

impl Default for Shares {
    fn default() -> Self {
        Self { starts: vec![0] }
    }
}

impl Shares {
    /// Shares out ranges that are disjoint, in order and no more than the limits have room for.
    pub(crate) fn divide(
        &mut self,
        ranges: &[RangeInclusive<u32>],
        limits: ShareLimits,
    ) -> Vec<Vec<RangeInclusive<u32>>> {
        // Half full: the next few addresses do not split it again.
        if ranges.len() <= limits.ranges / 2 {
            self.starts = vec![0];
        }
        loop {
            let shares = self.share_out(ranges);
            let Some(full) = shares.iter().find(|share| share.len() > limits.ranges) else { return shares };
            match full.get(full.len() / 2).map(|range| *range.start()) {
                Some(middle) if self.starts.len() < limits.shares => self.starts.push(middle),
                // Seldom: what moves has to be let through by others meanwhile.
                _ => {
                    self.starts = even_starts(ranges, limits);
                    return self.share_out(ranges);
                }
            }
        }
    }

    /// Whether all shares there were are where they were, but for halves that went to new ones.
    pub(crate) fn goes_on_from(&self, before: &Self) -> bool {
        self.starts.starts_with(&before.starts)
    }

    fn share_out(&self, ranges: &[RangeInclusive<u32>]) -> Vec<Vec<RangeInclusive<u32>>> {
        let mut order: Vec<(u32, usize)> = self.starts.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let mut shares = vec![Vec::new(); self.starts.len()];
        for range in ranges {
            let (mut first, last) = range.clone().into_inner();
            // A range that reaches into the next share is cut.
            while let Some((number, end)) = share_of(&order, first) {
                let end = last.min(end);
                shares.get_mut(number).into_iter().for_each(|share: &mut Vec<_>| share.push(first..=end));
                if end == last {
                    break;
                }
                first = end + 1;
            }
        }
        shares
    }
}

/// The share a value belongs to, and the last value of that share.
fn share_of(order: &[(u32, usize)], value: u32) -> Option<(usize, u32)> {
    let behind = order.partition_point(|(start, _)| *start <= value);
    let (_, number) = order.get(behind.checked_sub(1)?)?;
    Some((*number, order.get(behind).map_or(u32::MAX, |(next, _)| next - 1)))
}

fn even_starts(ranges: &[RangeInclusive<u32>], limits: ShareLimits) -> Vec<u32> {
    let each = ranges.len().div_ceil(limits.shares.max(1)).max(1);
    let later = ranges.iter().step_by(each).skip(1).map(|range| *range.start());
    std::iter::once(0).chain(later).collect()
}
