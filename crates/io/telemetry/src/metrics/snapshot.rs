//! `metallb_speaker_snapshot_*` and `metallb_speaker_resumed`: what a speaker keeps for the case that it restarts while the
//! API server is away.

use prometheus::{IntCounter, IntGauge, Registry};

use super::RegisterError;

/// The series about the snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotMetrics {
    /// When it was last known to be what the API server tells; seconds since 1970, 0 before the first one.
    pub written: IntGauge,
    /// Writes that failed.
    pub failures: IntCounter,
    /// 1 while this speaker acts on what an earlier one wrote down, since the API server has not told yet.
    pub resumed: IntGauge,
}

impl SnapshotMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, RegisterError> {
        let written = IntGauge::new(
            "metallb_speaker_snapshot_timestamp_seconds",
            "When the snapshot was last known to be what the API server tells.",
        )?;
        let failures = IntCounter::new(
            "metallb_speaker_snapshot_write_failures_total",
            "Snapshots that could not be written.",
        )?;
        let resumed = IntGauge::new(
            "metallb_speaker_resumed",
            "1 while a snapshot stands in for the API server after a restart.",
        )?;
        registry.register(Box::new(written.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        registry.register(Box::new(resumed.clone()))?;
        Ok(Self { written, failures, resumed })
    }
}
