//! What all Services have in common when it is decided who announces them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metallb_config::{Config, Interfaces};
use metallb_net::Prefix;

use crate::node::NodeView;

/// The nodes whose speaker is alive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Speakers {
    /// Membership is not followed: every known node counts.
    EveryNode,
    /// These nodes.
    On(BTreeSet<String>),
    /// These nodes; where none of them is a candidate, those who come and go, or were found dead a moment ago.
    Ranked {
        /// They count.
        alive: BTreeSet<String>,
        /// They count where nobody else does.
        reluctant: BTreeSet<String>,
    },
}

/// The interfaces of this node that announcing is not excluded from: name to the subnets it has addresses in.
pub type OwnInterfaces = BTreeMap<String, BTreeSet<Prefix>>;

/// Everything a decision depends on, besides the Service and its endpoints. Equal inputs, equal decisions.
#[derive(Clone, Debug, PartialEq)]
pub struct Inputs {
    /// The node this speaker runs on.
    pub me: String,
    /// Only Services of this class are served; empty means only those without one.
    pub class: String,
    /// Whether the label that keeps nodes from announcing is ignored.
    pub ignore_exclude_label: bool,
    /// The configuration in force.
    pub config: Config,
    /// All known nodes, by name.
    pub nodes: BTreeMap<String, NodeView>,
    /// The nodes whose speaker is alive.
    pub speakers: Speakers,
    /// The interfaces of this node.
    pub interfaces: OwnInterfaces,
}

/// The inputs, with what follows from them for every Service computed once.
#[derive(Clone, Debug)]
pub struct World {
    inputs: Inputs,
    /// Nodes that may announce as far as the Service does not matter.
    available: BTreeSet<String>,
    /// The same of those who count where nobody else does.
    reluctant: BTreeSet<String>,
}

impl World {
    /// Prepares decisions.
    #[must_use]
    pub fn new(inputs: Inputs) -> Self {
        let (available, reluctant) = available(&inputs);
        Self { inputs, available, reluctant }
    }

    /// What the decisions depend on.
    #[must_use]
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Nodes with a live speaker that are neither cut off nor told to stay out (contract 02 §2.2, rule 5).
    pub(crate) fn available(&self) -> &BTreeSet<String> {
        &self.available
    }

    /// Nodes like these whose speaker is alive and comes and goes.
    pub(crate) fn reluctant(&self) -> &BTreeSet<String> {
        &self.reluctant
    }

    /// Whether this node has one of the interfaces.
    pub(crate) fn has_any(&self, interfaces: &Interfaces) -> bool {
        match interfaces {
            Interfaces::All => true,
            Interfaces::Only(names) => names.iter().any(|name| self.inputs.interfaces.contains_key(name)),
        }
    }

    /// Whether this node has an address in the same subnet, on one of the interfaces.
    pub(crate) fn is_on_subnet(&self, address: IpAddr, interfaces: &Interfaces) -> bool {
        self.inputs
            .interfaces
            .iter()
            .filter(|(name, _)| is_selected(name, interfaces))
            .flat_map(|(_, subnets)| subnets)
            .any(|subnet| Prefix::new(address, subnet.length()).is_ok_and(|own| own == *subnet))
    }
}

fn is_selected(name: &str, interfaces: &Interfaces) -> bool {
    match interfaces {
        Interfaces::All => true,
        Interfaces::Only(names) => names.contains(name),
    }
}

fn available(inputs: &Inputs) -> (BTreeSet<String>, BTreeSet<String>) {
    let (live, reluctant): (BTreeSet<&String>, Option<&BTreeSet<String>>) = match &inputs.speakers {
        Speakers::EveryNode => (inputs.nodes.keys().collect(), None),
        Speakers::On(nodes) => (nodes.iter().collect(), None),
        Speakers::Ranked { alive, reluctant } => (alive.iter().collect(), Some(reluctant)),
    };
    let is_available =
        |node: &NodeView| !node.network_unavailable && (inputs.ignore_exclude_label || !node.is_excluded());
    // A live speaker whose node is not known yet is given the benefit of the doubt.
    let may_announce = |name: &&String| inputs.nodes.get(*name).is_none_or(is_available);
    let live = live.into_iter().filter(may_announce).cloned().collect();
    (live, reluctant.into_iter().flatten().filter(may_announce).cloned().collect())
}
