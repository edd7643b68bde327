//! The task that owns the controller's state: look, decide, hand over, again.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::runtime::watcher;
use kube::{Api, Client};
use metallb_allocator::{Allocator, Decision};
use metallb_api::IPAddressPool;
use metallb_api::names::CONTROLLER_EVENT_SOURCE;
use metallb_cluster::{Component, ConfigurationReporter, EventSink, Unsynced, Watches};
use metallb_config::service::{self, ServiceKey};
use metallb_process::Shutdown;
use metallb_telemetry::health::{Gate, Health, Heartbeat};
use metallb_telemetry::metrics::{ClientMetrics, Metrics, RegisterError};

use crate::configuration::Configuration;
use crate::gauges::Gauges;
use crate::pool_status::PoolStatuses;
use crate::services::{News, Services};
use crate::telling::{log_written, tell};
use crate::writer::{Ended, Write, Writer};

/// The loop turns at least this often, to show that it is alive.
const TURN: Duration = Duration::from_secs(5);
/// A loop that did not turn for so long is stuck.
const STUCK: Duration = Duration::from_secs(30);
/// How long writes under way may take to finish when the process is asked to stop.
const FINISH: Duration = Duration::from_millis(1000);

/// What the controller works on.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// MetalLB's namespace.
    pub namespace: String,
    /// The loadBalancerClass served; empty for none.
    pub class: String,
    /// The controller's pod; may be empty.
    pub pod: String,
}

/// Assigns addresses for as long as it runs.
pub struct Controller {
    watches: Watches,
    configuration: Configuration,
    services: Services,
    options: metallb_allocator::Options,
    /// None until every store is in step: before that nothing is assigned and nothing withdrawn.
    allocator: Option<Allocator>,
    writer: Writer,
    gauges: Gauges,
    events: EventSink,
    metrics: ClientMetrics,
    in_step: Gate,
    alive: Heartbeat,
}

impl Controller {
    /// Starts to follow the cluster. Needs a tokio runtime; the API server may be unreachable.
    ///
    /// # Errors
    /// When the metrics are registered already.
    pub fn start(
        client: Client,
        options: &Options,
        metrics: &Metrics,
        health: &Health,
    ) -> Result<Self, RegisterError> {
        let mut watches = Watches::default();
        let config = watcher::Config::default;
        let here = Api::<IPAddressPool>::namespaced(client.clone(), &options.namespace);
        let pools = watches.add(here, config(), "ipaddresspools.metallb.io");
        let namespaces = watches.add(Api::<Namespace>::all(client.clone()), config(), "namespaces");
        let services = watches.add(Api::<Service>::all(client.clone()), config(), "services");
        let events = EventSink::new(client.clone(), CONTROLLER_EVENT_SOURCE, "");
        let reporter = ConfigurationReporter::start(
            client.clone(),
            &options.namespace,
            Component::Controller,
            &options.pod,
        );
        let statuses = PoolStatuses::start(client.clone(), &options.namespace, pools.clone());
        let client_metrics = metrics.client()?;
        Ok(Self {
            watches,
            configuration: Configuration::new(
                pools,
                namespaces,
                reporter,
                events.clone(),
                client_metrics.clone(),
            ),
            services: Services::new(services),
            options: metallb_allocator::Options {
                class: options.class.clone(),
                ..metallb_allocator::Options::default()
            },
            allocator: None,
            writer: Writer::new(client),
            gauges: Gauges::new(metrics.allocator()?, statuses),
            events,
            metrics: client_metrics,
            in_step: health.ready_when("in step with the API server"),
            alive: health.alive_within("controller loop", STUCK),
        })
    }

