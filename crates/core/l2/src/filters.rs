//! The filters of a row of sockets that together let through what concerns the announced addresses of one family.
//!
//! A filter of hundreds of ranges takes the kernel most of a millisecond, on every link. So the first one is kept short:
//! an address that is announced goes there, and nothing else is touched. The others are made anew when the first one is
//! full, or when it is calm: then they take over what is in it, and what was withdrawn falls out.
//!
//! Put in force one after the other from the last to the first, list after list, no announced address is without a filter.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use crate::cover::Cover;
use crate::shares::{ShareLimits, Shares};
use crate::table::AnnouncedTable;

#[cfg(test)]
mod tests;

/// Ranges in the first filter: a change of it takes the kernel less than a tenth of a millisecond.
const FIRST: usize = 64;

/// The filters of one family.
#[derive(Debug)]
pub struct Filters {
    cover: fn(&AnnouncedTable, usize) -> Cover,
    limits: ShareLimits,
    /// How all but the first share out what they let through.
    shares: Shares,
    /// What all but the first let through.
    settled: Cover,
    row: Vec<Arc<Cover>>,
    /// The rows to come.
    later: VecDeque<Vec<Arc<Cover>>>,
    /// The first filter changed since the last call of [`Self::follow`].
    is_widened: bool,
    /// An announced address is let through by none, or the limits are others.
    is_short: bool,
    /// They let more through than they have to.
    is_loose: bool,
}

impl Filters {
    /// Filters for IPv4.
    #[must_use]
    pub fn v4(limits: ShareLimits) -> Self {
        Self::new(Cover::of_v4, limits)
    }

    /// Filters for IPv6.
    #[must_use]
    pub fn v6(limits: ShareLimits) -> Self {
        Self::new(Cover::of_v6, limits)
    }

    fn new(cover: fn(&AnnouncedTable, usize) -> Cover, limits: ShareLimits) -> Self {
        Self {
            cover,
            limits,
            shares: Shares::default(),
            settled: Cover::default(),
            row: vec![Arc::default()],
            later: VecDeque::new(),
            is_widened: false,
            is_short: false,
            is_loose: false,
        }
    }

    /// One filter for each socket. One that did not change is the same as before.
    #[must_use]
    pub fn row(&self) -> &[Arc<Cover>] {
        &self.row
    }

    /// An address of the family was announced. Costs the same however many there are.
    pub fn announced(&mut self, address: IpAddr) {
        let most = self.most_in_first();
        let Some(first) = self.row.first_mut().filter(|_| self.later.is_empty()) else {
            self.is_short = true;
            return;
        };
        if first.contains(address) || self.settled.contains(address) {
            return;
        }
        if Arc::make_mut(first).widen(address, most) {
            self.is_widened = true;
            // Which gaps are best closed may be otherwise now.
            self.is_loose |= self.settled.last.len() >= self.most_in_others();
        } else {
            self.is_short = true;
        }
    }

    /// An address of the family was withdrawn. Its frames are let through until [`Self::tidy`].
    pub fn withdrawn(&mut self) {
        self.is_loose = true;
    }

    /// There is room for so much from now on.
    pub fn limit(&mut self, limits: ShareLimits) {
        self.limits = limits;
        self.is_short = true;
    }

    /// Whether [`Self::tidy`] would be of use once it is calm.
    #[must_use]
    pub fn is_untidy(&self) -> bool {
        let is_filling = self.row.first().is_some_and(|first| first.last.len() > self.most_in_first() / 2);
        self.is_loose || is_filling || self.has_idle()
    }

    /// It is calm: [`Self::follow`] makes filters anew if that is of use.
    pub fn tidy(&mut self) {
        self.is_short |= self.is_untidy();
    }

    /// Makes the row fit; whether sockets have to follow. To be called until they need not.
    pub fn follow(&mut self, table: &AnnouncedTable) -> bool {
        if std::mem::take(&mut self.is_short) {
            self.make_anew(table);
        }
        let is_widened = std::mem::take(&mut self.is_widened);
        match self.later.pop_front() {
            Some(next) => {
                self.row = next;
                true
            }
            None => is_widened,
        }
    }

    /// A socket that lets nothing through any more goes later, when what it had received is read.
    fn has_idle(&self) -> bool {
        self.row.len() > 1 && self.row.last().is_some_and(|last| last.last.is_empty())
    }

    fn most_in_first(&self) -> usize {
        FIRST.min(self.limits.ranges)
    }

    /// A quarter is left free: where shares fill up unevenly, one address more must not move the bounds of all.
    fn most_in_others(&self) -> usize {
        self.limits.shares * self.limits.ranges / 4 * 3
    }

    fn make_anew(&mut self, table: &AnnouncedTable) {
        self.is_loose = false;
        self.later.clear();
        let cover = (self.cover)(table, self.most_in_others());
        let before = self.shares.clone();
        // Half full: room for the next few.
        let is_small = cover.last.len() <= self.most_in_first() / 2;
        let (first, others) = if is_small {
            self.shares = Shares::default();
            self.settled = Cover::default();
            (cover, Vec::new())
        } else {
            let others = self.shares.divide(&cover.last, self.limits);
            self.settled = cover;
            (Cover::default(), others)
        };
        let others = self.others(others);
        if is_small || !self.shares.goes_on_from(&before) {
            // What moves is let through by the first filter meanwhile.
            let bridge = Arc::new((self.cover)(table, self.most_in_first()));
            self.put(bridge.clone(), self.row.get(1..).unwrap_or_default().to_vec());
            self.put(bridge, others.clone());
        }
        self.put(Arc::new(first), others);
    }

    /// The filters behind the first.
    fn others(&self, shares: Vec<Vec<std::ops::RangeInclusive<u32>>>) -> Vec<Arc<Cover>> {
        let leading = &self.settled.leading;
        let mut covers: Vec<Cover> =
            shares.into_iter().map(|last| Cover { leading: leading.clone(), last }).collect();
        while covers.last().is_some_and(|cover| cover.last.is_empty()) {
            covers.pop();
        }
        let before = self.row.get(1..).unwrap_or_default();
        let in_use = before.iter().rposition(|cover| !cover.last.is_empty()).map_or(0, |last| last + 1);
        covers.resize(covers.len().max(in_use), Cover::default());
        covers.into_iter().map(Arc::new).zip(1..).map(|(cover, number)| self.same(number, cover)).collect()
    }

    /// The filter that has this number now, if it is no other one.
    fn same(&self, number: usize, new: Arc<Cover>) -> Arc<Cover> {
        self.row.get(number).filter(|old| **old == new).cloned().unwrap_or(new)
    }

    fn put(&mut self, first: Arc<Cover>, others: Vec<Arc<Cover>>) {
        let first = self.same(0, first);
        let row: Vec<Arc<Cover>> = std::iter::once(first).chain(others).collect();
        if *self.later.back().unwrap_or(&self.row) != row {
            self.later.push_back(row);
        }
    }
}
