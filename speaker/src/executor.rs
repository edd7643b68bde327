//! Makes effects true: packets through the layer 2 thread, words through logs, events, metrics and status objects.

use std::net::IpAddr;
use std::time::Instant;

use metallb_announce::{Announcement, Effect, Notice, SkipReason};
use metallb_cluster::{Event, EventSink, EventType, Store};
use metallb_config::{Interfaces, ServiceKey};
use metallb_l2::Interfaces as Scope;
use metallb_telemetry::metrics::SpeakerMetrics;

use crate::known::KnownService;
use crate::layer2::{Command, Layer2};
use crate::status::StatusWriter;

/// What this speaker announces by, in events and metrics.
const PROTOCOL: &str = "layer2";

/// Everything effects act on.
#[derive(Debug)]
pub(crate) struct Executor {
    pub(crate) node: String,
    pub(crate) layer2: Layer2,
    pub(crate) events: EventSink,
    pub(crate) metrics: SpeakerMetrics,
    pub(crate) statuses: StatusWriter,
    pub(crate) services: Store<KnownService>,
}

impl Executor {
    /// Has packets follow effects, in their order; `since` is when what they follow from was seen. The layer 2 thread is
    /// waited for; false when that has ended.
    pub(crate) async fn execute(&self, effects: &[Effect], since: Option<Instant>) -> bool {
        let commands = effects.iter().filter_map(command).collect();
        self.layer2.send_seen(commands, since).await
    }

    /// Answers until the others are heard to have taken over, from now on. Soon the process ends.
    pub(crate) async fn hand_over(&self) {
        self.layer2.send(vec![Command::HandOverAll]).await;
    }

    /// Has the layer 2 thread give room back that is not needed while it is calm. That is not waited for.
    pub(crate) async fn tighten(&self) {
        self.layer2.send(vec![Command::Tighten]).await;
    }

    /// Ends all answers; those that are handed over, when they are.
    pub(crate) fn stop(self) {
        self.layer2.stop();
    }

    /// Tells people what happened to a Service. Waits for nobody.
    pub(crate) fn tell(&self, service: &ServiceKey, notice: Notice) {
        match notice {
            Notice::Announced { announcement, is_new } => self.announced(service, &announcement, is_new),
            Notice::Withdrawn { addresses, reason } => self.withdrawn(service, &addresses, &reason),
            Notice::Skipped { reason } => self.skipped(service, &reason),
            Notice::Orphaned { addresses } => {
                tracing::warn!(
                    %service, ips = ?addresses, reason = SkipReason::IpNotAllowed.code(),
                    "no IPAddressPool holds the addresses any more, announcing them until the controller decides"
                );
            }
        }
    }

    fn announced(&self, service: &ServiceKey, announcement: &Announcement, is_new: bool) {
        let Announcement { pool, addresses, interfaces, off_subnet, refresh: _, contest: _ } = announcement;
        let on = names(interfaces);
        tracing::info!(%service, pool, ips = ?addresses, interfaces = ?on, protocol = PROTOCOL, "service has IP, announcing");
        for ip in off_subnet {
            let node = self.node.as_str();
            tracing::warn!(
                %service, pool, node, %ip,
                "node has no address in the subnet of the announced address: its neighbours may not ask for it"
            );
        }
        for address in addresses {
            self.gauge(service, *address, true);
        }
        self.statuses.announced(service.clone(), names(interfaces));
        if is_new {
            let message = format!("announcing from node \"{}\" with protocol \"{PROTOCOL}\"", self.node);
            self.publish(service, EventType::Normal, "nodeAssigned", message);
        }
    }

    fn withdrawn(&self, service: &ServiceKey, addresses: &[IpAddr], reason: &SkipReason) {
        tracing::info!(
            %service, ips = ?addresses, reason = reason.code(), detail = %reason, protocol = PROTOCOL,
            "withdrawing service announcement"
        );
        for address in addresses {
            self.gauge(service, *address, false);
        }
        if *reason != SkipReason::LoadBalancerIpChanged {
            self.statuses.withdrawn(service.clone());
        }
        self.complain(service, reason);
    }

    fn skipped(&self, service: &ServiceKey, reason: &SkipReason) {
        let code = reason.code();
        if reason.is_alarming() {
            tracing::warn!(%service, reason = code, detail = %reason, "not announcing service");
        } else {
            tracing::debug!(%service, reason = code, detail = %reason, "not announcing service");
        }
        // An object of an earlier life of this speaker may say otherwise.
        self.statuses.withdrawn(service.clone());
        self.complain(service, reason);
    }

    fn complain(&self, service: &ServiceKey, reason: &SkipReason) {
        if let SkipReason::NoSuchInterface { addresses } = reason {
            for ip in addresses {
                let node = &self.node;
                let message = format!(
                    "the interfaces specified by LB IP \"{ip}\" doesn't exist in assigned node \"{node}\" \
                     with protocol \"{PROTOCOL}\""
                );
                self.publish(service, EventType::Warning, "announceFailed", message);
            }
        }
    }

    fn gauge(&self, service: &ServiceKey, address: IpAddr, is_announced: bool) {
        let (service, ip) = (service.to_string(), address.to_string());
        let labels = [service.as_str(), PROTOCOL, self.node.as_str(), ip.as_str()];
        if is_announced {
            self.metrics.announced.with_label_values(&labels).set(1);
        } else {
            self.metrics.announced.remove_label_values(&labels);
        }
    }

    fn publish(&self, service: &ServiceKey, kind: EventType, reason: &str, message: String) {
        let Some(object) = self.services.get(&service.namespace, &service.name) else { return };
        let about = object.reference(service);
        self.events.publish(Event { about, kind, reason: reason.to_owned(), message });
    }
}

/// The packet side of an effect.
fn command(effect: &Effect) -> Option<Command> {
    match *effect {
        Effect::Announce { address, ref interfaces } => {
            Some(Command::Announce { address, interfaces: scope(interfaces) })
        }
        Effect::Remind { address } => Some(Command::Remind { address }),
        Effect::Refresh { address, every } => Some(Command::Refresh { address, every }),
        Effect::Withdraw { address } => Some(Command::Withdraw { address }),
        Effect::HandOver { address } => Some(Command::HandOver { address }),
        Effect::Tell { .. } => None,
    }
}

fn scope(interfaces: &Interfaces) -> Scope {
    match interfaces {
        Interfaces::All => Scope::All,
        Interfaces::Only(names) => Scope::Named(names.clone()),
    }
}

/// The names in sorted order; none means all interfaces.
fn names(interfaces: &Interfaces) -> Vec<String> {
    match interfaces {
        Interfaces::All => Vec::new(),
        Interfaces::Only(names) => names.iter().cloned().collect(),
    }
}
