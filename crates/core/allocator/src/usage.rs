//! How full a pool is.

use metallb_config::Pool;
use metallb_net::{IpFamily, IpRange};

/// Addresses of one pool. Counts are exact up to the int64 maximum and stay there beyond (D3).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PoolUsage {
    /// Usable IPv4 addresses.
    pub ipv4: i64,
    /// Usable IPv6 addresses.
    pub ipv6: i64,
    /// Distinct IPv4 addresses in use.
    pub ipv4_in_use: i64,
    /// Distinct IPv6 addresses in use.
    pub ipv6_in_use: i64,
}

impl PoolUsage {
    /// The usage of a pool nobody uses.
    pub(crate) fn unused(pool: &Pool) -> Self {
        let capacity = |family| {
            let ranges = pool.ranges.iter().filter(|range| range.family() == family);
            let total = ranges.map(|range| usable(pool, range)).fold(0u128, u128::saturating_add);
            i64::try_from(total).unwrap_or(i64::MAX)
        };
        Self { ipv4: capacity(IpFamily::V4), ipv6: capacity(IpFamily::V6), ..Self::default() }
    }

    /// IPv4 addresses still free.
    #[must_use]
    pub fn ipv4_available(&self) -> i64 {
        self.ipv4.saturating_sub(self.ipv4_in_use)
    }

    /// IPv6 addresses still free.
    #[must_use]
    pub fn ipv6_available(&self) -> i64 {
        self.ipv6.saturating_sub(self.ipv6_in_use)
    }

    /// Usable addresses of a family.
    pub(crate) fn capacity(&self, family: IpFamily) -> i64 {
        match family {
            IpFamily::V4 => self.ipv4,
            IpFamily::V6 => self.ipv6,
        }
    }

    /// Addresses of a family still free.
    pub(crate) fn available(&self, family: IpFamily) -> i64 {
        match family {
            IpFamily::V4 => self.ipv4_available(),
            IpFamily::V6 => self.ipv6_available(),
        }
    }

    /// The count of addresses in use of a family.
    pub(crate) fn in_use_mut(&mut self, family: IpFamily) -> &mut i64 {
        match family {
            IpFamily::V4 => &mut self.ipv4_in_use,
            IpFamily::V6 => &mut self.ipv6_in_use,
        }
    }
}

/// How many addresses of a range the pool may give out.
fn usable(pool: &Pool, range: &IpRange) -> u128 {
    let avoided = if pool.avoid_buggy_ips && range.family() == IpFamily::V4 { buggy(range) } else { 0 };
    range.len().saturating_sub(avoided)
}

/// How many addresses of an IPv4 range end in .0 or .255.
fn buggy(range: &IpRange) -> u128 {
    // Up to and including x: x/256 + 1 addresses end in .0, (x+1)/256 in .255.
    let up_to = |x: u128| x / 256 + 1 + (x + 1) / 256;
    let (first, last) = range.bounds();
    up_to(last) - first.checked_sub(1).map_or(0, up_to)
}
