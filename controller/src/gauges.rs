//! How full the pools are, as metrics and in the status of the pools.

use std::collections::BTreeMap;

use metallb_allocator::PoolUsage;
use metallb_api::IPAddressPoolStatus;
use metallb_telemetry::metrics::{AllocatorMetrics, PoolCounts};

use crate::pool_status::PoolStatuses;

/// Passes usage on when it changes.
pub(crate) struct Gauges {
    metrics: AllocatorMetrics,
    statuses: PoolStatuses,
    shown: BTreeMap<String, PoolUsage>,
}

impl Gauges {
    pub(crate) fn new(metrics: AllocatorMetrics, statuses: PoolStatuses) -> Self {
        Self { metrics, statuses, shown: BTreeMap::new() }
    }

    /// Shows this usage; pools that are not in it are gone.
    pub(crate) fn show<'a>(&mut self, usage: impl Iterator<Item = (&'a str, PoolUsage)>) {
        let usage: BTreeMap<String, PoolUsage> =
            usage.map(|(name, usage)| (name.to_owned(), usage)).collect();
        for gone in self.shown.keys().filter(|name| !usage.contains_key(*name)) {
            self.metrics.remove_pool(gone);
        }
        for (name, usage) in usage.iter().filter(|(name, usage)| self.shown.get(*name) != Some(usage)) {
            self.metrics.set_pool(name, &build_counts(usage));
        }
        self.statuses.want(usage.iter().map(|(name, usage)| (name.clone(), build_status(usage))).collect());
        self.shown = usage;
    }
}

impl Gauges {
    /// Shows nothing: another replica does.
    pub(crate) fn clear(&mut self) {
        self.show(std::iter::empty());
    }
}

fn build_counts(usage: &PoolUsage) -> PoolCounts {
    let PoolUsage { ipv4, ipv6, ipv4_in_use, ipv6_in_use } = *usage;
    PoolCounts { ipv4, ipv6, ipv4_in_use, ipv6_in_use }
}

fn build_status(usage: &PoolUsage) -> IPAddressPoolStatus {
    IPAddressPoolStatus {
        assigned_ipv4: usage.ipv4_in_use,
        assigned_ipv6: usage.ipv6_in_use,
        available_ipv4: usage.ipv4_available(),
        available_ipv6: usage.ipv6_available(),
    }
}
