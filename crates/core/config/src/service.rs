//! A Service, as far as load balancing is concerned.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service, ServicePort};
use metallb_api::names;
use metallb_net::IpFamily;

use crate::raw::Labels;

mod family;
mod recorded;
mod request;
#[cfg(test)]
mod tests;

pub use family::{ClusterFamily, Families, FamilyError, FamilyPolicy, families_of};
pub use recorded::{IngressEntry, RecordedCondition};
pub use request::RequestError;

/// Namespace and name of a Service. Prints as `namespace/name`; ordered by it. Copies share their texts: a daemon has a
/// dozen of them for each of ten thousand Services.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ServiceKey {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl ServiceKey {
    /// The key of a Service.
    #[must_use]
    pub fn of(service: &Service) -> Self {
        let text = |value: &Option<String>| value.as_deref().unwrap_or_default().into();
        Self { namespace: text(&service.metadata.namespace), name: text(&service.metadata.name) }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A port a Service listens on. Prints as `TCP/80`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Port {
    /// TCP, UDP or SCTP.
    pub protocol: String,
    /// The port number as the API has it.
    pub number: i32,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.protocol, self.number)
    }
}

/// What lets Services share an address: both parts must be equal, and `sharing` not empty.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SharingKey {
    /// Value of the allow-shared-ip annotation; empty means "shares with nobody".
    pub sharing: String,
    /// With traffic policy Local the selector, else empty: traffic must reach the same pods.
    pub backend: String,
}

impl SharingKey {
    /// Whether two Services with these keys may hold the same address, ports aside.
    #[must_use]
    pub fn may_share(&self, other: &Self) -> bool {
        !self.sharing.is_empty() && self == other
    }
}

/// A Service as both daemons see it. Made once from the raw object; nothing is parsed after that.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceView {
    /// Namespace and name.
    pub key: ServiceKey,
    /// Whether `spec.type` is `LoadBalancer`.
    pub is_load_balancer: bool,
    /// `spec.loadBalancerClass`.
    pub class: Option<String>,
    /// Labels of the Service.
    pub labels: Labels,
    /// The families of the cluster addresses.
    pub cluster_family: ClusterFamily,
    /// The cluster addresses, as texts for messages.
    pub cluster_ips: Vec<String>,
    /// `spec.ipFamilyPolicy`.
    pub family_policy: FamilyPolicy,
    /// The family `spec.ipFamilies` begins with; IPv4 if it is empty.
    pub primary_family: IpFamily,
    /// Whether `spec.externalTrafficPolicy` is `Local`.
    pub is_local: bool,
    /// The ports in order, without repetition. A set would take twenty times the room.
    pub ports: Box<[Port]>,
    /// Addresses asked for by annotation or field, in their order; empty means any.
    pub requested_ips: Result<Vec<IpAddr>, RequestError>,
    /// The pool asked for by annotation.
    pub requested_pool: Option<String>,
    /// Who this Service shares addresses with.
    pub sharing_key: SharingKey,
    /// Whether an allow-shared-ip annotation is there at all, even an empty one.
    pub has_sharing_annotation: bool,
    /// Addresses recorded in the status, in their order.
    pub ingress: Vec<IngressEntry>,
    /// The pool recorded by the controller.
    pub recorded_pool: Option<String>,
    /// What the controller last said about the allocation.
    pub recorded_condition: Option<RecordedCondition>,
    /// Keys of deprecated annotations.
    pub deprecated_annotations: Vec<String>,
}

impl ServiceView {
    /// Whether a daemon started with this `--lb-class` (empty: none) serves the Service.
    #[must_use]
    pub fn is_served_by(&self, class: &str) -> bool {
        self.class.as_deref().unwrap_or("") == class && (self.class.is_some() || class.is_empty())
    }

    /// The recorded addresses; entries that are none are left out.
    #[must_use]
    pub fn recorded_ips(&self) -> Vec<IpAddr> {
        let address = |entry: &IngressEntry| match entry {
            IngressEntry::Address(address) => Some(*address),
            IngressEntry::Unparsable(_) | IngressEntry::Other => None,
        };
        self.ingress.iter().filter_map(address).collect()
    }
}

/// Reads a Service. Never fails: what is wrong in it is part of the view.
#[must_use]
pub fn parse(service: &Service) -> ServiceView {
    let no_annotations = Labels::new();
    let annotations = service.metadata.annotations.as_ref().unwrap_or(&no_annotations);
    let spec = service.spec.clone().unwrap_or_default();
    let cluster_ips = family::cluster_ips(&spec);
    let is_local = spec.external_traffic_policy.as_deref() == Some("Local");
    let selector = spec.selector.as_ref().filter(|_| is_local);
    let sharing = preferred(annotations, names::ALLOW_SHARED_IP, names::ALLOW_SHARED_IP_DEPRECATED);
    let backend = selector.map(render_selector).unwrap_or_default();
    ServiceView {
        key: ServiceKey::of(service),
        is_load_balancer: spec.type_.as_deref() == Some("LoadBalancer"),
        labels: service.metadata.labels.clone().unwrap_or_default(),
        cluster_family: family::cluster_family(&cluster_ips),
        cluster_ips,
        family_policy: family::policy(spec.ip_family_policy.as_deref()),
        primary_family: family::primary(spec.ip_families.as_deref()),
        is_local,
        ports: spec.ports.iter().flatten().map(parse_port).collect::<BTreeSet<_>>().into_iter().collect(),
        requested_ips: request::requested_ips(annotations, spec.load_balancer_ip.as_deref()),
        requested_pool: preferred(annotations, names::ADDRESS_POOL, names::ADDRESS_POOL_DEPRECATED)
            .filter(|name| !name.is_empty())
            .map(str::to_owned),
        sharing_key: SharingKey { sharing: sharing.unwrap_or_default().to_owned(), backend },
        has_sharing_annotation: sharing.is_some(),
        ingress: recorded::ingress(service),
        recorded_pool: annotations.get(names::ALLOCATED_FROM_POOL).cloned(),
        recorded_condition: recorded::condition(service),
        deprecated_annotations: deprecated(annotations),
        class: spec.load_balancer_class,
    }
}

/// The value under the preferred key if that exists, even when empty; else under the deprecated one.
fn preferred<'a>(annotations: &'a Labels, key: &str, deprecated: &str) -> Option<&'a str> {
    annotations.get(key).or_else(|| annotations.get(deprecated)).map(String::as_str)
}

fn deprecated(annotations: &Labels) -> Vec<String> {
    annotations.keys().filter(|key| key.starts_with(names::DEPRECATED_PREFIX)).cloned().collect()
}

fn render_selector(selector: &Labels) -> String {
    let terms: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    terms.join(",")
}

fn parse_port(port: &ServicePort) -> Port {
    Port { protocol: port.protocol.clone().unwrap_or_else(|| "TCP".to_owned()), number: port.port }
}
