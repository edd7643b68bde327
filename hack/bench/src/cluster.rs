//! The API server and the objects on it.

use std::fmt::Debug;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{Namespace, Pod, Service, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use metallb_api::IPAddressPool;
use metallb_api::names::ALLOCATED_FROM_POOL;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

/// Where the Services are.
pub(crate) const NAMESPACE: &str = "bench";
/// The pool.
pub(crate) const POOL: &str = "bench";
/// MetalLB's namespace.
pub(crate) const SYSTEM: &str = "metallb-system";
/// The controller's pod: it owns what the controller reports.
pub(crate) const POD: &str = "controller-0";
/// Our own writes under way at once, when nothing is measured.
const AT_ONCE: usize = 32;

/// The cluster under test.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
    pub(crate) kubeconfig: PathBuf,
    services: Api<Service>,
    pools: Api<IPAddressPool>,
}

impl Cluster {
    /// Connects, and makes what the controller takes for granted.
    pub(crate) async fn prepare(kubeconfig: &Path) -> Result<Self> {
        let client = metallb_cluster::connect(Some(kubeconfig)).await?;
        let services = Api::namespaced(client.clone(), NAMESPACE);
        let pools = Api::namespaced(client.clone(), SYSTEM);
        let cluster = Self { client: client.clone(), kubeconfig: kubeconfig.to_owned(), services, pools };
        for name in [SYSTEM, NAMESPACE] {
            let namespace: Namespace = object(json!({"metadata": {"name": name}}))?;
            create(&Api::all(client.clone()), &namespace).await?;
        }
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        for definition in metallb_api::crds(SYSTEM) {
            create(&definitions, &definition).await?;
        }
        // Nobody else makes it here, and no pod may be without.
        let account: ServiceAccount = object(json!({"metadata": {"name": "default"}}))?;
        create(&Api::namespaced(client.clone(), SYSTEM), &account).await?;
        let pod: Pod = object(json!({
            "metadata": {"name": POD},
            "spec": {"containers": [{"name": "controller", "image": "none"}]},
        }))?;
        create(&Api::namespaced(client, SYSTEM), &pod).await?;
        cluster.make_pool().await?;
        Ok(cluster)
    }

    async fn make_pool(&self) -> Result<()> {
        let pool: IPAddressPool =
            object(json!({"metadata": {"name": POOL}, "spec": {"addresses": ["10.200.0.0/16"]}}))?;
        // The kind is served a moment after its definition is there.
        until("pool created", Duration::from_secs(30), || async {
            Ok(self.pools.create(&PostParams::default(), &pool).await.is_ok().then_some(()))
        })
        .await
    }

    /// Makes as many Services, without addresses and without node ports (there are only 2,768).
    pub(crate) async fn create_services(&self, count: usize) -> Result<()> {
        self.at_once((0..count).map(|number| self.create_service(format!("s{number:05}")))).await
    }

    /// Makes one Service.
    pub(crate) async fn create_service(&self, name: String) -> Result<()> {
        let service: Service = object(json!({
            "metadata": {"name": name},
            "spec": {
                "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false, "selector": {"app": name},
                "ports": [{"name": "http", "port": 80}],
            },
        }))?;
        create(&self.services, &service).await
    }

    /// Removes some Services.
    pub(crate) async fn delete_services(&self, names: Vec<String>) -> Result<()> {
        let delete = |name: String| async move {
            self.services.delete(&name, &DeleteParams::default()).await.map(drop).context("cannot delete")
        };
        self.at_once(names.into_iter().map(delete)).await
    }

    /// All Services as they are now.
    pub(crate) async fn services(&self) -> Result<Vec<Service>> {
        Ok(self.services.list(&ListParams::default()).await.context("cannot list Services")?.items)
    }

    /// Takes every Service's address away: all are as they were created.
    pub(crate) async fn reset(&self) -> Result<()> {
        let assigned = self.services().await?.into_iter().filter(has_address);
        let clear = |mut service: Service| async move {
            service.metadata.annotations.get_or_insert_default().remove(ALLOCATED_FROM_POOL);
            service.metadata.resource_version = None;
            service.status = None;
            let name = service.metadata.name.clone().unwrap_or_default();
            let cleared = self.services.replace_status(&name, &PostParams::default(), &service).await;
            cleared.map(drop).with_context(|| format!("cannot clear {name}"))
        };
        self.at_once(assigned.map(clear)).await
    }

    /// Gives the pool these ranges.
    pub(crate) async fn set_ranges(&self, ranges: &[String]) -> Result<()> {
        let patch = Patch::Merge(json!({"spec": {"addresses": ranges}}));
        self.pools.patch(POOL, &PatchParams::default(), &patch).await.context("cannot edit the pool")?;
        Ok(())
    }

    /// Waits until the pool's status tells that it holds as many IPv4 addresses.
    pub(crate) async fn pool_holds(&self, count: i64) -> Result<()> {
        until("pool status", Duration::from_secs(60), || async {
            let pool = self.pools.get(POOL).await?;
            let status = pool.status.unwrap_or_default();
            Ok((status.assigned_ipv4 + status.available_ipv4 == count).then_some(()))
        })
        .await
    }

    async fn at_once<F>(&self, writes: impl Iterator<Item = F>) -> Result<()>
    where
        F: Future<Output = Result<()>>,
    {
        futures::stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
    }
}

/// Whether a Service has an address.
pub(crate) fn has_address(service: &Service) -> bool {
    addresses(service).next().is_some()
}

/// The addresses in a Service's status.
pub(crate) fn addresses(service: &Service) -> impl Iterator<Item = &str> {
    let status = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let entries = status.and_then(|balancer| balancer.ingress.as_ref()).into_iter().flatten();
    entries.filter_map(|entry| entry.ip.as_deref())
}

/// Asks until there is an answer.
pub(crate) async fn until<T, F>(what: &str, deadline: Duration, ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let started = std::time::Instant::now();
    while started.elapsed() < deadline {
        if let Some(answer) = ask().await? {
            return Ok(answer);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    bail!("{what}: not within {deadline:?}")
}

fn object<T: DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    serde_json::from_value(value).context("a wrong object")
}

async fn create<T>(api: &Api<T>, object: &T) -> Result<()>
where
    T: Clone + Debug + DeserializeOwned + Serialize + kube::Resource,
{
    let name = object.meta().name.clone().unwrap_or_default();
    api.create(&PostParams::default(), object).await.with_context(|| format!("cannot create {name}"))?;
    Ok(())
}
