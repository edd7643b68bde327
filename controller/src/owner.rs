//! The task that owns the controller's state: look, decide, hand over, again.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::runtime::watcher;
use kube::{Api, Client};
use metallb_allocator::{Allocator, Decision, UnknownPool};
use metallb_api::names::CONTROLLER_EVENT_SOURCE;
use metallb_api::{Community, IPAddressPool};
use metallb_cluster::{Component, ConfigurationReporter, EventSink, Unsynced, Watches};
use metallb_config::Config;
use metallb_config::service::{self, ServiceKey};
use metallb_linux::heap;
use metallb_process::Shutdown;
use metallb_telemetry::health::{Gate, Health, Heartbeat};
use metallb_telemetry::metrics::{ClientMetrics, Metrics, RegisterError};
use tokio::sync::watch;

use crate::configuration::{Configuration, Sources};
use crate::gauges::Gauges;
use crate::leadership::{Leadership, Term};
use crate::pool_status::PoolStatuses;
use crate::services::{News, Services, salvage};
use crate::telling::{log_written, tell, tell_garbled};
use crate::tidy::Tidy;
use crate::writer::{Ended, Write, Writer};

#[cfg(test)]
mod tests;

/// The loop turns at least this often, to show that it is alive.
const TURN: Duration = Duration::from_secs(5);
/// A loop that did not turn for so long is stuck.
const STUCK: Duration = Duration::from_secs(30);
/// What the probes call the work of the leader.
const WORK: &str = "assigning addresses";
/// How long an election may take for its winner to list only once.
const ELECTED_SOON: Duration = Duration::from_secs(1);
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
    /// What a Service gets that asks for a pool that does not exist.
    pub unknown_pool: UnknownPool,
}

/// Assigns addresses for as long as it runs and leads.
///
/// A standby follows the cluster all the same, so that it can begin at once.
pub struct Controller {
    client: Client,
    watches: Watches,
    configuration: Configuration,
    services: Services,
    options: metallb_allocator::Options,
    leadership: Leadership,
    leader: watch::Receiver<bool>,
    office: Option<Office>,
    gauges: Gauges,
    events: EventSink,
    metrics: ClientMetrics,
    tidy: Tidy,
    in_step: Gate,
    alive: Heartbeat,
    health: Health,
}

/// What only the leader has.
struct Office {
    term: Term,
    /// None until every store has seen a list that began in this term: before that nothing is assigned and nothing
    /// withdrawn. What the leader before wrote last is in that list.
    allocator: Option<Allocator>,
    /// What the allocator was last told.
    config: Arc<Config>,
    writer: Writer,
}

impl Controller {
    /// Prepares to follow the cluster. Needs a tokio runtime; the API server may be unreachable.
    ///
    /// # Errors
    /// When the metrics are registered already.
    pub fn start(
        client: Client,
        options: &Options,
        leadership: Leadership,
        metrics: &Metrics,
        health: &Health,
    ) -> Result<Self, RegisterError> {
        let mut watches = Watches::on_hold();
        let config = watcher::Config::default;
        let here = Api::<IPAddressPool>::namespaced(client.clone(), &options.namespace);
        let pools = watches.add(here, config(), "ipaddresspools.metallb.io");
        let here = Api::<Community>::namespaced(client.clone(), &options.namespace);
        let communities = watches.add(here, config(), "communities.metallb.io");
        let namespaces = watches.add(Api::<Namespace>::all(client.clone()), config(), "namespaces");
        let services = watches.add_packed(Api::<Service>::all(client.clone()), config(), "services");
        let events = EventSink::new(client.clone(), CONTROLLER_EVENT_SOURCE, "");
        let reporter = ConfigurationReporter::start(
            client.clone(),
            &options.namespace,
            Component::Controller,
            &options.pod,
        );
        let statuses = PoolStatuses::start(client.clone(), &options.namespace, pools.clone());
        let client_metrics = metrics.client()?;
        let sources = Sources { pools, communities, namespaces };
        Ok(Self {
            client,
            watches,
            configuration: Configuration::new(sources, reporter, events.clone(), client_metrics.clone()),
            services: Services::new(services),
            options: metallb_allocator::Options {
                class: options.class.clone(),
                unknown_pool: options.unknown_pool,
            },
            leader: leadership.leader(),
            leadership,
            office: None,
            gauges: Gauges::new(metrics.allocator()?, statuses),
            events,
            metrics: client_metrics,
            tidy: Tidy::new(),
            in_step: health.ready_when("in step with the API server"),
            alive: health.alive_within("controller loop", STUCK),
            health: health.clone(),
        })
    }

