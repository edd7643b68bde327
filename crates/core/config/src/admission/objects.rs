//! A submitted object among those that exist.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use metallb_api::{BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement};

use super::Submitted;
use crate::parse::Kind;
use crate::raw::RawConfig;

impl Submitted {
    /// The kind of the object.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::IPAddressPool(_) => Kind::IPAddressPool,
            Self::L2Advertisement(_) => Kind::L2Advertisement,
            Self::BGPAdvertisement(_) => Kind::BGPAdvertisement,
            Self::BGPPeer(_) => Kind::BGPPeer,
            Self::BFDProfile(_) => Kind::BFDProfile,
            Self::Community(_) => Kind::Community,
        }
    }

    fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::IPAddressPool(object) => &object.metadata,
            Self::L2Advertisement(object) => &object.metadata,
            Self::BGPAdvertisement(object) => &object.metadata,
            Self::BGPPeer(object) => &object.metadata,
            Self::BFDProfile(object) => &object.metadata,
            Self::Community(object) => &object.metadata,
        }
    }

    pub(super) fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    pub(super) fn namespace(&self) -> &str {
        self.metadata().namespace.as_deref().unwrap_or_default()
    }

    /// Whether what stands in the cluster says the same already.
    pub(super) fn is_as_stored(&self, existing: &RawConfig) -> bool {
        match self {
            Self::IPAddressPool(new) => stored(&existing.pools, new).is_some_and(|old| old.spec == new.spec),
            Self::L2Advertisement(new) => {
                stored(&existing.l2_advertisements, new).is_some_and(|old| old.spec == new.spec)
            }
            Self::BGPAdvertisement(new) => {
                stored(&existing.bgp_advertisements, new).is_some_and(|old| old.spec == new.spec)
            }
            Self::BGPPeer(new) => stored(&existing.peers, new).is_some_and(|old| old.spec == new.spec),
            Self::BFDProfile(new) => {
                stored(&existing.bfd_profiles, new).is_some_and(|old| old.spec == new.spec)
            }
            Self::Community(new) => {
                stored(&existing.communities, new).is_some_and(|old| old.spec == new.spec)
            }
        }
    }

    /// What exists, but for those of the kind left out, with the submitted object in its place, and younger than all
    /// others: of two objects that exclude each other it is the one that is refused.
    pub(super) fn in_place(&self, existing: &RawConfig, left_out: &BTreeSet<String>) -> RawConfig {
        let mut raw = existing.clone();
        match self {
            Self::IPAddressPool(new) => place(&mut raw.pools, new, left_out),
            Self::L2Advertisement(new) => place(&mut raw.l2_advertisements, new, left_out),
            Self::BGPAdvertisement(new) => place(&mut raw.bgp_advertisements, new, left_out),
            Self::BGPPeer(new) => place(&mut raw.peers, new, left_out),
            Self::BFDProfile(new) => place(&mut raw.bfd_profiles, new, left_out),
            Self::Community(new) => place(&mut raw.communities, new, left_out),
        }
        raw
    }
}

/// What all submitted kinds have.
trait Placed: Clone {
    fn metadata(&self) -> &ObjectMeta;
    fn metadata_mut(&mut self) -> &mut ObjectMeta;
}

macro_rules! placed {
    ($($kind:ty),*) => {
        $(impl Placed for $kind {
            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }
            fn metadata_mut(&mut self) -> &mut ObjectMeta {
                &mut self.metadata
            }
        })*
    };
}

placed!(BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement);

fn stored<'a, K: Placed>(objects: &'a [Arc<K>], new: &K) -> Option<&'a K> {
    let same = |object: &&Arc<K>| object.metadata().name == new.metadata().name;
    objects.iter().find(same).map(AsRef::as_ref)
}

fn place<K: Placed>(objects: &mut Vec<Arc<K>>, new: &K, left_out: &BTreeSet<String>) {
    let is_left_out =
        |object: &K| object.metadata().name.as_ref().is_some_and(|name| left_out.contains(name));
    objects.retain(|object| object.metadata().name != new.metadata().name && !is_left_out(object));
    for object in objects.iter_mut().filter(|object| object.metadata().creation_timestamp.is_none()) {
        let mut dated = K::clone(object);
        dated.metadata_mut().creation_timestamp = Some(Time(Default::default()));
        *object = Arc::new(dated);
    }
    let mut newcomer = new.clone();
    newcomer.metadata_mut().creation_timestamp = None;
    objects.push(Arc::new(newcomer));
}
