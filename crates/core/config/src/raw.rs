//! What the configuration is made of, as it comes from the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use metallb_api::{BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement};

use crate::peer::Password;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Everything that takes part in the configuration, as it was read at one moment.
///
/// A daemon leaves empty what it does not use: the controller needs pools, communities and namespaces only; the
/// speaker may leave `namespaces` empty.
#[derive(Clone, Debug, Default)]
pub struct RawConfig {
    /// The address pools of MetalLB's namespace.
    pub pools: Vec<Arc<IPAddressPool>>,
    /// The layer 2 advertisements of MetalLB's namespace.
    pub l2_advertisements: Vec<Arc<L2Advertisement>>,
    /// The BGP advertisements of MetalLB's namespace.
    pub bgp_advertisements: Vec<Arc<BGPAdvertisement>>,
    /// The BGP peers of MetalLB's namespace.
    pub peers: Vec<Arc<BGPPeer>>,
    /// The BFD profiles of MetalLB's namespace.
    pub bfd_profiles: Vec<Arc<BFDProfile>>,
    /// The BGP communities of MetalLB's namespace.
    pub communities: Vec<Arc<Community>>,
    /// The Secrets of MetalLB's namespace that may hold passwords of peers.
    pub secrets: Vec<Secret>,
    /// Every namespace of the cluster; pools select them by label.
    pub namespaces: Vec<Namespace>,
    /// Every node of the cluster; advertisements and peers select them by label.
    pub nodes: Vec<Node>,
    /// Who speaks BGP: each has its own rules.
    pub bgp_type: BgpType,
}

/// A namespace, as far as the configuration is concerned.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

impl From<&core::Namespace> for Namespace {
    fn from(object: &core::Namespace) -> Self {
        let (name, labels) = name_and_labels(&object.metadata);
        Self { name, labels }
    }
}

/// A node, as far as the configuration is concerned.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

impl From<&core::Node> for Node {
    fn from(object: &core::Node) -> Self {
        let (name, labels) = name_and_labels(&object.metadata);
        Self { name, labels }
    }
}

fn name_and_labels(metadata: &ObjectMeta) -> (String, Labels) {
    (metadata.name.clone().unwrap_or_default(), metadata.labels.clone().unwrap_or_default())
}

/// A Secret, as far as the configuration is concerned.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Secret {
    /// Its name.
    pub name: String,
    /// Its `type`; passwords have to be in one of type `kubernetes.io/basic-auth`.
    pub kind: String,
    /// What is under the key `password`.
    pub password: Option<Password>,
}

impl From<&core::Secret> for Secret {
    fn from(object: &core::Secret) -> Self {
        let password = object.data.as_ref().and_then(|data| data.get("password"));
        Self {
            name: object.metadata.name.clone().unwrap_or_default(),
            kind: object.type_.clone().unwrap_or_default(),
            password: password.map(|bytes| Password::from(bytes.0.clone())),
        }
    }
}

/// Who speaks BGP (`METALLB_BGP_TYPE`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum BgpType {
    /// The speaker itself.
    #[default]
    Native,
    /// FRR beside the speaker.
    Frr,
    /// FRR-K8s.
    FrrK8s,
    /// Something unknown, for which there are no rules.
    Other,
}

impl BgpType {
    /// Reads the value of the environment variable; unset is the same as empty.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "" | "native" => Self::Native,
            "frr" => Self::Frr,
            "frr-k8s" => Self::FrrK8s,
            _ => Self::Other,
        }
    }
}
