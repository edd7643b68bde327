//! `metallb_operator_*`: what the operator does, and whether what it looks after runs.

use prometheus::{GaugeVec, HistogramOpts, HistogramVec, IntCounter, IntGauge, IntGaugeVec, Opts, Registry};

use super::RegisterError;

/// The series of the operator.
#[derive(Clone, Debug)]
pub struct OperatorMetrics {
    /// How long a pass took, by `outcome`: `ok`, `settling` or `failed`.
    pub passes: HistogramVec,
    /// Objects put right that somebody else had changed or deleted, while the resource was not Degraded.
    pub repairs: IntCounter,
    /// 1 while a workload runs as asked for, by `workload`.
    pub ready: IntGaugeVec,
    /// 1 while this process does the work.
    pub leads: IntGauge,
}

impl OperatorMetrics {
    pub(super) fn register(registry: &Registry, version: &str) -> Result<Self, RegisterError> {
        let passes =
            HistogramOpts::new("metallb_operator_reconcile_seconds", "How long a look at everything took.");
        let passes = passes.buckets(vec![0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0]);
        let passes = HistogramVec::new(passes, &["outcome"])?;
        let repairs = IntCounter::new(
            "metallb_operator_repairs_total",
            "Objects put right that somebody else had changed or deleted, while the resource was not Degraded.",
        )?;
        let ready = Opts::new("metallb_operator_operand_ready", "1 while this workload runs as asked for.");
        let ready = IntGaugeVec::new(ready, &["workload"])?;
        let leads = IntGauge::new("metallb_operator_leader", "1 while this process does the work.")?;
        let build = Opts::new("metallb_operator_build_info", "1; the version is in the label.");
        let build = GaugeVec::new(build, &["version"])?;
        build.with_label_values(&[version]).set(1.0);
        registry.register(Box::new(passes.clone()))?;
        registry.register(Box::new(repairs.clone()))?;
        registry.register(Box::new(ready.clone()))?;
        registry.register(Box::new(leads.clone()))?;
        registry.register(Box::new(build))?;
        Ok(Self { passes, repairs, ready, leads })
    }
}
