//! Objects as compressed text, for kinds of which there are thousands: structures of mostly empty fields and maps are
//! ten times as big.

use std::fmt;
use std::marker::PhantomData;

use kube::Resource;
use lz4_flex::block::{compress_prepend_size_with_dict, decompress_size_prepended_with_dict};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Held;
use super::Version;

/// What the texts of objects have in common: most of a Service is said here. Changing it changes only how small they get.
const WORDS: &[u8] = br#"{"apiVersion":"v1","kind":"Service","metadata":{"annotations":{"metallb.io/ip-allocated-from-pool":"default"},"creationTimestamp":"2026-01-01T00:00:00Z","labels":{"app":"app.kubernetes.io/name"},"name":"service","namespace":"default","resourceVersion":"1","uid":"0"},"spec":{"allocateLoadBalancerNodePorts":true,"clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1","fd00::1"],"externalTrafficPolicy":"Local","internalTrafficPolicy":"Cluster","ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"PreferDualStack","ipFamilyPolicy":"SingleStack","ports":[{"name":"http","nodePort":30000,"port":80,"protocol":"UDP","targetPort":80},{"name":"https","nodePort":31000,"port":443,"protocol":"TCP","targetPort":8080}],"selector":{"app":"app"},"sessionAffinity":"None","type":"ClusterIP","type":"LoadBalancer"},"status":{"conditions":[{"lastTransitionTime":"2026-01-01T00:00:00Z","message":"[\"192.168.0.1\"] from pool default","observedGeneration":1,"reason":"Allocated","status":"True","type":"metallb.io/Allocated"}],"loadBalancer":{"ingress":[{"ip":"192.168.0.1","ipMode":"VIP"}]}}}"#;

/// An object of kind `K` as it was read, whole but for the server's bookkeeping, and as small as it gets.
pub struct Packed<K> {
    version: Version,
    packed: Box<[u8]>,
    kind: PhantomData<fn() -> K>,
}

impl<K> Packed<K> {
    fn text(&self) -> Option<Vec<u8>> {
        decompress_size_prepended_with_dict(&self.packed, WORDS).ok()
    }
}

#[cfg(test)]
impl<K> Packed<K> {
    /// Bytes it takes, apart from its version.
    pub(crate) fn size(&self) -> usize {
        self.packed.len()
    }
}

impl<K> fmt::Debug for Packed<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text().unwrap_or_default()))
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
        serde_json::from_slice(&self.text()?).ok()
    }
}

impl<K> Held for Packed<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + 'static,
{
    type Kind = K;

    fn read(object: &Value) -> Result<Self, serde_json::Error> {
        let packed = compress_prepend_size_with_dict(&serde_json::to_vec(object)?, WORDS).into_boxed_slice();
        let kind = K::deserialize(object)?;
        let part = |part: &Option<String>| part.as_deref().unwrap_or_default().into();
        let version = Version { uid: part(&kind.meta().uid), resource: part(&kind.meta().resource_version) };
        Ok(Self { version, packed, kind: PhantomData })
    }
}
