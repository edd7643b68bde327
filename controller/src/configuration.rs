//! The configuration in force, kept in step with the pools and namespaces of the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use metallb_api::IPAddressPool;
use metallb_cluster::{Changes, ConfigurationReporter, EventSink, Store};
use metallb_config::{Config, RawConfig, Refusal, parse};
use metallb_telemetry::metrics::ClientMetrics;

use crate::telling::tell_refusal;

/// Reads the configuration and reports whether it is accepted.
pub(crate) struct Configuration {
    pools: Store<IPAddressPool>,
    namespaces: Store<Namespace>,
    in_force: Option<Arc<Config>>,
    /// What the admin was told, by pool.
    refused: BTreeMap<String, Refusal>,
    reporter: ConfigurationReporter,
    events: EventSink,
    metrics: ClientMetrics,
}

impl Configuration {
    pub(crate) fn new(
        pools: Store<IPAddressPool>,
        namespaces: Store<Namespace>,
        reporter: ConfigurationReporter,
        events: EventSink,
        metrics: ClientMetrics,
    ) -> Self {
        Self { pools, namespaces, in_force: None, refused: BTreeMap::new(), reporter, events, metrics }
    }

    /// Reads again if anything changed. The configuration, if it is another one than before.
    pub(crate) fn refresh(&mut self) -> Option<Arc<Config>> {
        let nothing = Changes::default();
        // Both are asked: what is taken from one does not answer for the other.
        let changes = [self.pools.take_changes(), self.namespaces.take_changes()];
        if self.in_force.is_some() && changes.iter().all(|change| *change == nothing) {
            return None;
        }
        let previous = self.in_force.clone().unwrap_or_default();
        let parsed = parse(&self.read(), &previous);
        self.metrics.updates.inc();
        self.report(parsed.refusals);
        let config = Arc::new(parsed.config);
        let news = self.in_force.as_ref() != Some(&config);
        self.in_force = Some(Arc::clone(&config));
        news.then_some(config)
    }

    fn read(&self) -> RawConfig {
        let namespace = |namespace: &Arc<Namespace>| metallb_config::Namespace {
            name: namespace.metadata.name.clone().unwrap_or_default(),
            labels: namespace.metadata.labels.clone().unwrap_or_default(),
        };
        RawConfig {
            pools: self.pools.all(),
            namespaces: self.namespaces.all().iter().map(namespace).collect(),
            ..RawConfig::default()
        }
    }

    fn report(&mut self, refusals: Vec<Refusal>) {
        self.metrics.config_loaded.set(1);
        self.metrics.config_stale.set(i64::from(!refusals.is_empty()));
        self.reporter.report(refusals.iter().map(Refusal::to_string).collect());
        let pools = self.pools.all();
        for refusal in refusals.iter().filter(|refusal| self.refused.get(&refusal.name) != Some(refusal)) {
            let pool = pools.iter().find(|pool| pool.metadata.name.as_ref() == Some(&refusal.name));
            tell_refusal(&self.events, refusal, pool.map(AsRef::as_ref));
        }
        self.refused = refusals.into_iter().map(|refusal| (refusal.name.clone(), refusal)).collect();
    }
}
