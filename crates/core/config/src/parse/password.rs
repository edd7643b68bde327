//! The password of a BGP session.

use metallb_api::BGPPeer;

use super::References;
use super::objects::Object;
use crate::peer::{Password, PeerPassword};
use crate::raw::{RawConfig, Secret};

/// What a Secret must be to hold a password.
const BASIC_AUTH: &str = "kubernetes.io/basic-auth";

/// A password cannot be had.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PasswordError {
    /// It is given twice.
    #[error("can not have both password and secret ref set in peer config \"{namespace}\"/\"{peer}\"")]
    Two {
        /// Namespace of the peer.
        namespace: String,
        /// The peer.
        peer: String,
    },
    /// The Secret does not exist, yet.
    #[error(
        "secret ref not found for peer config \"{namespace}\"/\"{peer}\"\nfailed to parse peer {peer} password secret"
    )]
    NoSecret {
        /// Namespace of the peer.
        namespace: String,
        /// The peer.
        peer: String,
    },
    // The blank before the end of the line is the original's.
    /// The Secret is of another type.
    #[error(
        "secret type mismatch on \"{namespace}\"/\"{secret}\", type \"{BASIC_AUTH}\" is expected \nfailed to parse peer {peer} password secret"
    )]
    SecretType {
        /// Namespace of the peer.
        namespace: String,
        /// The Secret.
        secret: String,
        /// The peer.
        peer: String,
    },
    /// The Secret has no key `password`.
    #[error(
        "password not specified in the secret \"{namespace}\"/\"{secret}\"\nfailed to parse peer {peer} password secret"
    )]
    NoPassword {
        /// Namespace of the peer.
        namespace: String,
        /// The Secret.
        secret: String,
        /// The peer.
        peer: String,
    },
}

/// The password of a peer, from itself or from a Secret.
pub(super) fn parse_password(
    object: &BGPPeer,
    raw: &RawConfig,
    references: References,
) -> Result<Option<PeerPassword>, PasswordError> {
    let peer = object.name().to_owned();
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    let clear = object.spec.password.as_deref().filter(|text| !text.is_empty());
    let reference = object.spec.password_secret.as_ref();
    let secret = reference.and_then(|reference| reference.name.as_deref()).filter(|name| !name.is_empty());
    let name = match (clear, secret) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(PasswordError::Two { namespace, peer }),
        (Some(text), None) => return Ok(Some(PeerPassword::Clear(Password::from(text)))),
        (None, Some(name)) => name.to_owned(),
    };
    let Some(secret) = raw.secrets.iter().find(|secret| secret.name == name) else {
        return match references {
            References::Optional => Ok(None),
            References::Required => Err(PasswordError::NoSecret { namespace, peer }),
        };
    };
    match secret {
        Secret { kind, .. } if kind != BASIC_AUTH => {
            Err(PasswordError::SecretType { namespace, secret: name, peer })
        }
        Secret { password: None, .. } => Err(PasswordError::NoPassword { namespace, secret: name, peer }),
        Secret { password: Some(password), .. } => {
            let namespace = reference.and_then(|reference| reference.namespace.clone());
            Ok(Some(PeerPassword::Secret { name, namespace, password: password.clone() }))
        }
    }
}
