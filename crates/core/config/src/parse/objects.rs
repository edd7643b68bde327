//! What all kinds have in common: one object of a name, the older first, the last good version in place of a wrong one.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use metallb_api::{BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement};

/// An object of the configuration.
pub(super) trait Object: Debug {
    fn metadata(&self) -> &ObjectMeta;

    fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    fn precedence(&self) -> Precedence<'_> {
        let created = self.metadata().creation_timestamp.as_ref();
        Precedence { is_undated: created.is_none(), created, name: self.name() }
    }
}

macro_rules! objects {
    ($($kind:ty),*) => {
        $(impl Object for $kind {
            fn metadata(&self) -> &ObjectMeta {
                &self.metadata
            }
        })*
    };
}

objects!(BFDProfile, BGPAdvertisement, BGPPeer, Community, IPAddressPool, L2Advertisement);

/// Of two objects that exclude each other the lesser wins: by age, those of unknown age last, and equals by name.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Precedence<'a> {
    is_undated: bool,
    created: Option<&'a Time>,
    name: &'a str,
}

/// One object of each name, by precedence, and the names that are there again.
pub(super) fn distinct<K: Object>(objects: &[Arc<K>]) -> (Vec<&K>, Vec<&str>) {
    let mut sorted: Vec<&K> = objects.iter().map(AsRef::as_ref).collect();
    // Between objects of one name, which no cluster has, the text decides: the order given must not.
    sorted.sort_by(|a, b| {
        a.precedence().cmp(&b.precedence()).then_with(|| format!("{a:?}").cmp(&format!("{b:?}")))
    });
    let mut seen = std::collections::BTreeSet::new();
    let (first, again): (Vec<&K>, Vec<&K>) =
        sorted.into_iter().partition(|object| seen.insert(object.name()));
    (first, again.into_iter().map(K::name).collect())
}

/// What is in force of the objects, and which are refused.
///
/// `newest` and `last_good` make a version of an object, given what is in force already. The last good version of a
/// refused object takes nothing from an object that is valid.
pub(super) fn settle<'a, K, V, E>(
    objects: Vec<&'a K>,
    newest: impl Fn(&'a K, &[V]) -> Result<V, E>,
    last_good: impl Fn(&'a K, &[V]) -> Option<V>,
) -> (Vec<V>, Vec<(&'a K, E)>) {
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for object in objects {
        match newest(object, &accepted) {
            Ok(version) => accepted.push(version),
            Err(error) => refused.push((object, error)),
        }
    }
    for (object, _) in &refused {
        let version = last_good(object, &accepted);
        accepted.extend(version);
    }
    (accepted, refused)
}
