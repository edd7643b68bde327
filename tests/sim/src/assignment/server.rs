//! An API server: versions, conflicts, and a log that watches read at their own pace.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{LoadBalancerIngress, LoadBalancerStatus, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use metallb_allocator::Record;
use metallb_api::IPAddressPool;
use metallb_api::names::{ALLOCATED_FROM_POOL, CONDITION_ALLOCATED};
use metallb_config::ServiceView;
use metallb_config::service::parse;

use super::controller::Flight;

/// What a list or a watch says of a Service.
pub(super) type News = (String, Option<Arc<Service>>);

/// A write was refused: the Service has another version, or is gone.
pub(super) struct Refused;

/// The objects of the cluster.
#[derive(Default)]
pub(super) struct Server {
    version: u64,
    services: BTreeMap<String, (Arc<Service>, ServiceView)>,
    log: Vec<News>,
    pools: Vec<Vec<Arc<IPAddressPool>>>,
}

impl Server {
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Service>> {
        self.services.get(name).map(|(service, _)| service)
    }

    /// Every Service as it stands.
    pub(super) fn views(&self) -> impl Iterator<Item = &ServiceView> {
        self.services.values().map(|(_, view)| view)
    }

    /// A user creates or edits a Service.
    pub(super) fn put(&mut self, mut service: Service) {
        self.version += 1;
        service.metadata.resource_version = Some(self.version.to_string());
        let name = service.metadata.name.clone().unwrap_or_default();
        let uid = self.get(&name).and_then(|there| there.metadata.uid.clone());
        service.metadata.uid = uid.or_else(|| Some(format!("uid-{}", self.version)));
        let service = Arc::new(service);
        self.services.insert(name.clone(), (Arc::clone(&service), parse(&service)));
        self.log.push((name, Some(service)));
    }

    pub(super) fn delete(&mut self, name: &str) {
        if self.services.remove(name).is_some() {
            self.version += 1;
            self.log.push((name.to_owned(), None));
        }
    }

    pub(super) fn set_pools(&mut self, pools: Vec<Arc<IPAddressPool>>) {
        self.pools.push(pools);
    }

    /// How many versions of the pools there were.
    pub(super) fn pool_versions(&self) -> usize {
        self.pools.len()
    }

    /// The pools of a version, or the last.
    pub(super) fn pools(&self, version: usize) -> Vec<Arc<IPAddressPool>> {
        self.pools.get(version).or(self.pools.last()).cloned().unwrap_or_default()
    }

    /// All Services, and from where a watch goes on.
    pub(super) fn list(&self) -> (Vec<(String, Arc<Service>)>, usize) {
        (
            self.services.iter().map(|(name, (service, _))| (name.clone(), Arc::clone(service))).collect(),
            self.log.len(),
        )
    }

    /// What happened since.
    pub(super) fn watch(&self, from: usize) -> &[News] {
        self.log.get(from..).unwrap_or_default()
    }

    /// Whether the Service has not changed since it was read for this write.
    pub(super) fn would_accept(&self, flight: &Flight) -> bool {
        let read = &flight.read.metadata;
        self.get(&flight.decision.key.name).is_some_and(|there| {
            there.metadata.uid == read.uid && there.metadata.resource_version == read.resource_version
        })
    }

    /// Replaces the status of a Service that has not changed since it was read.
    pub(super) fn write(&mut self, flight: &Flight) -> Result<(), Refused> {
        if !self.would_accept(flight) {
            return Err(Refused);
        }
        let written = build_written(&flight.read, &flight.record);
        // A write that changes nothing makes no version, and no watch hears of it.
        if written != *flight.read {
            self.put(written);
        }
        Ok(())
    }
}

/// As the controller writes it, with what the server fills in.
fn build_written(read: &Service, record: &Record) -> Service {
    let mut service = read.clone();
    let annotations = service.metadata.annotations.get_or_insert_default();
    annotations.remove(ALLOCATED_FROM_POOL);
    annotations
        .extend(record.assignment.pool.iter().map(|pool| (ALLOCATED_FROM_POOL.to_owned(), pool.clone())));
    let entry = |address: &std::net::IpAddr| LoadBalancerIngress {
        ip: Some(address.to_string()),
        ip_mode: Some("VIP".to_owned()),
        ..LoadBalancerIngress::default()
    };
    let ingress: Vec<_> = record.assignment.addresses.iter().map(entry).collect();
    let status = service.status.get_or_insert_default();
    status.load_balancer = Some(LoadBalancerStatus { ingress: Some(ingress) });
    let condition = record.condition.iter().map(|condition| Condition {
        type_: CONDITION_ALLOCATED.to_owned(),
        status: if condition.allocated { "True" } else { "False" }.to_owned(),
        reason: condition.reason.as_str().to_owned(),
        message: condition.message.clone(),
        last_transition_time: Time(k8s_openapi::jiff::Timestamp::UNIX_EPOCH),
        observed_generation: None,
    });
    status.conditions = Some(condition.collect());
    service
}
