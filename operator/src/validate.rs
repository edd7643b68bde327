//! Step 2: is this the resource, and does what it asks for make sense?

use metallb_api::names::METALLB_NAME;
use metallb_render::{Environment, Platform, Settings, SpecError, read_spec};

use crate::dereference::Found;
use crate::disposition::Disposition;

/// A resource that can't be acted upon.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// Only one name is acted upon.
    #[error("MetalLB resource name must be '{METALLB_NAME}'")]
    Name,
    /// The spec does not have the form of this release.
    #[error("the spec can't be read")]
    Form(#[source] serde_json::Error),
    /// The spec asks for what can't be.
    #[error(transparent)]
    Spec(#[from] SpecError),
}

impl ValidateError {
    /// All of them wait for an edit.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        Disposition::Invalid
    }
}

/// Validates a resource.
///
/// # Errors
/// The first thing wrong with it.
pub fn validate(
    found: &Found,
    environment: &Environment,
    platform: Platform,
) -> Result<Settings, ValidateError> {
    if found.name != METALLB_NAME {
        return Err(ValidateError::Name);
    }
    let spec = read_spec(found.spec.clone()).map_err(ValidateError::Form)?;
    Ok(Settings::parse(&spec, environment, platform)?)
}