    /// Works until asked to stop, then lets writes under way finish.
    pub async fn run(mut self, shutdown: Shutdown) {
        self.begin().await;
        let mut turn = tokio::time::interval(TURN);
        while !shutdown.is_requested() {
            tokio::select! {
                () = shutdown.requested() => {}
                // Ends with the election, which is not before this loop does: then nothing changes any more.
                Ok(()) = self.leader.changed() => self.change_office(),
                () = self.watches.changed() => self.look(),
                ended = ended(&mut self.office) => self.conclude(ended),
                () = self.tidy.due() => self.tidy_up(),
                // What was not looked at because the office was in doubt for a moment is looked at now.
                _ = turn.tick() => {
                    self.change_office();
                    self.look();
                }
            }
            self.alive.beat();
        }
        let unfinished = tokio::time::timeout(FINISH, self.finish()).await.is_err();
        tracing::info!(unfinished, "controller stopped");
    }

    /// A leader has to list after it came into office. Who comes into office at once lists once.
    async fn begin(&mut self) {
        let elected = self.leader.wait_for(|leads| *leads);
        let _ = tokio::time::timeout(ELECTED_SOON, elected).await;
        self.change_office();
        if self.office.is_none() {
            self.watches.relist();
        }
    }

    /// Takes office or leaves it, as the election says.
    fn change_office(&mut self) {
        self.leader.mark_unchanged();
        let term = self.leadership.term();
        if term == self.office.as_ref().map(|office| office.term) {
            return;
        }
        // Decisions of another term are void, and what was written of them is read again.
        self.office = None;
        self.services.forget();
        self.gauges.clear();
        self.configuration.hush();
        if let Some(term) = term {
            let writer = Writer::new(self.client.clone(), self.leadership.clone(), term);
            self.office = Some(Office { term, allocator: None, config: Arc::default(), writer });
            self.watches.relist();
        }
    }

    async fn finish(&mut self) {
        while self.office.as_ref().is_some_and(|office| !office.writer.is_idle()) {
            let ended = ended(&mut self.office).await;
            self.conclude(ended);
        }
    }

    /// Reads what changed, decides, and hands over what is to be done.
    fn look(&mut self) {
        if !self.watches.all_synced() {
            return self.in_step.close(explain(&self.watches.unsynced()));
        }
        self.in_step.open();
        let config = self.configuration.refresh();
        let outdated = if self.office.is_some() { self.watches.outdated() } else { Vec::new() };
        // Not a matter of being ready: webhooks are served meanwhile.
        self.health.note(WORK, (!outdated.is_empty()).then(|| format!("not yet: {}", explain(&outdated))));
        let Some(office) = &mut self.office else { return };
        if !outdated.is_empty() || self.leadership.term() != Some(office.term) {
            return;
        }
        self.configuration.tell();
        match &mut office.allocator {
            Some(_) if Arc::ptr_eq(&office.config, &config) => {}
            Some(allocator) => allocator.set_config(config.clone()),
            None => office.allocator = Some(Allocator::new(self.options.clone(), config.clone())),
        }
        office.config = config;
        let news = self.services.refresh();
        self.tidy.note(news.len());
        for news in news {
            self.metrics.updates.inc();
            office.take_note(news, &self.events);
        }
        self.settle();
    }

