//! What happens to a ring.

use std::collections::BTreeSet;

use super::cluster::Cluster;
use super::{ADDRESSES, NODES};
use crate::Chance;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Stop,
    Start,
    Freeze,
    Thaw,
    Hold,
    LetGo,
    Partition,
    Heal,
    Loss,
    Meta,
    Advertisement,
    Service,
    CutOff,
}

const FAULTS: [Fault; 13] = [
    Fault::Stop,
    Fault::Start,
    Fault::Freeze,
    Fault::Thaw,
    Fault::Hold,
    Fault::LetGo,
    Fault::Partition,
    Fault::Heal,
    Fault::Loss,
    Fault::Meta,
    Fault::Advertisement,
    Fault::Service,
    Fault::CutOff,
];

impl Fault {
    pub(super) fn any(chance: &mut Chance) -> Self {
        chance.pick(&FAULTS).copied().unwrap_or(Self::Stop)
    }

    pub(super) fn strike(self, cluster: &mut Cluster, chance: &mut Chance) {
        let node = chance.pick(&NODES).copied().unwrap_or("n0");
        let (is_up, is_frozen, is_held) = cluster
            .nodes
            .get(node)
            .map(|node| (node.boot.is_some(), node.is_frozen, node.is_held))
            .unwrap_or_default();
        match self {
            Self::Stop if is_up => cluster.stop(node),
            Self::Start => cluster.start(node),
            Self::Freeze if is_up && !is_held => cluster.freeze(node),
            Self::Thaw if is_frozen => cluster.thaw(node),
            Self::Hold if is_up && !is_frozen => cluster.hold(node, true),
            Self::LetGo if is_held => cluster.hold(node, false),
            Self::Partition => {
                let sides = chance.below(15) + 1;
                let side = |number: usize| sides >> number & 1;
                let pairs = (0..4).flat_map(|one| (0..4).map(move |other| (one, other)));
                let parted = pairs.filter(|(one, other)| side(*one) != side(*other));
                let named = parted.filter_map(|(one, other)| Some((NODES.get(one)?, NODES.get(other)?)));
                cluster.cut = named.map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect();
                NODES.iter().for_each(|node| cluster.noticed(node, 350));
            }
            Self::Heal => {
                cluster.cut = BTreeSet::new();
                NODES.iter().for_each(|node| cluster.noticed(node, 50));
            }
            Self::Loss => cluster.loss = chance.below(6),
            Self::Meta => {
                cluster.with(node, |node| node.is_plain = !node.is_plain);
                cluster.noticed(node, 0);
            }
            Self::Advertisement => {
                cluster.has_advertisement = !cluster.has_advertisement;
                cluster.published();
            }
            Self::Service => {
                let number = chance.below(ADDRESSES);
                if !cluster.services.remove(&number) {
                    cluster.services.insert(number);
                }
                cluster.published();
            }
            Self::CutOff => cluster.with(node, |node| node.is_cut_off = !node.is_cut_off),
            Self::Stop | Self::Freeze | Self::Thaw | Self::Hold | Self::LetGo => {}
        }
    }
}
