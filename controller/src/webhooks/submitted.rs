//! A submitted object, from what came over the wire.

use metallb_config::Kind;
use metallb_config::admission::Submitted;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::paths::Reviewed;

/// The object can't be read. Answered with code 400.
#[derive(Debug, thiserror::Error)]
pub(super) enum SubmittedError {
    /// It is something else than what its path is for.
    #[error("expected {kind} of {expected}, got kind {got:?} of {version:?}")]
    Other { kind: &'static str, expected: &'static str, got: String, version: String },
    /// A field is missing or of a wrong type.
    #[error("{kind}: {source}")]
    Syntax { kind: &'static str, source: serde_json::Error },
}

/// Reads an object of this kind. `namespace` is where it was sent, should it not say so itself.
pub(super) fn parse(
    reviewed: &Reviewed,
    namespace: &str,
    mut object: Value,
) -> Result<Submitted, SubmittedError> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (got, version) = (text("kind"), text("apiVersion"));
    let (kind, expected) = (reviewed.kind.as_str(), reviewed.api_version);
    if got != kind || version != expected {
        return Err(SubmittedError::Other { kind, expected, got, version });
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.entry("namespace").or_insert_with(|| Value::String(namespace.to_owned()));
    }
    Ok(match reviewed.kind {
        Kind::IPAddressPool => Submitted::IPAddressPool(typed(kind, object)?),
        Kind::L2Advertisement => Submitted::L2Advertisement(typed(kind, object)?),
        Kind::BGPAdvertisement => Submitted::BGPAdvertisement(typed(kind, object)?),
        Kind::BGPPeer => Submitted::BGPPeer(typed(kind, object)?),
        Kind::BFDProfile => Submitted::BFDProfile(typed(kind, object)?),
        Kind::Community => Submitted::Community(typed(kind, object)?),
    })
}

fn typed<K: DeserializeOwned>(kind: &'static str, object: Value) -> Result<K, SubmittedError> {
    serde_json::from_value(object).map_err(|source| SubmittedError::Syntax { kind, source })
}
