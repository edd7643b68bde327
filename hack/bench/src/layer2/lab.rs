//! The cluster the speakers see: three nodes with a pod each, two pools, and Services with an endpoint.

use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Node, Pod, Service, ServiceAccount};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use metallb_api::{IPAddressPool, L2Advertisement};
use metallb_testbed::Bed;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cluster::{Cluster, NAMESPACE, POOL, SYSTEM, until};

/// Announces all addresses but one.
pub(crate) const MANY: &str = "cp";
/// Announces one address.
pub(crate) const ONE: &str = "router";
/// The speakers' label.
pub(crate) const LABEL: &str = "app=speaker";
const ACCOUNT: &str = "bench-metrics";
/// Writes under way at once.
const AT_ONCE: usize = 32;

/// Makes nodes, pods and pools.
pub(crate) async fn prepare(cluster: &Cluster, bed: &Bed) -> Result<()> {
    let client = &cluster.client;
    for machine in machines() {
        let address = bed.v4(machine)?.to_string();
        let labels = json!({"kubernetes.io/hostname": machine});
        create(&Api::<Node>::all(client.clone()), json!({"metadata": {"name": machine, "labels": labels}}))
            .await?;
        let pods: Api<Pod> = Api::namespaced(client.clone(), SYSTEM);
        let name = pod_of(machine);
        let pod = json!({
            "metadata": {"name": name, "labels": {"app": "speaker"}},
            "spec": {"nodeName": machine, "hostNetwork": true, "containers": [{"name": "speaker", "image": "none"}]},
        });
        create(&pods, pod).await?;
        let status = json!({"status": {"podIP": address, "podIPs": [{"ip": address}], "phase": "Running"}});
        pods.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await?;
    }
    let one = json!({"metadata": {"name": "one"}, "spec": {"addresses": [format!("{}/32", one())], "autoAssign": false}});
    create(&Api::<IPAddressPool>::namespaced(client.clone(), SYSTEM), one).await?;
    for (pool, node) in [(POOL, MANY), ("one", ONE)] {
        let selector = json!({"matchLabels": {"kubernetes.io/hostname": node}});
        let spec = json!({"ipAddressPools": [pool], "nodeSelectors": [selector]});
        let advertisements: Api<L2Advertisement> = Api::namespaced(client.clone(), SYSTEM);
        create(&advertisements, json!({"metadata": {"name": pool}, "spec": spec})).await?;
    }
    Ok(())
}

/// The machines with a speaker.
pub(crate) fn machines() -> [&'static str; 3] {
    [MANY, ONE, super::prober::CLIENT]
}

/// A speaker's pod.
pub(crate) fn pod_of(machine: &str) -> String {
    format!("speaker-{machine}")
}

/// The address of a Service by its number.
pub(crate) fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 200, 0, 1).to_bits() + number)
}

/// The address `router` announces.
pub(crate) fn one() -> Ipv4Addr {
    Ipv4Addr::new(10, 211, 0, 1)
}

/// A token that may read metrics.
pub(crate) async fn token(client: &Client) -> Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), SYSTEM);
    create(&accounts, json!({"metadata": {"name": ACCOUNT}})).await?;
    let binding = json!({
        "metadata": {"name": ACCOUNT},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": SYSTEM}],
    });
    create(&Api::<ClusterRoleBinding>::all(client.clone()), binding).await?;
    let request: TokenRequest = serde_json::from_value(json!({"spec": {"audiences": []}}))?;
    let answer = accounts.create_token_request(ACCOUNT, &PostParams::default(), &request).await?;
    Ok(answer.status.context("no token")?.token)
}

/// An endpoint for a Service of this number, which need not be there yet.
pub(crate) async fn create_endpoint(client: &Client, number: u32) -> Result<()> {
    let name = name(number);
    let slice = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.244.0.9"], "nodeName": MANY, "conditions": {"ready": true}}],
        "ports": [{"name": "http", "port": 80}],
    });
    create(&Api::<EndpointSlice>::namespaced(client.clone(), NAMESPACE), slice).await
}

/// A Service of this number, with this address.
pub(crate) async fn create_service(client: &Client, number: u32, address: Ipv4Addr) -> Result<()> {
    let service = json!({
        "metadata": {"name": name(number), "annotations": {"metallb.io/loadBalancerIPs": address.to_string()}},
        "spec": {
            "type": "LoadBalancer", "allocateLoadBalancerNodePorts": false,
            "ports": [{"name": "http", "port": 80}],
        },
    });
    create(&Api::<Service>::namespaced(client.clone(), NAMESPACE), service).await
}

/// Removes a Service.
pub(crate) async fn delete_service(client: &Client, number: u32) -> Result<()> {
    let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
    services.delete(&name(number), &DeleteParams::default()).await.map(drop).context("cannot delete")
}

/// Many Services with their endpoints.
pub(crate) async fn fill(client: &Client, numbers: std::ops::Range<u32>) -> Result<()> {
    let make = |number: u32| async move {
        create_endpoint(client, number).await?;
        create_service(client, number, address(number)).await
    };
    futures::stream::iter(numbers.map(make)).buffer_unordered(AT_ONCE).try_collect().await
}

/// A Service's name.
pub(crate) fn name(number: u32) -> String {
    format!("s{number:05}")
}

async fn create<T>(api: &Api<T>, object: Value) -> Result<()>
where
    T: Clone + Debug + DeserializeOwned + Serialize + kube::Resource,
{
    let object: T = serde_json::from_value(object).context("a wrong object")?;
    let name = object.meta().name.clone().unwrap_or_default();
    // A kind is served a moment after its definition is there.
    until("object created", Duration::from_secs(30), || async {
        match api.create(&PostParams::default(), &object).await {
            Ok(_) => Ok(Some(())),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            // It took too long on a busy machine, and may have been carried out.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(Some(())),
            Err(kube::Error::Service(_) | kube::Error::HyperError(_)) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot create {name}")),
        }
    })
    .await
}
