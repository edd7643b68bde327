//! An EndpointSlice as it is written down.

use std::sync::Arc;

use metallb_config::ServiceKey;
use serde::{Deserialize, Serialize, Serializer};

use crate::endpoints::{SliceKey, SliceView};

/// A slice and its name.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize)]
#[serde(from = "Read")]
pub struct SavedSlice {
    key: SliceKey,
    view: Arc<SliceView>,
}

/// As it is written. The Service is in the same namespace.
#[derive(Serialize)]
struct Written<'a> {
    namespace: &'a str,
    name: &'a str,
    service: Option<&'a str>,
    any: bool,
    nodes: Vec<&'a str>,
}

/// As it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    namespace: String,
    name: String,
    service: Option<String>,
    any: bool,
    nodes: Vec<String>,
}

impl SavedSlice {
    /// Takes a slice down.
    #[must_use]
    pub fn new(key: SliceKey, view: Arc<SliceView>) -> Self {
        Self { key, view }
    }

    /// The slice again.
    #[must_use]
    pub fn into_parts(self) -> (SliceKey, Arc<SliceView>) {
        (self.key, self.view)
    }
}

impl Serialize for SavedSlice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SliceKey { namespace, name } = &self.key;
        let SliceView { service, any, nodes } = self.view.as_ref();
        let service = service.as_ref().map(|service| &*service.name);
        Written { namespace, name, service, any: *any, nodes: nodes.iter().collect() }.serialize(serializer)
    }
}

impl From<Read> for SavedSlice {
    fn from(read: Read) -> Self {
        let Read { namespace, name, service, any, nodes } = read;
        let namespace: Arc<str> = namespace.into();
        let service = service.map(|name| ServiceKey { namespace: namespace.clone(), name: name.into() });
        let view = SliceView { service, any, nodes: nodes.iter().map(String::as_str).collect() };
        Self::new(SliceKey { namespace, name: name.into() }, Arc::new(view))
    }
}
