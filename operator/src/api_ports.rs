//! The ports API servers listen on, which NetworkPolicies have to let through, read with every pass.

use std::collections::BTreeSet;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Api, ListParams};
use kube::{Client, Error, ResourceExt as _};
use metallb_render::{Environment, Policy};

use crate::disposition::{Disposition, explain};
use crate::inventory::Listed;

/// Where Kubernetes tells of its API servers.
pub const API_NAMESPACE: &str = "default";
/// Label of what it tells.
pub const API_SERVICE: &str = "kubernetes.io/service-name=kubernetes";

/// Name of the controller's policy.
const CONTROLLER: &str = "controller";

/// The ports are not known.
#[derive(Debug, thiserror::Error)]
pub enum ApiPortsError {
    /// They can't be read.
    #[error("could not read the ports of the API server: {}", explain(.0))]
    Read(Error),
    /// Nothing names one: an API server writes it when it starts, and anew when somebody has deleted it.
    #[error("no EndpointSlice of Service {API_NAMESPACE}/kubernetes names a port of the API server")]
    Nowhere,
}

impl ApiPortsError {
    /// What it means for the next pass.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Read(cause) => Disposition::of(cause),
            Self::Nowhere => Disposition::Transient,
        }
    }

    /// Whether that may stay so until somebody changes the rights, or the cluster: then it has to go without them.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Self::Read(cause) => matches!(cause, Error::Api(status) if [403, 404].contains(&status.code)),
            Self::Nowhere => true,
        }
    }
}

/// The ports that the controller's policy lets through anywhere now; none where there is no such policy.
#[must_use]
pub fn opened_before(listed: &Listed) -> BTreeSet<u16> {
    let mut policies = listed.of::<NetworkPolicy>().filter(|policy| policy.name_any() == CONTROLLER);
    let spec = policies.next().and_then(|policy| policy.data.get("spec")).cloned();
    let spec = spec.and_then(|spec| serde_json::from_value::<NetworkPolicySpec>(spec).ok());
    let rules = spec.and_then(|spec| spec.egress).unwrap_or_default();
    let anywhere = rules.into_iter().filter(|rule| rule.to.is_none());
    let ports = anywhere.flat_map(|rule| rule.ports.into_iter().flatten());
    let tcp = ports.filter(|port| port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP"));
    tcp.filter_map(|port| match port.port? {
        IntOrString::Int(port) => u16::try_from(port).ok(),
        IntOrString::String(_) => None,
    })
    .collect()
}

/// What is doubtful about a port that was asked for: no API server listens there, and most network plugins go by that.
#[must_use]
pub fn doubtful_port(policy: Policy, environment: &Environment) -> Option<String> {
    let Policy::Port(asked) = policy else { return None };
    let known = &environment.api_ports;
    if environment.api_is_hidden || known.is_empty() || known.iter().any(|port| i32::from(*port) == asked) {
        return None;
    }
    let known = known.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    Some(format!(
        "networkPolicy.apiPort is {asked}, the API servers listen on {known}: the controller may not reach them"
    ))
}

/// The ports behind the Service `kubernetes`.
///
/// # Errors
/// When they can't be read, or there are none.
pub async fn api_ports(client: &Client) -> Result<BTreeSet<u16>, ApiPortsError> {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), API_NAMESPACE);
    let listed =
        slices.list(&ListParams::default().labels(API_SERVICE)).await.map_err(ApiPortsError::Read)?;
    let ports = listed.items.into_iter().flat_map(|slice| slice.ports.into_iter().flatten());
    let ports: BTreeSet<u16> =
        ports.filter_map(|port| u16::try_from(port.port?).ok()).filter(|port| *port != 0).collect();
    if ports.is_empty() { Err(ApiPortsError::Nowhere) } else { Ok(ports) }
}
