//! Names for BGP communities.

use std::collections::BTreeMap;

use metallb_api::Community as CommunityObject;

use super::backend::BackendError;
use super::objects::{Object, distinct, settle};
use super::{Kind, Refusal};
use crate::community::{Community, CommunityError};
use crate::raw::{BgpType, RawConfig};

/// The communities of one object, by alias.
pub(crate) type Aliases = BTreeMap<String, Community>;

/// A Community object is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AliasError {
    /// A value is no community.
    #[error("parsing community {alias:?}: {error}")]
    Value {
        /// The name of the community.
        alias: String,
        /// What is wrong with it.
        error: CommunityError,
    },
    /// A name is defined already, here or in another object.
    #[error("duplicate definition of community {alias:?}")]
    Repeated {
        /// The name.
        alias: String,
    },
    /// There is another object of this name.
    #[error("duplicate definition of community object {name:?}")]
    RepeatedObject {
        /// The object.
        name: String,
    },
    /// The back-end cannot use one of them.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// The aliases of each Community object in force, and the refused objects.
pub(super) fn parse_communities(
    raw: &RawConfig,
    previous: &BTreeMap<String, Aliases>,
) -> (BTreeMap<String, Aliases>, Vec<Refusal>) {
    let (objects, again) = distinct(&raw.communities);
    let newest = |object: &CommunityObject, accepted: &[(String, Aliases)]| {
        let aliases = parse_aliases(object, raw.bgp_type)?;
        match defined_already(&aliases, accepted) {
            Some(alias) => Err(AliasError::Repeated { alias }),
            None => Ok((object.name().to_owned(), aliases)),
        }
    };
    let last_good = |object: &CommunityObject, accepted: &[(String, Aliases)]| {
        let aliases = previous.get(object.name())?;
        let is_usable = raw.bgp_type != BgpType::Native || !aliases.values().any(|value| value.is_large());
        (is_usable && defined_already(aliases, accepted).is_none())
            .then(|| (object.name().to_owned(), aliases.clone()))
    };
    let (accepted, refused) = settle(objects, newest, last_good);
    let repeated =
        again.into_iter().map(|name| (name.to_owned(), AliasError::RepeatedObject { name: name.to_owned() }));
    let refused = refused.into_iter().map(|(object, error)| (object.name().to_owned(), error));
    let refusals = refused
        .chain(repeated)
        .map(|(name, error)| Refusal { kind: Kind::Community, name, error: error.into() })
        .collect();
    (accepted.into_iter().collect(), refusals)
}

fn parse_aliases(object: &CommunityObject, bgp_type: BgpType) -> Result<Aliases, AliasError> {
    let mut aliases = Aliases::new();
    for raw in object.spec.communities.iter().flatten() {
        let alias = raw.name.clone();
        let value: Community =
            raw.value.parse().map_err(|error| AliasError::Value { alias: alias.clone(), error })?;
        if value.is_large() && bgp_type == BgpType::Native {
            let (object, value) = (object.name().to_owned(), raw.value.clone());
            return Err(BackendError::NamedCommunity { object, alias, value }.into());
        }
        if aliases.insert(alias.clone(), value).is_some() {
            return Err(AliasError::Repeated { alias });
        }
    }
    Ok(aliases)
}

fn defined_already(aliases: &Aliases, accepted: &[(String, Aliases)]) -> Option<String> {
    aliases.keys().find(|alias| accepted.iter().any(|(_, other)| other.contains_key(*alias))).cloned()
}
