//! Keeping an object as it should be: server-side apply, and only when something differs.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, Error};
use serde_json::json;

mod difference;
mod inherit;
mod quantity;

pub use difference::{Difference, difference};
pub use inherit::{Predecessor, inherited};

/// What keeping an object took.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Nothing: it was as it should be.
    Unchanged,
    /// It was missing.
    Created,
    /// It differed, here first.
    Changed(Difference),
    /// Somebody else had made it.
    TakenOver,
}

/// Who keeps objects, and who may have made them before.
#[derive(Clone, Copy, Debug)]
pub struct Keeper {
    /// Our field manager.
    pub manager: &'static str,
    /// Whose objects are taken over.
    pub predecessors: &'static [Predecessor],
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

/// Makes the object as `desired` says, over the objections of other managers. Where somebody on the way takes that back, as
/// mutating webhooks do, nothing has changed.
///
/// Fields that `desired` does not name are left to others; fields that we or a predecessor applied before and `desired`
/// does not name are removed. Writes nothing when nothing differs.
///
/// # Errors
/// Whatever the API server answers.
pub async fn apply(
    client: &Client,
    resource: &ApiResource,
    desired: &DynamicObject,
    keeper: &Keeper,
) -> Result<Kept, Error> {
    let live = read(client, resource, desired).await?;
    apply_over(client, resource, live, desired, keeper).await
}

/// The object as the API server has it; none if it is missing.
///
/// # Errors
/// Whatever the API server answers.
pub async fn read(
    client: &Client,
    resource: &ApiResource,
    desired: &DynamicObject,
) -> Result<Option<DynamicObject>, Error> {
    let (api, name) = locate(client, resource, desired);
    api.get_opt(name).await
}

/// Like [`apply`], for an object that was just [`read`].
///
/// # Errors
/// Whatever the API server answers.
pub async fn apply_over(
    client: &Client,
    resource: &ApiResource,
    live: Option<DynamicObject>,
    desired: &DynamicObject,
    keeper: &Keeper,
) -> Result<Kept, Error> {
    let (api, name) = locate(client, resource, desired);
    let Keeper { manager, predecessors } = keeper;
    let (outcome, before) = match live {
        None => (Outcome::Created, None),
        Some(live) => match (inherited(&live, manager, predecessors), difference(&live, desired, manager)) {
            (Some(fields), _) => {
                inherit(&api, &live, &fields, manager).await?;
                (Outcome::TakenOver, None)
            }
            (None, Some(difference)) => (Outcome::Changed(difference), live.metadata.resource_version),
            (None, None) => return Ok(Kept { live, outcome: Outcome::Unchanged }),
        },
    };
    let live = api.patch(name, &PatchParams::apply(manager).force(), &Patch::Apply(desired)).await?;
    let is_as_before = before.is_some() && before == live.metadata.resource_version;
    Ok(Kept { live, outcome: if is_as_before { Outcome::Unchanged } else { outcome } })
}

/// Writes who owns what, and nothing else; a conflict when the object has changed meanwhile.
async fn inherit(
    api: &Api<DynamicObject>,
    live: &DynamicObject,
    fields: &[ManagedFieldsEntry],
    manager: &str,
) -> Result<(), Error> {
    let version = live.metadata.resource_version.as_deref();
    let patch = json!([
        {"op": "replace", "path": "/metadata/managedFields", "value": fields},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
    ]);
    let patch: json_patch::Patch = serde_json::from_value(patch).map_err(Error::SerdeError)?;
    let name = live.metadata.name.as_deref().unwrap_or_default();
    api.patch(name, &PatchParams::apply(manager), &Patch::Json::<()>(patch)).await?;
    Ok(())
}

/// Creates an object that was missing when it was just [`read`].
///
/// # Errors
/// Whatever the API server answers; a conflict when somebody else was quicker to create it.
pub async fn create(
    client: &Client,
    resource: &ApiResource,
    desired: &DynamicObject,
    manager: &str,
) -> Result<Kept, Error> {
    let (api, _) = locate(client, resource, desired);
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
