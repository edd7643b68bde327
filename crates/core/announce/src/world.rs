//! What all Services have in common when it is decided who announces them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use metallb_config::{Config, Interfaces, Pool, Preempt, Spread};
use metallb_net::Prefix;

use crate::node::NodeView;
use crate::on_link::Subnets;

/// The nodes whose speaker is alive.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Speakers {
    /// Membership is not followed: every known node counts; one that seems to be down only where nobody else is a candidate.
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

impl Speakers {
    fn reluctant(&self) -> &BTreeSet<String> {
        static NOBODY: BTreeSet<String> = BTreeSet::new();
        match self {
            Self::EveryNode | Self::On(_) => &NOBODY,
            Self::Ranked { alive: _, reluctant } => reluctant,
        }
    }
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
    /// Whether some of them know no election but the contract's: speakers of the original, or of an earlier version. Then
    /// that alone counts.
    pub has_plain: bool,
    /// The interfaces of this node.
    pub interfaces: OwnInterfaces,
    /// The subnets that speakers say they have interfaces in; none where that does not count, since not all of them are
    /// ours or nobody follows who is there.
    pub subnets: Option<Subnets>,
}

/// The inputs, with what follows from them for every Service computed once.
#[derive(Clone, Debug)]
pub struct World {
    inputs: Inputs,
    /// Nodes that may announce as far as the Service does not matter.
    available: BTreeSet<String>,
    /// The same of those who count where nobody else does.
    reluctant: BTreeSet<String>,
    /// Whether an advertisement asks for another election than that of the contract, and that counts.
    has_terms: bool,
}

impl World {
    /// Prepares decisions.
    #[must_use]
    pub fn new(inputs: Inputs) -> Self {
        let (available, reluctant) = available(&inputs);
        let has_terms = !inputs.is_plain() && inputs.config.pools.values().any(has_terms);
        Self { inputs, available, reluctant, has_terms }
    }

    /// Whether an owner may be chosen otherwise than by the contract's election: then it matters who holds an address
    /// already.
    #[must_use]
    pub fn has_terms(&self) -> bool {
        self.has_terms
    }

    /// Whether an advertisement asks for what only speakers of ours know, and that counts.
    pub(crate) fn has_wishes(&self) -> bool {
        self.has_terms || (!self.inputs.is_plain() && self.asks_for_subnets())
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

    /// What keeps a node from announcing anything; none if nothing does.
    pub(crate) fn bar(&self, node: &str) -> Option<Bar> {
        let is_live = self.is_alive(node) || self.inputs.speakers.reluctant().contains(node);
        if is_live { bar(&self.inputs, node) } else { Some(Bar::NoSpeaker) }
    }

    /// Whether a node's speaker is alive, and not one that counts only where nobody else does.
    pub(crate) fn is_alive(&self, node: &str) -> bool {
        match &self.inputs.speakers {
            Speakers::EveryNode => self.inputs.nodes.contains_key(node),
            Speakers::On(nodes) | Speakers::Ranked { alive: nodes, reluctant: _ } => nodes.contains(node),
        }
    }

    /// Whether this node counts only where nobody else does. Others that do so were found dead.
    pub(crate) fn is_held(&self, node: &str) -> bool {
        node == self.inputs.me && self.inputs.speakers.reluctant().contains(node)
    }

    /// What is held against a node: what keeps it from announcing, and whether it seems to be down.
    pub(crate) fn standing(&self, node: &str) -> (Option<Bar>, bool) {
        (self.bar(node), seems_down(&self.inputs, node))
    }

    /// The nodes whose speaker is alive and stays, in the order of their names.
    pub(crate) fn live(&self) -> Box<dyn ExactSizeIterator<Item = &String> + '_> {
        live(&self.inputs)
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

impl Inputs {
    /// Whether the contract's election alone counts: others take part who know no other, or it is not known who does.
    pub(crate) fn is_plain(&self) -> bool {
        self.has_plain || self.speakers == Speakers::EveryNode
    }
}

fn has_terms(pool: &Pool) -> bool {
    pool.l2_advertisements.iter().any(|ad| ad.preempt != Preempt::Always || ad.spread != Spread::None)
}

fn is_selected(name: &str, interfaces: &Interfaces) -> bool {
    match interfaces {
        Interfaces::All => true,
        Interfaces::Only(names) => names.contains(name),
    }
}

/// Why a node takes part in no election.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Bar {
    /// No speaker is alive there.
    NoSpeaker,
    /// Its condition `NetworkUnavailable` is true.
    NetworkUnavailable,
    /// It is labelled to stay out.
    Excluded,
}

fn live(inputs: &Inputs) -> Box<dyn ExactSizeIterator<Item = &String> + '_> {
    match &inputs.speakers {
        Speakers::EveryNode => Box::new(inputs.nodes.keys()),
        Speakers::On(nodes) | Speakers::Ranked { alive: nodes, reluctant: _ } => Box::new(nodes.iter()),
    }
}

/// What keeps a node with a live speaker from announcing.
fn bar(inputs: &Inputs, node: &str) -> Option<Bar> {
    // A live speaker whose node is not known yet is given the benefit of the doubt.
    let node = inputs.nodes.get(node)?;
    if node.network_unavailable {
        return Some(Bar::NetworkUnavailable);
    }
    (node.is_excluded() && !inputs.ignore_exclude_label).then_some(Bar::Excluded)
}

fn seems_down(inputs: &Inputs, node: &str) -> bool {
    inputs.nodes.get(node).is_some_and(|node| node.seems_down)
}

fn available(inputs: &Inputs) -> (BTreeSet<String>, BTreeSet<String>) {
    let may_announce = |name: &&String| bar(inputs, name).is_none();
    let live = live(inputs).filter(may_announce).cloned();
    match &inputs.speakers {
        // What the cluster says of its nodes is no proof: where they are all down, one of them answers nevertheless.
        Speakers::EveryNode => live.partition(|name| !seems_down(inputs, name)),
        Speakers::On(_) => (live.collect(), BTreeSet::new()),
        Speakers::Ranked { alive: _, reluctant } => {
            (live.collect(), reluctant.iter().filter(may_announce).cloned().collect())
        }
    }
}
