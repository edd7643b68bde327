//! No address belongs to two pools, nor twice to one.

use std::collections::BTreeMap;
use std::net::IpAddr;

use metallb_net::{IpFamily, IpRange, Prefix};

use super::pool::PoolError;
use crate::config::Pool;

/// The ranges claimed so far.
#[derive(Default)]
pub(super) struct Claimed {
    /// Family and first address of each range, with the order in which it was claimed.
    ranges: BTreeMap<(IpFamily, IpAddr), (usize, IpRange)>,
}

impl Claimed {
    /// Claims all ranges of a pool, or none.
    pub(super) fn claim(&mut self, pool: &Pool) -> Result<(), PoolError> {
        for (index, range) in pool.ranges.iter().enumerate() {
            if let Err((prefix, other)) = self.claim_range(*range) {
                pool.ranges.iter().take(index).for_each(|claimed| self.release(claimed));
                return Err(PoolError::Overlap { name: pool.name.clone(), prefix, other });
            }
        }
        Ok(())
    }

    fn claim_range(&mut self, range: IpRange) -> Result<(), (Prefix, Prefix)> {
        let mut others = self.overlapping(&range);
        if others.is_empty() {
            self.ranges.insert((range.family(), range.first()), (self.ranges.len(), range));
            return Ok(());
        }
        others.sort_unstable();
        let claimed: Vec<Prefix> = others.iter().flat_map(|(_, other)| other.prefixes()).collect();
        let pairs = range.prefixes().into_iter().flat_map(|new| claimed.iter().map(move |old| (new, *old)));
        let clash = pairs.into_iter().find(|(new, old)| IpRange::from(*new).overlaps(&IpRange::from(*old)));
        clash.map_or(Ok(()), Err)
    }

    fn overlapping(&self, range: &IpRange) -> Vec<(usize, IpRange)> {
        let up_to = (range.family(), range.last());
        let candidates = self.ranges.range(..=up_to).rev().map(|(_, claimed)| *claimed);
        candidates.take_while(|(_, other)| other.overlaps(range)).collect()
    }

    fn release(&mut self, range: &IpRange) {
        self.ranges.remove(&(range.family(), range.first()));
    }
}
