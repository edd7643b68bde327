//! The controller without its clock and its client: the allocator, and the rules by which decisions are written.
//!
//! One write at a time for each Service; a newer decision replaces one that has not been sent; a write carries the
//! version it was decided on.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use metallb_allocator::{Allocator, Decision, Options, Record};
use metallb_config::service::{ServiceKey, parse};
use metallb_config::{Config, Namespace, RawConfig, ServiceView};

use super::server::{Refused, Server};
use crate::Chance;

/// A write on its way.
#[derive(Clone)]
pub(super) struct Flight {
    pub(super) read: Arc<Service>,
    pub(super) record: Record,
    pub(super) decision: Decision,
}

/// A decision, and what it was taken on.
pub(super) struct Decided {
    /// The addresses the Service had before.
    pub(super) had: Vec<IpAddr>,
    pub(super) seen: ServiceView,
    pub(super) decision: Decision,
}

pub(super) struct Controller {
    pub(super) allocator: Allocator,
    pub(super) config: Config,
    pool_version: usize,
    watched: usize,
    seen: BTreeMap<String, Arc<Service>>,
    /// Services read since the last look.
    news: BTreeSet<ServiceKey>,
    /// Decided and not sent.
    queue: BTreeMap<String, Flight>,
    /// Sent and not answered.
    sent: BTreeMap<String, Flight>,
}

impl Controller {
    /// A new process: it reads everything before it decides anything.
    pub(super) fn start(server: &Server) -> Self {
        let pool_version = server.pool_versions();
        let config = read_config(server, pool_version, &Config::default());
        let mut controller = Self {
            allocator: Allocator::new(Options::default(), Arc::new(config.clone())),
            config,
            pool_version,
            watched: 0,
            seen: BTreeMap::new(),
            news: BTreeSet::new(),
            queue: BTreeMap::new(),
            sent: BTreeMap::new(),
        };
        controller.relist(server);
        controller
    }

    /// The watch broke: everything is read anew.
    pub(super) fn relist(&mut self, server: &Server) {
        let (services, watched) = server.list();
        self.watched = watched;
        let there = |name: &String| services.iter().any(|(other, _)| other == name);
        let gone: Vec<String> = self.seen.keys().filter(|name| !there(name)).cloned().collect();
        gone.iter().for_each(|name| self.take_note(name, None));
        for (name, service) in services {
            self.take_note(&name, Some(service));
        }
    }

    /// Some of what happened arrives. Pools have a watch of their own.
    pub(super) fn deliver(&mut self, server: &Server, most: usize) {
        let news: Vec<_> = server.watch(self.watched).iter().take(most).cloned().collect();
        self.watched += news.len();
        // What a store is told between two looks is news only as it stands last.
        let last: BTreeMap<String, _> = news.into_iter().collect();
        for (name, service) in last {
            self.take_note(&name, service);
        }
        if self.pool_version != server.pool_versions() {
            self.pool_version = server.pool_versions();
            self.config = read_config(server, self.pool_version, &self.config);
            self.allocator.set_config(Arc::new(self.config.clone()));
        }
    }

    fn take_note(&mut self, name: &str, service: Option<Arc<Service>>) {
        let Some(service) = service else {
            self.queue.remove(name);
            self.seen.remove(name);
            return self.allocator.forget(&key(name));
        };
        if self.seen.get(name).is_some_and(|known| version(known) == version(&service)) {
            return;
        }
        let view = Arc::new(parse(&service));
        self.seen.insert(name.to_owned(), service);
        if self.queue.remove(name).is_some_and(|write| !write.record.is_recorded_in(&view)) {
            self.allocator.write_lost(&view.key);
        }
        self.news.insert(view.key.clone());
        self.allocator.observe(view);
    }

    /// Decides; gives what was decided, with what it was decided on.
    pub(super) fn look(&mut self) -> Vec<Decided> {
        let before: BTreeMap<ServiceKey, Vec<IpAddr>> = self.known().map(|view| self.had(&view)).collect();
        self.news.clear();
        let decisions = self.allocator.settle();
        let mut decided = Vec::new();
        for decision in decisions {
            let Some(read) = self.seen.get(&*decision.key.name).cloned() else { continue };
            let had = before.get(&decision.key).cloned().unwrap_or_default();
            decided.push(Decided { had, seen: parse(&read), decision: decision.clone() });
            if let Some(record) = decision.write.clone() {
                self.queue.insert(decision.key.name.to_string(), Flight { read, record, decision });
            }
        }
        decided
    }

    /// What a Service has: what was decided since it was read, or what is recorded in a version that is news.
    fn had(&self, view: &ServiceView) -> (ServiceKey, Vec<IpAddr>) {
        let held = || self.allocator.held(&view.key).to_vec();
        let had = if self.news.contains(&view.key) { view.recorded_ips() } else { held() };
        (view.key.clone(), had)
    }

    /// Sends some of what is decided.
    pub(super) fn send(&mut self, chance: &mut Chance) {
        let ready: Vec<String> =
            self.queue.keys().filter(|name| !self.sent.contains_key(*name)).cloned().collect();
        for name in ready {
            if !chance.once_in(4)
                && let Some(flight) = self.queue.remove(&name)
            {
                self.sent.insert(name, flight);
            }
        }
    }

    /// One of the writes under way, as it arrives.
    pub(super) fn take_flight(&mut self, chance: &mut Chance) -> Option<Flight> {
        let names: Vec<String> = self.sent.keys().cloned().collect();
        self.sent.remove(chance.pick(&names)?)
    }

    /// What is decided and may yet arrive.
    pub(super) fn pending(&self) -> impl Iterator<Item = Flight> {
        self.queue.values().cloned().chain(self.flights())
    }

    /// The writes under way.
    pub(super) fn flights(&self) -> impl Iterator<Item = Flight> {
        self.sent.values().cloned()
    }

    /// No answer, or an error that may pass: the write is repeated, unless something newer waits.
    pub(super) fn failed(&mut self, flight: Flight) {
        self.queue.entry(flight.decision.key.name.to_string()).or_insert(flight);
    }

    pub(super) fn answered(&mut self, flight: Flight, outcome: Result<(), Refused>) {
        let now = self.seen.get(&*flight.decision.key.name).map(|service| parse(service));
        let has_landed = now.is_some_and(|view| flight.record.is_recorded_in(&view));
        if outcome.is_ok() || has_landed {
            self.allocator.write_accepted(&flight.decision.key, &flight.record);
        } else {
            self.allocator.write_lost(&flight.decision.key);
        }
    }

    /// The Services as it last saw them.
    pub(super) fn known(&self) -> impl Iterator<Item = ServiceView> {
        self.seen.values().map(|service| parse(service))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.sent.is_empty()
    }

    pub(super) fn is_in_step(&self, server: &Server) -> bool {
        server.watch(self.watched).is_empty() && self.pool_version == server.pool_versions()
    }
}

pub(super) fn key(name: &str) -> ServiceKey {
    ServiceKey { namespace: "default".into(), name: name.into() }
}

fn version(service: &Service) -> (Option<&str>, Option<&str>) {
    (service.metadata.uid.as_deref(), service.metadata.resource_version.as_deref())
}

fn read_config(server: &Server, version: usize, previous: &Config) -> Config {
    let namespaces = vec![Namespace { name: "default".to_owned(), labels: BTreeMap::new() }];
    let raw = RawConfig { pools: server.pools(version), namespaces, ..RawConfig::default() };
    metallb_config::parse(&raw, previous).config
}
