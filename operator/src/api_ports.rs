//! The ports API servers listen on, which NetworkPolicies have to let through, read with every pass.

use std::collections::BTreeSet;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Api, ListParams};
use kube::{Client, Error};

use crate::disposition::{Disposition, explain};

/// Where Kubernetes tells of its API servers.
pub const API_NAMESPACE: &str = "default";
/// Label of what it tells.
pub const API_SERVICE: &str = "kubernetes.io/service-name=kubernetes";

/// The ports can't be read.
#[derive(Debug, thiserror::Error)]
#[error("could not read the ports of the API server: {}", explain(.0))]
pub struct ApiPortsError(Error);

impl ApiPortsError {
    /// What it means for the next pass.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::of(&self.0)
    }

    /// Whether that stays so until somebody changes the rights, or the cluster: then it has to go without them.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(&self.0, Error::Api(status) if [403, 404].contains(&status.code))
    }
}

/// The ports behind the Service `kubernetes`; none where no API server tells where it is.
///
/// # Errors
/// When they can't be read.
pub async fn api_ports(client: &Client) -> Result<BTreeSet<u16>, ApiPortsError> {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), API_NAMESPACE);
    let listed = slices.list(&ListParams::default().labels(API_SERVICE)).await.map_err(ApiPortsError)?;
    let ports = listed.items.into_iter().flat_map(|slice| slice.ports.into_iter().flatten());
    Ok(ports.filter_map(|port| u16::try_from(port.port?).ok()).filter(|port| *port != 0).collect())
}
