//! An EndpointSlice as it is written down.

use std::sync::Arc;

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
        let view = self.view.as_ref();
        Written { namespace, name, service: view.service(), any: view.any, nodes: view.nodes().collect() }
            .serialize(serializer)
    }
}

impl From<Read> for SavedSlice {
    fn from(read: Read) -> Self {
        let Read { namespace, name, service, any, nodes } = read;
        let view = SliceView::new(service.as_deref(), any, nodes.iter().map(String::as_str));
        Self::new(SliceKey { namespace: namespace.into(), name: name.into() }, Arc::new(view))
    }
}
