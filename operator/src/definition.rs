//! Definitions of kinds: that of `MetalLB`, to which whatever we make outside of namespaces belongs, and those that controller and
//! speakers wait for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{Api, Client, Error};
use metallb_api::crds;
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

/// Which of MetalLB's kinds the API server does not serve, in words that say what to do; `None` if it serves all, or does not tell.
pub async fn missing_definitions(client: &Client) -> Option<String> {
    // Each of them is derived from its type: once is enough.
    static DEFINITIONS: LazyLock<Vec<CustomResourceDefinition>> = LazyLock::new(|| crds(""));
    let (mut missing, mut served) = (BTreeSet::new(), BTreeMap::new());
    for definition in &*DEFINITIONS {
        let spec = &definition.spec;
        for version in spec.versions.iter().map(|version| format!("{}/{}", spec.group, version.name)) {
            if !served.contains_key(&version) {
                served.insert(version.clone(), served_kinds(client, &version).await?);
            }
            if served.get(&version).is_some_and(|kinds| !kinds.contains(&spec.names.plural)) {
                missing.insert(format!("{}.{}", spec.names.plural, spec.group));
            }
        }
    }
    let missing = missing.into_iter().collect::<Vec<_>>().join(", ");
    (!missing.is_empty())
        .then(|| format!("{missing} missing or of another release: apply bundle/crds of this release"))
}

/// Plurals of the kinds of a group's version; `None` if the API server does not tell.
async fn served_kinds(client: &Client, version: &str) -> Option<BTreeSet<String>> {
    match client.list_api_group_resources(version).await {
        Ok(list) => Some(list.resources.into_iter().map(|resource| resource.name).collect()),
        Err(Error::Api(status)) if status.code == 404 => Some(BTreeSet::new()),
        Err(_) => None,
    }
}
