//! One object as it should be, free of its Rust type.

use kube_core::{ApiResource, DynamicObject, Resource};
use serde::Serialize;
use serde_json::Value;

use crate::monitors;

/// How an object is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// Every field given here is kept as given.
    Apply,
    /// Created when missing, never changed afterwards: its content is chosen once.
    CreateOnce,
}

/// One object as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Where the API serves its kind.
    pub resource: ApiResource,
    /// Only the fields that matter to us.
    pub object: DynamicObject,
    /// How it is kept.
    pub mode: Mode,
}

impl Desired {
    /// An object whose fields are kept as given.
    ///
    /// # Errors
    /// When the object can't be written as JSON.
    pub fn apply<K>(object: &K) -> Result<Self, serde_json::Error>
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        let object = serde_json::from_value(serde_json::to_value(object)?)?;
        Ok(Self { resource: ApiResource::erase::<K>(&()), object, mode: Mode::Apply })
    }

    /// An object of a kind without a Rust type here, kept as given.
    ///
    /// # Errors
    /// When it is no object.
    pub(crate) fn untyped(resource: ApiResource, object: Value) -> Result<Self, serde_json::Error> {
        Ok(Self { resource, object: serde_json::from_value(object)?, mode: Mode::Apply })
    }

    /// An object that is created when missing and never changed.
    ///
    /// # Errors
    /// When the object can't be written as JSON.
    pub fn create_once<K>(object: &K) -> Result<Self, serde_json::Error>
    where
        K: Resource<DynamicType = ()> + Serialize,
    {
        Ok(Self { mode: Mode::CreateOnce, ..Self::apply(object)? })
    }

    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// The object's namespace; `None` for objects of the whole cluster.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.object.metadata.namespace.as_deref()
    }

    /// Whether its kind is one a cluster may do without.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.resource.group == monitors::GROUP
    }

    /// Whether this is the object of kind `K` named `name`.
    #[must_use]
    pub fn is<K: k8s_openapi::Resource>(&self, name: &str) -> bool {
        self.resource.kind == K::KIND && self.resource.group == K::GROUP && self.name() == name
    }
}

impl std::fmt::Display for Desired {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace() {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.resource.kind, self.name()),
            None => write!(f, "{} {}", self.resource.kind, self.name()),
        }
    }
}
