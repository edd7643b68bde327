//! What admission and conversion reviews have in common: a kind, a version, and a request inside.

use serde::Deserialize;

/// A body that is no review. Answered with status 400.
#[derive(Debug, thiserror::Error)]
pub enum BadRequest {
    /// It is no JSON, or not of the expected shape.
    #[error("the body can't be decoded: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It is something else.
    #[error("expected an {expected}, got kind {kind:?} of {api_version:?}")]
    Kind {
        /// The kind that this path takes.
        expected: &'static str,
        /// Kind received.
        kind: String,
        /// Version received.
        api_version: String,
    },
    /// It asks for nothing.
    #[error("the review has no request")]
    NoRequest,
    /// It can't be answered, because answers repeat the uid.
    #[error("the request has no uid")]
    NoUid,
}

/// A review as it arrives.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope<R> {
    #[serde(default)]
    pub(crate) api_version: String,
    #[serde(default)]
    pub(crate) kind: String,
    pub(crate) request: Option<R>,
}

impl<R> Envelope<R> {
    /// The version and the request of a review of this kind, in one of these versions.
    pub(crate) fn open(self, expected: &'static str, versions: &[&str]) -> Result<(String, R), BadRequest> {
        let Self { api_version, kind, request } = self;
        if kind != expected || !versions.contains(&api_version.as_str()) {
            return Err(BadRequest::Kind { expected, kind, api_version });
        }
        Ok((api_version, request.ok_or(BadRequest::NoRequest)?))
    }
}
