//! One request, as it is recorded and carried out.

use std::fmt;

use kube::core::ObjectMeta;
use serde::Serialize;
use serde_json::Value;

use super::target::{Target, parameter};

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read all objects of a kind.
    List,
    /// Follow all objects of a kind.
    Watch,
    /// Make a new object.
    Create,
    /// Replace an object.
    Update,
    /// Server-side apply.
    Apply,
    /// A merge patch.
    MergePatch,
    /// A strategic merge patch.
    StrategicPatch,
    /// A JSON patch.
    JsonPatch,
    /// Delete an object.
    Delete,
    /// Not a verb of the API: a test puts an object there, whatever was there before.
    Put,
    /// Anything else; always refused.
    Unknown,
}

impl Verb {
    /// Whether it may change anything.
    #[must_use]
    pub fn writes(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }

    /// The right it needs.
    pub(super) fn right(self) -> &'static str {
        match self {
            Self::Apply | Self::MergePatch | Self::StrategicPatch | Self::JsonPatch => "patch",
            other => other.name(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Apply => "apply",
            Self::MergePatch => "merge-patch",
            Self::StrategicPatch => "strategic-patch",
            Self::JsonPatch => "json-patch",
            Self::Delete => "delete",
            Self::Put => "put",
            Self::Unknown => "unknown",
        }
    }
}

/// One request. Printed as `apply deployments ns/name`, `list nodes`, `merge-patch metallbs/status ns/name`.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What it asks for.
    pub verb: Verb,
    /// API group; empty for the core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural of the kind.
    pub resource: String,
    /// Where; `None` for the whole cluster.
    pub namespace: Option<String>,
    /// Which object; `None` for all, and for one that is made.
    pub name: Option<String>,
    /// For instance `status`.
    pub subresource: Option<String>,
    /// Who writes.
    pub manager: Option<String>,
    /// The body; null if there is none.
    pub content: Value,
    pub(super) query: String,
}

impl Request {
    pub(super) fn parse(parts: &http::request::Parts, body: &[u8]) -> Self {
        let target = Target::parse(parts.uri.path());
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let content_type =
            parts.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let named = target.as_ref().is_some_and(|target| target.name.is_some());
        let verb =
            if target.is_some() { verb(&parts.method, named, &query, content_type) } else { Verb::Unknown };
        let target = target.unwrap_or_default();
        let content: Value = serde_json::from_slice(body).unwrap_or_default();
        let own_name = content.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
        Self {
            verb,
            group: target.group,
            version: target.version,
            resource: target.resource,
            namespace: target.namespace,
            name: target.name.or(if verb == Verb::Create { own_name } else { None }),
            subresource: target.subresource,
            manager: parameter(&query, "fieldManager"),
            content,
            query,
        }
    }

    /// The one name it is about, in its path or in the selector of a list: what a right may be limited to.
    #[must_use]
    pub fn only_name(&self) -> Option<String> {
        let selector = self.parameter("fieldSelector").unwrap_or_default();
        let mut terms = selector.split(',').filter_map(|term| term.strip_prefix("metadata.name="));
        self.name.clone().or(terms.next().map(|name| name.trim_start_matches('=').to_owned()))
    }

    pub(super) fn named<K>(verb: Verb, namespace: Option<&str>, name: &str) -> Self
    where
        K: kube::Resource<DynamicType = ()>,
    {
        Self {
            verb,
            group: K::group(&()).into_owned(),
            version: K::version(&()).into_owned(),
            resource: K::plural(&()).into_owned(),
            namespace: namespace.map(str::to_owned),
            name: Some(name.to_owned()),
            subresource: None,
            manager: None,
            content: Value::Null,
            query: String::new(),
        }
    }

    pub(super) fn about<K>(verb: Verb, meta: &ObjectMeta) -> Self
    where
        K: kube::Resource<DynamicType = ()>,
    {
        Self::named::<K>(verb, meta.namespace.as_deref(), meta.name.as_deref().unwrap_or_default())
    }

    /// With this body.
    #[expect(clippy::panic, reason = "misuse of a test double fails the test")]
    pub(super) fn with(self, content: &impl Serialize) -> Self {
        let content = serde_json::to_value(content).unwrap_or_else(|error| panic!("{error}"));
        Self { content, ..self }
    }

    /// Resource and subresource.
    pub(super) fn what(&self) -> String {
        let subresource = self.subresource.iter().map(|subresource| format!("/{subresource}"));
        std::iter::once(self.resource.clone()).chain(subresource).collect()
    }

    /// What it says after the question mark under this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<String> {
        parameter(&self.query, name)
    }
}

fn verb(method: &http::Method, named: bool, query: &str, content_type: Option<&str>) -> Verb {
    let follows = matches!(parameter(query, "watch").as_deref(), Some("true" | "1"));
    match (method.as_str(), named) {
        ("GET", false) if follows => Verb::Watch,
        ("GET", false) => Verb::List,
        ("GET", true) => Verb::Get,
        ("POST", _) => Verb::Create,
        ("PUT", true) => Verb::Update,
        ("DELETE", true) => Verb::Delete,
        ("PATCH", true) => match content_type {
            Some("application/apply-patch+yaml") => Verb::Apply,
            Some("application/merge-patch+json") => Verb::MergePatch,
            Some("application/strategic-merge-patch+json") => Verb::StrategicPatch,
            Some("application/json-patch+json") => Verb::JsonPatch,
            _ => Verb::Unknown,
        },
        _ => Verb::Unknown,
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb.name(), self.what())?;
        match (&self.namespace, &self.name) {
            (Some(namespace), Some(name)) => write!(f, " {namespace}/{name}"),
            (Some(namespace), None) => write!(f, " {namespace}/"),
            (None, Some(name)) => write!(f, " {name}"),
            (None, None) => Ok(()),
        }
    }
}
