//! Objects as they come: each is read on its own, so that one that can't be read does not stop the others.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DynamicResourceScope;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Malformed, ObjectKey, Stamp};

/// What a store can hold: something made from an object of a kind.
pub trait Held: Debug + Send + Sync + Sized + 'static {
    /// The kind.
    type Kind: Resource<DynamicType = ()>;

    /// Makes it from an object without the server's bookkeeping (`managedFields`).
    ///
    /// # Errors
    /// When the object is not what its kind should be.
    fn read(object: &Value) -> Result<Self, serde_json::Error>;

    /// Whether nobody needs to look because this came where `before` was.
    fn is_same(&self, before: &Self) -> bool {
        let _ = before;
        false
    }
}

impl<K> Held for K
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Debug + Send + Sync + 'static,
{
    type Kind = Self;

    fn read(object: &Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(object)
    }
}

/// An object of a list or a watch. Reading one never fails: what is wrong with it is kept instead.
#[derive(Debug)]
pub(crate) struct Wire<T> {
    metadata: ObjectMeta,
    content: Result<Arc<T>, Arc<Malformed>>,
}

impl<T> Clone for Wire<T> {
    fn clone(&self) -> Self {
        Self { metadata: self.metadata.clone(), content: self.content.clone() }
    }
}

impl<T: Held> Wire<T> {
    fn of(mut object: Value) -> Self {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
        let metadata = build_metadata(&object);
        let content = T::read(&object).map(Arc::new).map_err(|error| {
            Arc::new(Malformed { metadata: metadata.clone(), object, why: error.to_string() })
        });
        Self { metadata, content }
    }

    /// None for something without a name, which is no object.
    pub(crate) fn key(&self) -> Option<ObjectKey> {
        let name = self.metadata.name.as_deref()?.into();
        Some(ObjectKey { namespace: self.metadata.namespace.as_deref().map(Into::into), name })
    }

    pub(crate) fn stamp(&self) -> Stamp {
        let ObjectMeta { uid, resource_version, .. } = &self.metadata;
        Stamp::of(uid.as_deref().unwrap_or_default(), resource_version.as_deref().unwrap_or_default())
    }

    pub(crate) fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    pub(crate) fn content(&self) -> Result<&Arc<T>, &Arc<Malformed>> {
        self.content.as_ref()
    }
}

/// What is needed of the metadata even when the rest makes no sense.
fn build_metadata(object: &Value) -> ObjectMeta {
    let field = |name: &str| object.get("metadata").and_then(|metadata| metadata.get(name));
    let text = |name: &str| field(name).and_then(Value::as_str).map(str::to_owned);
    ObjectMeta {
        name: text("name"),
        namespace: text("namespace"),
        uid: text("uid"),
        resource_version: text("resourceVersion"),
        creation_timestamp: field("creationTimestamp").and_then(|time| Deserialize::deserialize(time).ok()),
        ..ObjectMeta::default()
    }
}

impl<'de, T: Held> Deserialize<'de> for Wire<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of(Value::deserialize(deserializer)?))
    }
}

impl<T: Held> Resource for Wire<T> {
    type DynamicType = ();
    type Scope = DynamicResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        T::Kind::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        T::Kind::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        T::Kind::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        T::Kind::plural(&())
    }

    fn metadata_api() -> bool {
        T::Kind::metadata_api()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
