//! Step 3: the objects that make what was asked for run.

use metallb_render::{BuildError, Desired, Environment, MemberlistKey, Owner, Settings};

use crate::dereference::Found;

/// Objects that are to be applied; what it takes to get to [`crate::apply::Applied`].
#[derive(Clone, Debug)]
pub struct Prepared {
    pub(crate) objects: Vec<Desired>,
    /// What the user should know even if all goes well.
    pub(crate) remarks: Vec<String>,
    /// What may keep the controller from its work, if it does not do it.
    pub(crate) doubt: Option<String>,
}

/// Builds every object a resource asks for. `definition` is the UID of its kind's.
///
/// # Errors
/// When an object can't be written as JSON.
pub fn build(
    found: &Found,
    definition: String,
    settings: &Settings,
    environment: &Environment,
) -> Result<Prepared, BuildError> {
    let owner = Owner { name: found.name.clone(), uid: found.uid.clone(), definition };
    // Used only if the speakers have no key yet.
    let key = MemberlistKey::new(rand::random());
    let objects = metallb_render::build(settings, environment, &owner, &key)?;
    Ok(Prepared { objects, remarks: settings.remarks(), doubt: None })
}
