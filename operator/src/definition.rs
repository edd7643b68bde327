//! The definition of the kind `MetalLB`: whatever we make outside of namespaces belongs to it.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client};
use metallb_render::DEFINITION;

use crate::disposition::{Disposition, explain};

/// The definition can't be read.
#[derive(Clone, Debug, thiserror::Error)]
#[error("could not read CustomResourceDefinition {DEFINITION}: {}", explain(.0))]
pub struct DefinitionError(Arc<kube::Error>);

impl DefinitionError {
    /// What it means for the next pass.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::of(&self.0)
    }
}

/// Its UID now: one that was deleted and made again is another one.
///
/// # Errors
/// When it can't be read.
pub async fn definition_uid(client: &Client) -> Result<String, DefinitionError> {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let definition =
        definitions.get_metadata(DEFINITION).await.map_err(|cause| DefinitionError(Arc::new(cause)))?;
    Ok(definition.metadata.uid.unwrap_or_default())
}