    /// Works until asked to stop, then lets writes under way finish.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut turn = tokio::time::interval(TURN);
        while !shutdown.is_requested() {
            tokio::select! {
                () = shutdown.requested() => {}
                () = self.watches.changed() => self.look(),
                ended = self.writer.ended() => self.conclude(ended),
                _ = turn.tick() => {}
            }
            self.alive.beat();
        }
        let unfinished = tokio::time::timeout(FINISH, self.finish()).await.is_err();
        tracing::info!(unfinished, "controller stopped");
    }

    async fn finish(&mut self) {
        while !self.writer.is_idle() {
            let ended = self.writer.ended().await;
            self.conclude(ended);
        }
    }

    /// Reads what changed, decides, and hands over what is to be done.
    fn look(&mut self) {
        if !self.watches.all_synced() {
            return self.in_step.close(explain(&self.watches.unsynced()));
        }
        self.in_step.open();
        if let Some(config) = self.configuration.refresh() {
            match &mut self.allocator {
                Some(allocator) => allocator.set_config(config),
                None => self.allocator = Some(Allocator::new(self.options.clone(), config)),
            }
        }
        for news in self.services.refresh() {
            self.take_note(news);
        }
        self.settle();
    }

    fn take_note(&mut self, news: News) {
        self.metrics.updates.inc();
        let Some(allocator) = &mut self.allocator else { return };
        match news {
            News::Gone(key) => {
                self.writer.withdraw(&key);
                allocator.forget(&key);
                tracing::debug!(event = "serviceDeleted", service = %key, "service deleted");
            }
            News::Seen(view) => {
                if let Some(write) = self.writer.withdraw(&view.key) {
                    // It failed, or nobody said that it had succeeded.
                    if write.record.is_recorded_in(&view) {
                        tell(&self.events, &write.service, &write.decision);
                    } else {
                        allocator.write_lost(&view.key);
                    }
                }
                allocator.observe(view);
            }
        }
    }

    fn settle(&mut self) {
        let Some(allocator) = &mut self.allocator else { return };
        let decisions = allocator.settle();
        self.gauges.show(allocator.usage());
        for decision in decisions {
            self.carry_out(decision);
        }
    }

    /// Writes, and tells when that is done; without anything to write tells at once.
    fn carry_out(&mut self, decision: Decision) {
        let Some(service) = self.services.get(&decision.key) else { return };
        if decision.events.iter().any(|event| event.reason.is_warning()) {
            self.metrics.update_errors.inc();
        }
        match decision.write.clone() {
            Some(record) => self.writer.submit(Write { service: service.clone(), record, decision }),
            None => tell(&self.events, service, &decision),
        }
    }

    fn conclude(&mut self, ended: Ended) {
        self.metrics.update_errors.inc_by(std::mem::take(&mut self.writer.failures));
        match ended {
            Ended::Outdated(write) if !self.has_landed(&write) => self.look_again(&write.decision.key),
            Ended::Written(write) | Ended::Outdated(write) => {
                log_written(&write.decision);
                tell(&self.events, &write.service, &write.decision);
                if let Some(allocator) = &mut self.allocator {
                    allocator.write_accepted(&write.decision.key, &write.record);
                }
                self.settle();
            }
        }
    }

    /// Whether a write that was said to have failed stands in the Service all the same: its answer was lost.
    fn has_landed(&self, write: &Write) -> bool {
        let now = self.services.get(&write.decision.key);
        now.is_some_and(|service| write.record.is_recorded_in(&service::parse(service)))
    }

    fn look_again(&mut self, key: &ServiceKey) {
        tracing::debug!(service = %key, "service changed while it was written, looking again");
        if let Some(allocator) = &mut self.allocator {
            allocator.write_lost(key);
        }
        self.settle();
    }
}

/// Why the stores are not in step, one after the other.
fn explain(unsynced: &[Unsynced]) -> String {
    let line = |waiting: &Unsynced| match &waiting.last_error {
        Some(error) => format!("{}: {error}", waiting.what),
        None => format!("{}: waiting for the first list", waiting.what),
    };
    unsynced.iter().map(line).collect::<Vec<_>>().join("; ")
}
