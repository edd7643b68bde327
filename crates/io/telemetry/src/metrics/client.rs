//! `metallb_k8s_client_*`: what came in and whether it was understood.

use prometheus::{IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use super::RegisterError;

/// Counters of the reconcile loop.
#[derive(Clone, Debug)]
pub struct ClientMetrics {
    /// Reconciles done.
    pub updates: IntCounter,
    /// Reconciles that failed.
    pub update_errors: IntCounter,
    /// 1 once a configuration was accepted.
    pub config_loaded: IntGauge,
    /// 1 while the newest configuration is refused, in whole or in part.
    pub config_stale: IntGauge,
    refused: IntGaugeVec,
}

impl ClientMetrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, RegisterError> {
        let metrics = Self {
            updates: IntCounter::new(
                "metallb_k8s_client_updates_total",
                "Reconciles done since the process started.",
            )?,
            update_errors: IntCounter::new(
                "metallb_k8s_client_update_errors_total",
                "Reconciles that failed.",
            )?,
            config_loaded: IntGauge::new(
                "metallb_k8s_client_config_loaded_bool",
                "1 once a configuration has been accepted.",
            )?,
            config_stale: IntGauge::new(
                "metallb_k8s_client_config_stale_bool",
                "1 while an object of the newest configuration is refused.",
            )?,
            refused: IntGaugeVec::new(
                Opts::new(
                    "metallb_k8s_client_config_refused_bool",
                    "1 while the newest version of this object is refused.",
                ),
                &["kind", "name"],
            )?,
        };
        registry.register(Box::new(metrics.updates.clone()))?;
        registry.register(Box::new(metrics.update_errors.clone()))?;
        registry.register(Box::new(metrics.config_loaded.clone()))?;
        registry.register(Box::new(metrics.config_stale.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        Ok(metrics)
    }

    /// These objects, by kind and name, are refused now, and no others.
    pub fn set_refused<'a>(&self, objects: impl Iterator<Item = (&'a str, &'a str)>) {
        self.refused.reset();
        for (kind, name) in objects {
            self.refused.with_label_values(&[kind, name]).set(1);
        }
    }
}
