//! Makes API servers ask our own webhook, once there is one to ask.
//!
//! Were this object part of the manifest, nobody could make a `MetalLB` resource until the operator runs: not in the same `kubectl apply`
//! as the operator, and not while it is being replaced by hand. Its owner is the definition of the kind, so that it
//! goes when that goes, and not before.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client};
use metallb_cluster::{Outcome, apply};
use metallb_render::{BuildError, Desired, operator_webhooks};

use crate::apply::KEEPER;
use crate::disposition::{Disposition, explain};

/// The definition of `MetalLB`.
const DEFINITION: &str = "metallbs.metallb.io";

/// API servers don't ask us.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The definition of the kind can't be read.
    #[error("could not read CustomResourceDefinition {DEFINITION}: {}", explain(.0))]
    Definition(kube::Error),
    /// A mistake in this program.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The configuration can't be written.
    #[error("could not register the operator's webhook: {}", explain(.0))]
    Configuration(kube::Error),
}

impl RegisterError {
    /// What it means for the next pass. The resources can be looked after all the same.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Build(_) => Disposition::Bug,
            Self::Definition(cause) | Self::Configuration(cause) => match Disposition::of(cause) {
                Disposition::CutOff => Disposition::Transient,
                other => other,
            },
        }
    }
}

/// Writes the configuration if it is not as it should be; says so if it was written.
///
/// # Errors
/// What keeps it from being written.
pub async fn register(client: &Client, namespace: &str) -> Result<Option<String>, RegisterError> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definition = definitions.get_metadata(DEFINITION).await.map_err(RegisterError::Definition)?;
    let desired: Desired = operator_webhooks(namespace, &definition.metadata.uid.unwrap_or_default())?;
    let kept = apply(client, &desired.resource, &desired.object, &KEEPER).await;
    let kept = kept.map_err(RegisterError::Configuration)?;
    Ok(match kept.outcome {
        Outcome::Unchanged => None,
        Outcome::Created => Some(format!("{desired} created")),
        Outcome::TakenOver => Some(format!("{desired} taken over")),
        Outcome::Changed(difference) => Some(format!("{desired} changed: {difference}")),
    })
}
