//! Objects as compact text, for kinds of which there are thousands: structures of mostly empty fields and maps are far bigger.

use std::fmt;
use std::marker::PhantomData;

use kube::Resource;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Held;
use super::Version;

/// An object of kind `K` as it was read, whole but for the server's bookkeeping, and as small as it gets.
pub struct Packed<K> {
    version: Version,
    text: Box<[u8]>,
    kind: PhantomData<fn() -> K>,
}

impl<K> fmt::Debug for Packed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl<K: DeserializeOwned> Packed<K> {
    /// Which version of the object this is.
    #[must_use]
    pub fn version(&self) -> &Version {
        &self.version
    }

    /// The object. None never happens: it was read once before it was packed.
    #[must_use]
    pub fn unpack(&self) -> Option<K> {
        serde_json::from_slice(&self.text).ok()
    }
}

impl<K> Held for Packed<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + 'static,
{
    type Kind = K;

    fn read(object: &Value) -> Result<Self, serde_json::Error> {
        let text = serde_json::to_vec(object)?.into_boxed_slice();
        let kind = K::deserialize(object)?;
        let part = |part: &Option<String>| part.as_deref().unwrap_or_default().into();
        let version = Version { uid: part(&kind.meta().uid), resource: part(&kind.meta().resource_version) };
        Ok(Self { version, text, kind: PhantomData })
    }
}
