//! What the configuration is made of, as it comes from the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use metallb_api::{IPAddressPool, L2Advertisement};

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Everything that takes part in the configuration, as it was read at one moment.
///
/// The controller leaves `l2_advertisements` and `nodes` empty; the speaker leaves `namespaces` empty if it likes.
#[derive(Clone, Debug, Default)]
pub struct RawConfig {
    /// The address pools of MetalLB's namespace.
    pub pools: Vec<Arc<IPAddressPool>>,
    /// The layer 2 advertisements of MetalLB's namespace.
    pub l2_advertisements: Vec<Arc<L2Advertisement>>,
    /// Every namespace of the cluster; pools select them by label.
    pub namespaces: Vec<Namespace>,
    /// Every node of the cluster; advertisements select them by label.
    pub nodes: Vec<Node>,
}

/// A namespace, as far as the configuration is concerned.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

/// A node, as far as the configuration is concerned.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}
