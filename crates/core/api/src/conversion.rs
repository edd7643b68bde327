//! `BGPPeer` from either version to the other, without loss: there and back again is the object one had.
//!
//! What the other version can't say is kept in an annotation, named after the version it is from, and taken out of it on
//! the way back. Fields edited meanwhile win over what is kept. Whatever neither version knows stays where it is.
//!
//! The original forgets what v1beta1 can't say and turns unset timers into zeros (contract 01 §1.3, D13).

mod fields;
mod kept;

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

/// Annotation of a v1beta1 object: the fields only v1beta2 can say.
pub const KEPT_V1BETA2: &str = "metallb.io/v1beta2-fields";
/// Annotation of a v1beta2 object: the fields only v1beta1 can say.
pub const KEPT_V1BETA1: &str = "metallb.io/v1beta1-fields";

/// Why an object can't be converted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConversionError {
    /// Only peers have two versions.
    #[error("cannot convert an object of kind {kind:?}, only BGPPeer")]
    OtherKind {
        /// The kind, empty if there is none.
        kind: String,
    },
    /// The object has, or shall get, a version there is not.
    #[error("unknown version {version:?}, must be metallb.io/v1beta1 or metallb.io/v1beta2")]
    UnknownVersion {
        /// Group and version as given, empty if there is none.
        version: String,
    },
    /// Nobody asks for that, so something is wrong.
    #[error("the object is of version {version} already")]
    SameVersion {
        /// Group and version.
        version: &'static str,
    },
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Version {
    V1beta1,
    V1beta2,
}

impl Version {
    fn parse(text: &str) -> Result<Self, ConversionError> {
        [Self::V1beta1, Self::V1beta2]
            .into_iter()
            .find(|version| version.name() == text)
            .ok_or_else(|| ConversionError::UnknownVersion { version: text.to_owned() })
    }

    fn name(self) -> &'static str {
        match self {
            Self::V1beta1 => "metallb.io/v1beta1",
            Self::V1beta2 => "metallb.io/v1beta2",
        }
    }

    /// The annotation that keeps this version's fields on an object of the other.
    fn annotation(self) -> &'static str {
        match self {
            Self::V1beta1 => KEPT_V1BETA1,
            Self::V1beta2 => KEPT_V1BETA2,
        }
    }
}

/// `object` in the version `desired_api_version`, group included.
///
/// # Errors
/// When it is no `BGPPeer`, one of the versions is unknown, or they are the same.
pub fn convert(mut object: Value, desired_api_version: &str) -> Result<Value, ConversionError> {
    let text = |field| object.get(field).and_then(Value::as_str).unwrap_or_default();
    if text("kind") != "BGPPeer" {
        return Err(ConversionError::OtherKind { kind: text("kind").to_owned() });
    }
    let from = Version::parse(text("apiVersion"))?;
    let to = Version::parse(desired_api_version)?;
    if from == to {
        return Err(ConversionError::SameVersion { version: to.name() });
    }
    if let Some(object) = object.as_object_mut() {
        rewrite(object, from, to);
    }
    Ok(object)
}

fn rewrite(object: &mut Map<String, Value>, from: Version, to: Version) {
    object.insert("apiVersion".to_owned(), to.name().into());
    kept::take(object, from.annotation()); // left by somebody who renamed the version by hand: not true any more
    let kept = kept::take(object, to.annotation());
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let unsaid = match to {
        Version::V1beta1 => {
            let unsaid = fields::to_v1beta1(spec);
            fields::restore_v1beta1(spec, &kept);
            unsaid
        }
        Version::V1beta2 => {
            let unsaid = fields::to_v1beta2(spec);
            fields::restore_v1beta2(spec, &kept);
            unsaid
        }
    };
    kept::put(object, from.annotation(), unsaid);
}
