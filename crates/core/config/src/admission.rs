//! Whether the API server may take an object: the rules of the daemons, asked before instead of afterwards.
//!
//! Only a fault of the submitted object denies it; what was wrong before, in other objects, does not. What the
//! object refers to need not be there yet.

use std::collections::BTreeSet;

use metallb_api::{BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement};

use crate::parse::{Kind, References, Refusal, Sources, parse_with};
use crate::raw::RawConfig;

mod objects;
#[cfg(test)]
mod tests;

/// An object that somebody wants the API server to take or to delete.
#[derive(Clone, Debug, PartialEq)]
pub enum Submitted {
    /// An address pool.
    IPAddressPool(IPAddressPool),
    /// A layer 2 advertisement.
    L2Advertisement(L2Advertisement),
    /// A BGP advertisement.
    BGPAdvertisement(BGPAdvertisement),
    /// A BGP peer.
    BGPPeer(BGPPeer),
    /// A BFD profile.
    BFDProfile(BFDProfile),
    /// Names for BGP communities.
    Community(Community),
}

/// What is to be done with it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operation {
    /// The object is new.
    Create,
    /// The object takes the place of the one of its name.
    Update,
    /// The object goes away.
    Delete,
}

/// The answer to a submission.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Verdict {
    /// Why the object is not taken; None when it is.
    pub denied: Option<String>,
    /// What its author should know all the same.
    pub warnings: Vec<String>,
}

/// What to read from the cluster before [`review`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Needs {
    /// The kinds of objects, of MetalLB's namespace.
    pub kinds: &'static [Kind],
    /// Whether the nodes are asked for as well.
    pub nodes: bool,
}

/// What to read from the cluster to judge the submission of an object of this kind.
#[must_use]
pub fn needs(kind: Kind, operation: Operation) -> Needs {
    let (kinds, nodes): (&[Kind], bool) = match (kind, operation) {
        (Kind::BFDProfile, Operation::Delete) => (&[Kind::BGPPeer], false),
        (_, Operation::Delete) | (Kind::BFDProfile, _) => (&[], false),
        (Kind::BGPPeer, _) => (&[Kind::BGPPeer], true),
        (Kind::BGPAdvertisement, _) => (&[Kind::BGPAdvertisement, Kind::IPAddressPool], true),
        (Kind::L2Advertisement, _) => (&[Kind::L2Advertisement, Kind::IPAddressPool], false),
        (Kind::IPAddressPool, _) => (&[Kind::IPAddressPool], false),
        (Kind::Community, _) => (&[Kind::Community], false),
    };
    Needs { kinds, nodes }
}

/// Judges a submission. `namespace` is that of MetalLB, `existing` what [`needs`] asks for as it stands in the
/// cluster, and the back-end.
#[must_use]
pub fn review(namespace: &str, operation: Operation, submitted: &Submitted, existing: &RawConfig) -> Verdict {
    let denied = match operation {
        Operation::Create if submitted.namespace() != namespace => {
            Some(format!("resource must be created in {namespace} namespace"))
        }
        Operation::Create => fault(submitted, existing),
        // Somebody else's fault must not keep an object from losing its finalizers, say.
        Operation::Update if submitted.is_as_stored(existing) => None,
        Operation::Update => fault(submitted, existing),
        // What is in another namespace nobody uses.
        Operation::Delete if submitted.namespace() != namespace => None,
        Operation::Delete => use_of(submitted, existing),
    };
    Verdict { denied, warnings: warnings(operation, submitted) }
}

/// Why the daemons would refuse the object, if it were younger than all others: what stands in the cluster and is in
/// force is not to give way to it. What is refused already does not count.
fn fault(submitted: &Submitted, existing: &RawConfig) -> Option<String> {
    let refused: BTreeSet<String> =
        refused_of(submitted.kind(), existing).map(|refusal| refusal.name).collect();
    let candidate = submitted.in_place(existing, &refused);
    let refusal =
        refused_of(submitted.kind(), &candidate).find(|refusal| refusal.name == submitted.name())?;
    Some(refusal.error.to_string())
}

fn refused_of(kind: Kind, raw: &RawConfig) -> impl Iterator<Item = Refusal> + use<> {
    let parsed = parse_with(raw, &Sources::default(), References::Optional);
    parsed.refusals.into_iter().filter(move |refusal| refusal.kind == kind)
}

/// Why the object cannot go: the first that needs it.
fn use_of(submitted: &Submitted, existing: &RawConfig) -> Option<String> {
    let Submitted::BFDProfile(_) = submitted else { return None };
    let profile = submitted.name();
    let users = existing.peers.iter().filter(|peer| peer.spec.bfd_profile.as_deref() == Some(profile));
    let peer = users.filter_map(|peer| peer.metadata.name.as_deref()).min()?;
    Some(format!("failed to delete BFDProfile {profile}, used by BGPPeer {peer}"))
}

fn warnings(operation: Operation, submitted: &Submitted) -> Vec<String> {
    match (operation, submitted) {
        (Operation::Create, Submitted::BGPPeer(peer)) if peer.spec.disable_mp == Some(true) => {
            vec!["disable mp is deprecated and has no effect since it's the default behavior now".to_owned()]
        }
        _ => Vec::new(),
    }
}
