//! Every metric by its exact name, registered here and nowhere else.
//!
//! The names are the original's (contract 01 §6, 02 §7): dashboards and alerts depend on them.

mod allocator;
mod client;
#[cfg(test)]
mod document;
mod membership;
mod operator;
mod series;
mod snapshot;
mod speaker;

pub use allocator::{AllocatorMetrics, PoolCounts};
pub use client::ClientMetrics;
pub use membership::{HeartbeatCounts, MemberMetrics};
pub use operator::OperatorMetrics;
pub use series::{One, Series};
pub use snapshot::SnapshotMetrics;
pub use speaker::SpeakerMetrics;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::{Registry, TextEncoder};

/// A metric could not be registered: two of one name, a mistake in the program.
#[derive(Debug, thiserror::Error)]
#[error("registering a metric")]
pub struct RegisterError(#[from] prometheus::Error);

/// The registry of a daemon. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    registry: Registry,
    /// By name: those the registry does not tell of.
    series: Arc<Mutex<BTreeMap<String, Series>>>,
}

impl Metrics {
    /// What every daemon counts: updates, errors, configuration, and the process itself.
    ///
    /// # Errors
    /// When called twice on one registry.
    pub fn client(&self) -> Result<ClientMetrics, RegisterError> {
        let process = prometheus::process_collector::ProcessCollector::for_self();
        self.registry.register(Box::new(process))?;
        ClientMetrics::register(&self.registry)
    }

    /// What the controller counts of its pools.
    ///
    /// # Errors
    /// When called twice on one registry.
    pub fn allocator(&self) -> Result<AllocatorMetrics, RegisterError> {
        AllocatorMetrics::register(&self.registry)
    }

    /// What a speaker counts of its announcements.
    ///
    /// # Errors
    /// When called twice on one registry.
    pub fn speaker(&self) -> Result<SpeakerMetrics, RegisterError> {
        SpeakerMetrics::register(self)
    }

    /// What a speaker counts of the other speakers.
    ///
    /// # Errors
    /// When called twice on one registry.
    pub fn members(&self) -> Result<MemberMetrics, RegisterError> {
        MemberMetrics::register(&self.registry)
    }

    /// What a speaker tells of its snapshot.
    ///
    /// # Errors
    /// When called twice on one registry.
    pub fn snapshot(&self) -> Result<SnapshotMetrics, RegisterError> {
        SnapshotMetrics::register(&self.registry)
    }

    /// What the operator counts; `version` is its own.
    ///
    /// # Errors
    /// When called twice on one registry.
    pub fn operator(&self, version: &str) -> Result<OperatorMetrics, RegisterError> {
        let process = prometheus::process_collector::ProcessCollector::for_self();
        self.registry.register(Box::new(process))?;
        OperatorMetrics::register(&self.registry, version)
    }

    /// All metrics in Prometheus' text format 0.0.4.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let mut series: BTreeMap<String, Series> = self.series().clone();
        for family in self.registry.gather() {
            let later = series.split_off(family.name());
            series.values().for_each(|series| series.write(&mut text));
            series = later;
            if let Err(error) = TextEncoder::new().encode_utf8(&[family], &mut text) {
                return format!("# encoding failed: {error}\n");
            }
        }
        series.values().for_each(|series| series.write(&mut text));
        text
    }

    fn series(&self) -> MutexGuard<'_, BTreeMap<String, Series>> {
        // Every change is one insertion.
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_exports_the_names_of_the_contract() {
        let metrics = Metrics::default();
        let client = metrics.client().unwrap();
        let allocator = metrics.allocator().unwrap();
        client.updates.inc();
        client.config_loaded.set(1);
        client.set_refused([("IPAddressPool", "gone")].into_iter());
        client.set_refused([("IPAddressPool", "red")].into_iter());
        allocator.set_pool("red", &PoolCounts { ipv4: 256, ipv6: 0, ipv4_in_use: 3, ipv6_in_use: 0 });
        let text = metrics.encode();
        for line in [
            "metallb_k8s_client_updates_total 1",
            "metallb_k8s_client_update_errors_total 0",
            "metallb_k8s_client_config_loaded_bool 1",
            "metallb_k8s_client_config_stale_bool 0",
            "metallb_k8s_client_config_refused_bool{kind=\"IPAddressPool\",name=\"red\"} 1",
            "metallb_allocator_addresses_total{pool=\"red\"} 256",
            "metallb_allocator_ipv4_addresses_total{pool=\"red\"} 256",
            "metallb_allocator_ipv6_addresses_total{pool=\"red\"} 0",
            "metallb_allocator_addresses_in_use_total{pool=\"red\"} 3",
            "metallb_allocator_ipv4_addresses_in_use_total{pool=\"red\"} 3",
            "metallb_allocator_ipv6_addresses_in_use_total{pool=\"red\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} not in:\n{text}");
        }
        for name in
            ["cpu_seconds_total", "open_fds", "resident_memory_bytes", "start_time_seconds", "threads"]
        {
            assert!(text.contains(&format!("\nprocess_{name} ")), "{name} not in:\n{text}");
        }
        assert!(!text.contains("gone"), "{text}");
        for gauge in ["addresses_total", "addresses_in_use_total"] {
            assert!(text.contains(&format!("# TYPE metallb_allocator_{gauge} gauge")), "{text}");
        }
        assert!(text.contains("# TYPE metallb_k8s_client_updates_total counter"), "{text}");
    }

    #[test]
    fn a_removed_pool_leaves_no_series() {
        let metrics = Metrics::default();
        let allocator = metrics.allocator().unwrap();
        allocator.set_pool("red", &PoolCounts::default());
        allocator.remove_pool("red");
        assert!(!metrics.encode().contains("red"));
    }

    #[test]
    fn counts_saturate_instead_of_wrapping() {
        let counts = PoolCounts { ipv4: 5, ipv6: i64::MAX, ipv4_in_use: 0, ipv6_in_use: 0 };
        assert_eq!(counts.total(), i64::MAX);
    }

    #[test]
    fn a_speaker_exports_what_it_does_without_the_api_server() {
        let metrics = Metrics::default();
        let snapshot = metrics.snapshot().unwrap();
        snapshot.written.set(1_800_000_000);
        snapshot.failures.inc();
        let text = metrics.encode();
        for line in [
            "metallb_speaker_snapshot_timestamp_seconds 1800000000",
            "metallb_speaker_snapshot_write_failures_total 1",
            "metallb_speaker_resumed 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} not in:\n{text}");
        }
    }

    #[test]
    fn a_speaker_exports_the_names_of_the_contract() {
        let metrics = Metrics::default();
        let speaker = metrics.speaker().unwrap();
        speaker.announced.with_label_values(&["default/web", "layer2", "n1", "192.0.2.1"]).set(1);
        speaker.requests_received.with_label_values(&["192.0.2.1"]).inc();
        speaker.responses_sent.with_label_values(&["192.0.2.1"]).inc();
        speaker.gratuitous_sent.with_label_values(&["192.0.2.1"]).inc_by(2);
        let text = metrics.encode();
        for line in [
            "metallb_speaker_announced{ip=\"192.0.2.1\",node=\"n1\",protocol=\"layer2\",service=\"default/web\"} 1",
            "metallb_layer2_requests_received{ip=\"192.0.2.1\"} 1",
            "metallb_layer2_responses_sent{ip=\"192.0.2.1\"} 1",
            "metallb_layer2_gratuitous_sent{ip=\"192.0.2.1\"} 2",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} not in:\n{text}");
        }
    }
}
