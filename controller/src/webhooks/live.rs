//! What stands in the cluster right now, asked of the API server itself: a cache may lag behind what was just accepted.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client};
use metallb_api::{BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement};
use metallb_config::admission::Needs;
use metallb_config::{BgpType, Kind, Node, RawConfig};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

/// For all lists together. API servers wait 10 s for a webhook: the user shall read the reason, not of a timeout.
const PATIENCE: Duration = Duration::from_secs(5);

/// A list can't be had. The object is not stored.
#[derive(Debug, thiserror::Error)]
#[error("failed to get existing {kind} objects: {reason}")]
pub(super) struct ListError {
    kind: &'static str,
    reason: String,
}

/// Asks the API server.
pub(super) struct Live {
    pub(super) client: Client,
    pub(super) namespace: String,
    pub(super) bgp_type: BgpType,
}

impl Live {
    /// The lists that `needs` names; everything else is empty.
    pub(super) async fn read(&self, needs: Needs) -> Result<RawConfig, ListError> {
        let mut raw = RawConfig { bgp_type: self.bgp_type, ..RawConfig::default() };
        let deadline = Instant::now() + PATIENCE;
        for kind in needs.kinds {
            self.in_time(deadline, kind.as_str(), self.add(*kind, &mut raw)).await?;
        }
        if needs.nodes {
            raw.nodes = self.in_time(deadline, "Node", self.nodes()).await?;
        }
        Ok(raw)
    }

    async fn in_time<T>(
        &self,
        deadline: Instant,
        kind: &'static str,
        list: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, ListError> {
        let reason = match timeout_at(deadline, list).await {
            Ok(Ok(objects)) => return Ok(objects),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the API server took too long".to_owned(),
        };
        Err(ListError { kind, reason })
    }

    async fn add(&self, kind: Kind, raw: &mut RawConfig) -> Result<(), kube::Error> {
        match kind {
            Kind::IPAddressPool => raw.pools = self.list::<IPAddressPool>().await?,
            Kind::L2Advertisement => raw.l2_advertisements = self.list::<L2Advertisement>().await?,
            Kind::BGPAdvertisement => raw.bgp_advertisements = self.list::<BGPAdvertisement>().await?,
            Kind::BGPPeer => raw.peers = self.list::<BGPPeer>().await?,
            Kind::BFDProfile => raw.bfd_profiles = self.list::<BFDProfile>().await?,
            Kind::Community => raw.communities = self.list::<Community>().await?,
        }
        Ok(())
    }

    /// Objects of MetalLB's namespace. One that can't be read is left out: it must not keep others from being stored.
    async fn list<K>(&self) -> Result<Vec<Arc<K>>, kube::Error>
    where
        K: kube::Resource<DynamicType = ()> + DeserializeOwned,
    {
        let kind = ApiResource::erase::<K>(&());
        let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), &self.namespace, &kind);
        let objects = api.list(&ListParams::default()).await?.items;
        let parse = |object: DynamicObject| {
            let name = object.metadata.name.clone();
            object
                .try_parse::<K>()
                .inspect_err(|error| tracing::warn!(kind = kind.kind, name, %error, "object can't be read"))
                .ok()
        };
        Ok(objects.into_iter().filter_map(parse).map(Arc::new).collect())
    }

    async fn nodes(&self) -> Result<Vec<Node>, kube::Error> {
        let api = Api::<v1::Node>::all(self.client.clone());
        let nodes = api.list_metadata(&ListParams::default()).await?.items;
        let node = |node: kube::core::PartialObjectMeta<v1::Node>| Node {
            name: node.metadata.name.unwrap_or_default(),
            labels: node.metadata.labels.unwrap_or_default(),
        };
        Ok(nodes.into_iter().map(node).collect())
    }
}
