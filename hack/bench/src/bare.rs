//! The bare client: the controller's writes and events with the controller's concurrency, and nothing else. It
//! decides nothing, keeps nothing and checks nothing; what the controller takes longer is the price of doing so.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::{LoadBalancerIngress, LoadBalancerStatus, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::{ListParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, Resource as _};
use metallb_api::names::{ALLOCATED_FROM_POOL, CONTROLLER_EVENT_SOURCE};
use metallb_cluster::{Event, EventSink, EventType};
use tokio::task::JoinSet;

use crate::cluster::{NAMESPACE, POOL, has_address};

/// As many status writes at once as the controller has under way.
const AT_ONCE: usize = 32;
/// What is printed when the client sees every Service that is created from now on.
pub(crate) const READY: &str = "ready";

/// What the client does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Task {
    /// Gives an address to every Service there is.
    Fill,
    /// Gives an address to every Service as soon as it appears.
    Follow,
}

impl Task {
    /// Its name on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Fill => "fill",
            Self::Follow => "follow",
        }
    }
}

#[derive(Clone)]
struct Bare {
    services: Api<Service>,
    events: EventSink,
    condition: bool,
}

/// Works until it is killed.
pub(crate) async fn run(kubeconfig: &Path, task: Task, condition: bool) -> Result<()> {
    let client = metallb_cluster::connect(Some(kubeconfig)).await?;
    let bare = Bare::new(client, condition);
    match task {
        Task::Fill => bare.fill().await?,
        Task::Follow => bare.follow().await?,
    }
    // Events are still on their way.
    std::future::pending().await
}

impl Bare {
    fn new(client: Client, condition: bool) -> Self {
        let events = EventSink::new(client.clone(), CONTROLLER_EVENT_SOURCE, "");
        Self { services: Api::namespaced(client, NAMESPACE), events, condition }
    }

    async fn fill(&self) -> Result<()> {
        let list = self.services.list(&ListParams::default()).await.context("cannot list Services")?;
        let mut writes = JoinSet::new();
        for (number, service) in (0u32..).zip(list) {
            if writes.len() >= AT_ONCE {
                finished(writes.join_next().await)?;
            }
            writes.spawn(self.clone().serve(service, number));
        }
        while let Some(write) = writes.join_next().await {
            finished(Some(write))?;
        }
        Ok(())
    }

    #[expect(clippy::print_stdout, reason = "says that it is ready to whoever started it")]
    async fn follow(&self) -> Result<()> {
        let limit = ListParams::default().limit(1);
        let list = self.services.list(&limit).await.context("cannot list Services")?;
        let mut version = list.metadata.resource_version.unwrap_or_default();
        println!("{READY}");
        let mut number = 1 << 20;
        loop {
            let parameters = WatchParams::default();
            let mut events = std::pin::pin!(self.services.watch(&parameters, &version).await?);
            while let Some(event) = events.try_next().await? {
                match event {
                    WatchEvent::Added(service) => {
                        version = service.metadata.resource_version.clone().unwrap_or_default();
                        number += 1;
                        tokio::spawn(self.clone().serve(service, number));
                    }
                    WatchEvent::Modified(service) | WatchEvent::Deleted(service) => {
                        version = service.metadata.resource_version.unwrap_or_default();
                    }
                    WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                    WatchEvent::Error(status) => anyhow::bail!("watch: {}", status.message),
                }
            }
        }
    }

    async fn serve(self, mut service: Service, number: u32) -> Result<()> {
        if has_address(&service) {
            return Ok(());
        }
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 200, 0, 0).to_bits() + number).to_string();
        let about = service.object_ref(&());
        self.record(&mut service, &address);
        let name = service.metadata.name.clone().unwrap_or_default();
        self.services.replace_status(&name, &PostParams::default(), &service).await?;
        self.events.publish(Event {
            about,
            kind: EventType::Normal,
            reason: "IPAllocated".to_owned(),
            message: format!("Assigned IP [\"{address}\"]"),
        });
        Ok(())
    }

    fn record(&self, service: &mut Service, address: &str) {
        let annotations = service.metadata.annotations.get_or_insert_default();
        annotations.insert(ALLOCATED_FROM_POOL.to_owned(), POOL.to_owned());
        let entry = LoadBalancerIngress { ip: Some(address.to_owned()), ..LoadBalancerIngress::default() };
        let status = service.status.get_or_insert_default();
        status.load_balancer = Some(LoadBalancerStatus { ingress: Some(vec![entry]) });
        if self.condition {
            status.conditions.get_or_insert_default().push(Condition {
                type_: "metallb.io/Allocated".to_owned(),
                status: "True".to_owned(),
                reason: "Allocated".to_owned(),
                message: format!("Assigned IP [\"{address}\"] from pool {POOL}"),
                last_transition_time: Time(k8s_openapi::jiff::Timestamp::now()),
                observed_generation: None,
            });
        }
    }
}

fn finished(write: Option<Result<Result<()>, tokio::task::JoinError>>) -> Result<()> {
    write.map_or(Ok(()), |write| write.context("a write ended early")?)
}
