//! Keeping an object as it should be: server-side apply, and only when something differs.

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, Error};

mod difference;
mod quantity;

pub use difference::{Difference, difference};

/// What keeping an object took.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Nothing: it was as it should be.
    Unchanged,
    /// It was missing.
    Created,
    /// It differed, here first.
    Changed(Difference),
}

/// An object that is now as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The object as the API server has it.
    pub live: DynamicObject,
    /// What that took.
    pub outcome: Outcome,
}

/// Whether applying `desired` as `manager` would change nothing, neither values nor who owns them.
#[must_use]
pub fn is_current(live: &DynamicObject, desired: &DynamicObject, manager: &str) -> bool {
    difference(live, desired, manager).is_none()
}

/// Makes the object as `desired` says, as the field manager `manager`, over the objections of other managers.
///
/// Fields that `desired` does not name are left to others; fields that `manager` applied before and `desired` no
/// longer names are removed. Writes nothing when nothing differs.
///
/// # Errors
/// Whatever the API server answers.
pub async fn apply(
    client: &Client,
    resource: &ApiResource,
    desired: &DynamicObject,
    manager: &str,
) -> Result<Kept, Error> {
    let (api, name) = locate(client, resource, desired);
    let outcome = match api.get_opt(name).await? {
        None => Outcome::Created,
        Some(live) => match difference(&live, desired, manager) {
            None => return Ok(Kept { live, outcome: Outcome::Unchanged }),
            Some(difference) => Outcome::Changed(difference),
        },
    };
    let live = api.patch(name, &PatchParams::apply(manager).force(), &Patch::Apply(desired)).await?;
    Ok(Kept { live, outcome })
}

/// Creates the object when it is missing, and leaves it alone when it is there.
///
/// # Errors
/// Whatever the API server answers; a conflict when somebody else was quicker to create it.
pub async fn create_once(
    client: &Client,
    resource: &ApiResource,
    desired: &DynamicObject,
    manager: &str,
) -> Result<Kept, Error> {
    let (api, name) = locate(client, resource, desired);
    if let Some(live) = api.get_opt(name).await? {
        return Ok(Kept { live, outcome: Outcome::Unchanged });
    }
    let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
    let live = api.create(&params, desired).await?;
    Ok(Kept { live, outcome: Outcome::Created })
}

fn locate<'a>(
    client: &Client,
    resource: &ApiResource,
    desired: &'a DynamicObject,
) -> (Api<DynamicObject>, &'a str) {
    let api = match &desired.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    };
    (api, desired.metadata.name.as_deref().unwrap_or_default())
}