    fn settle(&mut self) {
        let Some(Office { allocator: Some(allocator), .. }) = &mut self.office else { return };
        let decisions = allocator.settle();
        self.gauges.show(allocator.usage());
        for decision in decisions {
            self.carry_out(decision);
        }
    }

    /// Writes, and tells when that is done; without anything to write tells at once.
    fn carry_out(&mut self, mut decision: Decision) {
        let Some(service) = self.services.get(&decision.key) else { return };
        let Some(office) = &mut self.office else { return };
        if decision.events.iter().any(|event| event.reason.is_warning()) {
            self.metrics.update_errors.inc();
        }
        match decision.write.take() {
            Some(record) => office.writer.submit(Write { service: service.clone(), record, decision }),
            None => tell(&self.events, service.version(), &decision),
        }
    }

    fn conclude(&mut self, ended: Ended) {
        let Some(office) = &mut self.office else { return };
        self.metrics.update_errors.inc_by(std::mem::take(&mut office.writer.failures));
        match ended {
            Ended::Outdated(write) if !self.has_landed(&write) => self.look_again(&write.decision.key),
            Ended::Written(write) | Ended::Outdated(write) => {
                log_written(&write.decision, &write.record.assignment);
                tell(&self.events, write.service.version(), &write.decision);
                if let Some(Office { allocator: Some(allocator), .. }) = &mut self.office {
                    allocator.write_accepted(&write.decision.key, &write.record);
                }
                self.settle();
            }
        }
    }

    /// There is no lull while a list is on its way, or events, which are sent after everything else.
    fn tidy_up(&mut self) {
        if self.events.is_idle() && self.watches.all_current() {
            if let Some(office) = &mut self.office {
                office.writer.shrink();
            }
            heap::give_back();
            self.tidy.tidied();
        } else {
            self.tidy.put_off();
        }
    }

    /// Whether a write that was said to have failed stands in the Service all the same: its answer was lost.
    fn has_landed(&self, write: &Write) -> bool {
        let now = self.services.get(&write.decision.key).and_then(|service| service.unpack());
        now.is_some_and(|service| write.record.is_recorded_in(&service::parse(&service)))
    }

    fn look_again(&mut self, key: &ServiceKey) {
        tracing::debug!(service = %key, "service changed while it was written, looking again");
        if let Some(Office { allocator: Some(allocator), .. }) = &mut self.office {
            allocator.write_lost(key);
        }
        self.settle();
    }
}

impl Office {
    fn take_note(&mut self, news: News, events: &EventSink) {
        let Some(allocator) = &mut self.allocator else { return };
        match news {
            News::Gone(key) => {
                self.writer.withdraw(&key);
                if !allocator.held(&key).is_empty() {
                    tracing::info!(event = "serviceDeleted", service = %key, "service deleted");
                }
                allocator.forget(&key);
            }
            News::Garbled { key, malformed, unseen } => {
                tell_garbled(events, &key, &malformed);
                if unseen {
                    allocator.reserve(Arc::new(salvage(&malformed)));
                }
            }
            News::Seen(view) => {
                if let Some(write) = self.writer.withdraw(&view.key) {
                    // It failed, or nobody said that it had succeeded.
                    if write.record.is_recorded_in(&view) {
                        tell(events, write.service.version(), &write.decision);
                    } else {
                        allocator.write_lost(&view.key);
                    }
                }
                allocator.observe(view);
            }
        }
    }
}

/// The next write that ends; pending for ever while there is none. Safe to cancel.
async fn ended(office: &mut Option<Office>) -> Ended {
    match office {
        Some(office) => office.writer.ended().await,
        None => std::future::pending().await,
    }
}

/// Why the stores are not in step, one after the other.
fn explain(unsynced: &[Unsynced]) -> String {
    let line = |waiting: &Unsynced| match &waiting.last_error {
        Some(error) => format!("{}: {error}", waiting.what),
        None => format!("{}: waiting for a list", waiting.what),
    };
    unsynced.iter().map(line).collect::<Vec<_>>().join("; ")
}
