//! What a user sees: the moment at which each Service has an address.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Service;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cluster::{NAMESPACE, has_address};

/// A watch of the Services. Ends when dropped.
pub(crate) struct Sight {
    sighted: mpsc::UnboundedReceiver<(String, Instant)>,
    first: HashMap<String, Instant>,
    task: JoinHandle<Result<()>>,
}

impl Sight {
    /// Sees every address given from now on.
    pub(crate) async fn begin(client: &Client) -> Result<Self> {
        let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
        let list = services.list(&ListParams::default().limit(1)).await.context("cannot list Services")?;
        // Not bounded: what is seen late would be dated late.
        let (sender, sighted) = mpsc::unbounded_channel();
        let version = list.metadata.resource_version.unwrap_or_default();
        let task = tokio::spawn(watch(services, version, sender));
        Ok(Self { sighted, first: HashMap::new(), task })
    }

    /// Waits until as many Services have got an address; when the last of them did.
    pub(crate) async fn all(&mut self, count: usize, deadline: Duration) -> Result<Instant> {
        let wait = async {
            while self.first.len() < count {
                self.next().await?;
            }
            Ok(())
        };
        let outcome: Result<()> = match tokio::time::timeout(deadline, wait).await {
            Ok(outcome) => outcome,
            Err(_) => {
                bail!("only {} of {count} Services have an address after {deadline:?}", self.first.len())
            }
        };
        outcome?;
        self.first.values().max().copied().context("no Service")
    }

    /// Waits until this Service has got an address; when it did.
    pub(crate) async fn one(&mut self, name: &str, deadline: Duration) -> Result<Instant> {
        let wait = async {
            while !self.first.contains_key(name) {
                self.next().await?;
            }
            Ok::<(), anyhow::Error>(())
        };
        tokio::time::timeout(deadline, wait)
            .await
            .with_context(|| format!("no address for {name} after {deadline:?}"))??;
        self.first.get(name).copied().context("no Service")
    }

    async fn next(&mut self) -> Result<()> {
        match self.sighted.recv().await {
            Some((name, at)) => {
                self.first.entry(name).or_insert(at);
                Ok(())
            }
            None => bail!("the watch of the Services ended"),
        }
    }
}

impl Drop for Sight {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn watch(
    services: Api<Service>,
    mut version: String,
    sender: mpsc::UnboundedSender<(String, Instant)>,
) -> Result<()> {
    loop {
        let parameters = WatchParams::default();
        let mut events = std::pin::pin!(services.watch(&parameters, &version).await?);
        while let Some(event) = events.try_next().await? {
            let at = Instant::now();
            match event {
                WatchEvent::Added(service) | WatchEvent::Modified(service) => {
                    version = service.metadata.resource_version.clone().unwrap_or_default();
                    if has_address(&service) {
                        sender.send((service.metadata.name.unwrap_or_default(), at))?;
                    }
                }
                WatchEvent::Deleted(service) => {
                    version = service.metadata.resource_version.unwrap_or_default();
                }
                WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                WatchEvent::Error(status) => bail!("watch of the Services: {}", status.message),
            }
        }
    }
}
