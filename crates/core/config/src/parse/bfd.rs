//! BFD profiles.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use metallb_api::BFDProfile;

use super::backend::{BackendError, refuse_profile};
use super::objects::{Object, distinct, settle};
use super::{Kind, Refusal};
use crate::bfd::BfdProfile;
use crate::raw::RawConfig;

/// The BFD profiles in force, by name.
pub(crate) type Profiles = BTreeMap<String, Arc<BfdProfile>>;

/// A BFD profile is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BfdError {
    /// It has no name.
    #[error("parsing bfd profile #{position}: missing bfd profile name")]
    NoName {
        /// Its place among all profiles, by name, from 1.
        position: usize,
    },
    /// A value is too small or too large.
    #[error(
        "parsing bfd profile #{position}: invalid value {value}, must be in {min}-{max} range\ninvalid {field} value"
    )]
    Value {
        /// Its place among all profiles, by name, from 1.
        position: usize,
        /// Which value.
        field: &'static str,
        /// The value.
        value: i32,
        /// The least that is allowed.
        min: i32,
        /// The most that is allowed.
        max: i32,
    },
    /// There is another profile of this name.
    #[error("found duplicate bfd profile name {name}")]
    Repeated {
        /// The profile.
        name: String,
    },
    /// The back-end has no use for it.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// The profiles in force, and the refused objects.
pub(super) fn parse_profiles(raw: &RawConfig, previous: &Profiles) -> (Profiles, Vec<Refusal>) {
    let (objects, again) = distinct(&raw.bfd_profiles);
    let mut names: Vec<&str> = objects.iter().map(|object| object.name()).collect();
    names.sort_unstable();
    let newest = |object: &BFDProfile, _: &[Arc<BfdProfile>]| {
        refuse_profile(raw.bgp_type)?;
        let position = names.iter().position(|name| *name == object.name()).map_or(1, |index| index + 1);
        parse_profile(object, position).map(Arc::new)
    };
    let last_good = |object: &BFDProfile, _: &[Arc<BfdProfile>]| {
        refuse_profile(raw.bgp_type).ok().and_then(|()| previous.get(object.name()).cloned())
    };
    let (accepted, refused) = settle(objects, newest, last_good);
    let repeated =
        again.into_iter().map(|name| (name.to_owned(), BfdError::Repeated { name: name.to_owned() }));
    let refused = refused.into_iter().map(|(object, error)| (object.name().to_owned(), error));
    let refusals = refused
        .chain(repeated)
        .map(|(name, error)| Refusal { kind: Kind::BFDProfile, name, error: error.into() })
        .collect();
    (accepted.into_iter().map(|profile| (profile.name.clone(), profile)).collect(), refusals)
}

fn parse_profile(object: &BFDProfile, position: usize) -> Result<BfdProfile, BfdError> {
    if object.name().is_empty() {
        return Err(BfdError::NoName { position });
    }
    let (spec, values) = (&object.spec, Values { position });
    Ok(BfdProfile {
        name: object.name().to_owned(),
        detect_multiplier: values.count(spec.detect_multiplier, 2..=255, "detect multiplier")?,
        receive_interval: values.interval(spec.receive_interval, "receive interval")?,
        transmit_interval: values.interval(spec.transmit_interval, "transmit interval")?,
        minimum_ttl: values.count(spec.minimum_ttl, 1..=254, "minimum ttl")?,
        echo_interval: values.interval(spec.echo_interval, "echo interval")?,
        echo_mode: spec.echo_mode.unwrap_or(false),
        passive_mode: spec.passive_mode.unwrap_or(false),
    })
}

/// Checks the values of one profile.
struct Values {
    position: usize,
}

impl Values {
    fn interval(&self, value: Option<i32>, field: &'static str) -> Result<Option<Duration>, BfdError> {
        let milliseconds = self.within(value, 10..=60_000, field)?;
        Ok(milliseconds.map(|number| Duration::from_millis(u64::from(number))))
    }

    fn count(
        &self,
        value: Option<i32>,
        range: RangeInclusive<i32>,
        field: &'static str,
    ) -> Result<Option<u8>, BfdError> {
        // The ranges given end below 256.
        Ok(self.within(value, range, field)?.and_then(|number| u8::try_from(number).ok()))
    }

    fn within(
        &self,
        value: Option<i32>,
        range: RangeInclusive<i32>,
        field: &'static str,
    ) -> Result<Option<u16>, BfdError> {
        let (position, min, max) = (self.position, *range.start(), *range.end());
        let check = |value: i32| match u16::try_from(value) {
            Ok(number) if range.contains(&value) => Ok(number),
            _ => Err(BfdError::Value { position, field, value, min, max }),
        };
        value.map(check).transpose()
    }
}
