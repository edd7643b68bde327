//! `metallb_allocator_*`: how full the pools are.

use prometheus::{IntGaugeVec, Opts, Registry};

use super::RegisterError;

/// Addresses of one pool; each count saturates at the int64 maximum.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PoolCounts {
    /// Usable IPv4 addresses.
    pub ipv4: i64,
    /// Usable IPv6 addresses.
    pub ipv6: i64,
    /// Distinct IPv4 addresses in use.
    pub ipv4_in_use: i64,
    /// Distinct IPv6 addresses in use.
    pub ipv6_in_use: i64,
}

impl PoolCounts {
    /// Usable addresses of both families.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.ipv4.saturating_add(self.ipv6)
    }

    /// Addresses in use of both families.
    #[must_use]
    pub fn in_use(&self) -> i64 {
        self.ipv4_in_use.saturating_add(self.ipv6_in_use)
    }
}

/// The gauges of all pools.
#[derive(Clone, Debug)]
pub struct AllocatorMetrics {
    total: IntGaugeVec,
    ipv4: IntGaugeVec,
    ipv6: IntGaugeVec,
    in_use: IntGaugeVec,
    ipv4_in_use: IntGaugeVec,
    ipv6_in_use: IntGaugeVec,
}

impl AllocatorMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, RegisterError> {
        let gauge = |name: &str, help: &str| pool_gauge(registry, name, help);
        Ok(Self {
            total: gauge("addresses_total", "Usable addresses of the pool.")?,
            ipv4: gauge("ipv4_addresses_total", "Usable IPv4 addresses of the pool.")?,
            ipv6: gauge("ipv6_addresses_total", "Usable IPv6 addresses of the pool.")?,
            in_use: gauge("addresses_in_use_total", "Addresses in use of the pool.")?,
            ipv4_in_use: gauge("ipv4_addresses_in_use_total", "IPv4 addresses in use of the pool.")?,
            ipv6_in_use: gauge("ipv6_addresses_in_use_total", "IPv6 addresses in use of the pool.")?,
        })
    }

    /// Sets all gauges of a pool.
    pub fn set_pool(&self, pool: &str, counts: &PoolCounts) {
        self.total.with_label_values(&[pool]).set(counts.total());
        self.ipv4.with_label_values(&[pool]).set(counts.ipv4);
        self.ipv6.with_label_values(&[pool]).set(counts.ipv6);
        self.in_use.with_label_values(&[pool]).set(counts.in_use());
        self.ipv4_in_use.with_label_values(&[pool]).set(counts.ipv4_in_use);
        self.ipv6_in_use.with_label_values(&[pool]).set(counts.ipv6_in_use);
    }

    /// Drops all series of a pool that is gone.
    pub fn remove_pool(&self, pool: &str) {
        let Self { total, ipv4, ipv6, in_use, ipv4_in_use, ipv6_in_use } = self;
        for gauge in [total, ipv4, ipv6, in_use, ipv4_in_use, ipv6_in_use] {
            // A series that was never set is as gone as one that is removed.
            let _ = gauge.remove_label_values(&[pool]);
        }
    }
}

fn pool_gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGaugeVec, RegisterError> {
    let gauge = IntGaugeVec::new(Opts::new(format!("metallb_allocator_{name}"), help), &["pool"])?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}
